# Self-starting curves, and nonlinear mixed models of nlme and lme4: reference for tests/agreement/test_nonlinear_r.py and
# tests/unit/test_self_starts.py. Run from the repository root: Rscript tests/reference/generate/nonlinear.R  (needs nlme, lme4, jsonlite)
# Writes tests/reference/nonlinear.json and .md5. `curves`: value and gradient of R's function at some parameters, the data of an example
# and getInitial of it. `nlme`: fits iterated until nothing changes. `nlmer`: lme4's fit; its objective has noise of 1e-5 and more.
suppressMessages({library(nlme); library(lme4)})
num <- function(x) unname(as.numeric(x))
example <- function(name, inputs, y, parameters, call) {
  f <- get(name, envir = asNamespace("stats"))
  at <- do.call(f, c(unname(inputs), lapply(parameters, rep, length(y))))
  v <- do.call(f, c(unname(inputs), unname(lapply(parameters, identity))))
  d <- as.data.frame(c(inputs, list(y = y)))
  # the gradient of R needs names of the parameters
  e <- list2env(c(inputs, parameters))
  args <- c(lapply(names(inputs), as.name), lapply(names(parameters), as.name))
  g <- attr(eval(as.call(c(as.name(name), args)), e), "gradient")
  form <- as.formula(paste0("y ~ ", name, "(", paste(c(names(inputs), names(parameters)), collapse = ", "), ")"))
  init <- tryCatch(getInitial(form, data = d), error = function(err) NULL)
  fit <- tryCatch(nls(form, data = d, start = as.list(init), control = nls.control(tol = 1e-9, warnOnly = TRUE)), error = function(err) NULL)
  list(inputs = lapply(inputs, num), y = num(y), parameters = lapply(parameters, num), value = num(v),
       gradient = lapply(setNames(seq_along(parameters), names(parameters)), function(j) num(g[, j])),
       initial = if (is.null(init)) NULL else as.list(init),
       least_squares = if (is.null(fit)) NULL else as.list(coef(fit)), rss = if (is.null(fit)) NULL else deviance(fit))
}
lob <- Loblolly[Loblolly$Seed == "301", ]; co2 <- CO2[CO2$Plant == "Qn1", ]; ind <- Indometh[Indometh$Subject == 1, ]
the <- Theoph[Theoph$Subject == 1, ]; dna <- DNase[DNase$Run == 1, ]; pur <- Puromycin[Puromycin$state == "treated", ]
chi <- ChickWeight[ChickWeight$Chick == 6 & ChickWeight$Time < 43, ]; ora <- Orange[Orange$Tree == 2, ]
curves <- list(
  SSasymp = example("SSasymp", list(input = lob$age), lob$height, list(Asym = 100, R0 = -8.5, lrc = -3.2)),
  SSasympOff = example("SSasympOff", list(input = co2$conc), co2$uptake, list(Asym = 38, lrc = -4.4, c0 = 51)),
  SSasympOrig = example("SSasympOrig", list(input = lob$age), lob$height, list(Asym = 95, lrc = -3.1)),
  SSbiexp = example("SSbiexp", list(input = ind$time), ind$conc, list(A1 = 2, lrc1 = 0.58, A2 = 0.19, lrc2 = -1.8)),
  SSfol = example("SSfol", list(Dose = the$Dose, input = the$Time), the$conc, list(lKe = -2.9, lKa = 0.6, lCl = -4)),
  SSfpl = example("SSfpl", list(input = chi$Time), chi$weight, list(A = 27, B = 349, xmid = 19.5, scal = 6.7)),
  SSgompertz = example("SSgompertz", list(x = log(dna$conc)), dna$density, list(Asym = 4.6, b2 = 2.27, b3 = 0.72)),
  SSlogis = example("SSlogis", list(input = ora$age), ora$circumference, list(Asym = 219, xmid = 700, scal = 354)),
  SSmicmen = example("SSmicmen", list(input = pur$conc), pur$rate, list(Vm = 210, K = 0.06)),
  SSweibull = example("SSweibull", list(x = chi$Time[chi$Time > 0]), chi$weight[chi$Time > 0], list(Asym = 160, Drop = 115, lrc = -5.5, pwr = 2.4)))
tight <- nlmeControl(maxIter = 500, pnlsMaxIter = 100, msMaxIter = 500, tolerance = 1e-10, pnlsTol = 1e-10, msTol = 1e-12, returnObject = TRUE)
fitted_by <- function(m) {
  for (i in 1:3) m <- suppressWarnings(tryCatch(update(m, start = fixef(m), control = tight), error = function(e) m))
  v <- VarCorr(m); keep <- rownames(v) != "Residual" & !is.na(suppressWarnings(as.numeric(v[, "StdDev"])))
  list(fixef = as.list(fixef(m)), se = as.list(sqrt(diag(vcov(m)))), log_lik = as.numeric(logLik(m)), sigma = m$sigma,
       sd = num(v[keep, "StdDev"]), fitted = num(fitted(m)), population = num(fitted(m, level = 0)))
}
fits <- list(
  orange = nlme(circumference ~ SSlogis(age, Asym, xmid, scal), data = Orange, fixed = Asym + xmid + scal ~ 1, random = Asym ~ 1,
                groups = ~Tree, start = c(200, 725, 350)),
  theoph = nlme(conc ~ SSfol(Dose, Time, lKe, lKa, lCl), data = Theoph, fixed = lKe + lKa + lCl ~ 1, random = pdDiag(lKa + lCl ~ 1),
                groups = ~Subject, start = c(-2.5, 0.5, -3.2)),
  soybean = nlme(weight ~ SSlogis(Time, Asym, xmid, scal), data = Soybean, fixed = list(Asym ~ Variety, xmid ~ 1, scal ~ 1),
                 random = Asym + xmid ~ 1, groups = ~Plot, start = c(18, 2, 52, 7.5)),
  weighted = nlme(weight ~ SSlogis(Time, Asym, xmid, scal), data = Soybean, fixed = Asym + xmid + scal ~ 1, random = Asym ~ 1, groups = ~Plot,
                  weights = varPower(), start = c(18, 52, 7.5)))
r <- lapply(fits, fitted_by)
r$weighted$power <- num(coef(fits$weighted$modelStruct$varStruct))
m <- nlmer(circumference ~ SSlogis(age, Asym, xmid, scal) ~ Asym | Tree, Orange, start = c(Asym = 200, xmid = 725, scal = 350))
software <- list(R = as.character(getRversion()), nlme = as.character(packageVersion("nlme")), lme4 = as.character(packageVersion("lme4")))
out <- list(software = software, curves = curves, nlme = r,
            nlmer = list(orange = list(fixef = as.list(fixef(m)), objective = -2 * as.numeric(logLik(m)), sigma = sigma(m), ranef = num(ranef(m)$Tree$Asym))))
path <- "tests/reference/nonlinear.json"
writeLines(jsonlite::toJSON(out, auto_unbox = TRUE, digits = I(17), null = "null"), path)
writeLines(unname(tools::md5sum(path)), "tests/reference/nonlinear.md5")
