# Generalized linear mixed models: marginal means by emmeans, sandwich estimators, deletion of groups, tests of random effects, shares of variance by performance.
# Reference for tests/agreement/test_glmm_means.py and the tests beside it.
# Run from the repository root: Rscript tests/reference/generate/glmm_means.R
# Writes tests/reference/glmm_means.json; tests/reference/glmm_means.md5 holds its checksum. Numbers have 17 significant digits; NA and Inf are null.
# Fits are by glmmTMB, whose derivatives are exact. The scores of a cluster are the gradient of glmmTMB's own objective with the weights of all other rows set to zero.
suppressMessages({library(lme4); library(glmmTMB); library(emmeans); library(performance); library(jsonlite)})
emm_options(msg.nesting = FALSE)
tight <- glmmTMBControl(optCtrl = list(rel.tol = 1e-15, iter.max = 1e4, eval.max = 1e4))
tmb <- function(formula, data, family, ...) {
  m <- suppressWarnings(eval(bquote(glmmTMB(.(formula), data = .(substitute(data)), family = .(substitute(family)), control = tight)), globalenv()))
  # Newton steps from where the optimiser stops.
  par <- m$fit$par
  for (i in 1:3) par <- par - solve(optimHess(par, m$obj$fn, m$obj$gr), as.vector(m$obj$gr(par)))
  m$fit$par <- par; m$fit$objective <- as.numeric(m$obj$fn(par)); m$fit$parfull <- m$obj$env$last.par
  m$sdr <- TMB::sdreport(m$obj, par, getJointPrecision = FALSE)
  m
}

set.seed(41)
n <- 180
u <- data.frame(g = sample(sprintf("g%02d", 1:16), n, TRUE), h = sample(c("u", "v", "w"), n, TRUE), a = sample(c("lo", "mid", "top"), n, TRUE, c(.5, .3, .2)), x = round(runif(n, 0, 2), 3), e = round(runif(n, .5, 3), 2))
u$b <- ifelse(runif(n) < ifelse(u$a == "lo", .3, .6), "p", "q")
effect <- rnorm(16, sd = .6); names(effect) <- sprintf("g%02d", 1:16)
inner <- rnorm(48, sd = .4); names(inner) <- as.vector(outer(names(effect), c("u", "v", "w"), paste0))
eta <- .4 + effect[u$g] + .5 * (u$a == "mid") + .8 * (u$a == "top") * (u$b == "q") + .4 * u$x
u$y <- rpois(n, u$e * exp(eta + inner[paste0(u$g, u$h)]))
u$k <- rnbinom(n, mu = exp(eta), size = 2)
u$t <- round(rgamma(n, shape = 3, scale = exp(eta) / 3), 5) + 1e-5
u$z <- rbinom(n, 1, plogis(eta - 1.2))
u$q <- round(rbeta(n, 6 * plogis(eta - 1.2), 6 * (1 - plogis(eta - 1.2))), 5)
u$q <- pmin(pmax(u$q, 1e-4), 1 - 1e-4)
u$gh <- paste0(u$g, u$h)
data(cbpp, package = "lme4")
cbpp$ratio <- cbpp$incidence / cbpp$size

models <- list(
  cbpp = list(f = quote(cbind(incidence, size - incidence) ~ period + (1 | herd)), d = "cbpp", fam = quote(binomial())),
  cloglog = list(f = quote(cbind(incidence, size - incidence) ~ period + (1 | herd)), d = "cbpp", fam = quote(binomial("cloglog"))),
  poisson = list(f = quote(y ~ a * b + x + offset(log(e)) + (1 | g)), d = "u", fam = quote(poisson())),
  nested = list(f = quote(y ~ a + x + offset(log(e)) + (1 | g) + (1 | gh)), d = "u", fam = quote(poisson())),
  slope = list(f = quote(y ~ a + x + (x | g)), d = "u", fam = quote(poisson())),
  sqrt = list(f = quote(y ~ a + x + (1 | g)), d = "u", fam = quote(poisson("sqrt"))),
  nbinom = list(f = quote(k ~ a * b + x + (1 | g)), d = "u", fam = quote(nbinom2())),
  gamma = list(f = quote(t ~ a + x + (1 | g)), d = "u", fam = quote(Gamma("log"))),
  probit = list(f = quote(z ~ a + b + x + (1 | g)), d = "u", fam = quote(binomial("probit"))),
  logit = list(f = quote(z ~ a * x + b + (1 | g)), d = "u", fam = quote(binomial())),
  beta = list(f = quote(q ~ a + x + (1 | g)), d = "u", fam = quote(beta_family())))
