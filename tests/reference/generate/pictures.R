# Numbers behind pictures, from R's own functions: normal quantiles (qqnorm, qqline), separate regressions of each subject (lmList), and
# predictions of marginal means of a factor. Writes pictures.json and pictures.md5.
# Usage: Rscript pictures.R OUTPUT_FOLDER
suppressMessages({library(lme4); library(jsonlite)})
out <- commandArgs(trailingOnly = TRUE)[1]

small <- c(3.1, -0.4, 2.2, 0.7, 5.9, 1.5, -2.8)
large <- c(small, 0.2, 0.9, 1.1, -1.3, 4.2, 2.7)
line <- function(y) {
  q <- quantile(y, c(0.25, 0.75), names = FALSE)
  slope <- diff(q) / diff(qnorm(c(0.25, 0.75)))
  c(intercept = q[1] - slope * qnorm(0.25), slope = slope)
}
quantiles <- lapply(list(small = small, large = large), function(y)
  list(values = y, theoretical = sort(qqnorm(y, plot.it = FALSE)$x), line = as.list(line(y))))

m <- lmer(Reaction ~ Days + (Days | Subject), sleepstudy)
separate <- coef(lmList(Reaction ~ Days | Subject, sleepstudy))
modes <- ranef(m, condVar = TRUE)$Subject
variance <- attr(modes, "postVar")

result <- list(
  software = list(R = paste(R.version$major, R.version$minor, sep = "."), lme4 = as.character(packageVersion("lme4"))),
  quantiles = quantiles,
  sleepstudy = list(
    level = rownames(separate), separate_intercept = separate[[1]], separate_days = separate[[2]],
    coef_intercept = coef(m)$Subject[[1]], coef_days = coef(m)$Subject[[2]], fixef = unname(fixef(m)),
    ranef_days = modes$Days, condsd_days = sqrt(variance[2, 2, ]), sd_days = unname(attr(VarCorr(m)$Subject, "stddev")[2])
  )
)
path <- file.path(out, "pictures.json")
writeLines(toJSON(result, digits = I(17), auto_unbox = TRUE, pretty = TRUE), path)
writeLines(unname(tools::md5sum(path)), file.path(out, "pictures.md5"))
