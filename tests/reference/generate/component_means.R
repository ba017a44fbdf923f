# Marginal means of the parts of models with zero inflation and dispersion, from glmmTMB and emmeans; means of the whole
# response are glmmTMB's parameters and covariance by the delta method. Rscript component_means.R ../component_means.json
suppressMessages({library(glmmTMB); library(emmeans); library(jsonlite)})
data(Salamanders, package = "glmmTMB")
models <- list(
  inflated = glmmTMB(count ~ spp + mined * cover + (1 | site), Salamanders, nbinom2, ziformula = ~ mined + DOY),
  dispersed = glmmTMB(count ~ mined + cover + (1 | site), Salamanders, nbinom2, ziformula = ~ mined, dispformula = ~ mined + cover),
  hurdle = glmmTMB(count ~ spp + mined + (1 | site), Salamanders, truncated_poisson, ziformula = ~ mined + spp))
table <- function(e) {
  s <- as.data.frame(summary(e))
  list(estimate = s[[which(names(s) %in% c("emmean", "response", "prob", "rate", "ratio", "odds.ratio", "estimate"))[1]]], se = s$SE)
}
# all of a model's predictors on a grid of their variables, averaged with equal weights within the levels of mined
whole <- function(m) {
  V <- vcov(m, full = TRUE)
  f <- fixef(m)
  n <- sapply(f, length)
  at <- list(cond = seq_len(n["cond"]), zi = n["cond"] + seq_len(n["zi"]), disp = n["cond"] + n["zi"] + seq_len(n["disp"]))
  V <- V[seq_len(sum(n)), seq_len(sum(n))]
  grid <- expand.grid(spp = levels(Salamanders$spp), mined = levels(Salamanders$mined), cover = mean(Salamanders$cover), DOY = mean(Salamanders$DOY))
  X <- lapply(c(cond = "cond", zi = "zi", disp = "disp"), function(k) {
    form <- switch(k, cond = lme4::nobars(formula(m)), zi = formula(m, component = "zi"), disp = formula(m, component = "disp"))
    model.matrix(delete.response(terms(form)), grid)
  })
  mean_of <- function(b) {
    mu <- exp(drop(X$cond %*% b[at$cond]))
    if (family(m)$family == "truncated_poisson") mu <- mu / (1 - exp(-mu))
    tapply(mu * plogis(-drop(X$zi %*% b[at$zi])), grid$mined, mean)
  }
  b <- unlist(f)
  J <- numDeriv::jacobian(function(b) as.numeric(mean_of(b)), b)
  list(estimate = as.numeric(mean_of(b)), se = sqrt(diag(J %*% V %*% t(J))), levels = levels(Salamanders$mined))
}
out <- lapply(models, function(m) {
  parts <- c("cond", "zi", if (length(fixef(m)$disp) > 1) "disp")
  means <- lapply(setNames(parts, parts), function(k) list(
    link = table(emmeans(m, ~ mined, component = k)),
    response = table(emmeans(m, ~ mined, component = k, type = "response")),
    contrast = table(pairs(emmeans(m, ~ mined, component = k)))))
  list(loglik = as.numeric(logLik(m)), means = means, whole = whole(m))
})
out$trend <- { s <- as.data.frame(emtrends(models$inflated, ~ mined, var = "DOY", component = "zi")); list(estimate = s[[2]], se = s$SE) }
out$versions <- list(glmmTMB = as.character(packageVersion("glmmTMB")), emmeans = as.character(packageVersion("emmeans")), R = R.version.string)
write_json(out, commandArgs(TRUE)[1], digits = 17, auto_unbox = TRUE)
