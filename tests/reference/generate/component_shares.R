# Shares of variance of models with zero inflation, hurdles and dispersion: glmmTMB's estimates, and the variance of an
# observation around its conditional predictor as in Nakagawa, Johnson and Schielzeth (2017), of the whole response.
# Rscript component_shares.R ../component_shares.json
suppressMessages({library(glmmTMB); library(jsonlite)})
data(Salamanders, package = "glmmTMB")
d <- Salamanders
calls <- list(
  inflated = list(f = count ~ spp + mined + (1 | site), zi = ~ mined, disp = ~ 1, family = nbinom2),
  dispersed = list(f = count ~ mined + cover + (1 | site), zi = ~ 0, disp = ~ mined, family = nbinom2),
  hurdle = list(f = count ~ spp + mined + (1 | site), zi = ~ mined + (1 | site), disp = ~ 1, family = truncated_poisson),
  nb1 = list(f = count ~ spp + mined + (1 | site), zi = ~ mined, disp = ~ 1, family = nbinom1))
out <- lapply(calls, function(k) {
  fit <- function(f) glmmTMB(f, d, k$family, ziformula = k$zi, dispformula = k$disp)
  m <- fit(k$f); null <- fit(count ~ 1 + (1 | site))
  s2 <- function(m) VarCorr(m)$cond$site[1, 1]
  mu <- exp(fixef(null)$cond[[1]] + s2(null) / 2)
  # probabilities of zero and dispersions of the rows, random effects zero
  zi <- if (length(fixef(m)$zi)) plogis(drop(model.matrix(lme4::nobars(k$zi), d) %*% fixef(m)$zi)) else rep(0, nrow(d))
  phi <- exp(drop(model.matrix(k$disp, d) %*% fixef(m)$disp))
  mean_y <- rep(mu, nrow(d))
  v <- switch(family(m)$family, nbinom2 = mu + mu^2 / phi, nbinom1 = mu * (1 + phi), truncated_poisson = rep(mu, nrow(d)))
  if (family(m)$family == "truncated_poisson") {
    some <- 1 - exp(-mu)
    mean_y <- mean_y / some; v <- (v + mu^2) / some - mean_y^2
  }
  e <- mean((1 - zi) * mean_y); total <- mean((1 - zi) * (v + zi * mean_y^2))
  residual <- log1p(total / e^2)
  fixed <- var(drop(model.matrix(lme4::nobars(k$f), d) %*% fixef(m)$cond))
  list(fixed = fixed, random = s2(m), residual = residual, icc = s2(m) / (s2(m) + residual),
       marginal = fixed / (fixed + s2(m) + residual), conditional = (fixed + s2(m)) / (fixed + s2(m) + residual))
})
out$versions <- list(glmmTMB = as.character(packageVersion("glmmTMB")), R = R.version.string)
write_json(out, commandArgs(TRUE)[1], digits = 17, auto_unbox = TRUE)
