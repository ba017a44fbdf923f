# Text that R makes of numbers, labels, tables and formulas: reference for tests/unit/test_presentation_*.py.
# Run from the repository root: Rscript tests/reference/generate/formatting.R
# Writes tests/reference/formatting.json. Only base R and lme4 are asked; numbers are stored with 17 significant digits.
suppressMessages(library(lme4))
options(width = 80, digits = 7, scipen = 0, OutDec = ".", useFancyQuotes = TRUE)
set.seed(20240611)

num <- function(x) ifelse(is.nan(x), "NaN", ifelse(is.na(x), "NA", ifelse(is.infinite(x), ifelse(x > 0, "inf", "-inf"), sprintf("%.17g", x))))
pick <- function(x) x[[sample.int(length(x), 1)]]

# A vector of one of many kinds: wide and narrow ranges, few decimals, ties, carries, integers, special values.
draw <- function(n = sample(1:6, 1)) {
  x <- switch(sample(9, 1),
    rnorm(n) * 10^sample(-8:8, 1),
    rnorm(n) * 10^runif(n, -6, 6),
    round(rnorm(n) * 10^sample(0:5, 1), sample(0:4, 1)),
    as.numeric(sample(-1000:100000, n)),
    10^sample(-5:7, n, TRUE) * (1 - 10^-sample(2:8, n, TRUE)),
    sample(c(0.5, 1.5, 2.5, 0.15, 0.25, 0.35, 2.675, 0.285, 12.345, 99.995, 1e5, 1e-5, 123456, 0.0001), n, TRUE),
    c(0, rnorm(n - 1 + (n == 1)))[seq_len(n)],
    exp(rnorm(n, sd = 30)) * sample(c(-1, 1), n, TRUE),
    rnorm(n) * 10^runif(n, -2, 3))
  if (runif(1) < 0.08) x[sample(length(x), 1)] <- pick(list(NaN, Inf, -Inf, 0))
  x
}

out <- list(software = list(R = paste(R.version$major, R.version$minor, sep = "."), lme4 = as.character(packageVersion("lme4"))))

out$format <- lapply(1:1500, function(i) {
  x <- draw(); digits <- sample(c(1:7, 4, 4, 4, 7, 10, 15), 1); nsmall <- sample(c(0, 0, 0, 1:4), 1)
  list(x = I(num(x)), digits = digits, nsmall = nsmall, out = I(format(x, digits = digits, nsmall = nsmall)))
})
out$round <- lapply(1:600, function(i) {
  x <- draw(); digits <- sample(-2:6, 1)
  list(x = I(num(x)), digits = digits, out = I(num(round(x, digits))))
})
out$zapsmall <- lapply(1:200, function(i) {
  x <- draw(5); x <- x[is.finite(x)]; digits <- sample(3:8, 1)
  list(x = I(num(x)), digits = digits, out = I(num(zapsmall(x, digits))))
})
out$format_pval <- lapply(1:400, function(i) {
  n <- sample(1:6, 1)
  p <- switch(sample(4, 1), runif(n), 10^-runif(n, 0, 5), 10^-runif(n, 0, 30), c(10^-runif(n, 14, 18)))
  if (runif(1) < 0.1) p[1] <- 0
  if (runif(1) < 0.1) p[n] <- NA
  digits <- sample(c(3, 3, 1:6), 1); eps <- pick(list(.Machine$double.eps, .Machine$double.eps, 1e-4, 1e-3))
  list(p = I(num(p)), digits = digits, eps = num(eps), out = I(format.pval(p, digits = digits, eps = eps)))
})
out$stars <- lapply(c(0, 1e-20, 0.0005, 0.001, 0.0011, 0.01, 0.02, 0.05, 0.051, 0.1, 0.11, 1), function(p)
  list(p = num(p), out = as.character(symnum(p, corr = FALSE, na = FALSE, cutpoints = c(0, 0.001, 0.01, 0.05, 0.1, 1), symbols = c("***", "**", "*", ".", " ")))))

