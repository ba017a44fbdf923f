# Tests of contrasts by lmerTest: reference for tests/agreement/test_contrasts_lmertest.py.
# Run from the repository root: Rscript tests/reference/generate/contrasts.R
# Writes tests/reference/contrasts.json; tests/reference/contrasts.md5 holds its checksum. Numbers have 17 significant digits.
suppressMessages({library(lme4); library(lmerTest); library(pbkrtest); library(jsonlite)})
tight <- lmerControl(optimizer = "nloptwrap", optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-13, ftol_abs = 1e-13, xtol_rel = 1e-13, ftol_rel = 1e-15, maxeval = 1e5), calc.derivs = FALSE)
tight_fit <- function(formula, data) {
  m <- lmerTest::lmer(formula, data, control = tight)
  for (i in 1:3) m <- lmerTest::lmer(formula, data, control = tight, start = getME(m, "theta"))
  m
}
# Single rows with intervals, and all rows together with F; rows may be dependent.
describe <- function(m, L, rhs) {
  one <- function(ddf) list(
    single = as.list(do.call(rbind, lapply(seq_len(nrow(L)), function(i) contest1D(m, L[i, ], rhs = rhs[i], ddf = ddf, confint = TRUE, level = 0.9)))),
    joint = as.list(contest(m, L, joint = TRUE, rhs = rhs, ddf = ddf)))
  list(L = L, rhs = rhs, satterthwaite = one("Satterthwaite"), `kenward-roger` = one("Kenward-Roger"))
}
data(cake, package = "lme4"); data(sleepstudy, package = "lme4"); data(Machines, package = "nlme")
machines <- as.data.frame(Machines); class(machines) <- "data.frame"
cake$temp <- as.numeric(as.character(cake$temperature))
s <- tight_fit(Reaction ~ Days + (Days | Subject), sleepstudy)
k <- tight_fit(angle ~ recipe * temp + (1 | recipe:replicate), cake)
x <- tight_fit(score ~ Machine + (1 | Worker) + (1 | Worker:Machine), machines)
out <- list(R = R.version.string, lmerTest = as.character(packageVersion("lmerTest")), pbkrtest = as.character(packageVersion("pbkrtest")), tests = list(
  sleepstudy = describe(s, rbind(c(1, 5), c(0, 1)), c(290, 8)),
  cake = describe(k, rbind(c(0, 1, -1, 0, 200, -200), c(0, 0, 0, 0, 1, -1)), c(0, 0)),
  machines = describe(x, rbind(c(0, 1, 0), c(0, 0, 1), c(0, 1, -1)), c(0, 0, 0))))
# The layout of lmerTest's summaries.
out$print <- list(satterthwaite = capture.output(print(summary(s))), `kenward-roger` = capture.output(print(summary(s, ddf = "Kenward-Roger"))))
write(toJSON(out, digits = I(17), na = "null", auto_unbox = TRUE, matrix = "rowmajor", null = "null"), "tests/reference/contrasts.json")
writeLines(unname(tools::md5sum("tests/reference/contrasts.json")), "tests/reference/contrasts.md5")
