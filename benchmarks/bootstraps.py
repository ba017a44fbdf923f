"""Parametric bootstraps here and by lme4's ``bootMer``, in alternation:
``python -m benchmarks.bootstraps``.
"""

import os

from benchmarks.engines.pipe import ONE_THREAD

os.environ.update(ONE_THREAD)

import argparse
import statistics
import time

from benchmarks.engines.r import REngine
from benchmarks.models import MODELS
from benchmarks.sources import Sources

NAMES = ("sleepstudy", "Exam 3", "Penicillin", "Pastes")


def main() -> None:
    """Print a Markdown table of refits per second."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bootstraps", description=__doc__)
    parser.add_argument("--n", type=int, default=10_000, help="replicates here")
    parser.add_argument("--n-lme4", type=int, default=50, help="replicates of bootMer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="threads of the last column")
    options = parser.parse_args()
    import ranef

    lme4 = REngine()
    sources = Sources.at(None)
    print(f"{lme4.version}; medians of {options.rounds} rounds, refits per second\n")
    print(f"| model | ranef, 1 thread | lme4 | ratio | ranef, {options.threads} threads |")
    print("| --- | --: | --: | --: | --: |")
    for spec in MODELS:
        if spec.name not in NAMES:
            continue
        frame = sources.load(spec.data)
        model = ranef.lmer(spec.formula, frame, n_threads=1)
        ours: dict[int, list[float]] = {1: [], options.threads: []}
        theirs = []
        for i in range(options.rounds):
            for threads, rates in ours.items():
                start = time.perf_counter()
                model.bootstrap(options.n, rng=i, n_threads=threads)
                rates.append(options.n / (time.perf_counter() - start))
            sample = lme4.bootstrap(spec.formula, frame, spec.data, options.n_lme4, 600)
            theirs.append(options.n_lme4 / sample.elapsed)
        one, many, other = (statistics.median(v) for v in (ours[1], ours[options.threads], theirs))
        print(f"| {spec.name} | {one:,.0f} | {other:,.1f} | {one / other:,.0f} | {many:,.0f} |", flush=True)
    lme4.close()


if __name__ == "__main__":
    main()
