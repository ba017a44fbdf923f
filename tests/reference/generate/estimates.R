# What lme4 derives from a fitted linear mixed model: reference for tests/agreement/test_estimates_lme4.py.
# Run from the repository root: Rscript tests/reference/generate/estimates.R
# Writes tests/reference/estimates.json; tests/reference/estimates.md5 holds its checksum. Numbers have 17 significant digits, NA is null.
# Standard errors of predictions are not in this version of lme4: they are taken from the inverse of Henderson's equations and, as a second source,
# from glmmTMB with the covariance parameters held at lme4's estimates.
suppressMessages({library(lme4); library(glmmTMB); library(jsonlite); library(Matrix)})
set.seed(20240805)
tight <- lmerControl(optimizer = "nloptwrap", optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-13, ftol_abs = 1e-13, xtol_rel = 1e-13, ftol_rel = 1e-15, maxeval = 1e5), calc.derivs = FALSE)
tight_fit <- function(...) {  # started again from its own end: the optimiser stops early when it stalls
  call <- as.call(c(quote(lmer), as.list(substitute(list(...)))[-1], control = quote(tight)))
  m <- eval(call, parent.frame())
  for (i in 1:3) {
    call$start <- getME(m, "theta")
    m <- eval(call, parent.frame())
  }
  m
}

# ---- data of our own: pupils in classes in schools, crossed with items; very unequal groups
n <- 360
school <- sample(1:18, n, TRUE, prob = (1:18)^1.5)
class <- paste0(letters[sample(1:3, n, TRUE)])
item <- paste0("i", sample(1:7, n, TRUE))
x <- round(rnorm(n, 3, 2), 3); f <- sample(c("low", "mid", "top"), n, TRUE)
w <- round(runif(n, 0.3, 3), 3); off <- round(rnorm(n), 3)
u1 <- rnorm(18, sd = 1.2); u2 <- rnorm(18, sd = 0.4); u3 <- rnorm(54, sd = 0.7); u4 <- rnorm(7, sd = 0.9)
y <- 2 + 0.8 * x + c(low = 0, mid = .5, top = 1)[f] + off + u1[school] + u2[school] * x +
  u3[(school - 1) * 3 + match(class, letters)] + u4[as.integer(substring(item, 2))] + rnorm(n) / sqrt(w)
d <- data.frame(y = round(as.numeric(y), 4), x, f, w, off, school = paste0("s", sprintf("%02d", school)), class, item, stringsAsFactors = FALSE)
new <- d[c(5, 17, 40, 99, 200, 301), c("x", "f", "off", "school", "class", "item")]
new$x <- new$x + c(0, 1, -2, 0.5, 3, 0)
new_levels <- new
new_levels$school[1] <- "s99"; new_levels$item[2] <- "i99"; new_levels$school[3] <- "s99"; new_levels$item[3] <- "i99"; new_levels$class[4] <- "z"

# ---- standard errors from Henderson's equations: Var of x'(beta^ - beta) + z'(b^ - b), theta and sigma known
henderson <- function(m, X, Z) {
  s2 <- sigma(m)^2; W <- Diagonal(x = weights(m)); Xm <- getME(m, "X"); Zm <- t(getME(m, "Zt")); L <- t(getME(m, "Lambdat"))
  # in terms of u (b = L u), so that a singular covariance is no obstacle
  ZL <- Zm %*% L
  C <- rbind(cbind(t(Xm) %*% W %*% Xm, t(Xm) %*% W %*% ZL), cbind(t(ZL) %*% W %*% Xm, t(ZL) %*% W %*% ZL + Diagonal(ncol(ZL))))
  A <- cbind(X, as.matrix(Z %*% L))
  sqrt(rowSums((A %*% solve(as.matrix(C))) * A) * s2)
}