# Labels of fixed effects as they occur in models, and some random ones.
words <- c("(Intercept)", "Days", "standLRT", "schavg", "sex", "type", "Treatment", "temperature", "recipe", "Machine", "sector", "Variety",
  "factor(nitro)", "poly(age, 4)", "I(voltage^2)", "log(size + 1)", "schgendboys", "Reaction_time", "mean.ses", "TV not daily", "year2", "AGE",
  "bs(x, df = 5)", "scale(age)", "lbase", "trtprogabide", "momEdSecondary+", "ZZZ", "aeiou", "aaaaaaaaaaaa", "ns(Days, 3)", "a b c d e f g", "Ωmega_value")
words <- words[!grepl("[^ -~]", words)]
levels. <- c("", "A", "B", "Mxd", "Low", "High", "Catholic", ".L", ".Q", "^4", "1", "2", "2.5", "TRUE", "very long level", "late", "early")
name <- function() { k <- sample(1:3, 1, prob = c(6, 3, 1)); paste(replicate(k, paste0(pick(words), pick(levels.))), collapse = ":") }
out$abbreviate <- c(
  lapply(1:700, function(i) { x <- unique(replicate(sample(1:8, 1), name())); m <- sample(c(6, 11, 6, 11, 4, 8), 1)
    list(x = I(x), minlength = m, out = I(unname(abbreviate(x, minlength = m)))) }),
  lapply(1:200, function(i) { x <- replicate(sample(1:6, 1), paste(sample(c(letters, LETTERS, 0:9, " ", ".", "_", ":", "("), sample(1:25, 1), TRUE), collapse = ""))
    m <- sample(c(1, 3, 6, 11), 1); list(x = I(x), minlength = m, out = I(unname(abbreviate(x, minlength = m)))) }),
  lapply(1:100, function(i) { x <- paste0("variable", sample(c("one", "two", "three", "Four", "five"), 4), sample(1:30, 4)); m <- sample(c(6, 11), 1)
    list(x = I(x), minlength = m, out = I(unname(abbreviate(x, minlength = m)))) }))

# Tables of coefficients, with and without degrees of freedom and p-values.
out$coefficients <- lapply(1:200, function(i) {
  p <- sample(1:7, 1); est <- rnorm(p) * 10^runif(p, -4, 4) * 10^sample(-2:2, 1); se <- abs(est) / runif(p, 0.05, 30)
  if (runif(1) < 0.1) est[1] <- round(est[1])
  if (runif(1) < 0.05) se[1] <- NaN
  tv <- est / se; kind <- sample(3, 1)
  tab <- cbind(Estimate = est, `Std. Error` = se)
  if (kind == 2) { df <- runif(p, 1, 300); if (runif(1) < 0.3) df <- round(df) + 1e-9; tab <- cbind(tab, df = df, `t value` = tv, `Pr(>|t|)` = 2 * pt(-abs(tv), df)) }
  else if (kind == 3) tab <- cbind(tab, `z value` = tv, `Pr(>|z|)` = 2 * pnorm(-abs(tv)))
  else tab <- cbind(tab, `t value` = tv)
  rownames(tab) <- make.unique(replicate(p, name())); digits <- sample(c(4, 4, 3, 5, 6), 1)
  list(rows = I(rownames(tab)), columns = I(colnames(tab)), values = lapply(seq_len(p), function(r) I(num(tab[r, ]))), digits = digits,
       lines = I(capture.output(printCoefmat(tab, digits = digits, tst.ind = if (kind == 2) 4 else 3,
                                             has.Pvalue = kind > 1, P.values = kind > 1))))
})

out$named <- lapply(1:100, function(i) {
  n <- sample(1:12, 1); x <- draw(n); digits <- sample(3:6, 1); nm <- make.unique(replicate(n, name())); x <- rep_len(x, n)
  y <- setNames(format(x, digits = digits), nm)
  list(names = I(nm), x = I(num(x)), digits = digits, gap1 = I(capture.output(print(y, quote = FALSE))), gap2 = I(capture.output(print.default(y, print.gap = 2L, quote = FALSE))))
})

