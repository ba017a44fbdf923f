# Checksums of the values that R has in each bundled data set, column by column: reference for tests/unit/test_datasets.py.
# Run from the repository root: Rscript tests/reference/generate/datasets.R      (needs lme4, mlmRev, nlme, ordinal, jsonlite)
# Writes tests/reference/datasets.json. Per column: its type; the MD5 of its numbers as little-endian doubles, or of its codes (from 1)
# as little-endian 32-bit integers; for factors the MD5 of the levels joined by newlines, their number, and whether they are ordered.
source("tests/reference/generate/data.R")

md5 <- function(write) {
  path <- tempfile(); con <- file(path, "wb"); write(con); close(con)
  on.exit(unlink(path)); unname(tools::md5sum(path))
}
column <- function(x) {
  if (is.factor(x)) {
    list(type = "factor", values = md5(function(con) writeBin(as.integer(x), con, size = 4, endian = "little")),
         levels = md5(function(con) writeBin(charToRaw(enc2utf8(paste(levels(x), collapse = "\n"))), con)),
         n_levels = nlevels(x), ordered = is.ordered(x))
  } else {
    stopifnot(is.numeric(x), !anyNA(x))
    list(type = if (is.integer(x)) "integer" else "double",
         values = md5(function(con) writeBin(as.double(x), con, size = 8, endian = "little")))
  }
}
names <- c("Arabidopsis", "cake", "cbpp", "Chem97", "Contraception", "Dyestuff", "Dyestuff2", "egsingle", "Exam", "grouseticks", "Hsb82",
           "InstEval", "Machines", "Oats", "Orange", "Orthodont", "Oxboys", "Pastes", "Penicillin", "ScotsSec", "sleepstudy", "Theoph", "VerbAgg", "wine")
sets <- lapply(setNames(names, names), function(n) { d <- get_data(n); list(rows = nrow(d), columns = lapply(d, column)) })
software <- c(R = as.character(getRversion()), sapply(c(lme4 = "lme4", mlmRev = "mlmRev", nlme = "nlme", ordinal = "ordinal"), function(p) as.character(packageVersion(p))))
writeLines(jsonlite::toJSON(list(software = as.list(software), datasets = sets), auto_unbox = TRUE, pretty = 1), "tests/reference/datasets.json")
