# Models that other Python packages get wrong, or fit without a word, as lme4 fits them: reference for
# tests/agreement/test_where_others_are_wrong.py and tests/unit/test_bad_input*.py.
# Run from the repository root: Rscript tests/reference/generate/hard_inputs.R
# Writes tests/reference/hard_inputs.json; tests/reference/hard_inputs.md5 holds its checksum. Numbers have 15 significant digits.
suppressMessages({library(lme4); library(mlmRev); library(jsonlite)})
tight <- lmerControl(optimizer = "nloptwrap", optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-13, ftol_abs = 1e-13,
                                                           xtol_rel = 1e-13, ftol_rel = 1e-15, maxeval = 1e5), calc.derivs = FALSE)
record <- function(formula, data, REML = TRUE, weights = NULL) {
  data$.weights <- if (is.null(weights)) 1 else weights
  environment(formula) <- environment()
  said <- character()
  m <- withCallingHandlers(lmer(formula, data, REML = REML, control = tight, weights = .weights),
                           message = function(c) { said <<- c(said, trimws(conditionMessage(c))); invokeRestart("muffleMessage") })
  for (i in 1:3) m <- suppressMessages(update(m, start = getME(m, "theta")))
  vc <- as.data.frame(VarCorr(m))
  list(formula = paste(deparse(formula, 500), collapse = ""), REML = REML, criterion = if (REML) REMLcrit(m) else deviance(m),
       llf = as.numeric(logLik(m)), aic = AIC(m), nobs = nobs(m), names = I(names(fixef(m))), fixef = I(unname(fixef(m))),
       se = I(unname(sqrt(diag(as.matrix(vcov(m)))))), sigma = sigma(m),
       variances = setNames(as.list(vc$vcov), ifelse(is.na(vc$var1), vc$grp, paste(vc$grp, vc$var1, ifelse(is.na(vc$var2), "", vc$var2)))),
       singular = isSingular(m), messages = I(said))
}
d <- sleepstudy
d$w <- seq_len(nrow(d)); d$d2 <- 2 * d$Days
with_na <- d; with_na$Reaction[7] <- NA
group_na <- d; group_na$Subject[3] <- NA
out <- list(
  software = list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4")), mlmRev = as.character(packageVersion("mlmRev"))),
  intercept = record(Reaction ~ Days + (1 | Subject), d),
  slope = record(Reaction ~ Days + (Days | Subject), d),
  slope_ml = record(Reaction ~ Days + (Days | Subject), d, REML = FALSE),
  weights = record(Reaction ~ Days + (1 | Subject), d, weights = d$w),
  weights_ml = record(Reaction ~ Days + (1 | Subject), d, REML = FALSE, weights = d$w),
  dependent = record(Reaction ~ Days + d2 + (1 | Subject), d),
  dependent_reversed = record(Reaction ~ d2 + Days + (1 | Subject), d),
  missing_response = record(Reaction ~ Days + (1 | Subject), with_na),
  missing_group = record(Reaction ~ Days + (1 | Subject), group_na),
  dyestuff2 = record(Yield ~ 1 + (1 | Batch), Dyestuff2),
  chem97 = record(score ~ gcsecnt + (1 | school) + (1 | lea), Chem97),
  cake_additive = record(angle ~ recipe + temperature + (1 | recipe:replicate), cake),
  cake_minus = record(angle ~ recipe * temperature - recipe:temperature + (1 | recipe:replicate), cake))
path <- "tests/reference/hard_inputs.json"
writeLines(toJSON(out, auto_unbox = TRUE, digits = NA, pretty = 1, null = "null"), path)
writeLines(unname(tools::md5sum(path)), "tests/reference/hard_inputs.md5")
