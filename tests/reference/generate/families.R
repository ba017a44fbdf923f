# Families and links that lme4 cannot be compared in, fitted by glmmTMB (Laplace's approximation with the observed curvature), and one that glmmTMB does
# not have either, by numerical integration: reference for tests/agreement/test_families_glmmtmb.py.
# Run from the repository root: Rscript tests/reference/generate/families.R. The data come with R packages.
# Writes tests/reference/families.json; tests/reference/families.md5 holds its checksum. Numbers have 15 significant digits.
suppressMessages({library(lme4); library(glmmTMB); library(jsonlite)})
petrol <- MASS::petrol; quine <- MASS::quine
control <- glmmTMBControl(optCtrl = list(iter.max = 1e5, eval.max = 1e5, rel.tol = 1e-15, x.tol = 0))
record <- function(data_name, formula, data, family, ...) {
  environment(formula) <- environment()
  m <- suppressWarnings(glmmTMB(formula, data = data, family = family, control = control, ...))
  # Newton steps on the exact gradient from where nlminb stopped.
  p <- m$fit$par
  for (i in 1:4) { g <- as.vector(m$obj$gr(p)); H <- optimHess(p, m$obj$fn, m$obj$gr, control = list(ndeps = rep(1e-5, length(p)))); step <- solve(H, g)
                   if (is.finite(m$obj$fn(p - step)) && m$obj$fn(p - step) <= m$obj$fn(p) + 1e-10) p <- p - step }
  value <- m$obj$fn(p); H <- optimHess(p, m$obj$fn, m$obj$gr, control = list(ndeps = rep(1e-5, length(p))))
  V <- solve(H); k <- length(fixef(m)$cond); disp <- which(names(p) == "betad"); th <- which(names(p) == "theta")
  list(data = data_name, formula = paste(deparse(formula, 500), collapse = ""), family = family$family, link = family$link, nobs = nobs(m), npar = length(p), objective = 2 * value,
       names = I(names(fixef(m)$cond)), beta = I(unname(p[1:k])), se = I(unname(sqrt(diag(V)[1:k]))), theta = I(unname(p[th])), betad = if (length(disp)) unname(p[disp]) else NULL,
       gradient = max(abs(m$obj$gr(p))))
}
sleep <- sleepstudy
out <- list(
  software = list(R = as.character(getRversion()), glmmTMB = as.character(packageVersion("glmmTMB")), TMB = as.character(packageVersion("TMB"))),
  gamma_log = record("sleepstudy", Reaction ~ Days + (1 | Subject), sleep, Gamma(link = "log")),
  gamma_inverse = record("sleepstudy", I(Reaction/100) ~ Days + (1 | Subject), sleep, Gamma(link = "inverse")),
  gamma_identity = record("sleepstudy", I(Reaction/100) ~ Days + (1 | Subject), sleep, Gamma(link = "identity")),
  gamma_slope = record("sleepstudy", Reaction ~ Days + (Days | Subject), sleep, Gamma(link = "log")),
  gaussian_log = record("sleepstudy", Reaction ~ Days + (1 | Subject), sleep, gaussian(link = "log")),
  gaussian_inverse = record("sleepstudy", I(Reaction/100) ~ Days + (1 | Subject), sleep, gaussian(link = "inverse")),
  nb2_sqrt = record("quine", Days ~ Sex + Lrn + (1 | Age), quine, nbinom2(link = "sqrt")),
  nb2_olre = record("grouseticks", TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION), grouseticks, nbinom2(link = "log")),
  nb1_log = record("grouseticks", TICKS ~ YEAR + cHEIGHT + (1 | BROOD), grouseticks, nbinom1(link = "log")),
  poisson_sqrt = record("quine", Days ~ Sex + Lrn + (1 | Age), quine, poisson(link = "sqrt")),
  beta_probit = record("petrol", I(Y/100) ~ scale(EP) + (1 | No), petrol, beta_family(link = "probit")),
  beta_cloglog = record("petrol", I(Y/100) ~ scale(EP) + (1 | No), petrol, beta_family(link = "cloglog")),
  probit_crossed = record("VerbAgg", r2 ~ Anger + Gender + btype + (1 | id) + (1 | item), transform(VerbAgg, r2 = as.numeric(r2 == "Y")), binomial(link = "probit")))
# Inverse Gaussian: the marginal likelihood by numerical integration, maximised.
dig <- function(y, mu, s) sqrt(1 / (2 * pi * s^2 * y^3)) * exp(-(y - mu)^2 / (2 * s^2 * mu^2 * y))
exact <- function(inverse_link) {
  d <- transform(sleepstudy, y = Reaction / 100); X <- model.matrix(~ Days, d)
  g <- split(seq_len(nrow(d)), d$Subject)
  minus2 <- function(p) tryCatch({
    eta <- as.vector(X %*% p[1:2]); tau <- exp(p[3]); s <- exp(p[4])
    -2 * sum(sapply(g, function(i) {
      logf <- function(b) sapply(b, function(bb) { mu <- inverse_link(eta[i] + bb); if (any(!is.finite(mu) | mu <= 0)) -Inf else sum(log(dig(d$y[i], mu, s))) + dnorm(bb, 0, tau, log = TRUE) })
      mode <- optimize(logf, c(-4, 4) * tau, maximum = TRUE, tol = 1e-10)$maximum; top <- logf(mode)
      top + log(integrate(function(b) exp(logf(b) - top), mode - 12 * tau / 3, mode + 12 * tau / 3, rel.tol = 1e-11, subdivisions = 2000)$value)
    }))
  }, error = function(e) 1e6)
  start <- c(if (inverse_link(1) == 1 && inverse_link(2) == 2) c(2.5, 0.1) else c(log(2.5), 0.03), if (inverse_link(2) == 2) log(0.3) else log(0.12), log(0.06))
  fit <- optim(start, minus2, method = "BFGS", control = list(reltol = 1e-15, maxit = 500))
  fit <- optim(fit$par, minus2, method = "BFGS", control = list(reltol = 1e-16, maxit = 500, ndeps = rep(1e-4, 4)))
  H <- optimHess(fit$par, minus2, control = list(ndeps = rep(1e-3, 4)))
  list(objective = fit$value, beta = I(fit$par[1:2]), se = I(sqrt(diag(solve(H / 2)))[1:2]), sd = exp(fit$par[3]), sigma = exp(fit$par[4]))
}
out$inverse_gaussian_log <- exact(exp)
out$inverse_gaussian_identity <- exact(function(e) e)
path <- "tests/reference/families.json"
writeLines(toJSON(out, auto_unbox = TRUE, digits = NA, pretty = 1, null = "null"), path)
writeLines(unname(tools::md5sum(path)), "tests/reference/families.md5")
