"""Profiles of all parameters, here and in lme4, in turns: ``python -m benchmarks.profiles``.

What is timed is the call of ``profile`` on a fitted REML model: the ML fit, all curves, the record.
lme4 does the same work with its own defaults (curves up to the joint region of level 0.99, as
here).
"""

import os

from benchmarks.engines.pipe import ONE_THREAD

os.environ.update(ONE_THREAD)

import statistics
import time

from benchmarks import machine, report
from benchmarks.engines.r import REngine
from benchmarks.engines.sample import EngineError
from benchmarks.models import MODELS
from benchmarks.sources import Sources

NAMES = ("sleepstudy", "Exam 3", "Exam 5", "Penicillin", "Pastes")
ROUNDS = 3
REPEAT = 5
TIMEOUT = 120.0


def main() -> None:
    """Time the models by turns and print a table of medians."""
    from ranef import lmer

    sources = Sources.at(None)
    r = REngine()
    rows = []
    for model in (m for m in MODELS if m.name in NAMES):
        frame = sources.load(model.data)
        fitted = lmer(model.formula, frame, n_threads=1)
        points = len(fitted.profile().to_frame())
        ours: list[float] = []
        theirs: list[float] = []
        failure = "–"
        for _ in range(ROUNDS):
            start = time.perf_counter()
            for _ in range(REPEAT):
                fitted.profile()
            ours.append((time.perf_counter() - start) / REPEAT)
            try:
                theirs.append(r.profile(model.formula, frame, model.data, TIMEOUT))
            except EngineError as error:
                failure = str(error)
        mine = statistics.median(ours)
        other = statistics.median(theirs) if theirs else None
        shown = f"{report.seconds(other)} ({report.ratio(other, mine)})" if other else failure
        rows.append([model.name, str(points), report.seconds(mine), shown])
    r.close()
    print(f"Machine: {machine.describe()}. {r.version}. One thread each, medians of {ROUNDS} turns.\n")
    print(report.table(["model", "points", "ranef", "lme4"], rows))


if __name__ == "__main__":
    main()
