"""Diagnostics, robust covariances and predictions do not depend on where a covariate has its zero,
nor on units or the size of weights.
"""

import warnings

import numpy as np
import pytest

import ranef

RNG = np.random.default_rng(4)
N = 150
G, H = np.repeat(np.arange(15), 10), np.tile(np.arange(6), 25)
X = RNG.normal(size=N)
Y = (
    1
    + 0.5 * X
    + 0.5 * RNG.normal(size=15)[G]
    + 0.4 * RNG.normal(size=15)[G] * X
    + 0.5 * RNG.normal(size=6)[H]
    + RNG.normal(size=N)
)
K = np.array(list("abc"))[RNG.integers(0, 3, N)]
W = RNG.uniform(0.5, 2, N)

pytestmark = pytest.mark.filterwarnings("ignore:singular fit")

FORMULAS = ("y ~ x + (x | g)", "y ~ x * k + (x | g) + (1 | h)")
CHANGES = ((20, 1, 1), (2000, 1e-6, 1), (2e6, 1, 1), (2e6, 1e6, 1e12), (0, 1e-6, 1e-12))


def model(formula: str, shift: float, unit: float, weight: float):
    data = {"y": Y, "x": (X + shift) * unit, "g": G, "h": H, "k": K, "w": W * weight}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ranef.RanefWarning)
        return ranef.lmer(formula, data, weights="w")


def answers(formula: str, shift: float, unit: float, weight: float) -> dict[str, np.ndarray]:
    """What must be the same for all of them."""
    m = model(formula, shift, unit, weight)
    out = {"hat": m.hatvalues(), "cook": m.cooks_distance(), "student": m.rstudent(external=True)}
    for by in (None, "g"):
        i = m.influence(by)
        out[f"{by} cook"], out[f"{by} ratio"], out[f"{by} sigma"] = i.cooks_distance, i.cov_ratio, i.sigma / weight**0.5
        out[f"{by} change"], out[f"{by} scaled"] = i.dfbeta["x"] * unit, i.dfbetas["x"]
    crossed = "h)" in formula
    for cov in ("CR0", "CR1") if crossed else ("CR0", "CR1", "CR2"):
        out[cov] = np.sqrt(m.cov_params(cov=cov, cluster="g").loc["x", "x"]) * unit
        test = m.test("x", cov=cov, cluster="g").iloc[0]
        out[f"{cov} test"] = np.array([test["statistic"], test["df"]], dtype=float)
        # Of k in an interaction with x the hypothesis itself is one at x = 0.
        out[f"{cov} terms"] = m.anova(cov=cov, cluster="g").loc[["x:k"] if crossed else ["x"], "f_value"]
    new = {"x": (np.array([-1.0, 0.0, 2.0]) + shift) * unit, "g": [0, 3, 99], "h": [0, 1, 2], "k": list("abc")}
    new["w"] = np.array([1.0, 1.5, 2.0]) * weight
    for re in ("conditional", "population"):
        for interval in ("confidence", "prediction"):
            for where, rows in (("new", new), ("own", None)):
                kind = {"new_levels": "population"} if rows else {}
                out[f"{where} {re} {interval}"] = m.predict(rows, re=re, se=True, interval=interval, **kind)
    if crossed:
        for ddf in ("none", "satterthwaite", "kenward-roger"):
            means = m.emmeans("k", at={"x": (0.3 + shift) * unit}, ddf=ddf)
            columns = ["estimate", "std_error"] if ddf == "none" else ["estimate", "std_error", "df"]
            out[f"{ddf} means"], out[f"{ddf} pairs"] = means.to_frame()[columns], means.pairs().to_frame()[columns]
    return {k: np.asarray(v, dtype=float) for k, v in out.items()}


@pytest.fixture(scope="module")
def plain() -> dict[str, dict[str, np.ndarray]]:
    return {f: answers(f, 0.0, 1.0, 1.0) for f in FORMULAS}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("formula", FORMULAS)
def test_origin_unit_and_weights(formula, change, plain) -> None:
    # Where the search for the second model ends depends on the origin by more than this, which is
    # no matter of what is computed at the end.
    tolerance = 1e-6 if formula == FORMULAS[0] or change[0] != 2000 else 1e-4
    for name, value in answers(formula, *change).items():
        right = plain[formula][name]
        assert np.array_equal(np.isnan(value), np.isnan(right)), name
        np.testing.assert_allclose(value, right, rtol=0, atol=tolerance * np.nanmax(np.abs(right)), err_msg=name)


def test_influence_of_groups_far_from_zero_in_plain_algebra() -> None:
    near, far = (ranef.lmer("y ~ x + (x | g)", {"y": Y, "x": X + c, "g": G}) for c in (0.0, 1e7))
    x = np.column_stack([np.ones(N), X])
    same = np.equal.outer(G, G)
    v = near.sigma**2 * np.eye(N) + same * (x @ near.varcorr["g"].cov @ x.T)

    def gls(rows):
        inverse = np.linalg.inv(v[np.ix_(rows, rows)])
        covariance = np.linalg.inv(x[rows].T @ inverse @ x[rows])
        return covariance @ x[rows].T @ inverse @ Y[rows], covariance

    beta, covariance = gls(np.arange(N))
    for level in range(15):
        change = gls(np.flatnonzero(level != G))[0] - beta
        right = change @ np.linalg.solve(covariance, change) / 2
        for m in (near, far):
            assert m.influence("g").cooks_distance.iloc[level] == pytest.approx(right, rel=1e-5)


def test_powers_far_from_zero() -> None:
    # Of x, x^2 and x^3 around 1000 no matrix of cross-products keeps a digit.
    near, far = (
        ranef.lmer("y ~ x + I(x**2) + (1 | g)", {"y": Y, "x": X + c, "g": G}, control={"tolerance": 1e-13})
        for c in (0.0, 1000.0)
    )
    np.testing.assert_allclose(far.hatvalues(), near.hatvalues(), rtol=1e-5)
    for by in (None, "g"):
        np.testing.assert_allclose(far.influence(by).cooks_distance, near.influence(by).cooks_distance, rtol=1e-5)
    a, b = (m.predict(re="population", se=True)["se"] for m in (near, far))
    np.testing.assert_allclose(b, a, rtol=1e-5)


def test_an_infinite_covariate_is_still_refused() -> None:
    with pytest.raises(ranef.RanefError):
        ranef.lmer("y ~ x + (x | g)", {"y": Y, "x": np.where(np.arange(N) == 3, np.inf, X), "g": G})


def test_marginal_standard_errors_of_counts_far_from_zero() -> None:
    y = RNG.poisson(np.exp(0.5 + 0.3 * X + 0.5 * RNG.normal(size=15)[G] + 0.3 * X * RNG.normal(size=15)[G]))
    near, far = (
        ranef.glmer("y ~ x + (x | g)", {"y": y, "x": X + c, "g": G}, family="poisson").predict(re="marginal", se=True)
        for c in (0.0, 2000.0)
    )
    np.testing.assert_allclose(far, near, rtol=1e-4)
