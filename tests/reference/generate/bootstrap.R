# Intervals of boot::boot.ci, and parametric-bootstrap likelihood-ratio tests of pbkrtest, with the replicates they were made of.
# usage: Rscript tests/reference/generate/bootstrap.R OUT      (OUT as in README.md; writes OUT/bootstrap.json)
args <- commandArgs(TRUE); out <- args[1]
suppressMessages({ library(lme4); library(boot); library(pbkrtest) })
num <- function(x) I(as.numeric(x))

# ---- intervals of one statistic: the replicates, the estimate and the influence values are handed to boot.ci as they are
set.seed(20240501)
m <- lmer(Reaction ~ Days + (Days | Subject), sleepstudy)
stat <- function(f) c(intercept = fixef(f)[[1]], days = fixef(f)[[2]], sd_days = attr(VarCorr(f)$Subject, "stddev")[[2]], sigma = sigma(f))
t0 <- stat(m)
drawn <- suppressMessages(bootMer(m, stat, nsim = 399))
subjects <- levels(sleepstudy$Subject)
without <- sapply(subjects, function(s) stat(suppressMessages(update(m, data = subset(sleepstudy, Subject != s)))))
intervals <- list()
for (j in seq_along(t0)) {
  l <- (length(subjects) - 1) * (mean(without[j, ]) - without[j, ])
  b <- drawn; b$t0 <- t0[j]; b$t <- drawn$t[, j, drop = FALSE]; b$R <- 399L
  made <- list(t0 = unname(t0[j]), t = num(b$t), L = num(l), limits = list())
  for (level in c(0.8, 0.9, 0.95)) {
    ci <- boot.ci(b, conf = level, type = c("norm", "basic", "perc", "bca"), L = l, t0 = t0[j], t = b$t[, 1])
    made$limits[[as.character(level)]] <- list(normal = num(ci$normal[2:3]), basic = num(ci$basic[4:5]), percentile = num(ci$percent[4:5]), bca = num(ci$bca[4:5]))
  }
  intervals[[names(t0)[j]]] <- made
}

# ---- bootMer's distribution of the same model: standard deviations of 2000 replicates
set.seed(7)
many <- suppressMessages(bootMer(m, function(f) c(stat(f), cor = attr(VarCorr(f)$Subject, "correlation")[2, 1]), nsim = 2000))
distribution <- list(names = I(c(names(t0), "cor")), n = 2000, mean = num(colMeans(many$t, na.rm = TRUE)), sd = num(apply(many$t, 2, sd, na.rm = TRUE)),
  quantiles = apply(many$t, 2, function(v) num(quantile(v, c(.05, .25, .5, .75, .95), na.rm = TRUE)), simplify = FALSE))

# ---- likelihood ratios
tests <- list()
pairs <- list(
  beets = list(sugpct ~ block + sow + harvest + (1 | block:harvest), sugpct ~ block + sow + (1 | block:harvest), beets),
  cake = list(angle ~ recipe * temp + (1 | recipe:replicate), angle ~ recipe + temp + (1 | recipe:replicate), transform(cake, temp = as.numeric(temp))),
  variance = list(Reaction ~ Days + (Days | Subject), Reaction ~ Days + (1 | Subject), sleepstudy)
)
for (id in names(pairs)) {
  p <- pairs[[id]]
  large <- lmer(p[[1]], p[[3]], REML = FALSE); small <- lmer(p[[2]], p[[3]], REML = FALSE)
  pb <- suppressWarnings(suppressMessages(PBmodcomp(large, small, nsim = 200, seed = 11)))
  s <- summary(pb)$test
  tests[[id]] <- list(large = deparse1(p[[1]]), small = deparse1(p[[2]]), ref = num(pb$ref), names = I(rownames(s)),
    stat = num(s$stat), df = num(s$df), ddf = num(s$ddf), p = num(s$p.value), lrt = unname(2 * (logLik(large) - logLik(small))[1]))
}
software <- sapply(c("lme4", "boot", "pbkrtest"), function(p) as.character(packageVersion(p)))
software <- c(R = as.character(getRversion()), software)
text <- jsonlite::toJSON(list(software = as.list(software), intervals = intervals, distribution = distribution, tests = tests), digits = I(17), auto_unbox = TRUE, pretty = TRUE, na = "null")
con <- file(file.path(out, "bootstrap.json"), "wb"); writeBin(charToRaw(paste0(text, "\n")), con); close(con)
