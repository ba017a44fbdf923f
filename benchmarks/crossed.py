"""Large crossed factors, exact and iterative: ``python -m benchmarks.crossed``.

What is timed is the whole call of ``lmer`` with ``rating ~ 1 + (1 | user) + (1 | movie)``. Each
fit is made in a process of its own, whose peak of memory is printed beside that of the data alone.
Users and movies are in twenty clusters, inside which 70 % of the ratings lie, with margins like
those of film ratings: few users and movies have many.
"""

import os

from benchmarks.engines.pipe import ONE_THREAD

os.environ.update(ONE_THREAD)

import resource
import subprocess
import sys
import time

from benchmarks import machine, report

#: Rows, users, movies, solvers.
SIZES = (
    (100_000, 3_000, 1_200, ("exact", "iterative")),
    (850_000, 6_028, 4_252, ("exact", "iterative")),
    (1_000_000, 40_000, 30_000, ("iterative",)),
    (10_000_000, 100_000, 50_000, ("iterative",)),
)
CLUSTERS = 20
INSIDE = 0.7


def measured(rows: int, users: int, movies: int, solver: str) -> None:
    """Print the time of a fit, its processor time, peaks of memory and what it found."""
    import numpy as np
    import pyarrow as pa

    import ranef

    rng = np.random.default_rng(1)

    def levels(m: int, cluster: np.ndarray) -> np.ndarray:
        """Levels with a skew density, of a cluster or of all."""
        size = m // CLUSTERS
        inside = rng.random(rows) < INSIDE
        where = np.where(inside, cluster * size + (size * rng.random(rows) ** 1.7).astype(np.int64), 0)
        out = np.where(inside, where, (m * rng.random(rows) ** 1.2).astype(np.int64)).astype(np.int32)
        out[:m] = np.arange(m)
        return out

    cluster = rng.integers(0, CLUSTERS, rows)
    u, v = levels(users, cluster), levels(movies, cluster)
    y = 3.5 + 0.43 * rng.normal(size=users)[u] + 0.5 * rng.normal(size=movies)[v] + 0.85 * rng.normal(size=rows)
    data = pa.table({"rating": y, "user": u, "movie": v})
    del cluster, u, v, y
    ranef.lmer("y ~ 1 + (1 | g)", {"y": [1.0, 2.0, 4.0, 3.0, 5.0, 7.0], "g": list("aabbcc")})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    start, cpu = time.perf_counter(), time.process_time()
    model = ranef.lmer("rating ~ 1 + (1 | user) + (1 | movie)", data, control={"solver": solver})
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    sampled = model._fit.sampled
    error = 0.0 if sampled is None else sampled.llf_se
    numbers = [*model.theta, model.llf, error, model.convergence.sampling]
    print(wall, cpu, before, peak, model.convergence.evaluations, *numbers)


def main() -> None:
    """Measure all sizes and print a table."""
    rows = []
    for n, users, movies, solvers in SIZES:
        for solver in solvers:
            command = [sys.executable, "-m", "benchmarks.crossed", *map(str, (n, users, movies)), solver]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            wall, cpu, before, peak, evaluations, t1, t2, llf, error, sampling = map(float, done.stdout.split())
            cells = [f"{n:,}", f"{users:,}", f"{movies:,}", solver, report.seconds(wall), report.seconds(cpu)]
            cells += [f"{before:.2f} GB", f"{peak:.2f} GB", f"{evaluations:.0f}", f"{t1:.5f}, {t2:.5f}"]
            rows.append([*cells, f"{llf:.3f}", f"{error:.3f}", f"{sampling:.4f}"])
            print(rows[-1], file=sys.stderr)
    print(f"Machine: {machine.describe()}.\n")
    head = ["rows", "users", "movies", "solver", "wall", "processor", "before", "peak", "evaluations", "theta"]
    print(report.table([*head, "log-likelihood", "its error", "sampling"], rows))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measured(*map(int, sys.argv[1:4]), sys.argv[4])
    else:
        main()