ranef_list <- function(m) {
  r <- ranef(m, condVar = TRUE)
  lapply(setNames(names(r), names(r)), function(g) {
    pv <- attr(r[[g]], "postVar")
    blocks <- if (is.list(pv)) pv else list(pv)
    list(levels = rownames(r[[g]]), names = colnames(r[[g]]), values = unname(as.matrix(r[[g]])),
         blocks = lapply(unname(blocks), function(a) lapply(seq_len(dim(a)[3]), function(i) matrix(a[, , i], dim(a)[1]))))
  })
}
coef_list <- function(m) lapply(coef(m), function(a) list(levels = rownames(a), names = colnames(a), values = unname(as.matrix(a))))
frame <- function(a) as.list(a)
describe <- function(m) list(
  formula = paste(deparse(formula(m), width.cutoff = 500L), collapse = ""), reml = isREML(m), objective = if (isREML(m)) REMLcrit(m) else deviance(m),
  theta = unname(getME(m, "theta")), theta_names = names(getME(m, "theta")), beta = unname(fixef(m)), se = unname(sqrt(diag(as.matrix(vcov(m))))),
  corr = unname(as.matrix(vcov(m)@factors$correlation)), sigma = sigma(m), llf = as.numeric(logLik(m)), aic = AIC(m), bic = BIC(m), npar = attr(logLik(m), "df"),
  df_resid = df.residual(m), ml_deviance = deviance(m, REML = FALSE), reml_criterion = -2 * as.numeric(logLik(m, REML = TRUE)), ngroups = as.list(ngrps(m)),
  varcorr = frame(as.data.frame(VarCorr(m))), ranef = ranef_list(m), coef = coef_list(m), fitted = unname(fitted(m)),
  wald = unname(confint(m, method = "Wald", parm = "beta_")), wald_80 = unname(confint(m, method = "Wald", parm = "beta_", level = 0.8)),
  residuals = list(response = unname(residuals(m)), working = unname(residuals(m, "working")), pearson = unname(residuals(m, "pearson")),
    deviance = unname(residuals(m, "deviance")), scaled = unname(residuals(m, "pearson", scaled = TRUE))))

out <- list(software = list(R = paste(R.version$major, R.version$minor, sep = "."), lme4 = as.character(packageVersion("lme4")),
  glmmTMB = as.character(packageVersion("glmmTMB"))), data = list(d = d, new = new, new_levels = new_levels))

# ---- four terms, three factors, weights and an offset
m <- tight_fit(y ~ x + f + offset(off) + (x | school) + (1 | school:class) + (1 | item), d, weights = w)
out$four <- describe(m)
out$four$predict <- list(
  conditional = predict(m, new), population = predict(m, new, re.form = NA), item = predict(m, new, re.form = ~ (1 | item)),
  school = predict(m, new, re.form = ~ (x | school)), school_intercept = predict(m, new, re.form = ~ (1 | school)),
  school_item = predict(m, new, re.form = ~ (x | school) + (1 | item)), new_levels = predict(m, new_levels, allow.new.levels = TRUE))
out$four$predict <- lapply(out$four$predict, unname)
# which rows of Z: those of the same level combination (x and the slope column replaced)
Z <- t(getME(m, "Zt")); X <- getME(m, "X"); pos <- as.integer(rownames(new))
Zn <- Z[pos, ]; Xn <- X[pos, ]; Xn[, "x"] <- new$x
slope <- which(colnames(Z) %in% unique(d$school))  # two columns a school: intercept, slope
st <- getME(m, "Gp"); cn <- names(getME(m, "cnms")); k <- which(cn == "school")
idx <- (st[k] + 1):st[k + 1]; sl <- idx[seq(2, length(idx), 2)]
for (i in seq_along(pos)) Zn[i, sl] <- Zn[i, sl - 1] * new$x[i]
out$four$predict_se <- list(conditional = henderson(m, Xn, Zn), population = unname(sqrt(rowSums((Xn %*% as.matrix(vcov(m))) * Xn))),
  item = { Zi <- Zn; ki <- which(cn == "item"); keep <- (st[ki] + 1):st[ki + 1]; Zi[, -keep] <- 0; henderson(m, Xn, Zi) })
out$four$predict_se <- lapply(out$four$predict_se, unname)

# ---- marginal covariance of the responses of a few rows, and their mean
L <- t(getME(m, "Lambdat")); rows <- 1:12
V <- (tcrossprod(Z %*% L) + Diagonal(x = 1 / d$w)) * sigma(m)^2
out$four$marginal <- list(mean = unname(as.numeric(X %*% fixef(m) + d$off))[rows], cov = unname(as.matrix(V[rows, rows])))

# ---- other responses
Y <- round(simulate(m, 6, seed = 7), 4); names(Y) <- paste0("r", 1:6)
tight_refit <- function(m, y) { dd <- d; dd$y <- y; tight_fit(y ~ x + f + offset(off) + (x | school) + (1 | school:class) + (1 | item), dd, weights = w) }
fits <- suppressMessages(lapply(Y, tight_refit, m = m))
out$four$refit <- list(y = unname(as.matrix(Y)), objective = unname(sapply(fits, REMLcrit)), beta = unname(t(sapply(fits, fixef))),
  se = unname(t(sapply(fits, function(a) sqrt(diag(as.matrix(vcov(a))))))), theta = unname(t(sapply(fits, getME, "theta"))), sigma = unname(sapply(fits, sigma)),
  singular = unname(sapply(fits, isSingular, tol = 1e-5)))

