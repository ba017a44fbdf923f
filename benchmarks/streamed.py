"""Time and memory of a linear mixed model of many rows that are read in batches.

    python benchmarks/streamed.py FOLDER [--rows 10000000] [--gib 4] [--limit 1.5]

writes Parquet files into the folder, unless it has some, until there are so many rows or GiB, and
fits them in a process of its own, whose address space may be limited (in GiB).
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

PER_FILE = 1_000_000
GIB = 2**30


def write(folder: Path, rows: int, size: float) -> None:
    """Files of three columns: a response, a covariate and one of 100,000 groups."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    groups = 100_000
    b = np.random.default_rng(1).normal(size=(groups, 2)) * (0.8, 0.3)
    done, written, i = 0, 0.0, 0
    while written < size if size else done < rows:
        rng = np.random.default_rng(i + 2)
        n = PER_FILE if size else min(PER_FILE, rows - done)
        g, x = rng.integers(groups, size=n), rng.normal(size=n)
        y = 1 + 0.5 * x + b[g, 0] + b[g, 1] * x + rng.normal(size=n)
        path = folder / f"part{i:04}.parquet"
        pq.write_table(pa.table({"y": y, "x": x, "g": g}), path)
        done, written, i = done + n, written + path.stat().st_size / GIB, i + 1


def fit(folder: str) -> None:
    """One fit."""
    from ranef import lmer

    start, cpu = time.perf_counter(), time.process_time()
    m = lmer("y ~ x + (x | g)", folder)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{m.nobs:,} rows: {seconds:.1f} s ({cpu:.1f} s cpu), peak {peak:.0f} MiB")
    print(m.varcorr.to_frame().round(4), m.fixef.round(4), sep="\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--gib", type=float, default=0.0)
    parser.add_argument("--limit", type=float, default=0.0)
    parser.add_argument("--fit", action="store_true", help="only fit, in this process")
    given = parser.parse_args()
    if given.fit:
        if given.limit:
            resource.setrlimit(resource.RLIMIT_AS, (int(given.limit * GIB),) * 2)
        fit(str(given.folder))
    else:
        if not list(given.folder.glob("*.parquet")):
            write(given.folder, given.rows, given.gib)
        total = sum(f.stat().st_size for f in given.folder.glob("*.parquet")) / GIB
        print(f"{total:.2f} GiB of Parquet", flush=True)
        command = [sys.executable, __file__, str(given.folder), "--fit", "--limit", str(given.limit)]
        subprocess.run(command, check=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})
