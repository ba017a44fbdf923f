# Profile intervals of models with vector-valued random effects, where lme4's profiles run into trouble, with what it warns of.
#
#   Rscript tests/reference/generate/profiles_vector.R TABLES    # writes profiles_vector.json beside this folder
#
# TABLES is a folder with Early.csv and IGF.csv: the data sets of the cases early_growth and igf_slope, as written by export_data.R. Takes some minutes.

suppressMessages({library(lme4); library(jsonlite)})
arguments <- commandArgs(FALSE)
here <- dirname(sub("^--file=", "", grep("^--file=", arguments, value = TRUE)))
tables <- commandArgs(TRUE)[1]

limits <- function(fit) {
  warned <- character()
  found <- withCallingHandlers(confint(fit, oldNames = FALSE, quiet = TRUE),
                               warning = function(w) { warned <<- c(warned, conditionMessage(w)); invokeRestart("muffleWarning") })
  list(rows = rownames(found), limits = unname(found), warnings = as.list(table(warned)))
}

Early <- read.csv(file.path(tables, "Early.csv"), stringsAsFactors = TRUE); Early$id <- factor(Early$id)
IGF <- read.csv(file.path(tables, "IGF.csv"), stringsAsFactors = TRUE); IGF$Lot <- factor(IGF$Lot)
cases <- list(
  early_growth = limits(lmer(cog ~ age * trt + (age | id), Early)),
  igf_slope = limits(lmer(conc ~ age + (age | Lot), IGF)),
  machines_full = limits(lmer(score ~ Machine + (Machine | Worker), nlme::Machines)))
software <- list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4")))
target <- file.path(here, "..", "profiles_vector.json")
write_json(list(software = software, cases = cases), target, digits = 17, auto_unbox = TRUE, na = "null", pretty = FALSE)
writeLines(unname(tools::md5sum(target)), file.path(here, "..", "profiles_vector.md5"))
