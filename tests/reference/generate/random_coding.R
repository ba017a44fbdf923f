# Coding of random effects: reference for tests/agreement/test_random_coding.py.
# Run from the repository root: Rscript tests/reference/generate/random_coding.R
# Writes tests/reference/random_coding.json; tests/reference/random_coding.md5 holds its checksum. Numbers have 17 significant digits.
# Independent effects of a factor (diag() here) are fitted in lme4 by numeric columns of the coding in a double bar.
suppressMessages({library(lme4); library(jsonlite)})
tight <- lmerControl(optimizer = "nloptwrap", optCtrl = list(algorithm = "NLOPT_LN_BOBYQA", xtol_abs = 1e-13, ftol_abs = 1e-13, xtol_rel = 1e-13, ftol_rel = 1e-15, maxeval = 1e5), calc.derivs = FALSE)
set.seed(20)
d <- expand.grid(rep = 1:3, a = c("p", "q", "r"), b = c("u", "v"), subject = sprintf("s%02d", 1:24))
cell <- as.integer(interaction(d$a, d$b))
means <- matrix(rnorm(24 * 6, sd = 1.5), 24) + rnorm(24, sd = 2)
d$y <- round(c(1, 2, 4, 2, 2, 3)[cell] + means[cbind(as.integer(d$subject), cell)] + rnorm(nrow(d)), 4)
d$hit <- as.integer(d$y - 3 + rlogis(nrow(d)) > 0)
out <- list(data = lapply(d[c("a", "b", "subject", "y", "hit")], function(v) if (is.factor(v)) as.character(v) else v))
fitted <- function(m) {
  v <- as.data.frame(VarCorr(m))
  list(criterion = if (isGLMM(m) || !isREML(m)) -2 * as.numeric(logLik(m)) else REMLcrit(m), fixef = unname(fixef(m)), names = names(fixef(m)),
       sd = v$sdcor[is.na(v$var2)], cor = v$sdcor[!is.na(v$var2)], effects = unname(unlist(lapply(ranef(m, condVar = FALSE), colnames))))
}
kinds <- c("contr.treatment", "contr.sum", "contr.helmert", "contr.poly")
for (k in kinds) {
  z <- model.matrix(~ a * b, d, contrasts.arg = list(a = k, b = k))
  e <- cbind(d, setNames(as.data.frame(z[, -1]), paste0("c", 1:5)))
  out$diag[[k]] <- fitted(lmer(y ~ a * b + (1 + c1 + c2 + c3 + c4 + c5 || subject), e, contrasts = list(a = k, b = k), control = tight))
  out$diag_one[[k]] <- fitted(lmer(y ~ a * b + (1 + c1 + c2 || subject), e, REML = FALSE, contrasts = list(a = k, b = k), control = tight))
  # the factor's columns set on the column and on the session code both parts, the argument codes the fixed part only
  f <- d; contrasts(f$a) <- k
  out$column[[k]] <- fitted(lmer(y ~ a + (a | subject), f, control = tight))
  out$argument[[k]] <- fitted(lmer(y ~ a + (a | subject), d, contrasts = list(a = k), control = tight))
  options(contrasts = c(k, "contr.poly"))
  out$session[[k]] <- fitted(lmer(y ~ a + (a | subject), d, control = tight))
  options(contrasts = c("contr.treatment", "contr.poly"))
  g <- glmer(hit ~ a + (1 + c1 + c2 || subject), e, binomial, contrasts = list(a = k), control = glmerControl(optimizer = "bobyqa", tolPwrss = 1e-13, optCtrl = list(rhobeg = 0.2, rhoend = 1e-10, maxfun = 1e5)))
  out$binomial[[k]] <- fitted(g)
}
# lme4 does not split factors in a double bar
out$double_bar <- fitted(lmer(y ~ a + (a || subject), d, contrasts = list(a = "contr.sum"), control = tight))
out$session_info <- list(R = R.version.string, lme4 = as.character(packageVersion("lme4")))
writeLines(toJSON(out, digits = NA, auto_unbox = TRUE, pretty = FALSE), "tests/reference/random_coding.json")
writeLines(unname(tools::md5sum("tests/reference/random_coding.json")), "tests/reference/random_coding.md5")
