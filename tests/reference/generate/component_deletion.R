# Estimates of a model with extra zeros without some sites, by glmmTMB. Rscript component_deletion.R ../component_deletion.json
suppressMessages({library(glmmTMB); library(jsonlite)})
data(Salamanders, package = "glmmTMB")
fit <- function(d) {
  m <- glmmTMB(count ~ mined + spp + (1 | site), d, poisson, ziformula = ~ mined,
               control = glmmTMBControl(optCtrl = list(iter.max = 1e4, eval.max = 1e4, rel.tol = 1e-14)))
  list(cond = as.numeric(fixef(m)$cond), zi = as.numeric(fixef(m)$zi), disp = as.numeric(fixef(m)$disp),
       sd = sqrt(VarCorr(m)$cond$site[1, 1]), loglik = as.numeric(logLik(m)))
}
sites <- c("R-1", "VF-3", "R-8")
out <- list(whole = fit(Salamanders), without = lapply(setNames(sites, sites), function(s) fit(subset(Salamanders, site != s))))
out$versions <- list(glmmTMB = as.character(packageVersion("glmmTMB")), R = R.version.string)
write_json(out, commandArgs(TRUE)[1], digits = 17, auto_unbox = TRUE)