fits <- lapply(models, function(s) eval(bquote(tmb(.(s$f), .(as.name(s$d)), .(s$fam))), globalenv()))
out <- list()
add <- function(m, call, value) out[[m]][[call]] <<- value
plain <- function(d) lapply(as.list(as.data.frame(d)), function(v) if (is.factor(v)) as.character(v) else v)
frame <- function(e, ...) plain(summary(e, infer = c(TRUE, TRUE), ...))
for (id in names(fits)) {
  m <- fits[[id]]; b <- fixef(m)$cond; V <- vcov(m)$cond
  sds <- unname(unlist(lapply(VarCorr(m)$cond, function(v) sqrt(diag(v)))))
  add(id, "fit", list(fixef = unname(b), se = unname(sqrt(diag(V))), sd = sds, deviance = 2 * m$fit$objective))
}

# ---- marginal means
for (id in names(fits)) {
  m <- fits[[id]]; first <- if (id %in% c("cbpp", "cloglog")) ~ period else ~ a
  e <- emmeans(m, first, df = Inf)
  add(id, "link", frame(e)); add(id, "response", frame(e, type = "response"))
  add(id, "bias", frame(e, type = "response", bias.adjust = TRUE, sigma = .7))
  add(id, "pairs bias", frame(pairs(e), type = "response", bias.adjust = TRUE, sigma = .7))
  add(id, "pairs link", frame(pairs(e))); add(id, "pairs response", frame(pairs(e), type = "response"))
}
m <- fits$poisson
add("poisson", "~ a | b", frame(emmeans(m, ~ a | b, df = Inf), type = "response"))
add("poisson", "pairs ~ a | b", frame(pairs(emmeans(m, ~ a | b, df = Inf)), type = "response"))
add("poisson", "at x e", frame(emmeans(m, ~ x, at = list(x = c(0, 1), e = 2), df = Inf), type = "response"))
add("poisson", "dunnett", frame(contrast(emmeans(m, ~ a, df = Inf), "trt.vs.ctrl", adjust = "none"), type = "response"))
add("poisson", "eff", frame(contrast(emmeans(m, ~ a, df = Inf), "eff", adjust = "fdr"), type = "response"))
for (w in c("proportional", "outer", "cells")) add("poisson", paste("weights", w), frame(emmeans(m, ~ a, weights = w, df = Inf)))
add("poisson", "trend", frame(emtrends(m, ~ a, var = "x", df = Inf)))
add("logit", "trend", frame(emtrends(fits$logit, ~ a, var = "x", df = Inf)))
add("logit", "trend pairs", frame(pairs(emtrends(fits$logit, ~ a, var = "x", df = Inf))))
joint <- function(m, ...) { j <- joint_tests(m, df = Inf, ...); list(term = as.character(j[["model term"]]), df = j$df1, f = j$F.ratio, p = j$p.value) }
for (id in c("poisson", "logit", "nbinom", "cbpp")) add(id, "joint", joint(fits[[id]]))

# ---- sandwich: scores of clusters from glmmTMB's objective
scores <- function(m, s, cluster) {
  TS <- suppressWarnings(eval(bquote(glmmTMB(.(s$f), data = .(as.name(s$d)), family = .(s$fam), control = tight, doFit = FALSE)), globalenv()))
  t(sapply(sort(unique(cluster)), function(k) {
    d <- TS$data.tmb; d$weights[cluster != k] <- 0
    obj <- TMB::MakeADFun(d, TS$parameters, map = TS$mapArg, random = TS$randomArg, silent = TRUE, DLL = "glmmTMB")
    -as.vector(obj$gr(m$fit$par))
  }))
}
for (id in setdiff(names(models), "beta")) {
  s <- models[[id]]; m <- fits[[id]]; cluster <- if (s$d == "cbpp") as.character(cbpp$herd) else u$g
  S <- scores(m, s, cluster); H <- optimHess(m$fit$par, m$obj$fn, m$obj$gr)
  C <- solve(H) %*% crossprod(S) %*% solve(H); at <- names(m$fit$par) == "beta"
  add(id, "sandwich", list(clusters = length(unique(cluster)), total = max(abs(colSums(S))), cov = C[at, at, drop = FALSE]))
}

# ---- deletion of groups
for (id in c("cbpp", "poisson", "gamma", "slope")) {
  s <- models[[id]]; group <- if (s$d == "cbpp") "herd" else "g"; whole <- get(s$d); V <- vcov(fits[[id]])$cond; b <- fixef(fits[[id]])$cond
  rows <- lapply(sort(unique(as.character(whole[[group]]))), function(k) {
    assign("part", whole[as.character(whole[[group]]) != k, ], globalenv())
    m <- eval(bquote(tmb(.(s$f), part, .(s$fam))), globalenv()); d <- fixef(m)$cond - b
    list(level = k, change = unname(d), se = unname(sqrt(diag(vcov(m)$cond))), cook = as.numeric(d %*% solve(V, d)) / length(b), ratio = det(vcov(m)$cond) / det(V),
         sd = unname(unlist(lapply(VarCorr(m)$cond, function(v) sqrt(diag(v))))), sigma = sigma(m))
  })
  add(id, "deletion", rows)
}

