# Rscript glmmtmb_answers.R OUT.json
# What glmmTMB 1.1.5 answers of the Salamanders: predictions with re.form = NA where the zero part has random effects, and
# Pearson residuals of hurdle, beta, beta-binomial, t and dispersion models; rows counted from 1.
suppressMessages({library(glmmTMB); library(jsonlite)})
d <- Salamanders
d$share <- (d$count + 0.5) / 37; d$level <- log(d$count + 0.5 + (seq_len(nrow(d)) %% 7) / 10)
rows <- c(1, 2, 50, 400)
answers <- function(m) {
  p <- residuals(m, type = "pearson")
  list(objective = 2 * m$fit$objective, pearson = if (all(is.na(p))) "NA" else unname(p[rows]), mean_square = mean(p^2))
}
zeros <- glmmTMB(count ~ mined + (1 | site), ziformula = ~ mined + (1 | spp), family = poisson, data = d)
out <- list(
  version = as.character(packageVersion("glmmTMB")), rows = rows,
  zeros = list(objective = 2 * zeros$fit$objective, zi = unname(fixef(zeros)$zi), cond = unname(fixef(zeros)$cond),
    link_na = predict(zeros, re.form = NA, type = "link")[rows], zprob_na = predict(zeros, re.form = NA, type = "zprob")[rows],
    zprob = predict(zeros, type = "zprob")[rows], response_na = predict(zeros, re.form = NA, type = "response")[rows]),
  hurdle = answers(glmmTMB(count ~ mined + (1 | site), ziformula = ~ mined, family = truncated_nbinom2, data = d)),
  beta = answers(glmmTMB(share ~ mined + (1 | site), family = beta_family(), data = d)),
  betabinomial = answers(glmmTMB(cbind(count, 40 - count) ~ mined + (1 | site), family = betabinomial(), data = d)),
  t = answers(glmmTMB(level ~ mined + (1 | site), family = t_family(), data = d)),
  gaussian = answers(glmmTMB(level ~ mined + (1 | site), dispformula = ~ mined, data = d)),
  Gamma = answers(glmmTMB(share ~ mined + (1 | site), dispformula = ~ mined, family = Gamma(log), data = d)))
write_json(out, commandArgs(TRUE)[1], auto_unbox = TRUE, digits = NA, pretty = TRUE)
