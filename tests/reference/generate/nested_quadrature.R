# -2 log-likelihoods of two models with nested grouping factors at given parameters, by the trapezoidal rule over both random effects, which is exact to rounding for
# integrands that are smooth and vanish at both ends: reference for tests/agreement/test_nested_quadrature.py. No fit is involved, and nothing adapts to the integrand.
# Run from the repository root: Rscript tests/reference/generate/nested_quadrature.R. The data come with lme4.
# Writes tests/reference/nested_quadrature.json; tests/reference/nested_quadrature.md5 holds its checksum. Numbers have 15 significant digits.
suppressMessages({library(lme4); library(jsonlite)})
d <- droplevels(subset(grouseticks, YEAR == "96"))
height <- (d$HEIGHT - 460) / 50
log_sum <- function(m) { top <- apply(m, 1, max); top + log(rowSums(exp(m - top))) }
objective <- function(y, density, beta, sd_outer, sd_inner, step = 0.05, end = 9) {
  grid <- seq(-end, end, by = step)
  weight <- dnorm(grid, log = TRUE) + log(step)
  fixed <- beta[1] + beta[2] * height
  total <- 0
  for (outer in levels(d$LOCATION)) {
    inside <- weight
    for (inner in unique(as.character(d$BROOD[d$LOCATION == outer]))) {
      l <- matrix(weight, length(grid), length(grid), byrow = TRUE)      # rows: outer effect; columns: inner effect
      for (r in which(d$BROOD == inner & d$LOCATION == outer)) l <- l + density(y[r], outer(sd_outer * grid, fixed[r] + sd_inner * grid, "+"))
      inside <- inside + log_sum(l)
    }
    top <- max(inside)
    total <- total + top + log(sum(exp(inside - top)))
  }
  -2 * total
}
poisson_density <- function(y, eta) y * eta - exp(eta) - lgamma(y + 1)
logit_density <- function(y, eta) plogis(if (y == 1) eta else -eta, log.p = TRUE)
run <- function(name, y, density, beta, sd_outer, sd_inner)
  list(response = name, beta = beta, sd_outer = sd_outer, sd_inner = sd_inner, objective = objective(y, density, beta, sd_outer, sd_inner),
       finer = objective(y, density, beta, sd_outer, sd_inner, step = 0.035))
out <- list(software = list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4"))), rows = nrow(d),
  counts = run("TICKS", d$TICKS, poisson_density, c(0.9, -0.8), 0.7, 0.9),
  outcomes = run("I(TICKS > 3)", as.integer(d$TICKS > 3), logit_density, c(0.2, -1.1), 1.2, 1.6),
  large = run("I(TICKS > 3)", as.integer(d$TICKS > 3), logit_density, c(0.2, -1.1), 2.5, 3))
writeLines(toJSON(out, auto_unbox = TRUE, digits = 15), "tests/reference/nested_quadrature.json")
