# What R makes of formulas: terms, updates, model matrices and grouping factors. Reference for tests/unit/test_formula_reference.py and
# tests/unit/test_design_reference.py.
# Run from the repository root: Rscript tests/reference/generate/design.R
# Writes tests/reference/design.json; tests/reference/design.md5 holds its checksum. Numbers have 17 significant digits, NA is null.
suppressMessages({library(lme4); library(splines); library(jsonlite)})
invisible(Sys.setlocale("LC_COLLATE", "C"))  # text is sorted by code points, whatever the country
data(Machines, Oats, package = "nlme")

# ---- data: one frame of every kind of column, and parts of four classics
set.seed(11)
n <- 36
d <- data.frame(
  y = round(rnorm(n, 10, 2), 3), x = round(runif(n, 0.5, 9), 2), w = round(rexp(n) + 0.1, 3), z = round(rnorm(n), 3),
  count = rpois(n, 4), size = rpois(n, 6) + 5L,
  f = factor(sample(c("a", "b", "c"), n, TRUE), levels = c("c", "a", "b", "never")),
  g = factor(rep(sprintf("g%d", 1:6), each = 6)),
  h = factor(rep(c("u", "v", "w"), 12)),
  l = rep(c(TRUE, FALSE, FALSE, TRUE), 9),
  o = factor(rep(c("low", "mid", "high", "top"), 9), levels = c("low", "mid", "high", "top"), ordered = TRUE),
  s = sample(c("red", "Green", "blue"), n, TRUE),
  id = rep(c(10L, 2L, 33L, 4L), 9),
  `my var` = round(rnorm(n), 2), x.1 = round(rnorm(n), 2),
  check.names = FALSE, stringsAsFactors = FALSE)
d$gap <- d$x; d$gap[c(3, 17)] <- NA
frames <- list(
  d = d,
  sleepstudy = droplevels(subset(sleepstudy, Subject %in% c("308", "309", "330", "372"))),
  Machines = data.frame(Worker = factor(Machines$Worker, ordered = FALSE), Machine = factor(Machines$Machine), score = Machines$score),
  cake = { k <- as.data.frame(cake[cake$replicate %in% c("1", "2", "3", "4"), c("replicate", "recipe", "temperature", "angle", "temp")]); droplevels(k) },
  Oats = data.frame(Block = factor(as.character(Oats$Block)), Variety = Oats$Variety, nitro = Oats$nitro, yield = Oats$yield))
frames$Machines$Worker <- factor(as.character(frames$Machines$Worker))
new <- d[c(2, 9, 20, 31), ]
new$x <- c(0.1, 4.4, 9.9, 7); new$z <- c(3, -3, 0, 1)

column <- function(v) {
  if (is.factor(v)) list(kind = "factor", levels = levels(v), codes = as.integer(v) - 1L, ordered = is.ordered(v))
  else list(kind = if (is.logical(v)) "logical" else if (is.character(v)) "text" else if (is.integer(v)) "integer" else "numeric", values = v)
}
store <- function(frame) lapply(as.list(frame), column)

# ---- terms
term_formulas <- c(
  "y ~ x", "y ~ 0 + x", "y ~ x - 1", "y ~ -1 + x", "y ~ x + 0", "y ~ 1", "y ~ 0", "y ~ a*b*c", "y ~ a*b*c - a:b:c", "y ~ (a + b + c)^2", "y ~ (a + b + c)^3 - a:b",
  "y ~ a/b", "y ~ a/b/c", "y ~ (a + b)/c", "y ~ a/(b + c)", "y ~ a/(b*c)", "y ~ a %in% b", "y ~ a + b %in% a", "y ~ b + a:b", "y ~ a:b + b:c + a", "y ~ a*b + c*a",
  "y ~ a:b:c + a + b:a", "y ~ a + a + a:a", "y ~ a^2", "y ~ (a + b)^2 + (b + c)^2", "y ~ a*b - b", "y ~ a - a", "y ~ a + b - (a + b) + c", "y ~ a*(b + c)",
  "y ~ a*b^2", "y ~ (a*b)^2", "y ~ I(x^2) + x", "y ~ log(x)*a", "y ~ poly(x, 2):a + a", "y ~ a:(b + c):d", "y ~ a - 1 + 1", "y ~ 0 + 1", "y ~ 1 - 1", "y ~ x*1",
  "y ~ (1 + x):a", "y ~ x + offset(w)", "y ~ offset(w) + a + offset(z)", "log(y) ~ x + a:x", "y ~ x + (x > 3)", "y ~ !l + x", "y ~ `my var`*x.1",
  "~ a + b", "cbind(s, f - s) ~ a", "y ~ x + -1", "y ~ - x + a", "y ~ (a - 1)*b", "y ~ a*b*c*d - a:b:c:d - b", "y ~ a:b + a:c + d", "y ~ c + b + a + a:c + b:c",
  "y ~ x + I(x * 1e5) + I(x/0.10) + log(x, base = 2) + I(-x) + factor(x, levels = c(1, 2))")
