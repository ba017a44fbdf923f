# Predictions, comparisons and slopes of the population with standard errors by the delta method: reference for tests/interop/test_marginaleffects.py.
# Grids by emmeans with normal tests; averages over the rows of the data from model matrices and vcov of lme4.
# Run from the repository root: Rscript tests/reference/generate/marginal_effects.R
# Writes tests/reference/marginal_effects.json; tests/reference/marginal_effects.md5 holds its checksum. Numbers have 17 significant digits.
suppressMessages({library(lme4); library(emmeans); library(jsonlite)})
tight <- lmerControl(optimizer = "nloptwrap", optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-13, ftol_abs = 1e-13, xtol_rel = 1e-13, ftol_rel = 1e-15, maxeval = 1e5), calc.derivs = FALSE)
tight_fit <- function(formula, data) {
  m <- lmer(formula, data, control = tight)
  for (i in 1:3) m <- lmer(formula, data, control = tight, start = getME(m, "theta"))
  m
}
emm_options(lmer.df = "asymptotic")
data(cake, package = "lme4"); data(Exam, package = "mlmRev")
cake$temp <- as.numeric(as.character(cake$temperature))
k <- tight_fit(angle ~ recipe * temp + (1 | recipe:replicate), cake)
f <- function(x) as.list(as.data.frame(summary(x, infer = c(TRUE, TRUE), adjust = "none")))
means <- emmeans(k, ~recipe, at = list(temp = 200))
grid <- list(means = f(means), pairs = f(contrast(means, "revpairwise")), slopes = f(emtrends(k, ~recipe, var = "temp")))

x <- tight_fit(normexam ~ standLRT * sex + I(standLRT^2) + (standLRT | school), Exam)
fixed <- ~ standLRT * sex + I(standLRT^2)
X <- function(d) model.matrix(fixed, d)
value <- function(L) { V <- as.matrix(vcov(x)); list(estimate = sum(L * fixef(x)), std_error = sqrt(sum(L * (V %*% L)))) }
as_sex <- function(s) { d <- Exam; d$sex <- factor(s, levels = levels(Exam$sex)); d }
derivative <- with(Exam, cbind(0, 1, 0, 2 * standLRT, as.numeric(sex == "M")))  # of the columns of X by standLRT
stopifnot(identical(colnames(X(Exam)), names(fixef(x))), names(fixef(x))[3] == "sexM")
averages <- list(
  overall = value(colMeans(X(Exam))),
  sex_F = value(colMeans(X(Exam)[Exam$sex == "F", ])), sex_M = value(colMeans(X(Exam)[Exam$sex == "M", ])),
  sex_difference = value(colMeans(X(as_sex("M")) - X(as_sex("F")))),
  slope = value(colMeans(derivative)),
  slope_F = value(colMeans(derivative[Exam$sex == "F", ])), slope_M = value(colMeans(derivative[Exam$sex == "M", ])))
first <- lapply(1:5, function(i) value(X(Exam)[i, ]))
out <- list(R = R.version.string, lme4 = as.character(packageVersion("lme4")), emmeans = as.character(packageVersion("emmeans")),
  cake = grid, exam = list(averages = averages, first_rows = first))
write(toJSON(out, digits = I(17), na = "null", auto_unbox = TRUE, matrix = "rowmajor", null = "null"), "tests/reference/marginal_effects.json")
writeLines(unname(tools::md5sum("tests/reference/marginal_effects.json")), "tests/reference/marginal_effects.md5")
