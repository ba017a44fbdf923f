# Interaction contrasts, one-sided tests and intervals with t quantiles: reference for tests/agreement/test_contrast_options.py.
# Run from the repository root: Rscript tests/reference/generate/contrast_options.R
# Writes tests/reference/contrast_options.json; tests/reference/contrast_options.md5 holds its checksum. Numbers have 17 significant digits; infinite ends are "Inf".
suppressMessages({library(lme4); library(lmerTest); library(pbkrtest); library(emmeans); library(mvtnorm); library(jsonlite)})
tight <- lmerControl(optimizer = "nloptwrap", optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-13, ftol_abs = 1e-13, xtol_rel = 1e-13, ftol_rel = 1e-15, maxeval = 1e5), calc.derivs = FALSE)
emm_options(lmer.df = "kenward-roger", msg.nesting = FALSE, msg.interaction = FALSE)
out <- list()
frame <- function(s) lapply(as.list(as.data.frame(s)), function(v) if (is.factor(v)) as.character(v) else v)
data(cake, package = "lme4"); data(sleepstudy, package = "lme4")
m <- lmerTest::lmer(angle ~ recipe * temperature + (1 | recipe:replicate), cake, control = tight)
e <- emmeans(m, ~ recipe * temperature)
ways <- list(pairwise = "pairwise", list = c("pairwise", "poly"), named = c("trt.vs.ctrl", "consec"), eff = c("eff", "del.eff"))
for (w in names(ways)) out$interaction[[w]] <- frame(summary(contrast(e, interaction = ways[[w]]), infer = c(TRUE, TRUE)))
out$interaction$by <- frame(summary(contrast(e, interaction = "consec", by = "recipe", adjust = "none"), infer = c(TRUE, TRUE)))
out$interaction$holm <- frame(summary(contrast(e, interaction = "pairwise", adjust = "holm"), infer = c(FALSE, TRUE)))

r <- emmeans(m, ~ temperature)
sides <- list(greater = ">", less = "<")
for (s in names(sides)) {
  for (a in c("none", "tukey", "scheffe", "sidak", "bonferroni", "holm", "fdr"))
    out$sides[[s]][[a]] <- suppressMessages(frame(summary(pairs(r, adjust = a), infer = c(TRUE, TRUE), side = sides[[s]])))
  t <- summary(contrast(r, "trt.vs.ctrl", adjust = "none"), infer = c(FALSE, TRUE))
  corr <- cov2cor(vcov(contrast(r, "trt.vs.ctrl")))
  z <- if (s == "greater") t$t.ratio else -t$t.ratio
  set.seed(1)
  out$sides[[s]]$mvt <- list(p.value = sapply(z, function(q) c(1 - pmvt(upper = rep(q, nrow(corr)), df = as.integer(t$df[1]), corr = corr, algorithm = GenzBretz(maxpts = 2e6, abseps = 1e-7)))))
  out$sides[[s]]$null <- frame(summary(r, infer = c(TRUE, TRUE), side = sides[[s]], null = 30))
}
sleep <- lmerTest::lmer(Reaction ~ Days + (Days | Subject), sleepstudy, control = tight)
for (d in c("Satterthwaite", "Kenward-Roger")) {
  s <- coef(summary(sleep, ddf = d))
  half <- qt(.95, s[, "df"]) * s[, "Std. Error"]
  out$tidy[[d]] <- list(estimate = unname(s[, "Estimate"]), lower = unname(s[, "Estimate"] - half), upper = unname(s[, "Estimate"] + half), df = unname(s[, "df"]))
}
L <- c(0, 1); k <- contest(sleep, L, joint = FALSE, rhs = 10)
out$one <- list(less = pt(k[["t value"]], k$df), greater = pt(k[["t value"]], k$df, lower.tail = FALSE), lower = k$Estimate - qt(.95, k$df) * k[["Std. Error"]], upper = k$Estimate + qt(.95, k$df) * k[["Std. Error"]])
small <- lmer(Reaction ~ 1 + (Days | Subject), sleepstudy, REML = FALSE); large <- lmer(Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE)
pb <- PBmodcomp(large, small, nsim = 2000, seed = 1)
out$pb <- list(statistic = pb$test["LRT", "stat"], df = pb$test["LRT", "df"], p_chisq = pb$test["LRT", "p.value"], p_boot = pb$test["PBtest", "p.value"], nsim = 2000)
out$session <- list(R = R.version.string, emmeans = as.character(packageVersion("emmeans")), lmerTest = as.character(packageVersion("lmerTest")), pbkrtest = as.character(packageVersion("pbkrtest")))
text <- toJSON(out, digits = NA, auto_unbox = TRUE, pretty = FALSE)
writeLines(text, "tests/reference/contrast_options.json")
writeLines(unname(tools::md5sum("tests/reference/contrast_options.json")), "tests/reference/contrast_options.md5")
