# Generalized models of data that are hard to fit, with the data: reference for tests/unit/test_glmer_stress.py.
# Run from the repository root: Rscript tests/reference/generate/stress.R. Needs glmmTMB and jsonlite.
# Each model is fitted by glmmTMB (Laplace's approximation with the observed curvature, full maximum likelihood), from the mean of the response, then again from its own optimum with two optimisers; the
# lowest -2 log-likelihood is kept. `par` is g's standard deviation as it is, and sigma(m): the size of nbinom2, phi of nbinom1 (variance mu (1 + phi)), sqrt(dispersion) of Gamma.
# Writes tests/reference/stress.json; tests/reference/stress.md5 holds its checksum. Numbers have 15 significant digits.
suppressMessages({library(glmmTMB); library(jsonlite)})
set.seed(20)
groups <- function(n = 120, levels = 12) {
  g <- (seq_len(n) - 1) %% levels
  data.frame(g = g, x = round(rnorm(n), 6), b = rnorm(levels)[g + 1])
}
best <- function(formula, data, family) {
  data$g <- factor(data$g)
  from <- list(beta = c(family$linkfun(mean(data$y)), 0))
  fits <- list(suppressWarnings(glmmTMB(formula, data, family = family, start = from)))
  for (optimizer in c("nlminb", "optim")) {
    control <- if (optimizer == "nlminb") glmmTMBControl(optCtrl = list(iter.max = 5000, eval.max = 5000, rel.tol = 1e-14, x.tol = 1e-12)) else
      glmmTMBControl(optimizer = optim, optArgs = list(method = "BFGS"), optCtrl = list(maxit = 5000, reltol = 1e-16))
    p <- fits[[1]]$fit$par
    start <- list(beta = unname(p[names(p) == "beta"]), theta = unname(p[names(p) == "theta"]))
    again <- tryCatch(suppressWarnings(glmmTMB(formula, data, family = family, start = start, control = control)), error = function(e) NULL)
    if (!is.null(again)) fits <- c(fits, list(again))
  }
  # logLik() is NA where the Hessian is not positive definite; the objective is there nevertheless
  objective <- sapply(fits, function(m) 2 * m$fit$objective)
  m <- fits[[which.min(objective)]]
  list(objective = min(objective), fixef = unname(fixef(m)$cond), sd = exp(unname(m$fit$par[names(m$fit$par) == "theta"])),
       dispersion = sigma(m), positive_hessian = isTRUE(m$sdr$pdHess))
}
run <- function(data, family, formula = y ~ x + (1 | g)) {
  c(list(g = data$g, x = data$x, y = data$y), best(formula, data, family))
}
out <- list(software = list(R = as.character(getRversion()), glmmTMB = as.character(packageVersion("glmmTMB"))))
d <- groups()
mean <- exp(13.8 + 0.5 * d$x + 0.3 * d$b)
d$y <- rpois(120, mean); out$million_poisson <- run(d, poisson())
d$y <- rpois(120, rgamma(120, 3, 3) * mean); out$million_nbinom2 <- run(d, nbinom2()); out$million_nbinom1 <- run(d, nbinom1())
d$y <- rpois(120, 1); d$y[8] <- 1e7; out$one_huge_count <- run(d, poisson())
alone <- groups(80, 80); alone$y <- rpois(80, exp(1 + alone$b)); out$alone_poisson <- run(alone, poisson())
alone$y <- rbinom(80, 1, 0.5); out$alone_binary <- run(alone, binomial())
for (shape in c(0.02, 0.2)) {
  d$y <- pmax(rgamma(120, shape, shape / exp(d$b)), 1e-300)
  out[[paste0("gamma_", shape)]] <- run(d, Gamma("log"))
}
wide <- groups(240, 24); wide$y <- ifelse(wide$g < 8, 0, ifelse(wide$g < 16, 1, rbinom(240, 1, 0.5)))
out$all_or_none <- run(wide, binomial())
d$y <- rpois(120, 3); out[["poisson(identity)"]] <- run(d, poisson("identity")); out[["poisson(sqrt)"]] <- run(d, poisson("sqrt"))
d$y <- rgamma(120, 2, 0.5); out[["Gamma(inverse)"]] <- run(d, Gamma("inverse")); out[["Gamma(identity)"]] <- run(d, Gamma("identity"))
writeLines(toJSON(out, auto_unbox = TRUE, digits = 15), "tests/reference/stress.json")
