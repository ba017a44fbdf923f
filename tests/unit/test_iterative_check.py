"""Leverages, checks and reports of iterative fits, against the exact solver."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ranef import errors, glmer, lmer
from ranef.diagnostics.check import check
from ranef.diagnostics.spread import fitted_apart
from ranef.estimates.fixed_basis import fixed_basis
from ranef.estimates.random_columns import solved_columns

ITERATIVE = {"solver": "iterative"}


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(6)
    n = 3_000
    d = pd.DataFrame({"x": rng.normal(size=n), "g": rng.integers(150, size=n), "h": rng.integers(90, size=n)})
    d["w"] = rng.uniform(0.5, 2.0, n)
    a, b = rng.normal(size=(150, 2)), rng.normal(size=90)
    d["y"] = 2 + 0.4 * d.x + a[d.g, 0] + 0.5 * a[d.g, 1] * d.x + 0.6 * b[d.h] + rng.normal(size=n) / np.sqrt(d.w)
    return d


@pytest.mark.parametrize("weights", [None, "w"])
def test_leverages_are_those_of_the_exact_solver(data: pd.DataFrame, weights: str | None) -> None:
    formula = "y ~ x + (x | g) + (1 | h)"
    exact, own = lmer(formula, data, weights=weights), lmer(formula, data, weights=weights, control=ITERATIVE)
    a, b = np.asarray(exact.hatvalues()), np.asarray(own.hatvalues())
    # by probes: half a per cent, and the difference of the estimates
    assert np.sqrt(np.mean((b / a - 1) ** 2)) < 0.01
    assert b.sum() == pytest.approx(a.sum(), rel=2e-3)
    # dense algebra with the theta of the iterative fit
    fit = own._fit
    basis = fixed_basis(fit)
    x = basis.columns(fit.x)
    z = np.zeros((len(data), 0))
    w = np.ones(len(data)) if weights is None else data[weights].to_numpy()
    for term, factor in zip(fit.terms, fit.relative_factors, strict=True):
        rows = np.zeros((len(data), len(term.levels), factor.shape[1]))
        rows[np.arange(len(data)), term.codes] = term.z @ factor
        z = np.hstack([z, rows.reshape(len(data), -1)])
    inner = np.eye(z.shape[1]) + z.T @ (w[:, None] * z)
    dense = w[:, None] * (x - z @ np.linalg.solve(inner, z.T @ (w[:, None] * x)))
    np.testing.assert_allclose(solved_columns(fit, basis), dense, atol=1e-8 * np.abs(dense).max())
    apart = fitted_apart(exact._fit, a) - fitted_apart(fit, b)
    assert np.abs(apart).max() < 0.01 * data.y.std()


@pytest.mark.usefixtures("undrawn")
def test_check_and_report(data: pd.DataFrame, tmp_path: Path) -> None:
    formula = "y ~ x + (1 | g) + (1 | h)"
    m = lmer(formula, data, control=ITERATIVE)
    parts = {part.kind: part for part in check(m._fit, 1)}
    assert list(parts) == [part.kind for part in check(lmer(formula, data)._fit, 1)]
    assert "iterative solver" in parts["influence"].sentence
    assert len(np.ravel(m.check(rng=1))) == len(parts)
    m.report(tmp_path / "report.html")
    assert "iterative" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_rows_left_out(data: pd.DataFrame) -> None:
    formula = "y ~ x + (1 | g) + (1 | h)"
    exact, own = (lmer(formula, data, control=c).influence().to_frame() for c in (None, ITERATIVE))
    for name in ("cooks_distance", "dfbetas:x", "cov_ratio", "sigma"):
        np.testing.assert_allclose(own[name], exact[name], atol=5e-3 * np.abs(exact[name]).max())


def test_what_still_needs_a_factor_says_so(data: pd.DataFrame) -> None:
    m = lmer("y ~ x + (1 | g) + (1 | h)", data, control=ITERATIVE)
    with pytest.raises(errors.DataError, match=r"iterative solver.*'solver': 'exact'"):
        m.influence("g")
    g = glmer("z ~ x + (1 | g) + (1 | h)", data.assign(z=data.y > 2), family="binomial", control=ITERATIVE)
    with pytest.raises(errors.DataError, match=r"as profiles, bootstrap, leverages"):
        g.hatvalues()
