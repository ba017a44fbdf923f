# Profiles of -2 log-likelihood of models with covariance structures, by dense algebra of each
# subject's V and nlminb over everything else: one value of a parameter held at a time.
# Rscript structure_profiles.R > structure_profiles.json
suppressPackageStartupMessages({ library(nlme); library(jsonlite) })
d <- as.data.frame(Orthodont)
d$Sex <- factor(d$Sex, levels = c("Male", "Female"))
d <- d[order(d$Subject, d$age), ]
X <- model.matrix(~ Sex * age, d)
y <- d$distance
id <- split(seq_along(y), as.character(d$Subject))
occasion <- (d$age - 6) / 2
female <- d$Sex == "Female"

# deviance with beta estimated, or one of it held
deviance_of <- function(V, X, y) {
  xx <- 0; xy <- 0; yy <- 0; ld <- 0
  for (r in id) {
    v <- V(r)
    u <- tryCatch(chol(v), error = function(e) NULL)
    if (is.null(u)) return(1e10)
    a <- backsolve(u, cbind(X[r, , drop = FALSE], y[r]), transpose = TRUE)
    p <- ncol(X)
    xx <- xx + crossprod(a[, 1:p, drop = FALSE]); xy <- xy + crossprod(a[, 1:p, drop = FALSE], a[, p + 1])
    yy <- yy + sum(a[, p + 1]^2); ld <- ld + 2 * sum(log(diag(u)))
  }
  length(y) * log(2 * pi) + ld + yy - sum(xy * solve(xx, xy))
}

ratio <- function(r, s) { w <- ifelse(female[r], s, 1); outer(w, w) }
lag <- function(r) abs(outer(occasion[r], occasion[r], "-"))
tri <- function(p, n) { L <- matrix(0, n, n); L[upper.tri(L, TRUE)] <- p; t(L) }   # row by row

models <- list(
  gls_ar1 = list(
    call = list(verb = "gls", formula = "distance ~ Sex * age", correlation = "ar1(1 | Subject)", variance = "by_group(Sex)"),
    names = c("rho", "sd_ratio(Female)", "sigma"), start = c(atanh(0.5), log(0.6), log(2)),
    natural = function(p) c(tanh(p[1]), exp(p[2:3])),
    V = function(p) function(r) exp(2 * p[3]) * ratio(r, exp(p[2])) * tanh(p[1])^lag(r)),
  gls_us = list(
    call = list(verb = "gls", formula = "distance ~ Sex * age", correlation = "us(factor(age) | Subject)"),
    names = c("sigma", "sd_ratio(10)", "sd_ratio(12)", "sd_ratio(14)", "cor(8, 10)", "cor(8, 12)", "cor(10, 12)",
              "cor(8, 14)", "cor(10, 14)", "cor(12, 14)"),
    start = c(2.3, 1.2, 1.6, 1.4, 0.6, 1.8, 1.2, 1, 0.6, 1.2),
    natural = function(p) { S <- tcrossprod(tri(p, 4)); s <- sqrt(diag(S)); C <- cov2cor(S)
      c(s[1], s[-1] / s[1], C[1, 2], C[1, 3], C[2, 3], C[1, 4], C[2, 4], C[3, 4]) },
    V = function(p) { S <- tcrossprod(tri(p, 4)); function(r) S[occasion[r], occasion[r]] }),
  gls_toep = list(
    call = list(verb = "gls", formula = "distance ~ Sex * age", correlation = "toep(factor(age) | Subject)"),
    names = c("rho(1)", "rho(2)", "rho(3)", "sigma"), start = c(0.6, 0.6, 0.4, log(2)),
    natural = function(p) c(p[1:3], exp(p[4])),
    V = function(p) function(r) exp(2 * p[4]) * matrix(c(1, p[1:3])[lag(r) + 1], length(r))),
  lmer_ar1 = list(
    call = list(verb = "lmer", formula = "distance ~ Sex * age + (1 | Subject)", correlation = "ar1(1 | Subject)",
                variance = "by_group(Sex)"),
    names = c("sd_(Intercept)|Subject", "rho", "sd_ratio(Female)", "sigma"),
    start = c(1.8, 0.1, log(0.5), log(1.6)),
    natural = function(p) c(abs(p[1]), tanh(p[2]), exp(p[3:4])),
    V = function(p) function(r) p[1]^2 + exp(2 * p[4]) * ratio(r, exp(p[3])) * tanh(p[2])^lag(r)),
  lmer_line = list(
    call = list(verb = "lmer", formula = "distance ~ Sex * age + (age | Subject)", variance = "by_group(Sex)"),
    names = c("sd_(Intercept)|Subject", "cor_age.(Intercept)|Subject", "sd_age|Subject", "sd_ratio(Female)", "sigma"),
    start = c(1.8, -0.03, 0.13, log(0.5), log(1.6)),
    natural = function(p) c(abs(p[1]), p[2] / sqrt(p[2]^2 + p[3]^2), sqrt(p[2]^2 + p[3]^2), exp(p[4:5])),
    V = function(p) { S <- tcrossprod(matrix(c(p[1], p[2], 0, p[3]), 2))
      function(r) { Z <- cbind(1, d$age[r]); Z %*% S %*% t(Z) + exp(2 * p[5]) * ratio(r, exp(p[4])) * diag(length(r)) } }),
  effects_ar1 = list(
    call = list(verb = "lmer", formula = "distance ~ Sex * age + ar1(0 + factor(age) | Subject)"),
    names = c("sd|Subject", "correlation|Subject", "sigma"), start = c(log(1.8), atanh(0.8), log(1.2)),
    natural = function(p) c(exp(p[1]), tanh(p[2]), exp(p[3])),
    V = function(p) function(r) exp(2 * p[1]) * tanh(p[2])^lag(r) + exp(2 * p[3]) * diag(length(r)))
)

