# Rscript priors_and_weights.R OUT.json
# Fits with priors (blme 1.0-5, glmmTMB) and with sampling weights (WeMix 4.0.4), each with its call, software and, of
# glmmTMB, objective and gradient at parameters away from the optimum. `objective` of blme is criterion + penalty
# (-2 log density of the priors), that of WeMix -2 log pseudo-likelihood. Data: culcita and sim_survey as in ../data,
# the others from lme4.
suppressMessages({library(lme4); library(blme); library(glmmTMB); library(WeMix); library(jsonlite); library(arrow)})
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]))
culcita <- as.data.frame(read_parquet(file.path(here, "../data/culcita.parquet")))
d <- as.data.frame(read_parquet(file.path(here, "../data/sim_survey.parquet"))); d$one <- 1
calls <- list(
  bl_sleep_wishart = quote(blmer(Reaction ~ Days + (Days | Subject), data = sleepstudy)),
  bl_dyestuff2_gamma = quote(blmer(Yield ~ 1 + (1 | Batch), data = Dyestuff2, cov.prior = gamma)),
  bl_dyestuff2_gamma_sd = quote(blmer(Yield ~ 1 + (1 | Batch), data = Dyestuff2, REML = FALSE,
    cov.prior = gamma(shape = 2, rate = 0.5, posterior.scale = "sd", common.scale = FALSE))),
  bl_culcita_normal = quote(bglmer(predation ~ ttt + (1 | block), data = culcita, family = binomial, fixef.prior = normal(cov = diag(9, 4)))),
  bl_culcita_t = quote(bglmer(predation ~ ttt + (1 | block), data = culcita, family = binomial,
    fixef.prior = t(df = 3, scale = 2.5), cov.prior = invgamma(shape = 1, scale = 1))),
  bl_cbpp_wishart = quote(bglmer(cbind(incidence, size - incidence) ~ period + (1 | herd), data = cbpp, family = binomial)),
  fam_culcita_prior = quote(glmmTMB(predation ~ ttt + (1 | block), data = culcita, family = binomial, priors = data.frame(
    prior = c("normal(0, 3)", "gamma(1, 2.5)"), class = c("fixef", "ranef"), coef = ""))),
  wx_linear = quote(mix(y ~ x + (1 | g), data = d, weights = c("w1", "w2"), cWeights = TRUE)),
  wx_linear_slope = quote(mix(y ~ x + (1 + x | g), data = d, weights = c("w1", "w2"), cWeights = TRUE)),
  wx_linear_level2 = quote(mix(y ~ x + (1 | g), data = d, weights = c("one", "w2"), cWeights = TRUE)),
  wx_logit = quote(mix(yb ~ x + (1 | g), data = d, weights = c("w1", "w2"), cWeights = TRUE, family = binomial(), nQuad = 21)))
results <- function(m) {
  if (inherits(m, "WeMixResults")) return(list(objective = -2 * as.numeric(m$lnl), beta = as.list(m$coef), se_robust = as.list(m$SE), variances = as.list(m$vars), sigma = m$sigma))
  if (inherits(m, "glmmTMB")) return(list(objective = 2 * m$fit$objective, beta_cond = as.list(fixef(m)$cond), se_cond = as.list(sqrt(diag(vcov(m)$cond))), sd = sqrt(diag(VarCorr(m)$cond[[1]]))))
  penalty <- m@devcomp$cmp[["penalty"]]
  criterion <- if (isREML(m)) m@devcomp$cmp[["REML"]] else deviance(m)
  list(objective = criterion + penalty, criterion = criterion, penalty = penalty, theta = as.list(getME(m, "theta")), sigma = sigma(m), beta = as.list(fixef(m)), se = as.list(sqrt(diag(as.matrix(vcov(m))))))
}
cases <- lapply(names(calls), function(id) list(id = id, r_call = paste(deparse(calls[[id]], 500), collapse = " "), best = results(eval(calls[[id]]))))
write_json(list(cases = cases), commandArgs(TRUE)[1], auto_unbox = TRUE, digits = NA, pretty = TRUE)
