# A persistent R process that fits models on request, so that starting R is never part of a time.
# Reads tab-separated requests from standard input and answers each with one line that begins with "@@".
program <- commandArgs(trailingOnly = TRUE)[1]
suppressPackageStartupMessages(library(program, character.only = TRUE))
frames <- list()

read_frame <- function(directory) {
  lines <- readLines(file.path(directory, "columns.tsv"))
  n <- as.integer(lines[1])
  parts <- strsplit(lines[-1], "\t", fixed = TRUE)
  out <- list()
  for (i in seq_along(parts)) {
    kind <- parts[[i]][2]
    path <- file.path(directory, paste0(i, ".bin"))
    column <- if (kind == "double") readBin(path, "double", n, endian = "little")
              else readBin(path, "integer", n, size = 4L, endian = "little")
    if (kind == "factor") {
      labels <- readLines(file.path(directory, paste0(i, ".levels")), encoding = "UTF-8")
      column[column == 0L] <- NA
      column <- structure(column, levels = labels, class = "factor")
    }
    out[[parts[[i]][1]]] <- column
  }
  as.data.frame(out, stringsAsFactors = FALSE, optional = TRUE)
}

answer <- function(...) {
  cat("@@", paste(..., sep = "\t"), "\n", sep = "")
  flush(stdout())
}

one_line <- function(text) gsub("[\t\r\n]+", " ", paste(text, collapse = " "))

blas <- normalizePath(extSoftVersion()[["BLAS"]], mustWork = FALSE)
input <- file("stdin", "r")
answer("ready", as.character(getRversion()), as.character(packageVersion(program)), one_line(paste(basename(dirname(blas)), basename(blas), sep = "/")))
while (length(line <- readLines(input, 1L)) == 1L) {
  request <- strsplit(line, "\t", fixed = TRUE)[[1]]
  result <- try({
    if (request[1] == "load") {
      frames[[request[2]]] <- read_frame(request[3])
      answer("ok", nrow(frames[[request[2]]]))
    } else if (request[1] == "drop") {
      frames[[request[2]]] <- NULL
      invisible(gc())
      answer("ok", "")
    } else if (request[1] == "fit") {
      data <- frames[[request[2]]]
      reml <- request[3] == "TRUE"
      times <- as.integer(request[4])
      family <- request[5]
      nodes <- as.integer(request[6])
      text <- request[7]
      if (program == "glmmTMB" && nodes > 1L) stop("Laplace only")
      invisible(gc())
      before <- proc.time()
      for (k in seq_len(times))
        fit <- suppressMessages(suppressWarnings(
          if (program == "glmmTMB") glmmTMB(as.formula(text), data = data, family = if (family == "none") "gaussian" else family, REML = reml)
          else if (family == "none") lmer(as.formula(text), data = data, REML = reml)
          else glmer(as.formula(text), data = data, family = family, nAGQ = nodes)))
      spent <- proc.time() - before
      criterion <- if (reml && program == "lme4") REMLcrit(fit) else -2 * as.numeric(logLik(fit))
      answer("ok", spent[["elapsed"]] / times, (spent[["user.self"]] + spent[["sys.self"]]) / times,
             sprintf("%.10f", criterion))
    } else if (request[1] == "boot") {
      data <- frames[[request[2]]]
      fit <- suppressMessages(suppressWarnings(lmer(as.formula(request[4]), data = data)))
      invisible(gc())
      before <- proc.time()
      drawn <- suppressMessages(suppressWarnings(
        bootMer(fit, function(m) c(fixef(m), unlist(lapply(VarCorr(m), attr, "stddev")), sigma(m)), nsim = as.integer(request[3]))))
      spent <- proc.time() - before
      answer("ok", spent[["elapsed"]], spent[["user.self"]] + spent[["sys.self"]], mean(drawn$t[, 1]))
    } else if (request[1] == "power") {
      # what simr does for a t test: draw, refit, test one fixed effect
      fit <- suppressMessages(suppressWarnings(lmer(as.formula(request[5]), data = frames[[request[2]]])))
      contrast <- as.numeric(names(fixef(fit)) == request[4])
      before <- proc.time()
      drawn <- simulate(fit, as.integer(request[3]))
      p <- vapply(drawn, function(y) suppressMessages(suppressWarnings(
        lmerTest::contest1D(lmerTest::as_lmerModLmerTest(refit(fit, y)), contrast)[["Pr(>|t|)"]])), 0)
      spent <- proc.time() - before
      answer("ok", spent[["elapsed"]], spent[["user.self"]] + spent[["sys.self"]], mean(p < 0.05))
    } else if (request[1] == "profile") {
      fit <- suppressMessages(suppressWarnings(lmer(as.formula(request[3]), data = frames[[request[2]]])))
      before <- proc.time()
      curves <- suppressMessages(suppressWarnings(profile(fit)))
      spent <- proc.time() - before
      answer("ok", spent[["elapsed"]], spent[["user.self"]] + spent[["sys.self"]], nrow(as.data.frame(curves)))
    } else if (request[1] == "peak") {
      status <- if (file.exists("/proc/self/status")) readLines("/proc/self/status") else character()
      answer("ok", c(as.numeric(gsub("[^0-9]", "", grep("^VmHWM", status, value = TRUE))) / 1024, NaN)[1])
    } else if (request[1] == "quit") {
      break
    } else {
      stop("unknown request")
    }
    TRUE
  }, silent = TRUE)
  if (inherits(result, "try-error")) answer("error", one_line(conditionMessage(attr(result, "condition"))))
}
