# Marginal means, contrasts, trends and joint tests by emmeans: reference for tests/agreement/test_emmeans.py.
# Run from the repository root: Rscript tests/reference/generate/emmeans.R
# Writes tests/reference/emmeans.json; tests/reference/emmeans.md5 holds its checksum. Numbers have 17 significant digits; NA and Inf are null.
suppressMessages({library(lme4); library(lmerTest); library(pbkrtest); library(emmeans); library(mvtnorm); library(jsonlite)})
tight <- lmerControl(optimizer = "nloptwrap", optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-13, ftol_abs = 1e-13, xtol_rel = 1e-13, ftol_rel = 1e-15, maxeval = 1e5), calc.derivs = FALSE)
# emmeans reads the data anew, so that the call has to name them.
tight_fit <- function(formula, data) {
  data <- substitute(data)
  m <- eval(bquote(lmerTest::lmer(.(formula), .(data), control = tight)), globalenv())
  for (i in 1:3) m <- eval(bquote(lmerTest::lmer(.(formula), .(data), control = tight, start = .(getME(m, "theta")))), globalenv())
  m
}
emm_options(lmer.df = "satterthwaite", msg.nesting = FALSE)
out <- list(); models <- list()
frame <- function(e, ...) {
  s <- if (inherits(e, "emmGrid")) summary(e, infer = c(TRUE, TRUE), ...) else e
  lapply(as.list(as.data.frame(s)), function(v) if (is.factor(v)) as.character(v) else v)
}
# A joint test may attach notes; only its numbers are kept.
joint <- function(e) lapply(as.list(as.data.frame(e))[c(intersect(names(e), c("model term", "a", "b", "k", "t")), "df1", "df2", "F.ratio", "p.value")], function(v) if (is.factor(v)) as.character(v) else v)

set.seed(20)
n <- 150
u <- data.frame(g = sample(sprintf("g%02d", 1:14), n, TRUE), a = sample(c("lo", "mid", "top"), n, TRUE, c(.5, .3, .2)), x = round(runif(n, 1, 5), 3), z = rbinom(n, 1, .3), k = sample(c(10, 20, 30, 40), n, TRUE))
u$b <- ifelse(runif(n) < ifelse(u$a == "lo", .3, .6), "p", "q")
u$w <- round(runif(n, .5, 2), 2)
effect <- rnorm(14); names(effect) <- sprintf("g%02d", 1:14)
u$y <- round(6 + effect[u$g] + (u$a == "mid") + 2 * (u$a == "top") * (u$b == "q") + .4 * u$x - .3 * u$x * (u$a == "top") + .5 * u$z + u$k / 40 + rnorm(n), 4)
u$y <- u$y - min(u$y) + 1
empty <- u[!(u$a == "top" & u$b == "q"), ]
nested <- u; nested$t <- ifelse(u$k < 30, "early", "late")
data(cake, package = "lme4")

id <- function(m, data, formula, ...) models[[m]] <<- list(data = data, formula = formula, ...)
add <- function(m, call, value) out[[m]][[call]] <<- value

# ---- two factors and a covariate, every method of degrees of freedom
id("two", "u", "y ~ a * b + x + (1 | g)")
m <- tight_fit(y ~ a * b + x + (1 | g), u)
for (d in c("satterthwaite", "kenward-roger", "asymptotic")) {
  add("two", paste("~ a,", d), frame(emmeans(m, ~ a, lmer.df = d)))
  add("two", paste("~ a | b,", d), frame(emmeans(m, ~ a | b, lmer.df = d)))
  add("two", paste("pairs ~ a | b,", d), frame(pairs(emmeans(m, ~ a | b, lmer.df = d))))
}
add("two", "~ a * b", frame(emmeans(m, ~ a * b)))
add("two", "pairs ~ a * b", frame(pairs(emmeans(m, ~ a * b))))
add("two", "at x", frame(emmeans(m, ~ x | b, at = list(x = c(0, 2, 4), a = c("lo", "top")))))
for (w in c("equal", "proportional", "outer", "cells", "flat")) {
  add("two", paste("weights", w), frame(emmeans(m, ~ a, weights = w)))
  add("two", paste("weights one", w), frame(emmeans(m, ~ 1, weights = w)))
}
e <- emmeans(m, ~ a); ab <- emmeans(m, ~ a * b)
for (k in c("pairwise", "revpairwise", "trt.vs.ctrl", "trt.vs.ctrlk", "poly", "consec", "mean_chg", "eff", "del.eff"))
  add("two", paste("contrast", k), frame(contrast(ab, k, adjust = "none")))
