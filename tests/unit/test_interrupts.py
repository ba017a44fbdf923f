"""Ctrl-C ends every stage of a fit within a second or so, and the process can go on."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

#: Seconds within which a stage has to end; those of the tests' machines may be busy.
SOON = 10.0

BEGIN = """
import numpy as np, pandas as pd, sys, time
from ranef import lmer, load_dataset, scale
small = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
def crossed(n, a, b):
    rng = np.random.default_rng(1)
    u, f = rng.integers(a, size=n), rng.integers(b, size=n)
    return pd.DataFrame({"y": rng.normal(size=a)[u] + rng.normal(size=b)[f] + rng.normal(size=n), "u": u, "f": f})
"""

END = """
print("begin", flush=True)
try:
    work()
except KeyboardInterrupt:
    print("stopped", flush=True)
    assert abs(small.bootstrap(3, rng=1).to_frame().iloc[0, 0]) < 1e9
    print("usable", flush=True)
else:
    print("finished", flush=True)
"""

FORMULA = "y ~ 1 + (1 | u) + (1 | f)"

#: What runs, and after how many seconds it is interrupted.
STAGES = {
    "survey": (
        "def work():\n    for _ in range(1000):\n        scale.survey('y ~ 1 + (1 | u) + (1 | f)', FILES)\n",
        1.0,
    ),
    "sums": (
        "recipe = scale.survey('y ~ 1 + (1 | u) + (1 | f)', FILES).freeze()\n"
        "def work():\n    for _ in range(1000):\n        scale.Statistic(recipe).update(FILES)\n",
        1.0,
    ),
    "symbolic": (
        "data = crossed(400_000, 40_000, 30_000)\n"
        f"def work():\n    lmer({FORMULA!r}, data, control={{'solver': 'exact'}}, n_threads=1)\n",
        2.0,
    ),
    "dense factor": (
        "data = crossed(60_000, 9_000, 7_000)\n"
        f"def work():\n    lmer({FORMULA!r}, data, control={{'solver': 'exact'}}, n_threads=1)\n",
        6.0,
    ),
    "conjugate gradients": (
        "data = crossed(1_500_000, 60_000, 40_000)\n"
        f"def work():\n    lmer({FORMULA!r}, data, control={{'solver': 'iterative'}}, n_threads=1)\n",
        1.5,
    ),
    "refits": ("y = np.random.default_rng(1).normal(size=(180, 200_000))\ndef work():\n    small.refit(y)\n", 1.5),
    # what is finished of it is kept
    "bootstrap": ("def work():\n    small.bootstrap(10_000_000)\n    raise KeyboardInterrupt\n", 1.0),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("rows")
    rng = np.random.default_rng(1)
    n = 600_000
    data = pd.DataFrame({"y": rng.normal(size=n), "u": rng.integers(900, size=n), "f": rng.integers(800, size=n)})
    for i in range(2):
        data[i::2].to_parquet(folder / f"{i}.parquet")
    return str(folder)


@pytest.mark.parametrize("stage", STAGES)
def test_stage_ends_soon(stage: str, files: str) -> None:
    code, after = STAGES[stage]
    script = f"FILES = {str(Path(files))!r}\n{BEGIN}\n{code}\n{END}"
    command = [sys.executable, "-W", "ignore", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begin\n"
        time.sleep(after)
        process.send_signal(signal.SIGINT)
        sent = time.monotonic()
        answer = process.stdout.readline()
        took = time.monotonic() - sent
        rest, errors = process.communicate()
    assert answer == "stopped\n", errors
    assert took < SOON
    assert rest == "usable\n", errors
