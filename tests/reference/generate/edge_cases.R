# Names, tests and predictions in models at the edge of what is usual: reference for tests/unit/test_edge_cases.py.
# Run from the repository root: Rscript tests/reference/generate/edge_cases.R
# Writes tests/reference/edge_cases.json; tests/reference/edge_cases.md5 holds its checksum. Numbers have 15 significant digits.
suppressMessages({library(lme4); library(jsonlite)})
options(contrasts = c("contr.sum", "contr.poly"))
cake$temperature <- factor(as.character(cake$temperature))
m <- lmer(angle ~ recipe * temperature + (1 | recipe:replicate), cake)
number <- attr(model.matrix(m), "assign"); labels <- attr(terms(m), "term.labels")
wald <- sapply(seq_along(labels), function(k) { i <- which(number == k); b <- fixef(m)[i]; sum(b * solve(as.matrix(vcov(m))[i, i], b)) })
df <- as.vector(table(number)[-1])
options(contrasts = c("contr.treatment", "contr.poly"))
d <- sleepstudy
d$`grp 1` <- d$Subject; d$`my var` <- d$Days; d$late <- d$Days > 4
quoted <- lmer(Reaction ~ `my var` + (`my var` | `grp 1`), d)
slope <- lmer(Reaction ~ Days + (Days | Subject), d)
new <- data.frame(Days = c(1, 2), Subject = factor(c(NA, "308")))
negated <- lmer(Reaction ~ (!late) + (1 | Subject), d)
refused <- function(formula, data) { e <- try(lmer(formula, data), silent = TRUE); inherits(e, "try-error") }
out <- list(
  software = list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4"))),
  chi_square = list(term = labels, df = df, chisq = wald, p_value = pchisq(wald, df, lower.tail = FALSE)),
  quoted = list(varcorr = I(names(VarCorr(quoted))), ranef = I(names(ranef(quoted))), coef = I(names(coef(quoted))), ngroups = as.list(ngrps(quoted)), theta = I(getME(quoted, "theta"))),
  missing_group = list(allowed = unname(predict(slope, new, allow.new.levels = TRUE)), refused = inherits(try(predict(slope, new), silent = TRUE), "try-error")),
  negated = list(names = names(fixef(negated)), fixef = unname(fixef(negated)), without_parentheses_refused = refused(Reaction ~ !late + (1 | Subject), d)),
  no_fixed = local({ z <- lmer(Reaction ~ 0 + (1 | Subject), d); list(hat = unname(hatvalues(z)[1:3]), cooks_refused = inherits(try(cooks.distance(z), silent = TRUE), "try-error")) }),
  as_many_levels_as_rows_refused = refused(y ~ 1 + (1 | g), data.frame(y = c(1, 2, 4), g = c("a", "b", "c"))))
path <- "tests/reference/edge_cases.json"
writeLines(toJSON(out, auto_unbox = TRUE, digits = 15, pretty = 1, null = "null"), path)
writeLines(unname(tools::md5sum(path)), "tests/reference/edge_cases.md5")
