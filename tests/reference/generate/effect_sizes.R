# Effect sizes by their published formulas from fits of lme4: reference for tests/agreement/test_effect_sizes.py.
# Run from the repository root: Rscript tests/reference/generate/effect_sizes.R EXAM.csv (the bundled data set "exam" as text)
# Writes tests/reference/effect_sizes.json; tests/reference/effect_sizes.md5 holds its checksum. Numbers have 17 significant digits.
# Standardised coefficients: b sd(x) / sd(y), columns of the model matrix; by level as Hoffman (2015, p. 342): sd of a random-intercept model.
# d: Brysbaert and Stevens (2018), total standard deviation, slopes by the mean of z'Sz; standard error as emmeans' eff_size has it.
# Semi-partial R2: Edwards et al. (2008), limits by the noncentral F, R2 = lambda / (lambda + num + den + 1) (Smithson 2003).
suppressMessages({library(lme4); library(lmerTest); library(pbkrtest); library(jsonlite)})
exact <- lmerControl(optimizer = "nloptwrap", optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-13, ftol_abs = 1e-13, xtol_rel = 1e-13, ftol_rel = 1e-15, maxeval = 1e5), calc.derivs = FALSE)
exam <- read.csv(commandArgs(TRUE)[1], stringsAsFactors = TRUE); exam$school <- factor(exam$school)
r2 <- function(f, num, den, level = 0.95) {
  a <- (1 - level) / 2
  solve_for <- function(p) if (pf(f, num, den) < p) 0 else uniroot(function(l) pf(f, num, den, ncp = l) - p, c(0, 40 * f * num + 200), tol = 1e-12)$root
  l <- c(solve_for(1 - a), solve_for(a))
  list(r2 = num * f / (num * f + den), lower = l[1] / (l[1] + num + den + 1), upper = l[2] / (l[2] + num + den + 1))
}
total <- function(m) {
  parts <- VarCorr(m); z <- getME(m, "mmList")
  sum(sapply(seq_along(parts), function(i) { Z <- as.matrix(z[[i]]); mean(rowSums((Z %*% as.matrix(parts[[i]])) * Z)) })) + sigma(m)^2
}
sizes <- function(m, ddf) {
  s <- coef(summary(m, ddf = ddf))[-1, , drop = FALSE]; X <- getME(m, "X")[, -1, drop = FALSE]; y <- getME(m, "y")
  k <- apply(X, 2, sd) / sd(y); crit <- qt(.975, s[, "df"]); b <- s[, "Estimate"]; se <- s[, "Std. Error"]
  two <- apply(X, 2, function(x) length(unique(x)) == 2); width <- ifelse(two, apply(X, 2, max) - apply(X, 2, min), NA)
  t <- sqrt(total(m)); edf <- nrow(X) - ncol(X) - 1; d <- b * width / t; dse <- sqrt((se * width / t)^2 + d^2 / (2 * edf)); dcrit <- qt(.975, pmin(s[, "df"], edf))
  parts <- lapply(seq_along(b), function(i) r2(s[i, "t value"]^2, 1, s[i, "df"]))
  u <- unname
  list(names = rownames(s), total_sd = t, std = list(estimate = u(k * b), lower = u(k * (b - crit * se)), upper = u(k * (b + crit * se))),
       d = list(estimate = u(d), lower = u(d - dcrit * dse), upper = u(d + dcrit * dse)), r2 = list(estimate = sapply(parts, `[[`, "r2"), lower = sapply(parts, `[[`, "lower"), upper = sapply(parts, `[[`, "upper")))
}
out <- list(version = paste(R.version.string, "lme4", packageVersion("lme4"), "pbkrtest", packageVersion("pbkrtest")))
slopes <- lmerTest::lmer(normexam ~ standLRT * sex + schavg + (standLRT | school), exam, control = exact)
out$slopes <- sizes(slopes, "Satterthwaite")
cake <- lmerTest::lmer(angle ~ recipe + temp + (1 | recipe:replicate), lme4::cake, control = exact)
out$cake <- sizes(cake, "Kenward-Roger")
a <- anova(cake, ddf = "Kenward-Roger", type = 3)
out$terms <- c(list(names = rownames(a)), r2(a["recipe", "F value"], a["recipe", "NumDF"], a["recipe", "DenDF"]))
summed <- lmerTest::lmer(normexam ~ sex + (1 | school), exam, contrasts = list(sex = "contr.sum"), control = exact)
out$summed <- sizes(summed, "Satterthwaite")
null <- lme4::lmer(normexam ~ (1 | school), exam, control = exact)
s <- as.data.frame(VarCorr(null))$sdcor; X <- getME(slopes, "X"); b <- fixef(slopes)
means <- tapply(X[, "schavg"], exam$school, mean)
within <- c("standLRT", "sexM", "standLRT:sexM")  # sex varies within some schools
out$levels <- list(names = names(b)[-1], estimate = sapply(names(b)[-1], function(n) if (n == "schavg") b[[n]] * sd(means) / s[1] else b[[n]] * sd(X[, n]) / s[2], USE.NAMES = FALSE), sd = s)
g <- glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), lme4::cbpp, binomial, control = glmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9)))
b <- fixef(g)[-1]; t <- sqrt(VarCorr(g)$herd[1] + pi^2 / 3)
out$logit <- list(std = unname(b * apply(getME(g, "X")[, -1], 2, sd)), d = unname(b / t))
# what the interval of R2 is, far from the middle
grid <- expand.grid(f = c(0.01, 0.8, 4, 30, 900), num = c(1, 3), den = c(4.5, 60, 5000))
out$r2 <- c(as.list(grid), list(limits = t(apply(grid, 1, function(g) unlist(r2(g[["f"]], g[["num"]], g[["den"]]))))))
writeLines(toJSON(out, digits = I(17), auto_unbox = TRUE, na = "null"), "tests/reference/effect_sizes.json")
writeLines(unname(tools::md5sum("tests/reference/effect_sizes.json")), "tests/reference/effect_sizes.md5")