add("two", "contrast poly k 4", frame(contrast(emmeans(m, ~ x, at = list(x = 1:4)), "poly")))
add("two", "contrast ref 2", frame(contrast(e, "trt.vs.ctrl", ref = 2, adjust = "none")))
add("two", "contrast reverse", frame(pairs(e, reverse = TRUE)))
add("two", "contrast custom", frame(contrast(e, list(first = c(1, -1, 0), half = c(.5, .5, -1)))))
add("two", "contrast by", frame(contrast(ab, "eff", by = "b")))
add("two", "contrast by trt.vs.ctrl", frame(contrast(ab, "trt.vs.ctrl", by = "a", adjust = "none")))
for (j in c("tukey", "holm", "hochberg", "hommel", "bonferroni", "sidak", "fdr", "BY", "scheffe", "none"))
  add("two", paste("adjust", j), frame(contrast(ab, "pairwise", adjust = j)))
for (j in c("bonferroni", "sidak", "scheffe")) add("two", paste("adjust means", j), frame(e, adjust = j))
add("two", "test null", as.list(as.data.frame(test(e, null = 7)))[c("a", "emmean", "SE", "df", "null", "t.ratio", "p.value")])
add("two", "test joint", joint(test(e, joint = TRUE)))
add("two", "test joint pairs", joint(test(pairs(e), joint = TRUE)))
add("two", "test joint by", joint(test(pairs(ab, by = "b"), joint = TRUE)))
add("two", "joint_tests", joint(joint_tests(m)))
add("two", "joint_tests by", joint(joint_tests(m, by = "b")))
add("two", "confint 90", frame(emmeans(m, ~ a), level = 0.9))
# Multivariate t: tail probabilities of max |t| by mvtnorm at given values, normal (Miwa's algorithm) or with a whole number of degrees of freedom (Genz and Bretz).
mvt <- function(e, df) {
  R <- cov2cor(vcov(e)); k <- nrow(R); at <- c(1, 2, 2.5, 3)
  how <- if (df == 0) Miwa(steps = 256) else GenzBretz(maxpts = 1e6, abseps = 2e-7, releps = 0)
  list(at = at, corr = R, df = df, p = sapply(at, function(q) 1 - pmvt(-rep(q, k), rep(q, k), df = df, corr = R, algorithm = how)[1]))
}
add("two", "mvt 0", mvt(contrast(ab[1:4], "trt.vs.ctrl"), 0))
add("two", "mvt 12", mvt(contrast(ab[1:4], "trt.vs.ctrl"), 12))
add("two", "mvt 7", mvt(contrast(e, "consec"), 7))

# ---- prior weights, and a covariate with two values, which emmeans keeps as they are
id("weighted", "u", "y ~ a * b + z + (1 | g)", weights = "w")
m <- lmerTest::lmer(y ~ a * b + z + (1 | g), u, weights = w, control = tight)
for (w in c("equal", "proportional", "outer", "cells")) add("weighted", paste("weights", w), frame(emmeans(m, ~ a, weights = w)))
add("weighted", "~ z", frame(emmeans(m, ~ z)))
add("weighted", "pairs ~ b | a", frame(pairs(emmeans(m, ~ b | a))))

# ---- functions of covariates: the variable is at its mean, not the column
id("functions", "u", "y ~ a + poly(x, 2) + log(x) + factor(k) + (1 | g)")
m <- tight_fit(y ~ a + poly(x, 2) + log(x) + factor(k) + (1 | g), u)
add("functions", "~ a", frame(emmeans(m, ~ a)))
add("functions", "~ k", frame(emmeans(m, ~ k)))
add("functions", "pairs ~ k", frame(pairs(emmeans(m, ~ k))))
add("functions", "~ x", frame(emmeans(m, ~ x, at = list(x = c(2, 3)))))
add("functions", "joint_tests", joint(joint_tests(m)))
# emmeans takes a forward difference over a thousandth of the range, which is off by half of it times the curvature; a smaller step makes it exact.
id("squares", "u", "y ~ a * (x + I(x^2)) + scale(k) + (1 | g)")
m <- tight_fit(y ~ a * (x + I(x^2)) + scale(k) + (1 | g), u)
add("squares", "~ a", frame(emmeans(m, ~ a)))
add("squares", "trend a", frame(emtrends(m, ~ a, var = "x", delta.var = 1e-6)))
add("squares", "trend x | a", frame(emtrends(m, ~ x | a, var = "x", at = list(x = c(1, 2, 4)), delta.var = 1e-6)))
add("squares", "trend pairs", frame(pairs(emtrends(m, ~ a, var = "x", delta.var = 1e-6))))
add("squares", "trend k", frame(emtrends(m, ~ 1, var = "k")))