out$matrix <- lapply(1:100, function(i) {
  n <- sample(1:8, 1); k <- sample(1:14, 1); x <- matrix(sapply(seq_len(n * k), function(j) strtrim("abcdefghijklmno", sample(0:9, 1))), n, k)
  dimnames(x) <- list(replicate(n, strtrim(name(), 20)), replicate(k, strtrim(name(), 12)))
  list(rows = I(rownames(x)), columns = I(colnames(x)), cells = lapply(seq_len(n), function(r) I(unname(x[r, ]))),
       left = I(capture.output(print(x, quote = FALSE))), right = I(capture.output(print(x, quote = FALSE, right = TRUE))))
})

# Formulas, broken over lines.
terms. <- c("x", "Days", "standLRT", "schavg", "log(size + 1)", "poly(Days_of_sleep_deprivation, 3)", "I(voltage^2)", "factor(nutrient)", "temperature:recipe", "a * b",
  "(treatment | hospital/ward)", "(1 | Subject)", "(1 + standLRT + schavg + temperature | school)", "(0 + Days_of_sleep_deprivation | Subject)",
  "offset(log(number_of_children_in_the_household))", "bs(time_since_admission, df = 5, knots = c(1, 2, 3), Boundary.knots = c(0, 10))", "-1", "A * B * C",
  "(x * f || group:subgroup)", "scale(mean_reading_score)", "I((measurement_of_depth - 3.5)^2/measurement_of_width)", "service1", "`odd name`", "(a + b)^2")
lhs <- c("y", "Reaction", "normexam", "log(Reaction_time_measured_in_ms)", "cbind(incidence, size - incidence)", "sqrt(total.number.of.fruits.produced.by.a.plant + measurement_error_of_counts)")
out$formula <- lapply(1:200, function(i) {
  text <- paste(pick(lhs), "~", paste(sample(terms., sample(1:12, 1)), collapse = " + ")); text <- sub("\\+ -1", "- 1", text)
  f <- as.formula(text); one <- paste(trimws(deparse(f, width.cutoff = 500L)), collapse = " ")
  list(text = one, lines = I(deparse(f)), printed = I(capture.output(cat("Formula:", deparse(f), fill = TRUE))))
})

# lme4's blocks of a printed model, from made-up numbers.
vc <- function() {
  groups <- sample(1:3, 1)
  blocks <- lapply(seq_len(groups), function(g) {
    k <- sample(1:4, 1); sds <- abs(rnorm(k)) * 10^runif(k, -2, 2) * 10^sample(-2:2, 1)
    if (runif(1) < 0.1) sds[k] <- 0
    R <- cov2cor(crossprod(matrix(rnorm(k * k * 2), ncol = k))); if (k > 1 && runif(1) < 0.2) R[k, 1] <- R[1, k] <- NaN
    if (k > 1 && runif(1) < 0.2) R <- matrix(1, k, k)
    nm <- make.unique(replicate(k, name())); dimnames(R) <- list(nm, nm)
    S <- outer(sds, sds) * R; structure(S, stddev = setNames(sds, nm), correlation = R)
  })
  names(blocks) <- make.unique(replicate(groups, pick(c("g", "Subject", "recipe:replicate", "school", "dept:service"))))
  structure(blocks, sc = abs(rnorm(1)) * 10^runif(1, -2, 2), useSc = runif(1) < 0.8, class = "VarCorr.merMod")
}
out$varcorr <- lapply(1:150, function(i) {
  v <- vc(); digits <- sample(c(4, 4, 4, 3, 5, 6), 1)
  list(blocks = lapply(names(v), function(g) list(group = g, names = I(rownames(v[[g]])), sd = I(num(attr(v[[g]], "stddev"))),
                       corr = lapply(seq_len(nrow(v[[g]])), function(r) I(num(attr(v[[g]], "correlation")[r, ]))))),
       sigma = if (attr(v, "useSc")) num(attr(v, "sc")) else NA, digits = digits,
       summary = I(capture.output(print(formatVC(v, digits = digits, comp = c("Variance", "Std.Dev.")), quote = FALSE))),
       short = I(capture.output(print(v, digits = digits))))
})
out$quantiles <- lapply(1:150, function(i) {
  x <- sort(draw(5)); x <- x[is.finite(x)]; x <- rep_len(x, 5); digits <- sample(c(4, 4, 3, 6), 1)
  list(x = I(num(x)), digits = digits, lines = I(capture.output(print(zapsmall(setNames(x, c("Min", "1Q", "Median", "3Q", "Max")), digits + 1L), digits = digits))))
})


