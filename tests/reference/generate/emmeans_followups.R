# Averages inside nests, transformed responses and follow-ups of means: reference for tests/agreement/test_emmeans_followups.py.
# Run from the repository root: Rscript tests/reference/generate/emmeans_followups.R
# Writes tests/reference/emmeans_followups.json; tests/reference/emmeans_followups.md5 holds its checksum. Numbers have 17 significant digits.
suppressMessages({library(lme4); library(lmerTest); library(emmeans); library(jsonlite)})
tight <- lmerControl(optimizer = "nloptwrap", optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-13, ftol_abs = 1e-13, xtol_rel = 1e-13, ftol_rel = 1e-15, maxeval = 1e5), calc.derivs = FALSE)
emm_options(lmer.df = "satterthwaite", msg.nesting = FALSE, msg.interaction = FALSE)
frame <- function(s) lapply(as.list(as.data.frame(s)), function(v) if (is.factor(v)) as.character(v) else v)
both <- function(e, ...) suppressMessages(frame(summary(e, infer = c(TRUE, TRUE), ...)))
out <- list()
set.seed(20)

# Two fields of clay and four of sand, each in three plots, crossed with crops; unequal numbers of rows.
sites <- data.frame(soil = c("clay", "clay", "sand", "sand", "sand", "sand"), field = c("c1", "c2", "s1", "s2", "s3", "s4"))
plots <- do.call(rbind, lapply(1:6, function(i) data.frame(sites[i, ], row.names = NULL, plot = paste0(sites$field[i], letters[1:(1 + i %% 3)]))))
d <- merge(merge(plots, data.frame(crop = c("oat", "rye", "bean"))), data.frame(block = LETTERS[1:6]))
d$harvest <- round(10 * (d$soil == "sand") + 3 * as.integer(factor(d$field)) + as.integer(factor(d$plot)) / 4 + 2 * (d$crop == "rye") + rnorm(6)[as.integer(factor(d$block))] + rnorm(nrow(d)), 3)
d <- d[-sample(nrow(d), 20), ]
for (v in c("soil", "field", "plot", "crop", "block")) d[[v]] <- factor(d[[v]])
out$data$fields <- lapply(as.list(d), function(v) if (is.factor(v)) as.character(v) else v)
out$nested$formulas <- c(two = "harvest ~ soil + field + crop + (1 | block)", cross = "harvest ~ soil / field + crop + (1 | block)", three = "harvest ~ soil / field / plot + crop + (1 | block)", inter = "harvest ~ soil * crop + field + (1 | block)")
for (n in names(out$nested$formulas)) {
  m <- suppressMessages(lmerTest::lmer(as.formula(out$nested$formulas[[n]]), d, control = tight))
  for (w in c("equal", "proportional", "cells", "flat")) for (s in c("soil", "crop", "1", "field", "soil:crop"))
    out$nested$means[[n]][[w]][[s]] <- tryCatch(frame(summary(emmeans(m, as.formula(paste("~", s)), weights = w))), error = function(e) NULL)  # emmeans fails in some
}
out$nested$formulas <- as.list(out$nested$formulas)

# Responses whose transformation is undone. emmeans reads log(y, 2) as a natural logarithm, so that log2 and log10 stand for it.
r <- expand.grid(g = c("a", "b", "c"), k = 1:4, s = paste0("s", 1:8)); z <- .5 * (r$g == "b") + .3 * rnorm(8)[as.integer(r$s)] + .3 * rnorm(nrow(r))
r$p <- round(plogis(z), 4); r$y <- round(exp(2 + z), 3)
out$data$responses <- list(g = as.character(r$g), s = as.character(r$s), p = r$p, y = r$y)
said <- list(`asin(sqrt(p))` = "asin(sqrt(p))", `scale(y)` = "scale(y)", `log(y, 2)` = "log2(y)", `log(y, base = 10)` = "log10(y)", `log(p / (1 - p))` = "qlogis(p)", `qlogis(p)` = "qlogis(p)", `sqrt(y)` = "sqrt(y)", `y^(1/3)` = "y^(1/3)")
for (n in names(said)) {
  m <- lmerTest::lmer(as.formula(paste(said[[n]], "~ g + (1 | s)")), r, control = tight)
  if (n == "y^(1/3)") { e <- update(emmeans(m, ~ g), tran = make.tran("power", 1/3)) } else if (said[[n]] == "qlogis(p)") { e <- update(emmeans(m, ~ g), tran = "logit") } else e <- emmeans(m, ~ g)
  out$response[[n]]$means <- both(e, type = "response")
  if (grepl("log", n)) out$response[[n]]$pairs <- both(pairs(e), type = "response")
}

