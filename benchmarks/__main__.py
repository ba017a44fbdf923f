"""Command line: ``python -m benchmarks``; see ``README.md``."""

# The number of threads of the numerical libraries is read when they are loaded, so it is set before
# anything else.
import os

from benchmarks.engines.pipe import ONE_THREAD

os.environ.update(ONE_THREAD)

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import fresh, machine, report
from benchmarks.engines.ours import OursEngine
from benchmarks.engines.peers import PeerEngine, PeerProcess
from benchmarks.engines.r import REngine
from benchmarks.engines.sample import EngineError
from benchmarks.models import MODELS, R_PACKAGES, SCALING_FORMULA, SCALING_ROWS, BenchmarkModel
from benchmarks.rounds import FULL, QUICK, Effort, Engine, Timing, time_model
from benchmarks.sources import SourceMissingError, Sources

Results = list[tuple[BenchmarkModel, dict[str, Timing], float | None]]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Time the same models here and elsewhere."
    )
    parser.add_argument("--quick", action="store_true", help="few rounds, no fit of R that takes over a second")
    parser.add_argument("--folder", type=Path, help="folder with kb07, kwdyz11, d3 and poems as Parquet files")
    parser.add_argument("--peers", metavar="PYTHON", help="interpreter of an environment that holds the other packages")
    parser.add_argument("--only", default="", help="comma-separated beginnings of model names")
    parser.add_argument("--without-r", action="store_true", help="leave lme4 and glmmTMB out")
    parser.add_argument("--without-models", action="store_true", help="leave the table of models out")
    parser.add_argument("--without-fresh", action="store_true", help="leave out start-up, growth, memory and refits")
    parser.add_argument("--max-rows", type=int, default=10_000_000, help="largest n of the growing data")
    parser.add_argument("--max-rows-r", type=int, default=1_000_000, help="largest n of the growing data in R")
    parser.add_argument("--timeout", type=float, help="seconds after which a fit is given up")
    parser.add_argument("--output", type=Path, help="also write the tables to this file")
    return parser.parse_args()


def _engines(options: argparse.Namespace, notes: list[str]) -> tuple[list[Engine], PeerProcess | None]:
    engines: list[Engine] = [OursEngine()]
    if options.without_r:
        notes.append("R: left out on request")
    else:
        for name in R_PACKAGES:
            try:
                engines.append(REngine(name))
            except EngineError as error:
                notes.append(f"{name}: {error}")
    process = None
    if options.peers:
        process = PeerProcess(options.peers)
        engines += [PeerEngine(process, name) for name in process.found]
        notes += [f"{name}: {reason}" for name, reason in process.missing.items()]
    else:
        notes.append("other Python packages: no interpreter given (--peers)")
    return engines, process


def _models(options: argparse.Namespace, engines: list[Engine], effort: Effort, notes: list[str]) -> Results:
    sources = Sources.at(options.folder)
    wanted = tuple(filter(None, options.only.split(",")))
    results: Results = []
    for model in MODELS:
        if wanted and not model.name.startswith(wanted):
            continue
        try:
            frame = sources.load(model.data)
        except SourceMissingError as error:
            notes.append(f"{model.name}: {error}")
            continue
        timings = time_model(model, frame, engines, effort)
        core = None
        ours = engines[0]
        median = timings["ranef"].median
        if isinstance(ours, OursEngine) and median is not None:
            repeat = max(1, min(50, int(0.5 / median)))
            core = ours.core_seconds(model.formula, frame, model.method, repeat)
        results.append((model, timings, core))
        spent = ", ".join(
            f"{t.engine} {report.seconds(t.median) if t.samples else t.failure}" for t in timings.values()
        )
        _say(f"{model.name}: {spent}")
    return results


