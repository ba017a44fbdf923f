# Backward elimination by lmerTest::step, deletions from models without an intercept, and a comparison of REML criteria:
#   Rscript tests/reference/generate/model_steps.R tests/reference
# writes model_steps.json and model_steps.md5. Data: lmerTest's, which are also in tests/reference/data, and lme4's sleepstudy.
suppressMessages({library(lmerTest); library(jsonlite)})
out <- commandArgs(TRUE)[1]
tab <- function(x) list(rows = I(rownames(x)), columns = lapply(as.data.frame(unclass(x), check.names = FALSE), I))
CTL <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10, maxfun = 1e5), calc.derivs = TRUE)
data(ham, package = "lmerTest"); data(TVbo, package = "lmerTest"); data(carrots, package = "lmerTest"); data(sleepstudy, package = "lme4"); data(cake, package = "lme4")
steps <- list(
  list(data = "ham", reml = TRUE, formula = "Informed.liking ~ Product * Information * Gender + (1 | Consumer) + (1 | Consumer:Product) + (1 | Consumer:Information)"),
  list(data = "TVbo", reml = TRUE, formula = "Sharpnessofmovement ~ TVset * Picture + (1 | Assessor) + (1 | Assessor:TVset) + (1 | Assessor:Picture) + (1 | Assessor:Picture:TVset)"),
  list(data = "carrots", reml = FALSE, formula = "Preference ~ sens1 * Homesize + sens2 + Age + (sens1 + sens2 | Consumer) + (1 | Product)"),
  list(data = "sleepstudy", reml = TRUE, formula = "Reaction ~ Days + (Days || Subject)"))
steps <- lapply(steps, function(s) {
  d <- get(s$data); f <- as.formula(s$formula)
  m <- eval(bquote(lmer(.(f), data = d, REML = .(s$reml), control = CTL)))
  st <- suppressWarnings(suppressMessages(step(m)))
  c(s, list(random = tab(st$random), fixed = tab(st$fixed), final = paste(deparse(formula(get_model(st)), 500), collapse = "")))
})
drops <- list(
  list(data = "ham", formula = "Informed.liking ~ 0 + Product + Information + (1 | Consumer)"),
  list(data = "ham", formula = "Informed.liking ~ 0 + Product:Information + Gender + (1 | Consumer)"),
  list(data = "cake", formula = "angle ~ 0 + recipe + temp + (1 | recipe:replicate)"))
drops <- lapply(drops, function(s) {
  d <- get(s$data); f <- as.formula(s$formula)
  m <- eval(bquote(lme4::lmer(.(f), data = d, control = CTL)))
  c(s, list(drop1_chisq = tab(drop1(m, test = "Chisq"))))
})
m0 <- lme4::lmer(Reaction ~ Days + (1 | Subject), sleepstudy, control = CTL)
m1 <- lme4::lmer(Reaction ~ Days + (Days | Subject), sleepstudy, control = CTL)
versions <- c(R = as.character(getRversion()), sapply(c("lme4", "lmerTest"), function(p) as.character(packageVersion(p))))
res <- list(software = as.list(versions), steps = steps, drops = drops, reml_anova = tab(anova(m0, m1, refit = FALSE)))
path <- file.path(out, "model_steps.json")
write_json(res, path, digits = 17, auto_unbox = TRUE, na = "null", pretty = FALSE)
writeLines(unname(tools::md5sum(path)), file.path(out, "model_steps.md5"))
