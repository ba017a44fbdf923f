# Cluster-robust covariance of the fixed effects by clubSandwich: reference for tests/agreement/test_robust_clubsandwich.py.
# Run from the repository root: Rscript tests/reference/generate/cluster_robust.R
# Writes tests/reference/cluster_robust.json; tests/reference/cluster_robust.md5 holds its checksum. Numbers have 17 significant digits; NA and Inf are null.
suppressMessages({library(lme4); library(clubSandwich); library(jsonlite)})
tight <- lmerControl(optimizer = "nloptwrap", optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-13, ftol_abs = 1e-13, xtol_rel = 1e-13, ftol_rel = 1e-15, maxeval = 1e5), calc.derivs = FALSE)
tight_fit <- function(formula, data, ...) {
  m <- lme4::lmer(formula, data, control = tight, ...)
  for (i in 1:3) m <- lme4::lmer(formula, data, control = tight, start = getME(m, "theta"), ...)
  m
}
# One kind of covariance: the matrix, t tests of the coefficients, intervals, and the F test that all of `joint` are zero.
one <- function(m, type, cluster, joint) {
  V <- vcovCR(m, type = type, cluster = cluster)
  t <- as.data.frame(coef_test(m, vcov = V, test = "Satterthwaite"))
  w <- as.data.frame(Wald_test(m, constrain_zero(joint), vcov = V, test = "HTZ"))
  ci <- as.data.frame(conf_int(m, vcov = V, level = 0.95))
  list(vcov = as.matrix(V)[, , drop = FALSE], se = t$SE, df = t$df, p = t$p_Satt, lower = ci$CI_L, upper = ci$CI_U, htz = list(F = w$Fstat, df_num = w$df_num, df_denom = w$df_denom, p = w$p_val))
}
describe <- function(m, cluster, joint, types = c("CR0", "CR1", "CR1p", "CR1S", "CR2")) sapply(types, function(type) one(m, type, cluster, joint), simplify = FALSE)
data(sleepstudy, package = "lme4"); data(cake, package = "lme4"); data(Machines, package = "nlme"); data(Oxide, package = "nlme")
machines <- as.data.frame(Machines); class(machines) <- "data.frame"; oxide <- as.data.frame(Oxide); class(oxide) <- "data.frame"
gap <- sleepstudy[-c(3, 4, 17, 25:31, 60, 99, 150:158), ]
cake$temp <- as.numeric(as.character(cake$temperature))
cake$batch <- cake$recipe:cake$replicate
machines$cell <- machines$Worker:machines$Machine
set.seed(3); machines <- machines[-sample(nrow(machines), 12), ]
s <- tight_fit(Reaction ~ Days + (Days | Subject), sleepstudy); u <- tight_fit(Reaction ~ Days + I(Days^2) + (Days | Subject), gap)
k <- tight_fit(angle ~ recipe * temp + (1 | batch), cake); x <- tight_fit(score ~ Machine + (1 | Worker) + (1 | Worker:Machine), machines)
o <- tight_fit(Thickness ~ Source + (1 | Lot / Wafer), oxide)
columns <- function(d) lapply(as.list(d), function(v) if (is.factor(v)) as.character(v) else v)
out <- list(R = R.version.string, lme4 = as.character(packageVersion("lme4")), clubSandwich = as.character(packageVersion("clubSandwich")),
  rows = list(gap = as.integer(rownames(gap)) - 1L, machines = as.integer(rownames(machines)) - 1L), data = list(machines = columns(machines), gap = columns(gap), oxide = columns(oxide), cake = columns(cake)),
  results = list(
    sleepstudy = describe(s, sleepstudy$Subject, 2), gap = describe(u, gap$Subject, 2:3), cake = describe(k, cake$batch, 2:6), cake_coarse = describe(k, cake$replicate, 4:6),
    machines = describe(x, machines$Worker, 2:3), oxide = describe(o, oxide$Lot, 2)))
write(toJSON(out, digits = I(17), na = "null", auto_unbox = TRUE, matrix = "rowmajor", null = "null"), "tests/reference/cluster_robust.json")
writeLines(unname(tools::md5sum("tests/reference/cluster_robust.json")), "tests/reference/cluster_robust.md5")