minimum <- function(f, starts) {
  best <- NULL
  for (s in starts) for (k in 1:3) {
    o <- nlminb(if (k == 1) s else o$par, f, control = list(rel.tol = 1e-14, x.tol = 1e-12, iter.max = 2000, eval.max = 8000))
    if (is.null(best) || o$objective < best$objective) best <- o
  }
  best
}

# one natural parameter held: a quadratic penalty that grows, then the rise that is left of it is
# removed by the slope (an augmented Lagrangian)
held <- function(m, j, value, par) {
  lambda <- 0; mu <- 1e3
  for (k in 1:25) {
    f <- function(p) { g <- (m$natural(p)[j] - value) / abs(value); deviance_of(m$V(p), X, y) + lambda * g + mu * g^2 }
    o <- minimum(f, list(par))
    g <- (m$natural(o$par)[j] - value) / abs(value)
    par <- o$par
    if (abs(g) < 1e-9) break
    lambda <- lambda + 2 * mu * g
  }
  list(deviance = deviance_of(m$V(par), X, y), par = par, miss = g)
}

out <- list()
for (name in names(models)) {
  m <- models[[name]]
  best <- minimum(function(p) deviance_of(m$V(p), X, y), list(m$start))
  estimates <- m$natural(best$par)
  points <- list()
  for (j in seq_along(m$names)) for (factor in c(0.85, 1.1)) {
    value <- estimates[j] * factor
    if (grepl("^cor|^rho", m$names[j]) && abs(value) > 0.98) next
    h <- held(m, j, value, best$par)
    points[[length(points) + 1]] <- list(parameter = m$names[j], value = value, rise = h$deviance - best$objective)
  }
  beta <- colnames(X)[3:4]
  for (j in 3:4) {
    se <- if (j == 3) 0.1 else 0.12
    for (sign in c(-1, 1)) {
      value <- c(0.78, -0.3)[j - 2] + sign * se
      o <- minimum(function(p) deviance_of(m$V(p), X[, -j], y - value * X[, j]), list(best$par))
      name_of <- c("age", "Sex[T.Female]:age")[j - 2]
      points[[length(points) + 1]] <- list(parameter = name_of, value = value, rise = o$objective - best$objective)
    }
  }
  out[[name]] <- list(call = m$call, deviance = best$objective, points = points)
}
cat(toJSON(list(versions = list(R = as.character(getRversion()), nlme = as.character(packageVersion("nlme"))), models = out),
           auto_unbox = TRUE, digits = NA, pretty = TRUE))
