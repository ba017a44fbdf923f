"""The compiled core against plain n x n algebra (tests/unit/dense_lmm.py)
and against finite differences, for every layout of random terms.
"""

import numpy as np
import pytest
import scipy.optimize

from ranef._core import LmmSystem, refit
from ranef.fit.refits.core import Options
from unit import dense_lmm

RTOL = 1e-8


def unequal_codes(rng, n, levels):
    """Codes in which every level occurs, some once and some very often."""
    p = (1.0 + np.arange(levels)) ** 2
    codes = np.concatenate([np.arange(levels), rng.choice(levels, n - levels, p=p / p.sum())])
    return rng.permutation(codes).astype(np.int32)


def columns(rng, n, k):
    """An intercept and k - 1 covariates."""
    return np.asfortranarray(np.column_stack([np.ones(n), rng.normal(1.0, 2.0, (n, k - 1))]))


def slopes(rng, n, k):
    return np.asfortranarray(rng.normal(0.5, 1.5, (n, k)))


def vector(k, structure="unstructured", n=90, levels=11):
    def make(rng):
        return n, [(unequal_codes(rng, n, levels), levels, [(columns(rng, n, k), structure)])]

    return make


def nested(rng, k_outer=1, k_inner=1):
    n = 110
    outer = unequal_codes(rng, n, 7)
    pairs, inner = np.unique(outer.astype(np.int64) * 3 + rng.integers(0, 3, n), return_inverse=True)
    return n, [
        (inner.astype(np.int32), len(pairs), [(columns(rng, n, k_inner), "unstructured")]),
        (outer, 7, [(columns(rng, n, k_outer), "unstructured")]),
    ]


def crossed(sizes, widths):
    def make(rng):
        n = 120
        return n, [
            (unequal_codes(rng, n, s), s, [(columns(rng, n, k), "unstructured")])
            for s, k in zip(sizes, widths, strict=True)
        ]

    return make


def nested_within_crossed(rng):
    n, factors = nested(rng, k_outer=2)
    return n, [*factors, (unequal_codes(rng, n, 6), 6, [(columns(rng, n, 1), "unstructured")])]


def two_on_one_factor(rng):
    n = 90
    return n, [
        (unequal_codes(rng, n, 12), 12, [(columns(rng, n, 1), "unstructured"), (slopes(rng, n, 1), "unstructured")])
    ]


def three_on_one_factor_and_another(rng):
    n = 100
    terms = [(columns(rng, n, 2), "unstructured"), (slopes(rng, n, 1), "unstructured"), (slopes(rng, n, 2), "diagonal")]
    return n, [
        (unequal_codes(rng, n, 9), 9, terms),
        (unequal_codes(rng, n, 5), 5, [(columns(rng, n, 1), "unstructured")]),
    ]


def one_row_each(rng):
    n = 60
    codes = np.concatenate([np.arange(40), rng.integers(0, 40, 20)]).astype(np.int32)
    return n, [
        (codes, 40, [(columns(rng, n, 1), "unstructured")]),
        (unequal_codes(rng, n, 4), 4, [(columns(rng, n, 1), "unstructured")]),
    ]


def all_rows_in_two_levels(rng):
    n = 70
    codes = np.zeros(n, np.int32)
    codes[-1] = 1
    return n, [
        (codes, 2, [(columns(rng, n, 2), "unstructured")]),
        (unequal_codes(rng, n, 10), 10, [(columns(rng, n, 1), "unstructured")]),
    ]


def fewer_levels_first(rng):
    n = 90
    return n, [
        (unequal_codes(rng, n, 4), 4, [(columns(rng, n, 1), "unstructured")]),
        (unequal_codes(rng, n, 15), 15, [(columns(rng, n, 2), "unstructured")]),
        (unequal_codes(rng, n, 9), 9, [(columns(rng, n, 1), "unstructured")]),
    ]


LAYOUTS = {
    "scalar": vector(1),
    **{f"vector{k}": vector(k) for k in range(2, 5)},
    **{f"vector{k}": vector(k, n=150, levels=24) for k in (5, 6)},  # fewer levels leave local minima
    "wide": vector(4, levels=3),
    "nested": nested,
    "nested_vectors": lambda rng: nested(rng, 2, 2),
    "crossed": crossed((13, 8), (1, 1)),
    "crossed_vectors": crossed((10, 7), (2, 3)),
    "three_crossed": crossed((11, 8, 5), (1, 2, 1)),
    "four_crossed": crossed((9, 8, 6, 4), (1, 1, 1, 1)),
    "nested_within_crossed": nested_within_crossed,
    "two_on_one_factor": two_on_one_factor,
    "three_on_one_factor_and_another": three_on_one_factor_and_another,
    "diagonal": vector(3, "diagonal"),
    "one_row_each": one_row_each,
    "all_rows_in_two_levels": all_rows_in_two_levels,
    "fewer_levels_first": fewer_levels_first,
}


