# The parametric bootstrap of a generalized model by lme4's bootMer, and likelihood ratios of two models fitted by lme4 to responses drawn from the smaller one.
# Reference for tests/agreement/test_glmm_intervals.py.
# usage: Rscript tests/reference/generate/glmm_bootstrap.R OUT      (writes OUT/glmm_bootstrap.json)
args <- commandArgs(TRUE); out <- args[1]
suppressMessages({ library(lme4); library(jsonlite) })
num <- function(x) I(as.numeric(x))
control <- glmerControl(calc.derivs = FALSE, tolPwrss = 1e-10)
m <- glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial, control = control)
small <- glmer(cbind(incidence, size - incidence) ~ 1 + (1 | herd), cbpp, binomial, control = control)
drawn <- suppressWarnings(suppressMessages(bootMer(m, function(f) c(fixef(f), sd = attr(VarCorr(f)$herd, "stddev")[[1]]), nsim = 400, seed = 11)))

sims <- simulate(small, 200, seed = 5)
lrt <- sapply(sims, function(y) suppressWarnings(suppressMessages(2 * (logLik(refit(m, y)) - logLik(refit(small, y)))[1])))
made <- list(software = list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4"))), names = I(colnames(drawn$t)), replicates = lapply(asplit(drawn$t, 2), num),
  statistic = 2 * (logLik(m) - logLik(small))[1], reference = num(lrt))
writeLines(toJSON(made, digits = I(10), auto_unbox = TRUE, null = "null", na = "null"), file.path(out, "glmm_bootstrap.json"))
