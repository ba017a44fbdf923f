# Profile intervals of the fixed effects of a model with extra zeros, by glmmTMB and TMB.
# Rscript component_profiles.R ../component_profiles.json
suppressMessages({library(glmmTMB); library(jsonlite)})
data(Salamanders, package = "glmmTMB")
m <- glmmTMB(count ~ mined + cover + (1 | site), Salamanders, poisson, ziformula = ~ mined,
             control = glmmTMBControl(optCtrl = list(iter.max = 1e4, eval.max = 1e4, rel.tol = 1e-14)))
roots <- t(sapply(1:5, function(i) as.numeric(TMB::tmbroot(m$obj, i, target = qchisq(0.95, 1) / 2))))
out <- list(names = names(m$obj$par), lower = roots[, 1], upper = roots[, 2], estimate = as.numeric(m$fit$par[1:5]), loglik = as.numeric(logLik(m)),
            versions = list(glmmTMB = as.character(packageVersion("glmmTMB")), TMB = as.character(packageVersion("TMB")), R = R.version.string))
write_json(out, commandArgs(TRUE)[1], digits = 17, auto_unbox = TRUE)
