"""Large crossed factors by both solvers: ``python -m benchmarks.crossed [--folder FOLDER]``.

What is timed is the whole call of ``lmer``, or for the solver ``logit`` of ``glmer`` with whether
the response is above its middle, by the iterative solver. Each fit is made in a process of its own,
whose peak of memory is printed beside that of the data alone. Levels are in clusters, inside which
most of the rows lie. Users and movies have as many rows as those of the published degrees of film
ratings (``ml32m_user_degrees.parquet`` and ``ml32m_movie_degrees.parquet`` in the folder given),
thinned out to the size of a design; without a folder they have skew densities.
"""

import argparse
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine, report


@dataclass(frozen=True, slots=True)
class Design:
    """Rows, levels of each factor, their clusters with the share of rows inside, and the model."""

    rows: int
    levels: tuple[int, ...]
    clusters: int
    inside: float
    formula: str
    solvers: tuple[str, ...]


RATINGS = "y ~ 1 + (1 | a) + (1 | b)"

DESIGNS = {
    "small": Design(100_000, (3_000, 1_200), 20, 0.7, RATINGS, ("exact", "iterative")),
    "ml-1m-like": Design(853_760, (6_028, 4_252), 20, 0.7, RATINGS, ("exact", "auto", "iterative")),
    "gowalla-like": Design(810_128, (29_858, 40_981), 300, 0.8, RATINGS, ("auto",)),
    "three factors": Design(1_000_000, (40_000, 20_000, 5_000), 20, 0.7, RATINGS + " + (1 | c)", ("auto",)),
    "slopes": Design(1_000_000, (40_000, 20_000), 20, 0.7, "y ~ x + (x | a) + (x | b)", ("auto",)),
    "three factors, slopes": Design(
        1_000_000, (40_000, 20_000, 5_000), 20, 0.7, "y ~ x + (x | a) + (x | b) + (1 | c)", ("auto",)
    ),
    "million": Design(1_000_000, (40_000, 30_000), 20, 0.7, "y ~ x + (1 | a) + (1 | b)", ("logit",)),
    "10 million": Design(10_000_000, (100_000, 50_000), 20, 0.7, RATINGS, ("auto",)),
    "10 million, logit": Design(10_000_000, (100_000, 50_000), 20, 0.7, RATINGS, ("logit",)),
}
SDS = (0.43, 0.5, 0.3)
SLOPES = (0.2, 0.15)


def generated(design: Design, folder: Path | None, seed: int = 1):  # type: ignore[no-untyped-def]
    """The rows of a design, as an Arrow table."""
    import numpy as np
    import pyarrow as pa

    rng = np.random.default_rng(seed)
    n = design.rows
    cluster = None
    columns, y = {}, 3.5 + 0.85 * rng.normal(size=n)
    x = rng.normal(size=n)
    for f, (name, m) in enumerate(zip("abc", design.levels, strict=False)):
        weight = degrees(folder, f, m)
        rng.shuffle(weight)
        home = rng.integers(0, design.clusters, m)
        if cluster is None:
            codes = rng.choice(m, size=n, p=weight)
            codes[:m] = np.arange(m)
            cluster = home[codes]
        else:
            codes = rng.choice(m, size=n, p=weight)
            inside = rng.random(n) < design.inside
            for c in range(design.clusters):
                mine, there = np.flatnonzero(inside & (cluster == c)), np.flatnonzero(home == c)
                codes[mine] = there[rng.choice(len(there), size=len(mine), p=weight[there] / weight[there].sum())]
            codes[rng.permutation(n)[:m]] = np.arange(m)
        columns[name] = codes.astype(np.int32)
        y += SDS[f] * rng.normal(size=m)[codes]
        if f < len(SLOPES) and "x" in design.formula:
            y += SLOPES[f] * rng.normal(size=m)[codes] * x
    return pa.table({"y": y, "x": x, **columns})


def degrees(folder: Path | None, factor: int, m: int):  # type: ignore[no-untyped-def]
    """Shares of the rows that m levels have: of users (factor 0), of movies, or equal ones."""
    import numpy as np

    if factor > 1:
        return np.full(m, 1 / m)
    if folder is None:
        found = (1 - (np.arange(m) + 0.5) / m) ** (-0.6 if factor == 0 else -0.8)
    else:
        import pyarrow.parquet as pq

        kind = ("user", "movie")[factor]
        every = np.sort(pq.read_table(folder / f"ml32m_{kind}_degrees.parquet")["nrtngs"].to_numpy())
        # movies of a handful of ratings are not in smaller sets
        every = every[every >= 20] if m < len(every[every >= 20]) else every
        found = every[np.linspace(0, len(every) - 1, m).astype(int)].astype(float)
    return found / found.sum()


def measured(name: str, solver: str, folder: Path | None) -> None:
    """Print the time of a fit, its processor time, peaks of memory and what it found."""
    import pyarrow.compute as pc

    import ranef

    design = DESIGNS[name]
    data = generated(design, folder)
    ranef.lmer("y ~ 1 + (1 | g)", {"y": [1.0, 2.0, 4.0, 3.0, 5.0, 7.0], "g": list("aabbcc")})
    above = data.set_column(0, "y", pc.cast(pc.greater(data["y"], 3.5), "float64")) if solver == "logit" else None
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    start, cpu = time.perf_counter(), time.process_time()
    if solver == "logit":
        model = ranef.glmer(design.formula, above, family="binomial", control={"solver": "iterative"})
    else:
        model = ranef.lmer(design.formula, data, control={"solver": solver})
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    error = model._fit.criterion_se / 2
    how = model.convergence
    theta = " ".join(f"{t:.5f}" for t in model.theta)
    print(wall, cpu, before, peak, how.evaluations, model.llf, error, how.sampling, how.status.value, how.solver, theta)


def main() -> None:
    """Measure all designs, or those named, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("designs", nargs="*", default=list(DESIGNS), help=", ".join(DESIGNS))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--solver", help="instead of those of a design; then one line of numbers is printed")
    given = parser.parse_args()
    if given.solver is not None:
        measured(given.designs[0], given.solver, given.folder)
        return
    rows = []
    for name in given.designs:
        design = DESIGNS[name]
        for solver in design.solvers:
            command = [sys.executable, "-m", "benchmarks.crossed", name, "--solver", solver]
            command += [] if given.folder is None else ["--folder", str(given.folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            wall, cpu, before, peak, evaluations, llf, error, sampling, status, taken, *theta = done.stdout.split()
            sizes = " x ".join(f"{m:,}" for m in design.levels)
            cells = [name, f"{design.rows:,}", sizes, solver if solver == taken else f"{solver}: {taken}"]
            cells += [report.seconds(float(wall)), report.seconds(float(cpu))]
            cells += [f"{float(before):.2f} GB", f"{float(peak):.2f} GB", evaluations, ", ".join(theta)]
            rows.append([*cells, f"{float(llf):.3f}", f"{float(error):.3f}", f"{float(sampling):.4f}", status])
            print(rows[-1], file=sys.stderr)
    print(f"Machine: {machine.describe()}.\n")
    head = ["design", "rows", "levels", "solver", "wall", "processor", "before", "peak", "evaluations", "theta"]
    print(report.table([*head, "log-likelihood", "its error", "sampling", "status"], rows))


if __name__ == "__main__":
    main()
