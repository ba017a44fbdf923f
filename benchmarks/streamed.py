"""Time and memory of a linear mixed model of 10 million rows that are read in batches.

    python benchmarks/streamed.py FOLDER [rows]

writes Parquet files into the folder, unless it has some, and fits them in a process of its own.
"""

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

PER_FILE = 1_000_000


def write(folder: Path, rows: int) -> None:
    """Files of three columns: a response, a covariate and one of 100,000 groups."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    groups = 100_000
    b = np.random.default_rng(1).normal(size=(groups, 2)) * (0.8, 0.3)
    for i, start in enumerate(range(0, rows, PER_FILE)):
        rng = np.random.default_rng(i + 2)
        n = min(PER_FILE, rows - start)
        g, x = rng.integers(groups, size=n), rng.normal(size=n)
        y = 1 + 0.5 * x + b[g, 0] + b[g, 1] * x + rng.normal(size=n)
        pq.write_table(pa.table({"y": y, "x": x, "g": g}), folder / f"part{i:04}.parquet")


def fit(folder: str) -> None:
    """One fit."""
    from ranef import lmer

    start = time.perf_counter()
    m = lmer("y ~ x + (x | g)", folder)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{m.nobs:,} rows: {seconds:.1f} s, peak {peak:.0f} MiB")
    print(m.varcorr.to_frame().round(4), m.fixef.round(4), sep="\n")


if __name__ == "__main__":
    where = Path(sys.argv[1])
    if len(sys.argv) > 3:
        fit(str(where))
    else:
        count = sys.argv[2] if len(sys.argv) > 2 else "10000000"
        if not list(where.glob("*.parquet")):
            write(where, int(count))
        subprocess.run([sys.executable, __file__, str(where), count, "fit"], check=True)
