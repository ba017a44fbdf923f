"""Very many fits: refits of many responses, and one model for each of many groups of rows.

    python -m benchmarks.many [--scale 0.1] [--threads 2] [--without-r]

Refits are those of blocks that are in memory already; the loops over groups are timed for a few of
them.
"""

import argparse
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import machine
from ranef import lmer, scale

RESPONSES = 100_000
GROUPS = 100_000
#: Groups that loops are timed with.
FEW = 300

R_LOOP = """
suppressMessages(library(lmerTest)); d <- read.csv(commandArgs(TRUE)[1])
s <- system.time(r <- lapply(split(d, d$gene), function(g) coef(summary(lmer(y ~ x + (1 | g), g)))))
cat(s[["elapsed"]], s[["user.self"]] + s[["sys.self"]])
"""


def design(n: int, groups: int) -> tuple[pd.DataFrame, np.random.Generator]:
    """Rows of a covariate and of groups of equal size."""
    rng = np.random.default_rng(1)
    return pd.DataFrame({"g": np.repeat(np.arange(groups), n // groups), "x": rng.normal(size=n)}), rng


def responses(rows: pd.DataFrame, rng: np.random.Generator, m: int, slopes: bool) -> Any:
    """A matrix of responses, in Fortran order."""
    g, x = rows["g"].to_numpy(), rows["x"].to_numpy()
    groups = int(g.max()) + 1
    y = 0.3 * x[:, None] + rng.normal(size=(groups, m))[g] + rng.normal(size=(len(g), m))
    if slopes:
        y += 0.5 * rng.normal(size=(groups, m))[g] * x[:, None]
    return np.asfortranarray(y)


def refits(n: int, groups: int, formula: str, m: int, threads: int) -> tuple[float, float]:
    """Seconds of wall and processor time of m refits."""
    rows, rng = design(n, groups)
    block = responses(rows, rng, min(m, 8_000_000 // n), "(x" in formula)
    model = lmer(formula, rows.assign(y=block[:, 0]), n_threads=threads)

    def blocks() -> Iterator[Any]:
        for start in range(0, m, block.shape[1]):
            yield block[:, : m - start]

    model.refit(block[:, :100])
    wall, cpu = time.perf_counter(), time.process_time()
    assert len(model.refit(blocks())) == m
    return time.perf_counter() - wall, time.process_time() - cpu


def genes(m: int) -> pd.DataFrame:
    """m groups of 60 rows, 20 levels each."""
    rng = np.random.default_rng(2)
    g = np.tile(np.repeat(np.arange(20), 3), m)
    x = rng.normal(size=60 * m)
    b = np.repeat(rng.normal(size=20 * m), 3)
    y = 1 + 0.3 * x + b + rng.normal(size=60 * m)
    return pd.DataFrame({"gene": np.repeat(np.arange(m), 60), "y": y, "x": x, "g": g})


def main() -> None:
    """Prints two tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the responses and groups")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--without-r", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    m, threads = int(RESPONSES * options.scale), options.threads
    print(machine.describe(), end="\n\n")
    print("| refits | rows, groups | seconds | µs of processor time a fit |\n| --- | --- | --- | --- |")
    for n, groups, formula in (
        (60, 20, "y ~ x + (1 | g)"),
        (2000, 200, "y ~ x + (1 | g)"),
        (2000, 200, "y ~ x + (x | g)"),
    ):
        wall, cpu = refits(n, groups, formula, m, threads)
        print(f"| {m:,} of `{formula}` | {n:,}, {groups} | {wall:.1f} | {cpu / m * 1e6:.0f} |", flush=True)
    data = genes(int(GROUPS * options.scale))
    count = data["gene"].nunique()
    print("\n| fits of `y ~ x + (1 | g)` to groups of 60 rows | seconds | µs of processor time a group |")
    print("| --- | --- | --- |")

    def row(what: str, of: int, run: Callable[[], object]) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        given = run()
        seconds = (time.perf_counter() - wall, time.process_time() - cpu) if given is None else given
        print(f"| {what} | {seconds[0]:.1f} | {seconds[1] / of * 1e6:.0f} |", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        path, few = Path(folder) / "genes.parquet", data[data["gene"] < FEW]

        def in_memory() -> None:
            scale.fit_each("y ~ x + (1 | g)", data, "gene", n_threads=threads)

        def from_file() -> None:
            scale.fit_each("y ~ x + (1 | g)", str(path), "gene", to=Path(folder) / "fits.parquet", n_threads=threads)

        def loop() -> None:
            for _, own in few.groupby("gene"):
                lmer("y ~ x + (1 | g)", own, n_threads=1).pvalues  # noqa: B018

        def loop_of_r() -> tuple[float, float]:
            few.to_csv(Path(folder) / "few.csv", index=False)
            command = ["Rscript", "-e", R_LOOP, str(Path(folder) / "few.csv")]
            found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            return float(found[0]), float(found[1])

        data.sample(frac=1, random_state=1).to_parquet(path)
        scale.fit_each("y ~ x + (1 | g)", few, "gene")
        row(f"`fit_each`, {count:,} groups in memory", count, in_memory)
        row(f"`fit_each`, {count:,} groups, shuffled Parquet to Parquet", count, from_file)
        row(f"a loop of `lmer` and its p-values, {FEW} groups", FEW, loop)
        if not options.without_r and shutil.which("Rscript"):
            row(f"`lapply` of lmerTest's `lmer` and its summary, {FEW} groups", FEW, loop_of_r)


if __name__ == "__main__":
    main()
