"""Memory of a streamed fit does not grow with the rows."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import ranef

pytest.importorskip("resource")

SCRIPT = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (3 * 2**29, 3 * 2**29))
from ranef import scale
m = scale.fit("y ~ x + (x | g)", sys.argv[1])
m.with_data(sys.argv[1]).augment_to(sys.argv[2])
status = Path("/proc/self/status")
# on Linux ru_maxrss counts the process that started this one
if status.exists():
    peak = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) // 1024
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**20
print(m.nobs, peak, m.fixef["x"])
"""


def test_a_folder_that_is_fitted_in_a_limited_address_space(tmp_path):
    rng = np.random.default_rng(1)
    files, n = 3, 200_000
    folder = tmp_path / "d"
    folder.mkdir()
    for i in range(files):
        g, x = rng.integers(5000, size=n), rng.normal(size=n)
        y = 1 + 0.5 * x + 0.1 * (g % 7) + rng.normal(size=n)
        pyarrow.parquet.write_table(pa.table({"y": y, "x": x, "g": g}), folder / f"{i:02}.parquet")
    place = {"PYTHONPATH": str(Path(ranef.__file__).parents[1]), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), str(tmp_path / "rows.parquet")],
        capture_output=True,
        text=True,
        env={**os.environ, **place},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows, peak, slope = done.stdout.split()
    assert int(rows) == files * n
    assert int(peak) < 500
    assert abs(float(slope) - 0.5) < 0.01
    assert pyarrow.parquet.read_metadata(tmp_path / "rows.parquet").num_rows == files * n
