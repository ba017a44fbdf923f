# Log-likelihoods of nested models with zeros and dispersion from glmmTMB, and p-values of their likelihood ratios by the
# mixtures of chi-squares of Self and Liang (1987). Rscript component_tests.R ../component_tests.json
suppressMessages({library(glmmTMB); library(jsonlite)})
data(Salamanders, package = "glmmTMB"); data(Owls, package = "glmmTMB")
fit <- function(f, d, ...) glmmTMB(f, d, ...)
one <- count ~ spp + mined + (1 | site)
owls <- SiblingNegotiation ~ FoodTreatment + offset(logBroodSize) + (1 | Nest)
pairs <- list(
  zi = list(fit(one, Salamanders, nbinom1), fit(one, Salamanders, nbinom1, ziformula = ~ 1), c(0.5, 0.5)),
  zi_random = list(fit(owls, Owls, nbinom1, ziformula = ~ 1), fit(owls, Owls, nbinom1, ziformula = ~ 1 + (1 | Nest)), c(0.5, 0.5)),
  disp = list(fit(one, Salamanders, nbinom2), fit(one, Salamanders, nbinom2, dispformula = ~ mined), c(0, 1)),
  limit = list(fit(owls, Owls, poisson, ziformula = ~ 1), fit(owls, Owls, nbinom2, ziformula = ~ 1), c(0.5, 0.5)))
out <- lapply(pairs, function(p) {
  ll <- sapply(p[1:2], function(m) as.numeric(logLik(m)))
  s <- max(0, 2 * diff(ll))
  list(loglik = ll, statistic = s, p = pchisq(s, 1, lower.tail = FALSE), boundary = sum(p[[3]][2]) * pchisq(s, 1, lower.tail = FALSE))
})
out$versions <- list(glmmTMB = as.character(packageVersion("glmmTMB")), R = R.version.string)
write_json(out, commandArgs(TRUE)[1], digits = 17, auto_unbox = TRUE)