class Case:
    """One data set, in the core and in dense algebra."""

    def __init__(self, layout, weighted, p=3, seed=0):
        rng = np.random.default_rng([seed, list(LAYOUTS).index(layout), weighted])
        self.n, self.factors = LAYOUTS[layout](rng)
        self.x = columns(rng, self.n, p) if p else np.zeros((self.n, 0), order="F")
        self.weights = rng.uniform(0.2, 4.0, self.n) if weighted else None
        y = self.x @ rng.normal(size=p) if p else np.zeros(self.n)
        for codes, levels, terms in self.factors:
            for z, _ in terms:
                y = y + np.sum(rng.normal(size=(levels, z.shape[1]))[codes] * z, axis=1)
        self.y = y + rng.normal(size=self.n)
        self.core = LmmSystem(self.x, self.y, self.weights, self.factors)
        self.dense = dense_lmm.LmmSystem(self.x, self.y, self.weights, self.factors)
        self.rng = rng

    def theta(self, kind):
        """Random theta: ordinary, with zero columns, or all zero.

        Signs are free off the diagonal.
        """
        entries = self.dense.entries
        t = np.array([self.rng.uniform(0.3, 1.3) if i == j else self.rng.normal(0, 0.4) for _, _, i, j in entries])
        if kind == "zero":
            t[:] = 0.0
        elif kind == "singular":  # the last column of every block is zero, so that its covariance loses a rank
            last = {(f, b): max(j for f2, b2, _, j in entries if (f2, b2) == (f, b)) for f, b, _, _ in entries}
            t = np.array([0.0 if j == last[f, b] else v for v, (f, b, _, j) in zip(t, entries, strict=True)])
        return t


@pytest.fixture(scope="module")
def cases():
    made = {}

    def get(layout, weighted, p=3):
        key = layout, weighted, p
        if key not in made:
            made[key] = Case(*key)
        return made[key]

    return get


def close(actual, expected, rtol=RTOL):
    """Relative to the largest entry: single entries may be zero up to rounding."""
    actual, expected = np.asarray(actual, float), np.asarray(expected, float)
    assert actual.shape == expected.shape
    if expected.size:
        np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol * max(np.abs(expected).max(), 1e-3))


every_layout = pytest.mark.parametrize("layout", LAYOUTS)
every_weight = pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
every_theta = pytest.mark.parametrize("kind", ["ordinary", "singular", "zero"])
every_criterion = pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])


@every_layout
@every_weight
@every_theta
@every_criterion
def test_objective_and_gradient(cases, layout, weighted, kind, reml):
    case = cases(layout, weighted)
    assert case.core.n_theta == case.dense.n_theta
    theta = case.theta(kind)
    a, e = case.core.evaluate(theta, reml), case.dense.evaluate(theta, reml)
    for key in ("objective", "gradient"):
        close(getattr(a, key), e[key])


@every_layout
@every_criterion
def test_gradient_against_differences_of_the_objective(cases, layout, reml):
    case = cases(layout, True)
    theta = case.theta("ordinary")
    h = 1e-4
    numeric = []
    for unit in np.eye(len(theta)):
        f = [case.core.evaluate(theta + s * h * unit, reml).objective for s in (-2, -1, 1, 2)]
        numeric.append((f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h))
    close(case.core.evaluate(theta, reml).gradient, numeric, rtol=3e-7)


@every_layout
@every_weight
@every_theta
@every_criterion
def test_solution(cases, layout, weighted, kind, reml):
    case = cases(layout, weighted)
    theta = case.theta(kind)
    a, e = case.core.solution(theta, reml), case.dense.solution(theta, reml)
    for key in (
        "theta",
        "objective",
        "reml_criterion",
        "ml_deviance",
        "beta",
        "vcov_unscaled",
        "sigma",
        "pwrss",
        "ldl2",
        "ldrx2",
    ):
        close(getattr(a, key), e[key])
    for key in ("u", "b"):
        assert len(getattr(a, key)) == len(e[key])
        for one, other in zip(getattr(a, key), e[key], strict=True):
            close(one, other)


@every_layout
@every_weight
@every_theta
def test_conditional_covariance(cases, layout, weighted, kind):
    case = cases(layout, weighted)
    theta = case.theta(kind)
    a, e = case.core.conditional_covariance(theta), case.dense.conditional_covariance(theta)
    assert len(a) == len(e)
    for one, other in zip(a, e, strict=True):
        close(one, other)


@every_layout
@every_weight
@every_theta
def test_prediction_variance(cases, layout, weighted, kind):
    case = cases(layout, weighted)
    theta = case.theta(kind)
    rng, m = case.rng, 25
    x_new = np.asfortranarray(rng.normal(size=(m, case.x.shape[1])))
    new = []
    for _, levels, terms in case.factors:
        codes = rng.integers(-1, levels, m).astype(np.int32)  # -1: no level
        new.append((codes, [np.asfortranarray(rng.normal(size=(m, z.shape[1]))) for z, _ in terms]))
    close(case.core.prediction_variance(theta, x_new, new), case.dense.prediction_variance(theta, x_new, new))


