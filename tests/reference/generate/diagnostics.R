# Mean variances of an observation from lme4's own matrices, and variance inflation: the part of tests/reference/diagnostics.json that run.R does not have.
# usage: Rscript tests/reference/generate/diagnostics.R OUT      (OUT as in README.md; writes OUT/diagnostics_lme4.json, which diagnostics.py takes up)
# random: for every random term the mean of diag(Z S Z') with lme4's Z and Lambda at the best theta; fixed: var(X beta).
args <- commandArgs(TRUE); out <- args[1]
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]))
source(file.path(here, "data.R")); source(file.path(here, "lib.R"))
for (f in c("cases_exam.R", "cases_lmer.R")) source(file.path(here, f))
suppressMessages(library(Matrix))
parts <- list()
for (s in CASES) {
  case <- jsonlite::fromJSON(file.path(out, "cases", paste0(s$id, ".json")))
  if (case$class != "lmer" || case$best$nobs > 35000) next
  call <- s$call; assign(as.character(call$data), get_data(as.character(call$data)), globalenv())
  call[[1]] <- quote(lFormula); call$control <- NULL; call$REML <- NULL
  lf <- suppressMessages(suppressWarnings(eval(call, globalenv())))
  re <- lf$reTrms; re$Lambdat@x <- as.numeric(unlist(case$best$theta))[re$Lind]
  scaled <- (re$Lambdat %*% re$Zt)^2
  random <- vapply(seq_along(re$cnms), function(i) sum(scaled[(re$Gp[i] + 1):re$Gp[i + 1], ]), 0) / ncol(re$Zt) * case$best$sigma^2
  parts[[s$id]] <- list(groups = arr(names(re$cnms)), random = arr(random), fixed = var(drop(lf$X[, names(case$best$beta), drop = FALSE] %*% unlist(case$best$beta))), residual = case$best$sigma^2)
}
vif <- list()
for (id in c("exam_E5_reml", "egsingle_growth_nested", "tvbo_inter", "cake_inter", "carrots_big", "dialyzer_poly4", "hsb_contextual")) {
  call <- CASES[[id]]$call; assign(as.character(call$data), get_data(as.character(call$data)), globalenv())
  call$control <- quote(lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 2e5)))
  m <- suppressMessages(suppressWarnings(eval(call, globalenv())))
  if (length(attr(terms(m), "term.labels")) < 2) next
  v <- as.data.frame(performance::check_collinearity(m))
  vif[[id]] <- list(terms = arr(v$Term), vif = arr(v$VIF), root = arr(v$SE_factor))
}
con <- file(file.path(out, "diagnostics_lme4.json"), "wb")
writeBin(charToRaw(json(list(software = software(c("lme4", "performance", "insight")), variance_parts = parts, vif = vif))), con); close(con)
