"""Predicted memory against the peak of a process that fits."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ranef import errors, scale

#: Designs: rows, levels of two factors, whether the second is nested in the first, columns of X,
#: and the formula.
DESIGNS = {
    "one factor with slopes": (500_000, 33_000, 2, False, 1, "y ~ x0 + (x0 | a)"),
    "nested": (500_000, 70_000, 700, True, 1, "y ~ x0 + (1 | b / a)"),
    "crossed, small": (500_000, 3_000, 200, False, 1, "y ~ x0 + (1 | a) + (1 | b)"),
    "crossed, large": (100_000, 5_000, 3_000, False, 1, "y ~ x0 + (1 | a) + (1 | b)"),
    "many columns": (100_000, 1_000, 2, False, 60, "y ~ {x} + (1 | a)"),
}

SCRIPT = """
import os, resource, sys
import numpy as np, pandas as pd
from ranef import lmer, load_dataset, scale
n, a, b, nested, p, formula = {design!r}
rng = np.random.default_rng(1)
codes = rng.integers(a, size=n)
other = codes % b if nested else rng.integers(b, size=n)
data = {{"a": codes, "b": other, **{{f"x{{j}}": rng.normal(size=n) for j in range(p)}}}}
data["y"] = rng.normal(size=a)[codes] + 0.3 * rng.normal(size=b)[other] + rng.normal(size=n)
data = pd.DataFrame(data)
formula = formula.replace("{{x}}", " + ".join(f"x{{j}}" for j in range(p)))
lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", load_dataset("penicillin"))

def now():
    return 4096 * int(open("/proc/self/statm").read().split()[1])

open("/proc/self/clear_refs", "w").write("5")
before = now()
m = lmer(formula, data, control={{"solver": "exact", "max_evaluations": 2}}, n_threads=1)
peak = [1024 * int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmHWM")][0]
print(scale.plan(formula, data, control={{"solver": "exact"}}).exact.bytes, peak - before)
"""


@pytest.mark.parametrize("design", DESIGNS)
def test_predicted_bytes_are_those_of_the_peak(design: str) -> None:
    script = SCRIPT.format(design=DESIGNS[design])
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True)
    predicted, peak = map(float, done.stdout.split())
    # more is predicted than is held where dense blocks are factored in steps, and where the
    # allocator had room left
    assert 1 / 1.25 < predicted / peak < 1.4


def ratings(n: int = 20_000) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame({"y": rng.normal(size=n), "u": rng.integers(700, size=n), "f": rng.integers(500, size=n)})


def test_table_and_record() -> None:
    data = ratings()
    p = scale.plan("y ~ 1 + (1 | u) + (1 | f)", data)
    cells = len(data[["u", "f"]].drop_duplicates())
    assert (p.rows, p.levels, p.cells, p.columns, p.streamed) == (20_000, {"u": 700, "f": 500}, cells, 1, False)
    # a dense matrix for the smaller factor, held twice
    assert p.exact.items["factor"] == pytest.approx(16 * 500**2 + 16 * (cells + 700) + 8 * cells, rel=0.35)
    assert p.solver == "exact"
    text = str(p)
    assert "20,000 rows" in text
    assert "'auto' takes the exact solver" in text
    assert repr(p) == text


def test_of_files_by_the_survey_alone(tmp_path: Path) -> None:
    data = ratings()
    data.iloc[:9_000].to_parquet(tmp_path / "a.parquet")
    data.iloc[9_000:].to_parquet(tmp_path / "b.parquet")
    formula = "y ~ 1 + (1 | u) + (1 | f)"
    held, streamed = scale.plan(formula, data), scale.plan(formula, str(tmp_path))
    assert streamed.streamed
    assert streamed.exact.at_most
    assert (streamed.rows, streamed.levels) == (held.rows, held.levels)
    assert streamed.cells == 20_000
    assert streamed.exact.items["factor"] >= held.exact.items["factor"]


def test_nested_factors_have_no_dense_part_in_files(tmp_path: Path) -> None:
    data = ratings()
    data["f"] = data.u // 10
    data.to_parquet(tmp_path / "a.parquet")
    p = scale.plan("y ~ 1 + (1 | u) + (1 | f)", str(tmp_path))
    assert p.exact.items["factor"] < 16 * 20_000 + 16 * 770 + 12 * 20_000 + 1


def test_limit_decides_which_solver_is_taken() -> None:
    data = ratings()
    formula = "y ~ 1 + (1 | u) + (1 | f)"
    p = scale.plan(formula, data)
    between = (p.exact.bytes + p.iterative.bytes) / 2
    assert p.iterative.bytes < p.exact.bytes
    assert scale.plan(formula, data, control={"memory": between}).solver == "iterative"
    assert scale.plan(formula, data, control={"memory": between, "solver": "exact"}).solver is None
    assert scale.plan("y ~ 1 + (y | u) + (1 | f)", data).iterative.why_not is None
    alone = scale.plan("y ~ 1 + (1 | u)", data)
    assert alone.iterative.why_not is not None
    assert "iterative  not for a model that" in str(alone)


def test_bad_input() -> None:
    with pytest.raises(errors.RanefError, match="'z'"):
        scale.plan("y ~ z + (1 | u)", ratings())
