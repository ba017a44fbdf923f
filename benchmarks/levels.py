"""A fixed factor of very many levels: ``python -m benchmarks.levels``.

What is timed is the whole call of ``lmer`` with ``y ~ x + f + (1 | g)``, and what is asked for
afterwards: standard errors, predictions, the summary, tests of the terms, a file. Each size is
measured in a process of its own, whose peak of memory is printed.
"""

import os

from benchmarks.engines.pipe import ONE_THREAD

os.environ.update(ONE_THREAD)

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import machine, report

SIZES = ((100_000, 1_000, 100), (100_000, 2_000, 100), (100_000, 2_000, 5_000), (100_000, 4_000, 100))
COLUMNS = ("fit (REML)", "fit (ML)", "summary, no df", "summary", "anova", "save and load")


def measured(rows: int, levels: int, groups: int) -> None:
    """Print the times of one size, and the peak of memory."""
    import numpy as np
    import pandas as pd

    import ranef

    rng = np.random.default_rng(1)
    f, g = rng.integers(0, levels, rows), rng.integers(0, groups, rows)
    f[:levels], g[:groups] = np.arange(levels), np.arange(groups)
    x = rng.normal(size=rows)
    y = 1 + 0.5 * x + rng.normal(size=levels)[f] + 0.7 * rng.normal(size=groups)[g] + rng.normal(size=rows)
    names = [f"l{i:05d}" for i in range(levels)]
    data = pd.DataFrame({"y": y, "x": x, "f": pd.Categorical.from_codes(f, names), "g": g})
    ranef.lmer("y ~ x + (1 | g)", data, n_threads=1)

    def seconds(call: Callable[[], object]) -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    formula = "y ~ x + f + (1 | g)"
    fit = min(seconds(lambda: ranef.lmer(formula, data, n_threads=1)) for _ in range(3))
    by_ml = min(seconds(lambda: ranef.lmer(formula, data, REML=False, n_threads=1)) for _ in range(3))
    model = ranef.lmer(formula, data, n_threads=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.ranef"
        others = [
            seconds(lambda: str(model.summary(ddf="none"))),
            seconds(lambda: str(model.summary())),
            seconds(model.anova),
            seconds(lambda: (model.save(path), ranef.load(path))),
        ]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(*(f"{v:.4f}" for v in (fit, by_ml, *others)), f"{peak:.2f}")


def main() -> None:
    """Measure all sizes and print a table."""
    rows = []
    for size in SIZES:
        command = [sys.executable, "-m", "benchmarks.levels", *map(str, size)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        *times, peak = done.stdout.split()
        rows.append([*(f"{v:,}" for v in size), *(report.seconds(float(v)) for v in times), f"{peak} GB"])
    print(f"Machine: {machine.describe()}. One thread.\n")
    print(report.table(["rows", "levels of f", "levels of g", *COLUMNS, "peak"], rows))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measured(*map(int, sys.argv[1:]))
    else:
        main()
