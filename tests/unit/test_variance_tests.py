"""Mixtures of chi-squares for tests of variances."""

import math

import numpy as np
import pytest
from scipy import stats

import ranef
from ranef.inference.variance_tests import ChiBarSquare, variance_mixture
from ranef.results.linear import LinearMixedModel


@pytest.fixture(scope="module")
def sleep() -> object:
    return ranef.load_dataset("sleepstudy")


def fit(random: str, data: object) -> LinearMixedModel:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ranef.RanefWarning)
        return ranef.lmer(f"Reaction ~ Days + {random}", data)


def mixture(larger: str, smaller: str, data: object) -> ChiBarSquare | None:
    a, b = fit(larger, data), fit(smaller, data)
    return variance_mixture(a._fit.design.random, b._fit.design.random)


@pytest.mark.parametrize(
    ("larger", "smaller", "weights"),
    [
        ("(Days | Subject)", "(1 | Subject)", (0, 0.5, 0.5)),
        ("(Days | Subject)", "(0 + Days | Subject)", (0, 0.5, 0.5)),
        ("(Days || Subject)", "(1 | Subject)", (0.5, 0.5)),
        ("(Days | Subject)", "(Days || Subject)", (0, 1)),
        ("(Days | Subject)", "diag(Days | Subject)", (0, 1)),
        ("diag(Days | Subject)", "(1 | Subject)", (0.5, 0.5)),
        ("(Days + I(Days^2) | Subject)", "(Days | Subject)", (0, 0, 0.5, 0.5)),
        ("(Days + I(Days^2) | Subject)", "(Days || Subject)", (0, 0, 0, 0.5, 0.5)),
        ("(1 | Subject) + (0 + Days | Subject) + (0 + I(Days^2) | Subject)", "(1 | Subject)", (0.25, 0.5, 0.25)),
    ],
)
def test_weights(larger: str, smaller: str, weights: tuple[float, ...], sleep: object) -> None:
    found = mixture(larger, smaller, sleep)
    assert found is not None
    assert found.weights == pytest.approx(weights)


@pytest.mark.parametrize(
    ("larger", "smaller"),
    [
        ("(0 + Days | Subject)", "(1 | Subject)"),
        ("(Days || Subject)", "(Days | Subject)"),
        ("(1 | Subject)", "(1 | Subject) + (0 + Days | Subject)"),
    ],
)
def test_what_is_not_nested_has_none(larger: str, smaller: str, sleep: object) -> None:
    assert mixture(larger, smaller, sleep) is None


def test_two_effects_at_once() -> None:
    """The weights for a 2 × 2 covariance matrix are the shares
    of random symmetric matrices by what their projection on the positive ones has left.
    """
    rng = np.random.default_rng(1)
    n = 200_000
    g = rng.standard_normal((n, 3))
    matrices = np.empty((n, 2, 2))
    matrices[:, 0, 0], matrices[:, 1, 1] = g[:, 0], g[:, 1]
    matrices[:, 0, 1] = matrices[:, 1, 0] = g[:, 2] / math.sqrt(2)
    values = np.linalg.eigvalsh(matrices)
    statistic = (np.maximum(values, 0) ** 2).sum(axis=1)
    from ranef.inference.variance_tests import _TWO

    found = ChiBarSquare(_TWO, "balanced")
    assert sum(found.weights) == pytest.approx(1)
    for t in (0.5, 2.0, 5.0):
        assert (statistic > t).mean() == pytest.approx(found.p_value(t), abs=4 * 0.5 / math.sqrt(n))
    bound = ChiBarSquare((0, 0, 0.5, 0.5), "bound")
    assert all(bound.p_value(t) > found.p_value(t) for t in (0.5, 2.0, 5.0))


def test_p_values() -> None:
    one = ChiBarSquare((0.5, 0.5), "exact")
    assert one.p_value(2.7055434540954147) == pytest.approx(0.05)
    assert one.p_value(0.0) == 1
    assert one.p_value(1e-9) == pytest.approx(1, abs=1e-4)
    slope = ChiBarSquare((0, 0.5, 0.5), "exact")
    assert slope.p_value(5.0) == pytest.approx(0.5 * stats.chi2.sf(5, 1) + 0.5 * stats.chi2.sf(5, 2))
    assert math.isnan(one.p_value(math.nan))


def test_three_effects_at_once_have_a_bound(sleep: object) -> None:
    found = mixture("(Days + I(Days^2) | Subject)", "(0 + Days | Subject)", sleep)
    assert found is not None
    assert found.kind == "balanced"
    cubic = fit("(poly(Days, 3) | Subject)", sleep)
    found = variance_mixture(cubic._fit.design.random, fit("(1 | Subject)", sleep)._fit.design.random)
    assert found is not None
    assert found.kind == "bound"
    assert len(found.weights) - 1 == 9
    assert sum(found.weights) == pytest.approx(1)