# ---- standard errors of conditional predictions, with the estimation of all parameters
for (id in c("cbpp", "nested", "slope", "gamma", "nbinom")) {
  p <- predict(fits[[id]], se.fit = TRUE)
  add(id, "predict", list(fit = unname(p$fit)[1:40], se = unname(p$se.fit)[1:40]))
}

# ---- tests of random effects: with each left out
dev <- function(f, d, fam) 2 * eval(bquote(tmb(.(f), .(as.name(d)), .(fam))), globalenv())$fit$objective
drop <- function(f, d, fam) { m <- suppressWarnings(eval(bquote(glmmTMB(.(f), data = .(as.name(d)), family = .(fam), control = tight)), globalenv())); -2 * as.numeric(logLik(m)) }
add("cbpp", "without", list("(1 | herd)" = drop(quote(cbind(incidence, size - incidence) ~ period), "cbpp", quote(binomial()))))
add("nested", "without", list("(1 | g)" = dev(quote(y ~ a + x + offset(log(e)) + (1 | gh)), "u", quote(poisson())), "(1 | gh)" = dev(quote(y ~ a + x + offset(log(e)) + (1 | g)), "u", quote(poisson()))))
add("slope", "without", list("x in (x | g)" = dev(quote(y ~ a + x + (1 | g)), "u", quote(poisson()))))
add("gamma", "without", list("(1 | g)" = drop(quote(t ~ a + x), "u", quote(Gamma("log")))))
add("nbinom", "without", list("(1 | g)" = drop(quote(k ~ a * b + x), "u", quote(nbinom2()))))
add("beta", "without", list("(1 | g)" = drop(quote(q ~ a + x), "u", quote(beta_family()))))

# ---- shares of variance
for (id in names(fits)) {
  m <- fits[[id]]
  i <- suppressWarnings(suppressMessages(try(icc(m), silent = TRUE))); r <- suppressWarnings(suppressMessages(try(r2_nakagawa(m), silent = TRUE)))
  v <- suppressWarnings(suppressMessages(try(insight::get_variance(m), silent = TRUE)))
  if (inherits(v, "try-error") || length(v) < 3) { cat(id, "no variance\n"); next }
  add(id, "shares", list(fixed = unname(v$var.fixed), random = unname(v$var.random), distribution = unname(v$var.distribution), icc = i$ICC_adjusted, icc_unadjusted = i$ICC_unadjusted,
    marginal = unname(r$R2_marginal), conditional = unname(r$R2_conditional)))
}
# Variance of an observation by the formulas of Nakagawa, Johnson and Schielzeth (2017) at the mean exp(b0 + v / 2 + mean offset) of the model without predictors; of a beta response by the delta method at b0.
by_paper <- list(
  poisson = list(y ~ 1 + offset(log(e)) + (1 | g), poisson(), function(mu, m) log1p(1 / mu)),
  nested = list(y ~ 1 + offset(log(e)) + (1 | g) + (1 | gh), poisson(), function(mu, m) log1p(1 / mu)),
  nbinom = list(k ~ 1 + (1 | g), nbinom2(), function(mu, m) log1p(1 / mu + 1 / sigma(m))),
  gamma = list(t ~ 1 + (1 | g), Gamma("log"), function(mu, m) log1p(sigma(m)^2)))
for (id in names(by_paper)) {
  s <- by_paper[[id]]; null <- eval(bquote(tmb(.(s[[1]]), u, .(s[[2]]))), globalenv())
  shift <- if (grepl("offset", deparse(s[[1]]))) mean(log(u$e)) else 0
  mu <- exp(fixef(null)$cond[[1]] + sum(unlist(VarCorr(null)$cond)) / 2 + shift)
  add(id, "by_paper", s[[3]](mu, fits[[id]]))
}
null <- tmb(q ~ 1 + (1 | g), u, beta_family()); mu <- plogis(fixef(null)$cond[[1]]); add("beta", "by_paper", 1 / ((1 + sigma(fits$beta)) * mu * (1 - mu)))

columns <- function(d) lapply(as.list(d), function(v) if (is.factor(v)) as.character(v) else v)
text <- function(s) list(formula = paste(deparse(s$f, 500), collapse = ""), data = s$d, family = deparse(s$fam))
write(toJSON(list(R = R.version.string, glmmTMB = as.character(packageVersion("glmmTMB")), emmeans = as.character(packageVersion("emmeans")), performance = as.character(packageVersion("performance")),
  insight = as.character(packageVersion("insight")), data = list(u = columns(u)), models = lapply(models, text), results = out), digits = I(17), na = "null", auto_unbox = TRUE, matrix = "rowmajor", null = "null"), "tests/reference/glmm_means.json")
writeLines(unname(tools::md5sum("tests/reference/glmm_means.json")), "tests/reference/glmm_means.md5")
