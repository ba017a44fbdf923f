"""Power by simulated t tests here and by lme4 with lmerTest, as simr does it, in alternation:
``python -m benchmarks.powers``.
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

#: Models, and the fixed effect that is tested.
EFFECTS = {"sleepstudy": "Days", "Exam 3": "standLRT"}
TESTS = ("satterthwaite", "kenward-roger", "none", "lrt")


def main() -> None:
    """Print a Markdown table of milliseconds of processor time for each simulation."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.powers", description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="simulations here")
    parser.add_argument("--n-lme4", type=int, default=50, help="simulations in R")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    import ranef

    lme4 = REngine()
    sources = Sources.at(None)
    print(
        f"{lme4.version}; medians of {options.rounds} rounds on one thread, ms of processor time for one simulation\n"
    )
    print(f"| model | {' | '.join(TESTS)} | lmerTest (Satterthwaite) | ratio |")
    print("| --- |" + " --: |" * (len(TESTS) + 2))
    for spec in MODELS:
        if spec.name not in EFFECTS:
            continue
        frame, effect = sources.load(spec.data), EFFECTS[spec.name]
        model = ranef.lmer(spec.formula, frame, n_threads=1)
        ours: dict[str, list[float]] = {t: [] for t in TESTS}
        theirs = []
        for i in range(options.rounds):
            for test, spent in ours.items():
                start = time.process_time()
                ranef.power(model, effect, options.n, test=test, rng=i)  # type: ignore[arg-type]
                spent.append(1e3 * (time.process_time() - start) / options.n)
            sample = lme4.power(spec.formula, frame, spec.data, effect, options.n_lme4, 600)
            theirs.append(1e3 * sample.cpu / options.n_lme4)
        middle = [statistics.median(v) for v in ours.values()]
        other = statistics.median(theirs)
        cells = " | ".join(f"{v:.2f}" for v in middle)
        print(f"| {spec.name} | {cells} | {other:.1f} | {other / middle[0]:,.0f} |", flush=True)
    lme4.close()


if __name__ == "__main__":
    main()