term_reference <- lapply(term_formulas, function(text) {
  t <- terms(as.formula(text))
  list(formula = text, code = paste(deparse(as.formula(text), width.cutoff = 500), collapse = ""), labels = as.list(attr(t, "term.labels")),
       intercept = attr(t, "intercept"), offsets = as.list(rownames(attr(t, "factors"))[attr(t, "offset")]))
})

# ---- update
updates <- list(
  c("y ~ x + (1 | g)", ". ~ . - x"), c("y ~ x + (1 | g)", ". ~ . - 1"), c("y ~ a*b + (1 | g)", ". ~ . + c"), c("y ~ x + (1 | g)", ". ~ . - (1 | g)"),
  c("y ~ x + offset(z) + (1 | g)", ". ~ . + w"), c("y ~ x + (x || g)", "log(.) ~ . + I(x^2)"), c("y ~ x + (1 | g)", "~ ."), c("y ~ x + (1 | g)", "z ~ ."),
  c("y ~ x + (1 | g)", ". ~ . + (1 | h) - (1 | g)"), c("y ~ 0 + x + (1 | g)", ". ~ . + 1"), c("y ~ 0 + x", ". ~ . + w"), c("y ~ x", ". ~ 1"),
  c("y ~ x + w", ". ~ . - x - w"), c("~ x + (1 | g)", "~ . - x"), c("y ~ `a b` + x", ". ~ . - x"), c("y ~ (a + b)^2 + (1 | g)", ". ~ . - a:b"),
  c("cbind(a, b) ~ x", ". ~ . + w"), c("y ~ x + (a:x | g)", ". ~ ."), c("y ~ x + (x || g)", ". ~ . - (x || g) + (1 | g)"), c("y ~ a + b", ". ~ .^2"),
  c("y ~ a*b", "sqrt(.) ~ . - a:b + I(a^2)"), c("y ~ x + (1 | g/h)", ". ~ . + z"))
update_reference <- lapply(updates, function(u)
  list(old = u[1], change = u[2], new = paste(deparse(update(as.formula(u[1]), as.formula(u[2])), width.cutoff = 500), collapse = "")))