# The first line, the criterion and the line of groups, by lme4's own printing functions.
titles <- c("Linear mixed model fit by REML", "Linear mixed model fit by maximum likelihood ", "Generalized linear mixed model fit by maximum likelihood (Laplace Approximation)",
  "Generalized linear mixed model fit by maximum likelihood (Adaptive Gauss-Hermite Quadrature, nAGQ = 25)",
  "Linear mixed model fit by REML. t-tests use Satterthwaite's method", "Linear mixed model fit by maximum likelihood . t-tests use Satterthwaite's method",
  "Linear mixed model fit by REML. t-tests use Kenward-Roger's method", "Nonlinear mixed model fit by maximum likelihood ")
out$titles <- unlist(lapply(titles, function(t) lapply(c("lmerMod", "glmerMod", "lmerModLmerTest"), function(k)
  list(title = t, class = k, lines = I(capture.output(lme4:::.prt.methTit(t, k)))))), recursive = FALSE)
out$criterion <- lapply(1:150, function(i) {
  x <- pick(list(rnorm(1) * 10^runif(1, -4, 9), round(rnorm(1) * 1e4, 1), 10^sample(0:8, 1), round(rnorm(1) * 1e5)))
  aic <- c(AIC = x + 8, BIC = x + 20, logLik = -x / 2, deviance = x, df.resid = sample(5:100000, 1))
  list(x = num(x), aic = num(x + 8), bic = num(x + 20), log_lik = num(-x / 2), df_resid = aic[["df.resid"]],
       reml1 = I(capture.output(lme4:::.prt.aictab(c(REML = x), 1))), reml4 = I(capture.output(lme4:::.prt.aictab(c(REML = x), 4))),
       ml1 = I(capture.output(lme4:::.prt.aictab(aic, 1))), ml4 = I(capture.output(lme4:::.prt.aictab(aic, 4))))
})
out$groups <- lapply(1:60, function(i) {
  k <- sample(1:6, 1); x <- setNames(sample(2:5000, k), replicate(k, name())); n <- sample(10:1e6, 1)
  list(names = I(names(x)), counts = I(unname(x)), n = n, lines = I(capture.output(lme4:::.prt.grps(x, n))))
})
out$short <- lapply(list(
  lmer(Reaction ~ Days + (Days | Subject), sleepstudy), lmer(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE), lmer(Yield ~ 1 + (1 | Batch), Dyestuff),
  lmer(angle ~ recipe * temperature + (1 | recipe:replicate), cake), lmer(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin), lmer(Reaction ~ 0 + (1 | Subject), sleepstudy)),
  function(m) list(
    reml = isREML(m), formula = deparse(formula(m), 500L), data = deparse(m@call$data), objective = num(if (isREML(m)) REMLcrit(m) else deviance(m)),
    aic = num(AIC(m)), bic = num(BIC(m)), log_lik = num(logLik(m)), df_resid = df.residual(m), fixef_names = I(as.character(names(fixef(m)))), fixef = I(num(unname(fixef(m)))),
    blocks = lapply(names(VarCorr(m)), function(g) { v <- VarCorr(m)[[g]]
      list(group = g, names = I(rownames(v)), sd = I(num(unname(attr(v, "stddev")))), corr = lapply(seq_len(nrow(v)), function(r) I(num(attr(v, "correlation")[r, ])))) }),
    sigma = num(sigma(m)), n = nobs(m), group_names = I(names(ngrps(m))), group_counts = I(unname(ngrps(m))), lines = I(capture.output(print(m)))))

json <- jsonlite::toJSON(out, auto_unbox = TRUE, na = "null", digits = NA)
path <- "tests/reference/formatting.json"
writeLines(json, path, useBytes = TRUE)
writeLines(unname(tools::md5sum(path)), "tests/reference/formatting.md5")
