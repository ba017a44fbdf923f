# Models with effects in equal steps: AR(1) (ar1, hetar1) and Toeplitz (toep, homtoep) structures, and independent effects with one standard deviation (homdiag), by glmmTMB, and by nlme (pdIdent) where
# glmmTMB has none: reference for tests/agreement/test_autoregression.py. Run from the repository root: Rscript tests/reference/generate/autoregression.R. The data come with nlme and lme4.
# Writes tests/reference/autoregression.json; tests/reference/autoregression.md5 holds its checksum.
source("tests/reference/generate/lib.R")
suppressMessages(library(glmmTMB))
plain <- function(d) { d <- as.data.frame(d); for (n in names(d)) if (is.factor(d[[n]])) d[[n]] <- factor(as.character(d[[n]])); d }
data(grouseticks, package = "lme4")
data(sleepstudy, package = "lme4")
sleepstudy$day <- factor(sleepstudy$Days)
sets <- list(Machines = plain(nlme::Machines), sleepstudy = sleepstudy, grouseticks = grouseticks)
tight <- glmmTMBControl(optimizer = nlminb, optCtrl = list(rel.tol = 1e-14, x.tol = 1e-10, iter.max = 1000, eval.max = 2000))
tmb <- function(name, data, formula, group, reml = TRUE, family = gaussian(), python) {
  m <- suppressWarnings(glmmTMB(formula, sets[[data]], REML = reml, family = family, control = tight))
  v <- VarCorr(m)$cond[[group]]
  sd <- attr(v, "stddev")
  C <- attr(v, "correlation")
  list(name = name, program = "glmmTMB", data = data, formula = python, reml = reml, family = family$family,
       objective = -2 * as.numeric(logLik(m)), fixef = fixef(m)$cond, sd = unname(sd), correlations = unname(C[1, -1]), sigma = sigma(m))
}
nlm <- function(name, data, fixed, random, reml, python) {
  m <- lme(fixed, random = random, data = sets[[data]], method = if (reml) "REML" else "ML",
           control = lmeControl(tolerance = 1e-10, msTol = 1e-12, niterEM = 100, opt = "optim"))
  S <- as.matrix(pdMatrix(m$modelStruct$reStruct[[1]])) * m$sigma^2
  list(name = name, program = "nlme", data = data, formula = python, reml = reml, family = "gaussian", objective = -2 * as.numeric(logLik(m)),
       fixef = fixef(m), sd = unname(sqrt(diag(S))), correlations = unname(cov2cor(S)[1, -1]), sigma = m$sigma)
}
cases <- list(
  tmb("machines_toep_reml", "Machines", score ~ Machine + toep(0 + Machine | Worker), "Worker", python = "score ~ Machine + toep(0 + Machine | Worker)"),
  tmb("machines_toep_ml", "Machines", score ~ Machine + toep(0 + Machine | Worker), "Worker", FALSE, python = "score ~ Machine + toep(0 + Machine | Worker, hom=False)"),
  nlm("machines_diag_reml", "Machines", score ~ Machine, list(Worker = pdIdent(~ Machine - 1)), TRUE, "score ~ Machine + diag(0 + Machine | Worker, hom=True)"),
  nlm("sleep_diag_ml", "sleepstudy", Reaction ~ Days, list(Subject = pdIdent(~ Days)), FALSE, "Reaction ~ Days + diag(Days | Subject, hom=True)"),
  tmb("grouseticks_ar1_poisson", "grouseticks", TICKS ~ YEAR + ar1(0 + YEAR | LOCATION), "LOCATION", FALSE, poisson(), "TICKS ~ YEAR + ar1(0 + YEAR | LOCATION)"),
  tmb("grouseticks_toep_poisson", "grouseticks", TICKS ~ YEAR + toep(0 + YEAR | LOCATION), "LOCATION", FALSE, poisson(), "TICKS ~ YEAR + toep(0 + YEAR | LOCATION)"))
if ("hetar1" %in% names(glmmTMB:::.valid_covstruct))
  cases <- c(cases, list(tmb("machines_ar1_het_reml", "Machines", score ~ Machine + hetar1(0 + Machine | Worker), "Worker", python = "score ~ Machine + ar1(0 + Machine | Worker, hom=False)")))
if ("homtoep" %in% names(glmmTMB:::.valid_covstruct))
  cases <- c(cases, list(tmb("machines_toep_hom_reml", "Machines", score ~ Machine + homtoep(0 + Machine | Worker), "Worker", python = "score ~ Machine + toep(0 + Machine | Worker, hom=True)")))
writeLines(json(list(software = list(R = as.character(getRversion()), glmmTMB = as.character(packageVersion("glmmTMB")), nlme = as.character(packageVersion("nlme"))), cases = cases)),
           "tests/reference/autoregression.json")