# ---- designs
quiet <- lmerControl(check.nobs.vs.nlev = "ignore", check.nobs.vs.nRE = "ignore", check.rankX = "ignore", check.nlev.gtr.1 = "ignore")
designs <- list()
design <- function(formula, data = "d", new_rows = FALSE, contrasts = NULL, subset = NULL, weights = NULL, offset = NULL, ours = formula) {
  frame <- frames[[data]]
  call <- list(quote(lFormula), formula = as.formula(formula), data = frame, control = quiet)
  if (!is.null(subset)) call$subset <- str2lang(subset)
  if (!is.null(weights)) call$weights <- str2lang(weights)
  if (!is.null(offset)) call$offset <- str2lang(offset)
  if (!is.null(contrasts)) call$contrasts <- contrasts
  p <- suppressWarnings(suppressMessages(eval(as.call(call))))
  X <- p$X; attr(X, "contrasts") <- NULL
  re <- p$reTrms
  terms <- lapply(seq_along(re$cnms), function(i) {
    group <- re$flist[[attr(re$flist, "assign")[i]]]
    k <- length(re$cnms[[i]])
    Zi <- t(as.matrix(re$Ztlist[[i]]))
    z <- t(sapply(seq_len(nrow(Zi)), function(j) Zi[j, (as.integer(group)[j] - 1) * k + seq_len(k)]))
    if (k == 1) z <- matrix(z, ncol = 1)
    rest <- Zi
    for (j in seq_len(nrow(Zi))) rest[j, (as.integer(group)[j] - 1) * k + seq_len(k)] <- 0
    stopifnot(all(rest == 0))
    list(group = names(re$cnms)[i], names = as.list(re$cnms[[i]]), levels = as.list(levels(group)), codes = as.integer(group) - 1L, z = unname(z))
  })
  fr <- p$fr
  entry <- list(formula = ours, data = data, names = as.list(colnames(X)), assign = as.list(attr(p$X, "assign")), x = unname(X), terms = terms,
    rows = as.list(match(rownames(fr), rownames(frame)) - 1L), y = unname(as.matrix(model.response(fr))),
    weights = if (is.null(model.weights(fr))) NULL else unname(model.weights(fr)), offset = if (is.null(model.offset(fr))) NULL else unname(model.offset(fr)),
    subset = subset, weights_arg = weights, offset_arg = offset, contrasts = contrasts)
  if (new_rows) {
    mf <- model.frame(nobars(as.formula(formula)), frame, drop.unused.levels = TRUE)
    tt <- terms(mf)
    nf <- model.frame(delete.response(tt), new, xlev = .getXlevels(tt, mf))
    entry$x_new <- unname(model.matrix(delete.response(tt), nf))
  }
  designs[[length(designs) + 1]] <<- entry
}
design("y ~ x + (x | g)"); design("y ~ x + (x || g)"); design("y ~ x + (0 + x | g)"); design("y ~ 0 + x + (-1 + x | g)")
design("y ~ f + (1 | g)"); design("y ~ 0 + f + (1 | g)"); design("y ~ 0 + f + h + (1 | g)"); design("y ~ f*h + (1 | g)", new_rows = TRUE)
design("y ~ f:h + (1 | g)"); design("y ~ f + f:h + (1 | g)"); design("y ~ h + f:h + (1 | g)"); design("y ~ f/h + (1 | g)"); design("y ~ 0 + f:h + (1 | g)")
design("y ~ x*f + (1 | g)"); design("y ~ x:f + (1 | g)"); design("y ~ 0 + x + x:f + (1 | g)"); design("y ~ 0 + x:f + f + (1 | g)"); design("y ~ f:x + x + (1 | g)")
design("y ~ (f + h + l)^2 + (1 | g)"); design("y ~ f*h*x - f:h:x + (1 | g)"); design("y ~ f:h + h:l + (1 | g)"); design("y ~ f + h:l:x + (1 | g)"); design("y ~ x + f + x:h + f:h + (1 | g)")
design("y ~ l + (l | g)"); design("y ~ 0 + l + (0 + l | g)"); design("y ~ l*x + (1 | l)"); design("y ~ I(x > 3) + (1 | g)", new_rows = TRUE); design("y ~ (x > 3)*h + (1 | g)")
design("y ~ o + (o | g)"); design("y ~ 0 + o + (1 | g)"); design("y ~ o*x + (1 | g)", new_rows = TRUE); design("y ~ s + (s | h)"); design("y ~ s:x + (1 | s)")
design("y ~ f + (f | g)", contrasts = list(f = "contr.sum")); design("y ~ f*h + (1 | g)", contrasts = list(f = "contr.helmert", h = "contr.sum"))
design("y ~ o + (1 | g)", contrasts = list(o = "contr.treatment")); design("y ~ h + (1 | g)", contrasts = list(h = "contr.poly")); design("y ~ h + (1 | g)", contrasts = list(h = "contr.SAS"))
design("y ~ C(h, contr.sum) + (1 | g)"); design("y ~ C(h, contr.treatment(3, base = 2)) + (1 | g)"); design("y ~ C(o, contr.treatment) + (1 | g)"); design("y ~ C(h, \"contr.helmert\")*x + (1 | g)")
design("y ~ poly(x, 3) + (1 | g)", new_rows = TRUE); design("y ~ poly(x, 2)*h + (poly(x, 2) | g)", new_rows = TRUE); design("y ~ poly(x, 2, raw = TRUE) + (1 | g)", new_rows = TRUE); design("y ~ poly(x, 1) + (1 | g)")
design("y ~ poly(x, z, degree = 2) + (1 | g)", new_rows = TRUE); design("y ~ poly(x, z, degree = 2, raw = TRUE) + (1 | g)", new_rows = TRUE)
design("y ~ poly(x, z, w, degree = 3):h + (1 | g)"); design("y ~ poly(degree = 1, x, z) + (1 | g)", new_rows = TRUE); design("y ~ poly(cbind(x, z), 2, raw = TRUE) + (1 | g)")
design("y ~ I(x - max(x, z)) + I(x / sum(x, w)) + pmin(x, gap, na.rm = TRUE) + (1 | g)"); design("y ~ factor(h, exclude = \"u\") + (1 | g)")
design("y ~ cut(x, c(-Inf, 3, 6.5, Inf)) + (1 | cut(x, c(-Inf, 4, Inf), right = FALSE))", new_rows = TRUE)
design("y ~ ns(x, df = 3) + (1 | g)", new_rows = TRUE); design("y ~ ns(x, knots = c(3, 5), intercept = TRUE) + (1 | g)", new_rows = TRUE)
design("y ~ ns(x, df = 4, Boundary.knots = c(1, 8)) + (1 | g)", new_rows = TRUE); design("y ~ ns(x) + (1 | g)"); design("y ~ 0 + ns(z, df = 2):h + (1 | g)")
design("y ~ bs(x, df = 5) + (1 | g)", new_rows = TRUE); design("y ~ bs(x, knots = c(3, 6), degree = 2) + (1 | g)", new_rows = TRUE); design("y ~ bs(x, df = 6, intercept = TRUE) - 1 + (bs(x, df = 4) | g)", new_rows = TRUE)
design("y ~ bs(x, Boundary.knots = c(1, 8), df = 4) + (1 | g)", new_rows = TRUE); design("y ~ splines::bs(z) + (1 | g)", new_rows = TRUE)
design("y ~ scale(x) + scale(z, scale = FALSE) + scale(w, center = FALSE) + (scale(x) | g)", new_rows = TRUE); design("y ~ as.vector(scale(x)) + c(scale(z)) + as.numeric(scale(w)) + (1 | g)"); design("y ~ scale(x, 2, 3) + I(scale(z)^2) + (1 | g)")
design("y ~ log(x) + sqrt(w) + exp(z/10) + log(w, 2) + log10(x) + log1p(w) + abs(z) + (log(x) | g)", new_rows = TRUE); design("y ~ sin(2*pi*x) + cos(2*pi*x) + (1 | g)", new_rows = TRUE)
design("y ~ I(x^2) + I(2*x - z/w) + I(x %% 2) + I(x %/% 2) + (I(x^2) | g)", new_rows = TRUE); design("log(y) ~ x + (1 | g)"); design("I(y/100) ~ x + (1 | g)"); design("y - x ~ z + (1 | g)")
design("y ~ factor(id) + (1 | g)", new_rows = TRUE); design("y ~ factor(id)*x + (factor(id) | h)"); design("y ~ as.factor(h) + as.numeric(h) + as.integer(f) + (1 | id)")
design("y ~ factor(id, levels = c(33, 4, 10, 2)) + (1 | g)"); design("y ~ factor(h, labels = c(\"A\", \"B\", \"C\")) + (1 | g)"); design("y ~ relevel(h, ref = \"v\") + (1 | g)", new_rows = TRUE)
design("y ~ interaction(h, l) + (1 | g)", new_rows = TRUE); design("y ~ ifelse(x > 3, 1, 0) + ifelse(z > 0, \"hi\", \"lo\") + (1 | g)", new_rows = TRUE); design("y ~ cut(x, c(0, 2, 5, 10)) + (1 | g)", new_rows = TRUE); design("y ~ cut(x, 3) + (1 | g)")
design("y ~ cut(x, c(0, 2, 5, 10), right = FALSE, labels = c(\"lo\", \"mid\", \"hi\")) + (1 | g)"); design("y ~ as.character(f) + I(f == \"a\") + (1 | g)"); design("y ~ dummy(h, \"v\") + (dummy(h) | g)"); design("y ~ x + (dummy(h, \"v\") + dummy(h, \"w\") || g)")
design("y ~ cbind(x, z) + (1 | g)"); design("y ~ pmin(x, z) + round(x) + x:w:z + (1 | g)"); design("y ~ `my var`*x.1 + (`my var` | g)"); design("y ~ is.na(gap) + ifelse(is.na(gap), 0, gap) + (1 | g)")
design("y ~ gap + (1 | g)"); design("y ~ x + (gap | g)"); design("y ~ x + (1 | g)", subset = "x > 2 & h != \"u\""); design("y ~ scale(x) + h + (1 | g)", subset = "h %in% c(\"u\", \"w\") | x > 8")
design("y ~ x + offset(log(w)) + (1 | g)"); design("y ~ x + offset(z) + (1 | g)", offset = "log(size)"); design("y ~ x + (1 | g)", weights = "w"); design("y ~ x + (1 | g)", weights = "1/size", offset = "z", subset = "y > 8")
design("y ~ x + (1 | g/h)"); design("y ~ x + (1 | g:h)"); design("y ~ x + (x | g/h)"); design("y ~ x + (x + z || g/h)"); design("y ~ x + (1 | g/h/l)"); design("y ~ x + (1 | s:h) + (1 | id)"); design("y ~ x + (1 | g) + (1 | h:g)")
design("y ~ x + (x*h || g)"); design("y ~ x*h + (x*h | id)"); design("y ~ x + (x:h | g)"); design("y ~ x + (0 + h | g)"); design("y ~ x + (0 + h + l | g)"); design("y ~ x + (1 + h:l | id)"); design("y ~ 0 + (1 | g)"); design("y ~ 1 + (1 | g) + (0 + x | g) + (0 + f | h)")
design("y ~ factor(h, levels = rev(levels(h))) + paste(h, l) + (1 | g)"); design("y ~ signif(x, 2) + round(z, 1) + floor(x) + ceiling(x) + trunc(z) + sign(z) + (1 | g)")
design("y ~ I(x - mean(x)) + I((x - min(x))/sd(x)) + I(x/max(x)) + I(z - median(z)) + I(w/sum(w)) + I(w*var(z)) + (1 | g)"); design("y ~ bs(x, knots = quantile(x, c(0.25, 0.75))) + (1 | g)")
design("y ~ ns(x, knots = seq(2, 8, by = 2)) + (1 | g)"); design("y ~ ave(x, g) + I(x - ave(x, g)) + ave(z, h, l) + (1 | g)"); design("y ~ I(x > median(x)) + I(x > 2 & z < 0) + I(!l) + (1 | g)")
design("y ~ pnorm(z) + plogis(z) + lgamma(x) + gamma(w) + sinh(z) + tanh(z) + asin(z/4) + atan(z) + expm1(z) + log2(x) + (1 | g)")
design("y ~ cut(x, quantile(x), include.lowest = TRUE) + (1 | g)"); design("y ~ ordered(h, levels = c(\"w\", \"u\", \"v\")) + (1 | g)"); design("y ~ interaction(h, l, sep = \"_\", lex.order = TRUE) + (1 | g)")
design("y ~ C(h, contr.sum, 1) + (1 | g)"); design("y ~ as.logical(z > 0) + as.numeric(l) + as.numeric(as.character(id)) + (1 | g)"); design("y ~ pmax(x, 3, z) + (1 | g)"); design("y ~ I(h %in% c(\"u\", \"v\")) + I(o >= \"high\") + I(f != \"a\") + (1 | g)")
design("y ~ C(h, c(1, 0, -1)) + C(factor(l), contr.sum) + (1 | g)"); design("y ~ h + (1 | g)", contrasts = list(h = matrix(c(1, 0, -1), 3, 1))); design("y ~ as.ordered(h) + droplevels(f) + (1 | g)"); design("y ~ dummy(o, c(\"mid\", \"top\")) + (1 | g)")
design("y ~ I(exp(-x)) + I(-x^2) + I((x + z)^2/w) + I(sqrt(x)*2^-1) + (1 | g)"); design("y ~ relevel(factor(id), ref = \"33\") + (1 | g)"); design("cbind(count, size) ~ x + (1 | g)"); design("cbind(count, size - count) ~ h + (1 | g)")
design("Reaction ~ Days + (Days | Subject)", "sleepstudy"); design("Reaction ~ poly(Days, 2) + (poly(Days, 2) || Subject)", "sleepstudy"); design("score ~ Machine + (Machine || Worker)", "Machines"); design("score ~ Machine + (0 + Machine | Worker)", "Machines")
design("score ~ Machine + (1 | Worker/Machine)", "Machines"); design("angle ~ recipe*temperature + (1 | recipe:replicate)", "cake"); design("angle ~ recipe*temp + (temp | replicate:recipe)", "cake"); design("yield ~ Variety*factor(nitro) + (1 | Block/Variety)", "Oats")
design("yield ~ nitro + Variety + (nitro | Block) + (1 | Block:Variety)", "Oats"); design("yield ~ . - Block + (1 | Block)", "Oats"); design("yield ~ ordered(nitro)*Variety + (1 | Block)", "Oats")

out <- list(software = list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4"))), frames = lapply(frames, store), new = store(new),
  terms = term_reference, updates = update_reference, designs = designs)
write(toJSON(out, digits = I(17), na = "null", auto_unbox = TRUE, matrix = "columnmajor", null = "null"), "tests/reference/design.json")
writeLines(unname(tools::md5sum("tests/reference/design.json")), "tests/reference/design.md5")
