# Profile intervals (95 %) of generalized models: by glmmTMB, whose limits are found by root finding on the profiled Laplace likelihood (TMB::tmbroot), and by
# lme4, whose limits are interpolated on a profile made by optimisers without derivatives. Reference for tests/agreement/test_glmm_intervals.py.
# usage: Rscript tests/reference/generate/glmm_profiles.R OUT [ID ...]   (writes OUT/glmm_profile_ID.json for each case, all by default)
args <- commandArgs(TRUE); out <- args[1]
suppressMessages({ library(lme4); library(glmmTMB); library(TMB); library(jsonlite) })
data(Contraception, package = "mlmRev")
control <- glmmTMBControl(optCtrl = list(iter.max = 1e5, eval.max = 1e5, rel.tol = 1e-15, x.tol = 0))
tight <- glmerControl(optimizer = "bobyqa", optCtrl = list(maxfun = 1e6, rhobeg = 0.02, rhoend = 1e-9), tolPwrss = 1e-13, calc.derivs = FALSE)
num <- function(x) I(as.numeric(x))
binomial_cbpp <- cbind(incidence, size - incidence) ~ period + (1 | herd)
cases <- list(
  cbpp = list(data = "cbpp", formula = binomial_cbpp, family = binomial(), tmb = TRUE, lme4 = 1),
  cbpp_agq9 = list(data = "cbpp", formula = binomial_cbpp, family = binomial(), tmb = FALSE, lme4 = 9),
  cbpp_cloglog = list(data = "cbpp", formula = binomial_cbpp, family = binomial(link = "cloglog"), tmb = TRUE, lme4 = 0),
  grouse = list(data = "grouseticks", formula = TICKS ~ YEAR + cHEIGHT + (1 | BROOD), family = poisson(), tmb = TRUE, lme4 = 1),
  grouse_crossed = list(data = "grouseticks", formula = TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION), family = poisson(), tmb = TRUE, lme4 = 0),
  grouse_nb = list(data = "grouseticks", formula = TICKS ~ YEAR + cHEIGHT + (1 | BROOD), family = nbinom2(), tmb = TRUE, lme4 = 0),
  gamma_log = list(data = "sleepstudy", formula = Reaction ~ Days + (1 | Subject), family = Gamma(link = "log"), tmb = TRUE, lme4 = 0),
  gamma_slope = list(data = "sleepstudy", formula = Reaction ~ Days + (Days | Subject), family = Gamma(link = "log"), tmb = TRUE, lme4 = 0),
  slope = list(data = "Contraception", formula = use ~ age + urban + (urban | district), family = binomial(), tmb = TRUE, lme4 = 0))
by_tmb <- function(case) {
  f <- case$formula; environment(f) <- environment()
  d <- get(case$data); d <- if (case$data == "Contraception") transform(d, use = as.numeric(use == "Y")) else d
  m <- suppressWarnings(glmmTMB(f, data = d, family = case$family, control = control))
  p <- m$fit$par
  for (i in 1:4) { g <- as.vector(m$obj$gr(p)); H <- optimHess(p, m$obj$fn, m$obj$gr, control = list(ndeps = rep(1e-5, length(p)))); step <- solve(H, g)
                   if (is.finite(m$obj$fn(p - step)) && m$obj$fn(p - step) <= m$obj$fn(p) + 1e-10) p <- p - step }
  best <- m$obj$fn(p)
  # the value of one parameter at which the deviance, minimised over the others from there on, has risen by the quantile
  rise <- function(i, v, from) {
    free <- function(q) { x <- p; x[-i] <- q; x[i] <- v; x }
    o <- nlminb(from, function(q) m$obj$fn(free(q)), function(q) m$obj$gr(free(q))[-i], control = list(rel.tol = 1e-14, x.tol = 0, iter.max = 1000, eval.max = 2000))
    list(rise = 2 * (o$objective - best), at = o$par)
  }
  se <- sqrt(diag(solve(optimHess(p, m$obj$fn, m$obj$gr, control = list(ndeps = rep(1e-5, length(p)))))))
  q <- qchisq(0.95, 1)
  side <- function(i, sign) {
    at <- p[-i]; last <- p[i]; step <- 0.5 * se[i]
    for (k in 1:60) {
      v <- last + sign * step; r <- rise(i, v, at); at <- r$at
      if (!is.finite(r$rise)) return(NA)
      if (r$rise > q) { from <- at
        return(uniroot(function(v) rise(i, v, from)$rise - q, sort(c(last, v)), tol = 1e-9 * se[i])$root) }
      last <- v; if (k > 8) step <- 1.5 * step
      if (names(p)[i] == "theta" && abs(v - p[i]) > 40) return(sign * Inf)
    }
    sign * Inf
  }
  limits <- t(sapply(seq_along(p), function(i) c(side(i, -1), side(i, 1))))
  list(objective = 2 * best, parameters = I(names(p)), estimate = num(p), fixed = I(names(fixef(m)$cond)), lower = num(limits[, 1]), upper = num(limits[, 2]))
}
by_lme4 <- function(case) {
  f <- case$formula; environment(f) <- environment()
  m <- suppressWarnings(glmer(f, data = get(case$data), family = case$family, nAGQ = case$lme4, control = tight))
  ci <- suppressWarnings(suppressMessages(confint(m, method = "profile", oldNames = FALSE, quiet = TRUE)))
  list(objective = -2 * as.numeric(logLik(m)), rows = I(rownames(ci)), lower = num(ci[, 1]), upper = num(ci[, 2]))
}
software <- sapply(c("lme4", "glmmTMB", "TMB"), function(p) as.character(packageVersion(p)))
for (id in if (length(args) > 1) args[-1] else names(cases)) {
  case <- cases[[id]]
  made <- list(software = as.list(c(R = as.character(getRversion()), software)), data = case$data, formula = paste(deparse(case$formula, 500), collapse = ""), family = case$family$family,
               link = case$family$link, n_quad = max(1, case$lme4))
  if (case$tmb) made$glmmTMB <- by_tmb(case)
  if (case$lme4 > 0) made$lme4 <- tryCatch({ setTimeLimit(elapsed = 400); by_lme4(case) }, error = function(e) list(error = conditionMessage(e)))
  setTimeLimit()
  writeLines(toJSON(made, digits = I(15), auto_unbox = TRUE, null = "null", na = "string", pretty = FALSE), file.path(out, paste0("glmm_profile_", id, ".json")))
}
