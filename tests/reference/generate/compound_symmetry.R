# Models with a compound-symmetry structure of random effects, by glmmTMB (cs: one standard deviation for each effect; homcs: one for all) and nlme (pdCompSymm): reference for
# tests/agreement/test_compound_symmetry.py. Run from the repository root: Rscript tests/reference/generate/compound_symmetry.R. The data come with nlme and lme4.
# Writes tests/reference/compound_symmetry.json; tests/reference/compound_symmetry.md5 holds its checksum.
source("tests/reference/generate/lib.R")
suppressMessages(library(glmmTMB))
plain <- function(d) { d <- as.data.frame(d); for (n in names(d)) if (is.factor(d[[n]])) d[[n]] <- factor(as.character(d[[n]])); d }
data(grouseticks, package = "lme4")
sets <- list(Machines = plain(nlme::Machines), Oats = plain(nlme::Oats), grouseticks = grouseticks)
tight <- glmmTMBControl(optimizer = nlminb, optCtrl = list(rel.tol = 1e-14, x.tol = 1e-10, iter.max = 1000, eval.max = 2000))
tmb <- function(name, data, formula, group, reml = TRUE, family = gaussian(), python) {
  m <- suppressWarnings(glmmTMB(formula, sets[[data]], REML = reml, family = family, control = tight))
  v <- VarCorr(m)$cond[[group]]
  list(name = name, program = "glmmTMB", data = data, formula = python, reml = reml, family = family$family,
       objective = -2 * as.numeric(logLik(m)), fixef = fixef(m)$cond, sd = attr(v, "stddev"), correlation = attr(v, "correlation")[2, 1],
       sigma = sigma(m))
}
nlm <- function(name, data, fixed, random, reml, python) {
  m <- lme(fixed, random = random, data = sets[[data]], method = if (reml) "REML" else "ML",
           control = lmeControl(tolerance = 1e-10, msTol = 1e-12, niterEM = 100, opt = "optim"))
  v <- VarCorr(m)
  S <- as.matrix(pdMatrix(m$modelStruct$reStruct[[1]])) * m$sigma^2
  list(name = name, program = "nlme", data = data, formula = python, reml = reml, family = "gaussian", objective = -2 * as.numeric(logLik(m)),
       fixef = fixef(m), sd = sqrt(diag(S)), correlation = cov2cor(S)[2, 1], sigma = m$sigma)
}
out <- list(software = list(R = as.character(getRversion()), glmmTMB = as.character(packageVersion("glmmTMB")), nlme = as.character(packageVersion("nlme"))),
  cases = list(
    tmb("machines_reml", "Machines", score ~ Machine + cs(0 + Machine | Worker), "Worker", python = "score ~ Machine + cs(0 + Machine | Worker)"),
    tmb("machines_ml", "Machines", score ~ Machine + cs(0 + Machine | Worker), "Worker", FALSE, python = "score ~ Machine + cs(0 + Machine | Worker)"),
    nlm("machines_homogeneous_reml", "Machines", score ~ Machine, list(Worker = pdCompSymm(~ Machine - 1)), TRUE, "score ~ Machine + cs(0 + Machine | Worker, hom=True)"),
    nlm("machines_homogeneous_ml", "Machines", score ~ Machine, list(Worker = pdCompSymm(~ Machine - 1)), FALSE, "score ~ Machine + cs(0 + Machine | Worker, hom=True)"),
    tmb("oats_reml", "Oats", yield ~ nitro + cs(0 + Variety | Block), "Block", python = "yield ~ nitro + cs(0 + Variety | Block)"),
    nlm("oats_homogeneous_reml", "Oats", yield ~ nitro, list(Block = pdCompSymm(~ Variety - 1)), TRUE, "yield ~ nitro + cs(0 + Variety | Block, hom=True)"),
    tmb("grouseticks_poisson", "grouseticks", TICKS ~ YEAR + cs(0 + YEAR | LOCATION), "LOCATION", FALSE, poisson(), "TICKS ~ YEAR + cs(0 + YEAR | LOCATION)")))
writeLines(json(out), "tests/reference/compound_symmetry.json")
