# The five Exam models of the tutorial, by REML and by ML, at lme4's best optimum: reference for tests/agreement/test_exam_tutorial.py.
# Run from the repository root: Rscript tests/reference/generate/exam_tutorial.R
# Writes tests/reference/exam_tutorial.json; tests/reference/exam_tutorial.md5 holds its checksum. Numbers have 15 significant digits.
# lme4's own stop leaves up to 1e-6 of the criterion; here every fit is started again from its own end at tolerances of 1e-13.
suppressMessages({library(lme4); library(mlmRev); library(jsonlite)})
tight <- lmerControl(optimizer = "nloptwrap", optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-13, ftol_abs = 1e-13,
                                                           xtol_rel = 1e-13, ftol_rel = 1e-15, maxeval = 1e5), calc.derivs = FALSE)
models <- list(
  list(name = "null", formula = normexam ~ 1 + (1 | school)),
  list(name = "intercept", formula = normexam ~ standLRT + (1 | school)),
  list(name = "slope", formula = normexam ~ standLRT + (standLRT | school)),
  list(name = "group predictor", formula = normexam ~ standLRT + schavg + (1 + standLRT | school)),
  list(name = "cross-level interaction", formula = normexam ~ standLRT * schavg + (1 + standLRT | school)))

# Either criterion at the theta of a fit, sigma and the fixed effects profiled out by the criterion itself.
at <- function(m, REML) lmer(formula(m), Exam, REML = REML, devFunOnly = TRUE)(getME(m, "theta"))

fit <- function(formula, REML) {
  m <- lmer(formula, Exam, REML = REML, control = tight)
  for (i in 1:4) m <- update(m, start = getME(m, "theta"))
  vc <- VarCorr(m)$school
  s <- summary(m)
  list(criterion = if (REML) REMLcrit(m) else deviance(m), 
       ml_deviance = at(m, FALSE), reml_criterion = at(m, TRUE),
       aic = AIC(m), bic = BIC(m), llf = as.numeric(logLik(m)), npar = attr(logLik(m), "df"), nobs = nobs(m), ngroups = unname(ngrps(m)),
       sigma = sigma(m), theta = unname(getME(m, "theta")), variance = unname(diag(vc)), sd = unname(attr(vc, "stddev")),
       correlation = if (nrow(vc) > 1) attr(vc, "correlation")[2, 1] else NULL,
       names = I(names(fixef(m))), fixef = unname(fixef(m)), se = unname(s$coefficients[, "Std. Error"]), t = unname(s$coefficients[, "t value"]),
       correlation_of_fixed = unname(as.matrix(cov2cor(as.matrix(vcov(m))))),
       print = I(capture.output(print(s))))
}
out <- list(software = list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4")), mlmRev = as.character(packageVersion("mlmRev"))),
            models = lapply(models, function(m) list(name = m$name, formula = paste(deparse(m$formula, 500), collapse = ""),
                                                     REML = fit(m$formula, TRUE), ML = fit(m$formula, FALSE))))
path <- "tests/reference/exam_tutorial.json"
writeLines(toJSON(out, auto_unbox = TRUE, digits = NA, pretty = 1, null = "null"), path)
writeLines(unname(tools::md5sum(path)), "tests/reference/exam_tutorial.md5")
