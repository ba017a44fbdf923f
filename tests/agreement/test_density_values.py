"""Log densities of the core and their derivatives to third order against 50-digit values; sums and
integrals of them are one.
"""

import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranef._core import RowKernel

FILE = Path(__file__).parents[1] / "reference" / "densities.json"
TABLE: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
DENSITIES = sorted({p["density"] for p in TABLE["points"]})

#: Largest error of value, first, second and third derivatives, relative to 1 or the value.
CLOSE = (2e-12, 1e-11, 1e-10, 1e-9)
#: Where a sum of terms that are rounded themselves loses more.
WIDER = {"tweedie": (1e-11, 1e-9, 1e-8, 1e-6), "compois": (1e-11, 1e-9, 1e-9, 1e-7)}


def found(point: dict[str, Any], zero: str = "plain") -> list[np.ndarray]:
    kernel = RowKernel.density(point["density"], point["link"], zero)
    eta = np.array(point["eta"], dtype=float)[:, None]
    return [np.asarray(v) for v in kernel.rows(np.array([float(point["y"])]), np.array([float(point["weight"])]), eta)]


def test_the_table_is_the_stored_one() -> None:
    text = FILE.read_bytes()
    assert hashlib.md5(text).hexdigest() == FILE.with_suffix(".md5").read_text().strip()
    assert TABLE["digits"] == 50
    assert len(TABLE["points"]) > 150
    assert len(DENSITIES) == 17


@pytest.mark.parametrize("density", DENSITIES)
def test_derivatives(density: str) -> None:
    worst = np.zeros(4)
    for point in (p for p in TABLE["points"] if p["density"] == density):
        for order, (got, key) in enumerate(zip(found(point), ("l", "r", "w", "t"), strict=True)):
            want = np.array(point[key])
            error = np.abs(got - want) / np.maximum(1.0, np.abs(want))
            worst[order] = max(worst[order], float(error.max()))
            limit = WIDER.get(density, CLOSE)[order]
            assert error.max() <= limit, (point["y"], point["eta"], key, got, want)
    assert np.isfinite(worst).all()


COUNTS = [
    ("poisson", (1.0,)),
    ("nbinom2", (1.0, 0.5)),
    ("nbinom1", (1.0, 0.5)),
    ("genpois", (1.0, 0.4)),
    ("compois", (1.0, 0.7)),
    ("compois", (1.6, -1.0)),
]


@pytest.mark.parametrize(("density", "eta"), COUNTS)
@pytest.mark.parametrize("zero", ["plain", "truncated", "inflated", "truncated_hurdle"])
def test_probabilities_of_counts_sum_to_one(density: str, eta: tuple[float, ...], zero: str) -> None:
    at = np.array(eta if zero in ("plain", "truncated") else (*eta, -0.4))
    y = np.arange(1.0 if zero == "truncated" else 0.0, 900.0)
    kernel = RowKernel.density(density, "log", zero)
    log_p = np.asarray(kernel.rows(y, np.ones(len(y)), np.repeat(at[:, None], len(y), axis=1))[0])
    assert np.exp(log_p).sum() == pytest.approx(1.0, abs=1e-10)


TRIALS = [("binomial", (0.4,)), ("betabinomial", (0.4, 1.0)), ("betabinomial", (0.4, 12.0))]


@pytest.mark.parametrize(("density", "eta"), TRIALS)
@pytest.mark.parametrize("zero", ["plain", "inflated"])
def test_probabilities_of_trials_sum_to_one(density: str, eta: tuple[float, ...], zero: str) -> None:
    at, n = np.array(eta if zero == "plain" else (*eta, -0.4)), 23
    y = np.arange(n + 1) / n
    kernel = RowKernel.density(density, "logit", zero)
    log_p = np.asarray(kernel.rows(y, np.full(n + 1, float(n)), np.repeat(at[:, None], n + 1, axis=1))[0])
    assert np.exp(log_p).sum() == pytest.approx(1.0, abs=1e-12)


#: Density, link, linear predictors, range, and the responses that have a probability of their own.
CONTINUOUS = [
    ("beta", "logit", (0.3, 1.2), (0, 1), ()),
    ("ordbeta", "logit", (0.3, 1.2, -1.0, 0.5), (0, 1), (0.0, 1.0)),
    ("zoib", "logit", (0.3, 1.2, -1.0, 0.5), (0, 1), (0.0, 1.0)),
    ("gamma", "log", (0.5, -0.3), (0, 200), ()),
    ("lognormal", "identity", (0.5, -0.5), (0, 400), ()),
    ("lognormal_response", "log", (0.5, 0.2), (0, 400), ()),
    ("tweedie", "log", (0.5, 0.2, 0.4), (0, 200), (0.0,)),
    ("tweedie", "log", (0.5, 0.2, -2.0), (0, 200), (0.0,)),
    ("gaussian", "identity", (0.5, 0.3), (-40, 40), ()),
    ("t", "identity", (0.5, 0.3, 1.8), (-3000, 3000), ()),
    ("skewnormal", "identity", (0.5, 0.3, -4.0), (-40, 40), ()),
]


@pytest.mark.parametrize(("density", "link", "eta", "limits", "masses"), CONTINUOUS)
def test_densities_integrate_to_one(
    density: str, link: str, eta: tuple[float, ...], limits: tuple[float, float], masses: tuple[float, ...]
) -> None:
    kernel, at = RowKernel.density(density, link, "plain"), np.array(eta)

    def value(y: np.ndarray) -> np.ndarray:
        columns = np.repeat(at[:, None], len(y), axis=1)
        return np.exp(np.asarray(kernel.rows(np.ascontiguousarray(y), np.ones(len(y)), columns)[0]))

    low, high = limits
    nodes, weights = np.polynomial.legendre.leggauss(24)
    # panels that are narrow at the ends of the range and about the mean
    share = np.linspace(-6.0, 6.0, 601)
    edges = np.tanh(share) / np.tanh(6.0)
    if (low, high) == (0, 1):
        edges = low + (high - low) * (edges + 1) / 2
    elif low == 0:
        edges = np.geomspace(1e-15, high, 601)
    else:
        edges = np.sinh(2.0 * share) * high / np.sinh(12.0)
    total = sum(float(value(np.array([m]))[0]) for m in masses)
    for a, b in itertools.pairwise(edges):
        y = 0.5 * (a + b) + 0.5 * (b - a) * nodes
        total += float(0.5 * (b - a) * (weights * value(y)).sum())
    assert total == pytest.approx(1.0, abs=2e-6 if density == "t" else 1e-8)
