# Criteria of models written for nlme and lme4: tests/reference/translations.json.
# usage: Rscript tests/reference/generate/translations.R > tests/reference/translations.json; then its md5 goes to translations.md5
# Each entry: formula, data and method of ranef's call; the same model as R's text; REML criterion or -2 log likelihood.
# The texts are what ranef writes; that R accepts them and finds the same criterion is what is held.
suppressMessages({library(nlme); library(lme4)})
exam <- mlmRev::Exam; sleep <- lme4::sleepstudy; machines <- as.data.frame(nlme::Machines)
D <- list(Exam = exam, sleepstudy = sleep, Pastes = lme4::Pastes, Penicillin = lme4::Penicillin, Machines = machines)
M <- list(
  c("normexam ~ 1 + (1 | school)", "Exam", "REML", "nlme", "lme(normexam ~ 1, data = Exam, random = ~ 1 | school, method = \"REML\")"),
  c("normexam ~ standLRT + (standLRT | school)", "Exam", "ML", "nlme", "lme(normexam ~ standLRT, data = Exam, random = ~ standLRT | school, method = \"ML\")"),
  c("normexam ~ standLRT * schavg + (1 + standLRT | school)", "Exam", "REML", "nlme", "lme(normexam ~ standLRT + schavg + standLRT:schavg, data = Exam, random = ~ standLRT | school, method = \"REML\")"),
  c("Reaction ~ Days + (Days || Subject)", "sleepstudy", "REML", "nlme", "lme(Reaction ~ Days, data = sleepstudy, random = list(Subject = pdDiag(~ Days)), method = \"REML\")"),
  c("Reaction ~ Days + I(Days^2) + (1 | Subject)", "sleepstudy", "ML", "nlme", "lme(Reaction ~ Days + I(Days^2), data = sleepstudy, random = ~ 1 | Subject, method = \"ML\")"),
  c("Reaction ~ Days + (1 | Subject) + (0 + Days + I(Days^2) || Subject)", "sleepstudy", "REML", "nlme", "lme(Reaction ~ Days, data = sleepstudy, random = list(Subject = pdBlocked(list(pdIdent(~ 1), pdDiag(~ 0 + Days + I(Days^2))))), method = \"REML\")"),
  c("strength ~ 1 + (1 | batch/cask)", "Pastes", "REML", "nlme", "lme(strength ~ 1, data = Pastes, random = ~ 1 | batch/cask, method = \"REML\")"),
  c("score ~ Machine + (1 | Worker) + (0 + Machine | Worker)", "Machines", "REML", "nlme", "lme(score ~ Machine, data = Machines, random = list(Worker = pdBlocked(list(pdIdent(~ 1), pdSymm(~ 0 + Machine)))), method = \"REML\")"),
  c("diameter ~ 1 + (1 | plate) + (1 | sample)", "Penicillin", "ML", "lme4", "lmer(diameter ~ 1 + (1 | plate) + (1 | sample), data = Penicillin, REML = FALSE)"),
  c("Reaction ~ Days + (1 | Subject)", "sleepstudy", "weights", "nlme", "lme(Reaction ~ Days, data = sleepstudy, random = ~ 1 | Subject, weights = varFixed(~ I(1/(1 + Days))), method = \"REML\")"),
  c("Reaction ~ Days + (1 | Subject)", "sleepstudy", "weights", "lme4", "lmer(Reaction ~ Days + (1 | Subject), data = sleepstudy, weights = 1 + Days)")
)
out <- lapply(M, function(m) {
  f <- suppressWarnings(eval(parse(text = m[5]), c(D, list(lme = lme, lmer = lmer))))
  list(formula = m[1], data = m[2], method = m[3], language = m[4], text = m[5], criterion = as.numeric(-2 * logLik(f)))
})
v <- function(p) as.character(packageVersion(p))
cat(jsonlite::toJSON(list(software = list(R = paste(R.version$major, R.version$minor, sep = "."), nlme = v("nlme"), lme4 = v("lme4")), models = out), auto_unbox = TRUE, digits = 12, pretty = 1), "\n", sep = "")