# Follow-ups.
f <- expand.grid(a = c("p", "q", "r"), b = c("u", "v"), s = 1:10); f$x <- round(rnorm(nrow(f)), 3)
f$y <- round(1 * (f$a == "q") + f$x + .3 * f$x^2 + rnorm(10)[f$s] + rnorm(nrow(f)), 3); f$s <- factor(paste0("s", f$s))
f <- f[-c(3, 17, 40), ]
out$data$follow <- list(a = as.character(f$a), b = as.character(f$b), s = as.character(f$s), x = f$x, y = f$y)
m <- lmerTest::lmer(y ~ a * b + x + I(x^2) + (1 | s), f, control = tight)
e <- emmeans(m, ~ a * b); ea <- suppressMessages(emmeans(m, ~ a)); eb <- suppressMessages(emmeans(m, ~ b))
out$follow$simple <- lapply(unclass(contrast(e, "pairwise", simple = "each")), both)
out$follow$simple_b <- both(contrast(e, "pairwise", simple = "b"))
out$follow$exclude <- both(contrast(ea, "pairwise", exclude = 1))
out$follow$exclude_control <- both(contrast(e, "trt.vs.ctrl", exclude = 2:3, adjust = "none"))
out$follow$exclude_eff <- both(contrast(e, "eff", exclude = 1, adjust = "none"))
out$follow$joined <- both(rbind(pairs(ea), pairs(eb)))
out$follow$joined_sidak <- both(rbind(pairs(ea), pairs(eb), adjust = "sidak"))
out$follow$some <- both(e[1:2])
out$follow$some_pairs <- both(pairs(e)[c(1, 4)], adjust = "bonferroni")
c <- pairs(e)
for (a in c("none", "holm", "tukey", "bonferroni")) out$follow$delta[[a]] <- frame(test(c, delta = 1.5, adjust = a))
out$follow$delta$noninferior <- frame(test(c, delta = 0.5, side = ">", adjust = "none"))
out$follow$delta$nonsuperior <- frame(test(c, delta = 0.5, side = "<", adjust = "none"))
# emmeans takes means apart into signs and sizes and loses the sign of covariances, so that all means must be positive.
f$up <- f$y + 20; ea <- suppressMessages(emmeans(lmerTest::lmer(up ~ a * b + x + I(x^2) + (1 | s), f, control = tight), ~ a))
out$follow$eff <- both(eff_size(ea, sigma = sigma(m), edf = 40))
out$follow$eff_inf <- both(eff_size(ea, sigma = sigma(m), edf = Inf))
out$follow$trend2 <- suppressMessages(both(emtrends(m, ~ a, "x", max.degree = 2)))
poly <- lmerTest::lmer(y ~ a * poly(x, 2) + (1 | s), f, control = tight)
out$follow$trend_poly <- suppressMessages(both(emtrends(poly, ~ a, "x", max.degree = 2)))
g <- lmerTest::lmer(log(y) ~ g + (1 | s), r, control = tight)
eg <- emmeans(g, ~ g)
out$follow$regrid$means <- both(regrid(eg)); out$follow$regrid$pairs <- both(pairs(regrid(eg), adjust = "none"))
cb <- glmer(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial, control = glmerControl(optimizer = "nloptwrap", optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-12, ftol_abs = 1e-12)))
out$follow$regrid$risk <- both(pairs(regrid(emmeans(cb, ~ period)), adjust = "none"))
out$follow$regrid$log <- both(pairs(regrid(emmeans(cb, ~ period), transform = "log"), adjust = "none"), type = "response")
out$session <- list(R = R.version.string, emmeans = as.character(packageVersion("emmeans")), lmerTest = as.character(packageVersion("lmerTest")))
text <- toJSON(out, digits = NA, auto_unbox = TRUE, pretty = FALSE)
writeLines(text, "tests/reference/emmeans_followups.json")
writeLines(unname(tools::md5sum("tests/reference/emmeans_followups.json")), "tests/reference/emmeans_followups.md5")
