# Laplace fits of lme4 whose Z is changed: levels with a known covariance matrix, and rows with several levels.
# Reads the tables of this folder, written as csv.
suppressMessages(library(lme4))
changed <- function(formula, data, family, zt_of) {
  f <- glFormula(formula, data, family = family)
  f$reTrms$Zt <- as(as(zt_of(f), "generalMatrix"), "CsparseMatrix")
  dev <- do.call(mkGlmerDevfun, c(f, list(control = glmerControl(tolPwrss = 1e-13))))
  opt <- optimizeGlmer(dev, optimizer = "bobyqa", control = list(rhoend = 1e-12))
  dev <- updateGlmerDevfun(dev, f$reTrms)
  best <- NULL
  for (round in 1:6) {
    start <- if (is.null(best)) c(opt$par, environment(dev)$pp$beta(1)) else best$par
    best <- nloptwrap(start, dev, lower = c(0, rep(-Inf, length(start) - 1)), upper = rep(Inf, length(start)),
                      control = list(xtol_abs = 1e-12, ftol_abs = 1e-12, maxeval = 100000))
  }
  v <- dev(best$par)
  dput(list(objective = v, par = best$par), control = "digits17")
}
A <- read.csv("sim_pedigree_A.csv"); names <- levels(factor(A$row))
K <- matrix(0, length(names), length(names), dimnames = list(names, names))
K[cbind(A$row, A$col)] <- A$value; K[cbind(A$col, A$row)] <- A$value
d <- read.csv("sim_pedigree.csv", stringsAsFactors = TRUE)
d$high <- as.integer(d$y > 51)
used <- levels(d$animal)
L <- t(chol(K[used, used]))
pedigree <- function(f) t(t(f$reTrms$Zt) %*% L)
changed(high ~ sex + (1 | animal), d, binomial, pedigree)
changed(high ~ sex + (1 | animal), d, binomial("probit"), pedigree)
m <- read.csv("sim_membership.csv", stringsAsFactors = FALSE)
m$count <- round(exp((m$y - 20) / 8))
all <- sort(unique(na.omit(c(m$t1, m$t2, m$t3))))
m$t <- factor(rep(all, length.out = nrow(m)), levels = all)
Z <- matrix(0, nrow(m), length(all), dimnames = list(NULL, all))
for (k in 1:3) { t <- m[[paste0("t", k)]]; w <- m[[paste0("w", k)]]; ok <- !is.na(t) & t != ""
  for (i in which(ok)) Z[i, t[i]] <- Z[i, t[i]] + w[i] }
changed(count ~ x + (1 | t), m, poisson, function(f) Matrix(t(Z), sparse = TRUE))
print(table(d$high)); print(summary(m$count)); cat(R.version.string, as.character(packageVersion("lme4")), "\n")
