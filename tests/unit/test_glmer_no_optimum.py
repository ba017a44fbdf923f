"""Likelihoods that are hard or have no maximum:
every one ends in a fit, or in one sentence that says why there is none.
"""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import RanefError, RanefWarning, glmer
from ranef.status import FitStatus

N = 120


def frame(seed: int = 3) -> tuple[pd.DataFrame, np.random.Generator, np.ndarray]:
    """Rows with groups g within a, crossed groups h, a group for every row, and their effects."""
    rng = np.random.default_rng(seed)
    g = np.arange(N) % 12
    d = pd.DataFrame({"x": rng.normal(size=N), "g": g, "h": rng.integers(0, 7, N), "a": g // 4, "obs": np.arange(N)})
    return d, rng, 0.5 * d["x"].to_numpy() + 0.7 * rng.normal(size=12)[g]


def fit(formula: str, d: pd.DataFrame, **arguments: Any) -> tuple[Any, str]:
    """The fit, whose numbers are finite, and its one warning or nothing."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        m = glmer(formula, d, **arguments)
    assert len(caught) <= 1
    assert all(issubclass(w.category, RanefWarning) for w in caught)
    for values in (m.fixef, m.theta, m.fittedvalues, m.bse, [m.objective]):
        assert np.isfinite(values).all()
    assert m.convergence.ok or caught
    return m, str(caught[0].message) if caught else ""


LAYOUTS = ["(1 | g)", "(x | g)", "(1 | g) + (1 | h)", "(1 | a / g)", "(1 | obs)"]


def outcome(formula: str, d: pd.DataFrame, family: str) -> str:
    """How it ended: a status with its explanation, or a refusal."""
    try:
        m, said = fit(formula, d, family=family)
    except RanefError as refused:
        return f"refused: {refused}"
    if not m.convergence.ok:
        assert "No step lowered" not in said
        assert "limit on evaluations" not in said
    return f"{m.convergence.status.value}: {said}"


HARD = [
    ("binomial(logit)", "groups"),
    ("binomial(probit)", "one success"),
    ("binomial(cauchit)", "rare"),
    ("binomial(cauchit)", "groups"),
    ("poisson(log)", "huge"),
    ("poisson(sqrt)", "sparse"),
    ("poisson(identity)", "sparse"),
    ("nbinom2(log)", "huge"),
    ("nbinom1(log)", "sparse"),
    ("Gamma(inverse)", "tiny shape"),
    ("Gamma(identity)", "tiny shape"),
    ("inverse.gaussian(log)", "wide"),
    ("gaussian(log)", "negative"),
    ("gaussian(inverse)", "negative"),
]


@pytest.mark.parametrize(
    ("family", "kind", "layout"),
    [(*hard, layout) for hard in HARD for layout in LAYOUTS]
    + [("beta(logit)", "tight", layout) for layout in ("(1 | g)", "(1 | obs)")],
)
def test_hard_responses_end_in_a_fit_or_a_reason(family: str, kind: str, layout: str) -> None:
    d, rng, eta = frame()
    d["y"] = {
        "groups": d["g"] % 2,
        "one success": (d["obs"] == 5).astype(int),
        "rare": (d["obs"] % 40 == 3).astype(int),
        "huge": rng.poisson(1e6 * np.exp(eta / 3)),
        "sparse": (d["obs"] % 30 == 3).astype(int),
        "tiny shape": np.maximum(rng.gamma(0.02, 50, size=N), 1e-300),
        "wide": np.exp(10 * rng.normal(size=N)),
        "negative": rng.normal(size=N),
        "tight": 0.5 + 1e-7 * rng.normal(size=N),
    }[kind]
    # a precision of 10^13 leaves few digits, and the search for them takes long
    end = outcome(f"y ~ x + {layout}", d[: N // 2] if kind == "tight" else d, family)
    assert end.split(":")[0] in ("converged", "separated", "no_progress", "max_evaluations", "exact", "refused")
    if kind == "huge":
        assert end.startswith("converged")


def test_wide_inverse_gaussian_responses_are_not_called_separated() -> None:
    d, rng, _ = frame()
    d["y"] = np.exp(10 * rng.normal(size=N))
    for layout in LAYOUTS:
        m, said = fit(f"y ~ x + {layout}", d, family="inverse.gaussian(log)")
        assert m.convergence.status is not FitStatus.SEPARATION
        assert "separate the responses:" not in said


def test_reasons_are_given() -> None:
    d, rng, eta = frame()
    d["y"] = np.exp(1 + 0.3 * d["x"])
    assert "reproduces the response" in fit("y ~ x + (1 | g)", d, family="gaussian(log)")[1]
    d["y"] = d["g"] % 2
    assert "Every level of 'g' has only" in fit("y ~ x + (1 | g)", d, family="binomial(cauchit)")[1]
    d["y"] = np.where(d["g"] == 2, 0, rng.poisson(np.exp(1 + eta)))
    assert "edge of that range" in fit("y ~ x + (1 | g)", d, family="poisson(identity)")[1]
    d["y"] = rng.normal(size=N)
    _, said = fit("y ~ x + (1 | g)", d, family="gaussian(inverse)")
    assert "both signs" in said or "almost flat" in said


@pytest.mark.parametrize(
    ("family", "power"),
    [("Gamma(identity)", 1), ("Gamma(inverse)", -1), ("gaussian(inverse)", -1), ("inverse.gaussian(identity)", 1)],
)
@pytest.mark.parametrize("factor", [1e8, 1e-8])
def test_the_unit_of_the_response_does_not_matter(family: str, power: int, factor: float) -> None:
    d, rng, eta = frame()
    d["y"] = np.exp(1 + 0.2 * eta + 0.1 * rng.normal(size=N))
    m, _ = fit("y ~ x + (1 | g)", d, family=family)
    d["y"] *= factor
    other, _ = fit("y ~ x + (1 | g)", d, family=family)
    assert other.convergence.ok
    assert other.convergence.status is m.convergence.status
    assert other.convergence.certificate == pytest.approx(m.convergence.certificate, abs=1e-6)
    assert abs(other.convergence.evaluations - m.convergence.evaluations) <= 5
    scale = factor**power
    np.testing.assert_allclose(other.fixef / scale, m.fixef, rtol=1e-6)
    np.testing.assert_allclose(other.bse / scale, m.bse, rtol=1e-4)
    np.testing.assert_allclose(other.theta / scale, m.theta, rtol=1e-5)
    assert other.objective == pytest.approx(m.objective + 2 * N * np.log(factor), abs=1e-6)


def test_the_units_of_predictors_do_not_matter() -> None:
    d, rng, eta = frame()
    d["y"] = rng.poisson(np.exp(1 + eta))
    m, _ = fit("y ~ x + (x | g)", d, family="poisson")
    d["x"] *= 1e7
    other, _ = fit("y ~ x + (x | g)", d, family="poisson")
    assert other.objective == pytest.approx(m.objective, abs=1e-7)
    assert other.convergence.certificate == pytest.approx(m.convergence.certificate, abs=1e-6)
    assert other.bse["x"] * 1e7 == pytest.approx(m.bse["x"], rel=1e-5)


def test_refits_hold_a_size_that_was_given() -> None:
    from ranef import NegativeBinomial

    d, rng, eta = frame()
    d["y"] = rng.poisson(np.exp(1 + eta))
    m, _ = fit("y ~ x + (1 | g)", d, family=NegativeBinomial(size=2.5))
    many = m.simulate(3, rng=1).to_numpy()
    together = m.refit(many)
    for j in range(3):
        one, _ = fit("y ~ x + (1 | g)", d.assign(y=many[:, j]), family=NegativeBinomial(size=2.5))
        assert together.objective[j] == pytest.approx(one.objective, abs=1e-6)
        np.testing.assert_allclose(np.asarray(together.fixef)[j], one.fixef, rtol=1e-5, atol=1e-7)