def _growth(options: argparse.Namespace, effort: Effort) -> str:
    rows = []
    for n in SCALING_ROWS:
        if n > options.max_rows:
            continue
        cells = [f"{n:,}"]
        ours = None
        try:
            got = fresh.measure("grow", str(n))
            ours = got["seconds"]
            cells += [report.seconds(ours), f"{got['peak_mb']:.0f} MB", f"{got['before_mb']:.0f} MB"]
        except RuntimeError as error:
            cells += [str(error), "–", "–"]
        if options.without_r or n > options.max_rows_r:
            cells += ["not run", "–"]
        else:
            with tempfile.TemporaryDirectory(prefix="ranef-bench-") as directory:
                try:
                    theirs = fresh.grow_in_r(n, Path(directory), effort.timeout)
                    quotient = report.ratio(theirs["seconds"], ours)
                    cells += [f"{report.seconds(theirs['seconds'])} ({quotient})", f"{theirs['peak_mb']:.0f} MB"]
                except subprocess.TimeoutExpired:
                    cells += [f"over {effort.timeout:.0f} s", "–"]
                except (RuntimeError, OSError) as error:
                    cells += [str(error), "–"]
        rows.append(cells)
        _say(f"growth: {' '.join(cells)}")
    return report.table(["rows", "ranef", "peak memory", "before the fit", "lme4", "peak memory (R)"], rows)


def _single_figures(quick: bool) -> str:
    rows = []
    try:
        times = fresh.start_up(3 if quick else 7)
        rows.append(["`import ranef` (fresh process)", report.seconds(times["import"]), "300 ms"])
        rows.append(["import and first fit (fresh process)", report.seconds(times["import_and_fit"]), "1.5 s"])
        memory = fresh.measure("insteval")
        rows.append(["InstEval: peak above the data loaded", f"{memory['peak_mb'] - memory['before_mb']:.0f} MB", ""])
        above = memory["peak_mb"] - memory["bare_mb"]
        rows.append(["InstEval: peak above the bare interpreter", f"{above:.0f} MB", "300 MB"])
        rate = fresh.measure("refits", "5000" if quick else "50000")
        rows.append(["sleepstudy refits per second, one thread", f"{rate['per_second']:,.0f}", "10,000"])
    except RuntimeError as error:
        rows.append(["failed", str(error), ""])
    return report.table(["figure", "measured", "limit"], rows)


def main() -> None:
    """Run what was asked for and print the tables."""
    options = _arguments()
    effort = QUICK if options.quick else FULL
    if options.timeout:
        effort = Effort(effort.rounds, effort.seconds_per_engine, options.timeout, effort.slow_in_r)
    notes: list[str] = []
    parts = ["# Last run of the benchmarks", ""]
    engines, process = _engines(options, notes)
    parts += [f"Machine: {machine.describe()}. One thread for every program.", ""]
    parts += ["Programs: " + "; ".join(engine.version for engine in engines) + ".", ""]
    if options.quick:
        parts += ["Quick run: few rounds, short allowance for each fit. Small times vary by a third or more.", ""]
    others = [engine.name for engine in engines[1:]]
    if not options.without_models:
        results = _models(options, engines, effort, notes)
        parts += ["## Whole calls", ""]
        parts += [
            "Median wall-clock time of a warm call, formula and frame in, fitted object out; in brackets the ratio to "
            "ours.",
            "",
        ]
        parts += [report.model_table(results, others), ""]
        parts += ["## The same in processor time", "", report.cpu_table(results, others), ""]
        parts += ["## Criterion reached", "", "A positive difference is a worse optimum than ours.", ""]
        parts += [report.objective_table(results, others), ""]
        notes += report.failures(results)
    for engine in engines:
        engine.close()
    if process is not None:
        process.close()
    if not options.without_fresh:
        parts += ["## Single figures", "", _single_figures(options.quick), ""]
        parts += [
            "## Growth",
            "",
            f"`{SCALING_FORMULA}`, about 100 rows in each group, each fit in a fresh process.",
            "",
        ]
        parts += [_growth(options, effort), ""]
    if notes:
        parts += ["## Not run, and why", "", *[f"- {note}" for note in notes], ""]
    text = "\n".join(parts)
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