# ---- terms that share a factor; ML
m <- tight_fit(y ~ x + (1 | school) + (0 + x | school) + (1 | item), d, REML = FALSE)
out$shared <- describe(m)
out$shared$predict <- lapply(list(intercept = predict(m, new, re.form = ~ (1 | school)), slope = predict(m, new, re.form = ~ (0 + x | school))), unname)
# all effects of a school together: covariance of (intercept, slope) given the data, theta and beta
Z <- t(getME(m, "Zt")); L <- t(getME(m, "Lambdat")); big <- as.matrix(L %*% solve(t(L) %*% t(Z) %*% Z %*% L + Diagonal(ncol(Z))) %*% t(L)) * sigma(m)^2
st <- getME(m, "Gp"); a <- (st[1] + 1):st[2]; b <- (st[2] + 1):st[3]
out$shared$joint <- lapply(seq_along(a), function(i) big[c(a[i], b[i]), c(a[i], b[i])])

# ---- random effects without a fixed effect of their name; factor in the random part
m <- tight_fit(y ~ x + (0 + f | school), d)
out$levels <- describe(m)

# ---- double bar; a factor with many levels against one with few, in the other order
m <- tight_fit(y ~ x + (1 | item) + (x || school), d)
out$double <- describe(m)

# ---- missing values
dn <- d; dn$y[c(3, 50)] <- NA; dn$x[c(7, 50, 100)] <- NA; dn$item[11] <- NA
m <- tight_fit(y ~ x + (1 | school) + (1 | item), dn, na.action = na.exclude)
out$exclude <- list(missing_y = c(3, 50), missing_x = c(7, 50, 100), missing_item = 11, nobs = nobs(m), fitted = unname(fitted(m)),
  resid = unname(residuals(m)), predict = unname(predict(m)), objective = REMLcrit(m))
m <- tight_fit(y ~ x + (1 | school) + (1 | item), dn)
out$exclude$omitted <- unname(fitted(m)); out$exclude$omitted_names <- as.integer(names(fitted(m)))
nan <- new; nan$x[2] <- NA; nan$f[3] <- NA; nan$item[4] <- NA
out$exclude$new_allowed <- unname(predict(m, nan, allow.new.levels = TRUE, na.action = na.pass))

# ---- a transformed covariate keeps its basis for new rows
m <- tight_fit(y ~ poly(x, 2) + log(w) + (1 | school), d)
nb <- d[1:5, ]; nb$x <- nb$x * 2 - 1
out$basis <- list(beta = unname(fixef(m)), predict = unname(predict(m, nb)), x = nb$x)

# ---- linearly dependent columns
dr <- d; dr$x2 <- 2 * dr$x + 1
m <- suppressMessages(tight_fit(y ~ x + x2 + f + (1 | school), dr))
out$deficient <- list(names = names(fixef(m)), beta = unname(fixef(m)), npar = attr(logLik(m), "df"), objective = REMLcrit(m))

# ---- a second source of standard errors: glmmTMB with lme4's covariance parameters
ss <- sleepstudy
m <- tight_fit(Reaction ~ Days + (Days | Subject), ss)
v <- VarCorr(m)$Subject; rho <- attr(v, "correlation")[1, 2]
g <- glmmTMB(Reaction ~ Days + (Days | Subject), ss, start = list(theta = c(log(attr(v, "stddev")), rho / sqrt(1 - rho^2)), betad = if (packageVersion("glmmTMB") < "1.1.6") 2 * log(sigma(m)) else log(sigma(m))),
  map = list(theta = factor(c(NA, NA, NA)), betad = factor(NA)))
stopifnot(abs(sigma(g) - sigma(m)) < 1e-6 * sigma(m), max(abs(fixef(g)$cond - fixef(m))) < 1e-4)
ns <- data.frame(Days = c(0, 3, 12, 5.5), Subject = c("308", "335", "370", "372"))
pg <- predict(g, ns, se.fit = TRUE)
Zs <- Matrix(0, 4, ncol(getME(m, "Z")), sparse = TRUE); lev <- levels(ss$Subject)
for (i in 1:4) { j <- match(ns$Subject[i], lev); Zs[i, 2 * j - 1] <- 1; Zs[i, 2 * j] <- ns$Days[i] }
out$sleepstudy <- list(days = ns$Days, subject = ns$Subject, fit = unname(predict(m, ns)), glmmTMB_fit = unname(pg$fit), glmmTMB_se = unname(pg$se.fit),
  se = unname(henderson(m, cbind(1, ns$Days), Zs)), new_se = { # an unseen subject: fixed part and the whole variance of the random effects
    A <- cbind(1, ns$Days); unname(sqrt(rowSums((A %*% as.matrix(vcov(m))) * A) + rowSums((A %*% v) * A))) },
  model = describe(m))

write(toJSON(out, digits = I(17), na = "null", auto_unbox = TRUE, matrix = "rowmajor", null = "null"), "tests/reference/estimates.json")
writeLines(unname(tools::md5sum("tests/reference/estimates.json")), "tests/reference/estimates.md5")