# ---- transformed responses
for (tr in c("log", "sqrt", "log10", "log2", "log1p")) {
  f <- paste0(tr, "(y) ~ a * b + (1 | g)")
  m <- tight_fit(as.formula(f), u); id(tr, "u", f)
  e <- emmeans(m, ~ a)
  add(tr, "link", frame(e)); add(tr, "response", frame(e, type = "response"))
  add(tr, "pairs link", frame(pairs(e))); add(tr, "pairs response", frame(pairs(e), type = "response"))
}
id("shifted", "u", "log(y + 3) ~ a + (1 | g)")
m <- tight_fit(log(y + 3) ~ a + (1 | g), u); add("shifted", "response", frame(emmeans(m, ~ a), type = "response"))
id("power", "u", "I(y^2) ~ a + (1 | g)")
u$p <- (u$y - .9) / (max(u$y))
id("logit", "u", "qlogis(p) ~ a + (1 | g)")
m <- tight_fit(qlogis(p) ~ a + (1 | g), u); m2 <- update(ref_grid(m), tran = "logit"); e <- emmeans(m2, ~ a)
add("logit", "response", frame(e, type = "response")); add("logit", "pairs response", frame(pairs(e), type = "response"))

# ---- an empty cell: some means are not estimable, some contrasts still are
id("empty", "empty", "y ~ a * b + x + (1 | g)")
m <- suppressMessages(tight_fit(y ~ a * b + x + (1 | g), empty))
add("empty", "~ a", frame(emmeans(m, ~ a))); add("empty", "~ b", frame(emmeans(m, ~ b))); add("empty", "~ a * b", frame(emmeans(m, ~ a * b)))
add("empty", "pairs ~ a | b", frame(pairs(emmeans(m, ~ a | b)), adjust = "none")); add("empty", "pairs ~ a", frame(pairs(emmeans(m, ~ a)), adjust = "none"))
add("empty", "cells", frame(emmeans(m, ~ a, weights = "cells"))); add("empty", "flat", frame(emmeans(m, ~ b, weights = "flat")))
add("empty", "joint_tests", joint(joint_tests(m)))
id("empty additive", "empty", "y ~ a + b + x + (1 | g)")
m <- tight_fit(y ~ a + b + x + (1 | g), empty)
for (w in c("equal", "proportional", "outer", "cells", "flat")) add("empty additive", paste("weights", w), frame(emmeans(m, ~ a, weights = w)))

# ---- a factor nested in another
nested$k <- factor(nested$k)
id("nested", "nested", "y ~ t + t:k + a + (1 | g)")
m <- suppressMessages(tight_fit(y ~ t + k %in% t + a + (1 | g), nested))
add("nested", "~ t", frame(emmeans(m, ~ t))); add("nested", "~ k", frame(emmeans(m, ~ k))); add("nested", "pairs ~ k", frame(pairs(emmeans(m, ~ k))))
add("nested", "pairs ~ t", frame(pairs(emmeans(m, ~ t)))); add("nested", "~ a", frame(emmeans(m, ~ a))); add("nested", "~ t proportional", frame(emmeans(m, ~ t, weights = "proportional")))
add("nested", "~ a | k", frame(emmeans(m, ~ a | k)))
add("nested", "joint_tests", joint(joint_tests(m)))

# ---- offsets
id("offset", "u", "y ~ a + offset(0.3 * x) + (1 | g)")
m <- tight_fit(y ~ a + offset(0.3 * x) + (1 | g), u)
add("offset", "~ a", frame(emmeans(m, ~ a)))

# ---- how it is printed
id("print", "cake", "angle ~ recipe * temperature + (1 | recipe:replicate)")
m <- tight_fit(angle ~ recipe * temperature + (1 | recipe:replicate), cake)
show <- function(e) capture.output(print(e))
out$print <- list("~ recipe" = show(emmeans(m, ~ recipe)), "pairs ~ recipe | temperature" = show(pairs(emmeans(m, ~ recipe | temperature))),
  "pairs recipe temperature" = show(pairs(emmeans(m, ~ recipe * temperature, at = list(temperature = c("175", "185"))))), "joint_tests" = show(joint_tests(m)))
columns <- function(d) lapply(as.list(d), function(v) if (is.factor(v)) as.character(v) else v)
write(toJSON(list(R = R.version.string, emmeans = as.character(packageVersion("emmeans")), mvtnorm = as.character(packageVersion("mvtnorm")), lmerTest = as.character(packageVersion("lmerTest")), pbkrtest = as.character(packageVersion("pbkrtest")),
  data = list(u = columns(u), empty = columns(empty), nested = columns(nested)), models = models, results = out), digits = I(17), na = "null", auto_unbox = TRUE, matrix = "rowmajor", null = "null"), "tests/reference/emmeans.json")
writeLines(unname(tools::md5sum("tests/reference/emmeans.json")), "tests/reference/emmeans.md5")
