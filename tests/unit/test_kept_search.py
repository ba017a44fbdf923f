"""A search of the iterative solver that was cut goes on from its checkpoint with the same bits;
what can go wrong with the file is an error.
"""

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import errors, glmer, lmer, scale
from ranef.fit.checkpoint_file import CheckpointFile

FORMULA = "y ~ x + (x | g) + (1 | h)"
ITERATIVE = {"solver": "iterative"}


class CutError(Exception):
    """What ends a fit."""


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n, m = 4_000, (150, 90)
    g, h, x = rng.integers(m[0], size=n), rng.integers(m[1], size=n), rng.normal(size=n)
    a, b = rng.normal(size=(m[0], 2)), 0.5 * rng.normal(size=m[1])
    eta = 0.3 + 0.6 * a[g, 0] + (0.4 * a[g, 1] - 0.5) * x + b[h]
    y = eta + rng.normal(size=n)
    return pd.DataFrame({"y": y, "z": rng.random(n) < 1 / (1 + np.exp(-eta)), "x": x, "g": g, "h": h})


def bits(m: Any) -> list[str]:
    numbers = [m.objective, *m.theta, *m.fixef, *m.bse, *np.ravel(m.ranef()["g"])]
    return [float(v).hex() for v in numbers] + [str(m.convergence.evaluations)]


def fits(data: pd.DataFrame, folder: Path) -> dict[str, Callable[..., Any]]:
    parts = [data[i::3] for i in range(3)]
    return {
        "lmer": lambda **more: lmer(FORMULA, data, control=ITERATIVE, **more),
        "glmer": lambda **more: glmer(FORMULA.replace("y", "z", 1), data, family="binomial", control=ITERATIVE, **more),
        "streamed": lambda **more: scale.fit(FORMULA, parts, control=ITERATIVE, **more),
    }


@pytest.mark.parametrize("kind", ["lmer", "glmer", "streamed"])
def test_cut_anywhere_and_resumed(
    data: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    fit = fits(data, tmp_path)[kind]
    expected = bits(fit())
    write, count, last = CheckpointFile.write, [0], [10**9]

    def written(self: CheckpointFile, **held: Any) -> None:
        write(self, **held)
        count[0] += 1
        if count[0] >= last[0]:
            raise CutError

    monkeypatch.setattr(CheckpointFile, "write", written)
    assert bits(fit(checkpoint=tmp_path / "whole")) == expected
    # glmer keeps the differences of its Hessian too
    assert count[0] >= {"lmer": 3, "glmer": 9, "streamed": 4}[kind]
    for at in range(1, count[0] + 1):
        file = tmp_path / f"cut{at}"
        count[0], last[0] = 0, at
        with pytest.raises(CutError):
            fit(checkpoint=file)
        last[0] = 10**9
        assert bits(fit(checkpoint=file)) == expected
    # one that was cut again and again ends too, and a finished one is quick
    file, last[0] = tmp_path / "often", 2
    for _ in range(100):
        count[0] = 0
        try:
            m = fit(checkpoint=file)
        except CutError:
            continue
        break
    assert bits(m) == expected
    count[0], last[0] = 0, 10**9
    assert bits(fit(checkpoint=file)) == expected
    assert count[0] <= 8


def test_other_rows_and_other_options(data: pd.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "fit.ranef"
    fit = fits(data, tmp_path)["glmer"]
    fit(checkpoint=file)
    formula = FORMULA.replace("y", "z", 1)
    with pytest.raises(errors.DataError, match=r"the rows was .*checksum"):
        glmer(formula, data.assign(x=data.x + 1e-9), family="binomial", control=ITERATIVE, checkpoint=file)
    with pytest.raises(errors.DataError, match="the formula was"):
        glmer("z ~ x + (1 | g) + (1 | h)", data, family="binomial", control=ITERATIVE, checkpoint=file)
    # another search of the same begins anew
    other = {**ITERATIVE, "seed": 7}
    m = glmer(formula, data, family="binomial", control=other, checkpoint=file)
    assert bits(m) == bits(glmer(formula, data, family="binomial", control=other))


def test_without_the_iterative_solver(data: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(errors.OptionError, match="iterative"):
        glmer("z ~ x + (1 | g)", data, family="binomial", checkpoint=tmp_path / "a")
    with pytest.raises(errors.OptionError, match="iterative"):
        lmer(FORMULA, data, checkpoint=tmp_path / "a")
    with pytest.raises(errors.ArgumentTypeError, match="path"):
        lmer(FORMULA, data, control=ITERATIVE, checkpoint=3)  # type: ignore[arg-type]
    assert not (tmp_path / "a").exists()


def test_damaged_file_and_full_disk(data: pd.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "fit.ranef"
    fit = fits(data, tmp_path)["glmer"]
    seen: list[bytes] = []
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def show(evaluations: int, criterion: float) -> None:
        if file.exists() and not seen:
            seen.append(file.read_bytes())
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))

    try:
        with pytest.raises(errors.DataError, match="cannot be written: File too large"):
            fit(checkpoint=file, progress=show)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == seen[0]
    assert [p.name for p in tmp_path.iterdir()] == ["fit.ranef"]
    assert bits(fit(checkpoint=file)) == bits(fit())
    content = file.read_bytes()
    for damaged in (content[:-5], content[:300] + bytes([content[300] ^ 4]) + content[301:]):
        file.write_bytes(damaged)
        with pytest.raises(errors.DataError, match="damaged or cut"):
            fit(checkpoint=file)
    with pytest.raises(errors.DataError, match="cannot be written"):
        fit(checkpoint=tmp_path / "absent" / "fit.ranef")
