"""Fixed effects of the levels of a factor as a factor of the block system, against n x n algebra
with all columns written out.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from ranef._core import LmmSystem
from unit import dense_lmm

RTOL = 1e-8


@dataclass
class Levels:
    """What the core is told of the columns."""

    codes: np.ndarray
    places: list
    reference: int | None
    others: list


def codes_of(rng, n, levels):
    return rng.permutation(np.concatenate([np.arange(levels), rng.integers(0, levels, n - levels)])).astype(np.int32)


class Case:
    """One data set both ways."""

    def __init__(self, n, levels, factors, weighted, reference, others):
        rng = np.random.default_rng([n, levels, weighted, others])
        codes = codes_of(rng, n, levels)
        rest = np.asfortranarray(rng.normal(5.0, 2.0, (n, others)))
        y = 10.0 + rest @ rng.normal(size=others) + 2.0 * rng.normal(size=levels)[codes] + rng.normal(size=n)
        terms = []
        for size, k in factors:
            own = codes_of(rng, n, size)
            z = np.asfortranarray(np.column_stack([np.ones(n), rng.normal(2.0, 1.0, (n, k - 1))]))
            y = y + np.einsum("ij,ij->i", z, rng.normal(size=(size, k))[own])
            terms.append((own, size, [(z, "unstructured")]))
        weights = rng.uniform(0.3, 3.0, n) if weighted else None
        # the other columns stand between the intercept and the levels, or after these
        of_reference = 3 % levels if reference else None
        if reference:
            after = iter(range(1 + others, levels + others))
            places = [0 if level == of_reference else next(after) for level in range(levels)]
            at = list(range(1, 1 + others))
        else:
            places, at = list(range(levels)), list(range(levels, levels + others))
        x = np.zeros((n, levels + others), order="F")
        x[np.arange(n), np.asarray(places)[codes]] = 1.0
        if reference:
            x[:, 0] = 1.0
        x[:, at] = rest
        self.core = LmmSystem(rest, y, weights, terms, 1, Levels(codes, places, of_reference, at))
        self.written_out = LmmSystem(x, y, weights, terms)
        self.dense = dense_lmm.LmmSystem(x, y, weights, terms)
        self.rng = rng


CASES = {
    "scalar": (80, 6, [(9, 1)]),
    "levels_beyond_groups": (300, 40, [(9, 1)]),
    "groups_beyond_levels": (350, 35, [(60, 1)]),
    "slopes": (150, 12, [(20, 2)]),
    "crossed": (200, 5, [(30, 1), (12, 1)]),
    "crossed_slopes": (400, 50, [(12, 2), (30, 1)]),
}


@pytest.mark.parametrize("others", [0, 2])
@pytest.mark.parametrize("reference", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("name", list(CASES))
def test_criterion_gradient_and_estimates(name, weighted, reference, others):
    case = Case(*CASES[name], weighted, reference, others)
    for reml in (True, False):
        for scale in (0.1, 1.0):
            theta = scale * case.rng.uniform(0.3, 1.5, case.core.n_theta)
            here, there = case.core.evaluate(theta, reml), case.dense.evaluate(theta, reml)
            assert here.objective == pytest.approx(there["objective"], rel=1e-10)
            np.testing.assert_allclose(here.gradient, there["gradient"], rtol=RTOL, atol=1e-7)
            here, there = case.core.solution(theta, reml), case.dense.solution(theta, reml)
            for field in ("beta", "vcov_unscaled", "sigma", "reml_criterion", "ml_deviance", "ldl2", "ldrx2", "pwrss"):
                np.testing.assert_allclose(getattr(here, field), there[field], rtol=RTOL, atol=1e-9, err_msg=field)
            for a, b in zip((*here.b, *here.u), (*there["b"], *there["u"]), strict=True):
                np.testing.assert_allclose(a, b, rtol=RTOL, atol=1e-9)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("name", list(CASES))
def test_fits_end_at_the_same_place(name, reml):
    case = Case(*CASES[name], True, True, 2)
    here, there = (s.fit(reml, None, 1000, 1e-8, 1, None) for s in (case.core, case.written_out))
    assert here.solution.objective <= there.solution.objective + 1e-8 * abs(there.solution.objective)
    assert here.ending.status == "converged"


def test_what_needs_all_columns_is_made_of_the_same_products():
    # forty levels or more: their products are summed one by one
    case = Case(*CASES["levels_beyond_groups"], True, True, 2)
    theta = np.array([0.7])
    here, there = (s.random_coefficients(theta) for s in (case.core, case.written_out))
    np.testing.assert_allclose(here @ here.T, there @ there.T, rtol=1e-9, atol=1e-12)
    point = (theta, [0], True)
    here, there = (s.satterthwaite(point) for s in (case.core, case.written_out))
    np.testing.assert_allclose(here.covariance, there.covariance, rtol=1e-8)


def test_columns_that_the_levels_determine_are_left_to_the_rank_of_all():
    rng = np.random.default_rng(1)
    codes = codes_of(rng, 200, 20)
    x = np.asfortranarray(rng.normal(size=20)[codes][:, None])
    z = np.ones((200, 1), order="F")
    terms = [(codes_of(rng, 200, 8), 8, [(z, "unstructured")])]
    y = rng.normal(size=200)
    levels = Levels(codes, [0, *range(2, 21)], 0, [1])
    system = LmmSystem(x, y, None, terms, 1, levels)
    assert len(system.kept) == 20
    assert 20 not in system.kept
    with pytest.raises(ValueError, match="do not make up X"):
        LmmSystem(x, y, None, terms, 1, Levels(codes, [0, *range(3, 22)], 0, [1]))