@pytest.mark.parametrize("p", [0, 1, 6])
@every_criterion
def test_number_of_fixed_effects(cases, p, reml):
    case = cases("crossed", True, p)
    theta = case.theta("ordinary")
    a, e = case.core.solution(theta, reml), case.dense.solution(theta, reml)
    for key in ("objective", "beta", "vcov_unscaled"):
        close(getattr(a, key), e[key])
    close(case.core.evaluate(theta, reml).gradient, e["gradient"])


@pytest.mark.parametrize("weighted", [False, True])
def test_dependent_columns_are_dropped_from_the_right(weighted):
    case = Case("nested", weighted, p=4)
    x = np.column_stack(
        [case.x[:, :2], 2 * case.x[:, 1] - 3, case.x[:, 2:], case.x[:, 2] + case.x[:, 0], np.zeros(case.n)]
    )
    x = np.asfortranarray(x)
    core = LmmSystem(x, case.y, case.weights, case.factors)
    assert list(core.kept) == [0, 1, 3, 4]
    theta = case.theta("ordinary")
    close(core.solution(theta, True).beta, case.dense.solution(theta, True)["beta"])


def quasi_newton(case, reml):
    """The lowest value that SciPy's optimiser reaches from four starts.

    The criterion and its gradient are held against dense algebra above.
    """

    def both(theta):
        e = case.core.evaluate(theta, reml)
        return e.objective, e.gradient

    starts = [case.theta("ordinary") for _ in range(3)] + [
        np.array([float(i == j) for _, _, i, j in case.dense.entries])
    ]
    return min(
        scipy.optimize.minimize(both, s, jac=True, method="BFGS", options={"gtol": 1e-6, "maxiter": 500}).fun
        for s in starts
    )


@every_layout
@every_criterion
def test_fit_is_the_optimum(cases, layout, reml):
    case = cases(layout, True)
    fit = case.core.fit(reml, None, 1000, 1e-10, 1, None)
    assert fit.ending.status == "converged"
    at_end = case.dense.evaluate(fit.solution.theta, reml)
    close(fit.solution.objective, at_end["objective"])
    assert fit.solution.objective <= quasi_newton(case, reml) + 1e-6
    # diagonals of the relative factors are standard deviations
    assert all(v >= 0 for v, (_, _, i, j) in zip(fit.solution.theta, case.dense.entries, strict=True) if i == j)
    close(fit.solution.beta, case.dense.solution(fit.solution.theta, reml)["beta"])


@every_layout
def test_fit_from_any_start(cases, layout):
    case = cases(layout, False)
    first = case.core.fit(True, None, 1000, 1e-10, 1, None)
    for kind in ("ordinary", "zero"):
        again = case.core.fit(True, case.theta(kind), 1000, 1e-10, 1, None)
        assert again.solution.objective == pytest.approx(first.solution.objective, abs=1e-6)


@pytest.mark.parametrize(
    "layout", ["vector3", "crossed_vectors", "nested_within_crossed", "three_on_one_factor_and_another"]
)
def test_threads_change_nothing(cases, layout):
    case = cases(layout, True)
    one = case.core.fit(True, None, 1000, 1e-10, 1, None)
    two = LmmSystem(case.x, case.y, case.weights, case.factors, 2).fit(True, None, 1000, 1e-10, 2, None)
    assert one.solution.objective == two.solution.objective
    assert np.array_equal(one.solution.theta, two.solution.theta)
    assert np.array_equal(one.solution.beta, two.solution.beta)


@pytest.mark.parametrize("layout", ["scalar", "vector2", "crossed", "nested_vectors"])
@every_criterion
def test_refits_are_fits(cases, layout, reml):
    case = cases(layout, True)
    y = np.asfortranarray(case.y[:, None] + case.rng.normal(size=(case.n, 3)))
    options = Options(reml, 1, "observed", None, 1000, 1e-10)
    out = refit(case.core, y, None, options, 2, None)
    for i in range(3):
        alone = LmmSystem(case.x, np.ascontiguousarray(y[:, i]), case.weights, case.factors).fit(
            reml, None, 1000, 1e-10, 1, None
        )
        assert out.objective[i] == pytest.approx(alone.solution.objective, abs=1e-7)
        np.testing.assert_allclose(out.beta[i], alone.solution.beta, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(
            out.se[i], alone.solution.sigma * np.sqrt(np.diag(alone.solution.vcov_unscaled)), rtol=1e-4
        )
        assert out.spread[i] == pytest.approx(alone.solution.sigma, rel=1e-4)
        assert out.theta[i].shape == (case.core.n_theta,)


def test_progress_and_interruption(cases):
    case = cases("crossed", False)
    seen = []
    fit = case.core.fit(True, None, 1000, 1e-10, 1, lambda i, f: seen.append((i, f)))
    assert seen
    assert seen[-1][1] == pytest.approx(fit.solution.objective, abs=1e-3)

    def stop(i, f):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        case.core.fit(True, None, 1000, 1e-10, 1, stop)
