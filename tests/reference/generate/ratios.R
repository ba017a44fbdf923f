# Fixed effects as ratios, with delta-method standard errors and exponentiated intervals: reference for tests/agreement/test_published_tables.py.
# Run from the repository root: Rscript tests/reference/generate/ratios.R
# Writes tests/reference/ratios.json; tests/reference/ratios.md5 holds its checksum. Numbers have 17 significant digits.
# broom's rule: estimate and limits are exponentiated, the standard error is multiplied by the exponentiated estimate, the test stays.
suppressMessages({library(lme4); library(lmerTest); library(jsonlite)})
tight <- glmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 1e-2, rhoend = 1e-9, maxfun = 1e5))
exact <- lmerControl(optimizer = "nloptwrap", optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-13, ftol_abs = 1e-13, xtol_rel = 1e-13, ftol_rel = 1e-15, maxeval = 1e5), calc.derivs = FALSE)
ratios <- function(m, base = exp(1)) {
  s <- coef(summary(m)); b <- s[, "Estimate"]; se <- s[, "Std. Error"]; k <- log(base)
  wald <- suppressMessages(confint(m, parm = "beta_", method = "Wald"))
  list(names = names(b), estimate = unname(exp(k * b)), std_error = unname(exp(k * b) * k * se), lower = unname(exp(k * wald[, 1])), upper = unname(exp(k * wald[, 2])),
       statistic = unname(s[, grep("value$", colnames(s))[1]]), random = unname(as.data.frame(VarCorr(m))$sdcor))
}
out <- list(version = paste(R.version.string, "lme4", packageVersion("lme4")))
cbpp <- lme4::cbpp; ticks <- lme4::grouseticks; sleep <- lme4::sleepstudy
logit <- glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial, control = tight)
out$logit <- ratios(logit)
p <- suppressMessages(confint(logit, method = "profile", quiet = TRUE))
out$profile <- list(names = rownames(p), lower = unname(c(p[1, 1], exp(p[-1, 1]))), upper = unname(c(p[1, 2], exp(p[-1, 2]))))
out$cloglog <- ratios(glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial("cloglog"), control = tight))
out$counts <- ratios(glmer(TICKS ~ YEAR + (1 | BROOD), ticks, poisson, control = tight))
out$log2 <- ratios(lmerTest::lmer(log2(Reaction) ~ Days + (Days | Subject), sleep, control = exact), 2)
out$log <- ratios(lmerTest::lmer(log(Reaction) ~ Days + (Days | Subject), sleep, control = exact))
text <- toJSON(out, digits = I(17), auto_unbox = TRUE, pretty = FALSE, na = "null")
writeLines(text, "tests/reference/ratios.json")
writeLines(unname(tools::md5sum("tests/reference/ratios.json")), "tests/reference/ratios.md5")
