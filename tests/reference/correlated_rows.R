# gls and lme of nlme at tight tolerances, for models of Orthodont with a covariance of the rows.
# Rscript correlated_rows.R > correlated_rows.json
suppressPackageStartupMessages({ library(nlme); library(jsonlite) })
d <- as.data.frame(Orthodont)
d$Sex <- factor(d$Sex, levels = c("Male", "Female"))
d$occasion <- as.integer(factor(d$age))
line <- distance ~ Sex * age
tight <- glsControl(tolerance = 1e-10, msTol = 1e-12, maxIter = 500, msMaxIter = 500)
cs <- corCompSymm(form = ~ 1 | Subject)
by_sex <- varIdent(form = ~ 1 | Sex)

fits <- list(
  cs = gls(line, d, correlation = cs, control = tight),
  cs_by_sex = gls(line, d, correlation = cs, weights = by_sex, control = tight),
  cs_by_age = gls(line, d, correlation = cs, weights = varIdent(form = ~ 1 | age), control = tight),
  us_ml = gls(line, d, correlation = corSymm(form = ~ occasion | Subject), weights = varIdent(form = ~ 1 | age),
              method = "ML", control = tight),
  ma1 = gls(line, d, correlation = corARMA(form = ~ 1 | Subject, p = 0, q = 1), control = tight),
  intercept_ar1_by_sex_ml = lme(line, d, random = ~ 1 | Subject, correlation = corAR1(form = ~ 1 | Subject),
              weights = by_sex, method = "ML",
              control = lmeControl(tolerance = 1e-10, msTol = 1e-12, maxIter = 500, msMaxIter = 500)))
calls <- list(
  cs = list(correlation = "cs(1 | Subject)"),
  cs_by_sex = list(correlation = "cs(1 | Subject)", variance = "by_group(Sex)"),
  cs_by_age = list(correlation = "cs(factor(age) | Subject, hom=False)"),
  us_ml = list(correlation = "us(factor(age) | Subject)", method = "ML"),
  ma1 = list(correlation = "arma(1 | Subject, p=0, q=1)"),
  intercept_ar1_by_sex_ml = list(correlation = "ar1(1 | Subject)", variance = "by_group(Sex)", method = "ML"))
one <- function(name) {
  m <- fits[[name]]
  list(name = name, arguments = calls[[name]], objective = as.numeric(-2 * logLik(m)), aic = AIC(m),
       npar = attr(logLik(m), "df"), fixef = as.list(if (inherits(m, "lme")) fixef(m) else coef(m)), sigma = m$sigma,
       structure = as.list(coef(m$modelStruct, unconstrained = FALSE)))
}
cat(toJSON(list(versions = list(R = as.character(getRversion()), nlme = as.character(packageVersion("nlme"))),
                cases = lapply(names(fits), one)), auto_unbox = TRUE, digits = NA, pretty = TRUE))
