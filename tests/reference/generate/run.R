# Rscript run.R OUT [-f CASEFILE,CASEFILE...] [-m REGEX] [-n] [-l] : fits the cases of cases_*.R (or of the files named) into OUT/cases/ID.json
args <- commandArgs(TRUE); out <- args[1]
here <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE)[1]))
opt <- function(k) { i <- match(k, args); if (is.na(i)) NULL else args[i + 1] }
source(file.path(here, "data.R")); source(file.path(here, "lib.R"))
files <- opt("-f"); files <- if (is.null(files)) sort(list.files(here, "^cases_.*[.]R$", full.names = TRUE)) else strsplit(files, ",")[[1]]
for (f in files) source(f)
rx <- opt("-m"); only_new <- "-n" %in% args
dir.create(file.path(out, "cases"), showWarnings = FALSE, recursive = TRUE)
for (s in CASES) {
  if (!is.null(rx) && !grepl(rx, s$id)) next
  if ("-l" %in% args) {          # several workers on one OUT: each claims a case by making a folder
    dir.create(file.path(out, "locks"), showWarnings = FALSE)
    if (file.exists(file.path(out, "cases", paste0(s$id, ".json"))) || !dir.create(file.path(out, "locks", s$id), showWarnings = FALSE)) next
  }
  p <- file.path(out, "cases", paste0(s$id, ".json")); if (only_new && file.exists(p)) next
  r <- tryCatch(run_case(s), error = function(e) { cat("FAILED", s$id, conditionMessage(e), "\n"); NULL })
  if (is.null(r)) next
  txt <- json(r); con <- file(p, "wb"); writeBin(charToRaw(enc2utf8(txt)), con); close(con)
  cat(sprintf("%-38s obj %.6f best %.6f (%s) %.1fs %s\n", s$id, if (is.null(r$results)) NA else r$results$objective, if (is.null(r$objective_best)) NA else r$objective_best,
              if (is.null(r$optimizer_best)) "" else r$optimizer_best, r$generator_seconds, paste(c(r$fit_error, r$generator_notes), collapse = " | ")))
}
