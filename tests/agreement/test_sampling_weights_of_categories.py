"""Sampling weights of ordered categories and of models with zeros: whole weights against data in
which rows and clusters occur that often, and the likelihood, its optimum and robust standard errors
against integrals by NumPy.
"""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import poisson

from ranef import DataError, DesignError, OptionError, clmm, glmer

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")

BOTH = {"rows": "w1", "g": "w2"}
CUTS = [-1.5, 0.0, 1.5]


def survey(seed: int, groups: int = 24, each: int = 8) -> pd.DataFrame:
    """Ratings in clusters, in groups of two, with whole weights at every level."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), each)
    d = pd.DataFrame({"g": g, "h": g // 2, "x": rng.normal(size=len(g))})
    latent = 0.8 * d.x + rng.normal(size=groups)[g] + 0.7 * rng.normal(size=groups)[d.h]
    latent += rng.logistic(size=len(g)) * np.exp(0.3 * rng.normal(size=groups)[g])
    d["y"] = pd.Categorical(np.digitize(latent, CUTS), ordered=True)
    d["count"] = rng.poisson(np.exp(0.3 + 0.4 * d.x + 0.5 * rng.normal(size=groups)[g])) * (rng.random(len(g)) < 0.7)
    d["w1"] = rng.integers(1, 4, len(g)).astype(float)
    d["w2"] = rng.integers(1, 4, groups)[g].astype(float)
    d["w3"] = rng.integers(1, 3, groups)[d.h].astype(float)
    return d


def replicated(d: pd.DataFrame, outer: bool = False) -> pd.DataFrame:
    """Rows and clusters (and those that they lie in) as often as their weights say."""
    out: list[pd.DataFrame] = []
    clusters = tops = 0
    for _, top in d.groupby("h"):
        for _ in range(int(top.w3.iloc[0]) if outer else 1):
            for _, cluster in top.groupby("g"):
                for _ in range(int(cluster.w2.iloc[0])):
                    rows = cluster.loc[cluster.index.repeat(cluster.w1.astype(int))]
                    out.append(rows.assign(g=clusters, h=tops, first=cluster.g.iloc[0]))
                    clusters += 1
            tops += 1
    return pd.concat(out, ignore_index=True)


DATA = survey(1)
TWICE = replicated(DATA)


@pytest.mark.parametrize(
    "call",
    [
        {"formula": "y ~ x + (1 | g)"},
        {"formula": "y ~ x + (1 | g)", "n_quad": 9},
        {"formula": "y ~ x + (x | g)", "link": "probit", "n_quad": 3},
        {"formula": "y ~ x + (1 | g)", "scale": "~ x + (1 | g)"},
        {"formula": "y ~ x + (1 |p| g)", "scale": "~ (1 |p| g)", "n_quad": 3},
        {"formula": "y ~ 1 + (1 | g)", "nominal": "~ x", "threshold": "flexible"},
    ],
    ids=str,
)
def test_weights_are_how_often_categories_occur(call: dict[str, Any]) -> None:
    a = clmm(data=DATA, sampling_weights=BOTH, **call)
    b = clmm(data=TWICE, **call)
    assert a.objective == pytest.approx(b.objective, abs=1e-9)
    np.testing.assert_allclose(a.thresholds, b.thresholds, atol=1e-7)
    np.testing.assert_allclose(a.fixef, b.fixef, atol=1e-7)
    np.testing.assert_allclose(a._fit.whole_theta, b._fit.whole_theta, atol=1e-7)
    # every copy of a cluster has its mode
    first = TWICE.groupby("g")["first"].first().to_numpy()
    copies = b.ranef()["g"].iloc[:, 0].groupby(first).mean()
    np.testing.assert_allclose(a.ranef()["g"].iloc[:, 0], copies, atol=1e-7)


@pytest.mark.parametrize("n_quad", [1, 5])
def test_three_levels(n_quad: int) -> None:
    weights = {"rows": "w1", "g": "w2", "h": "w3"}
    formula = "y ~ x + (1 | h) + (1 | g)"
    a = clmm(formula, DATA, sampling_weights=weights, n_quad=n_quad)
    b = clmm(formula, replicated(DATA, outer=True), n_quad=n_quad)
    assert a.objective == pytest.approx(b.objective, abs=1e-9)
    np.testing.assert_allclose(a.fixef, b.fixef, atol=1e-7)
    assert "robust (12 clusters of h)" in str(a.summary())


@pytest.mark.parametrize(
    "call",
    [
        {"formula": "count ~ x + (1 | g)", "family": "poisson", "zi_formula": "~ 1 + (1 | g)"},
        {"formula": "count ~ x + (1 |p| g)", "family": "poisson", "zi_formula": "~ x + (1 |p| g)", "n_quad": 3},
        {"formula": "count ~ x + (1 | g)", "family": "truncated_poisson", "zi_formula": "~ x"},
        {"formula": "count ~ x + (1 | g)", "family": "nbinom2", "disp_formula": "~ x"},
    ],
    ids=str,
)
def test_weights_are_how_often_counts_occur(call: dict[str, Any]) -> None:
    a = glmer(data=DATA, sampling_weights=BOTH, **call)
    b = glmer(data=TWICE, **call)
    assert a.objective == pytest.approx(b.objective, abs=1e-9)
    np.testing.assert_allclose(a.fixef, b.fixef, atol=1e-6)
    # copies of a cluster are one cluster of the sandwich
    once = glmer(data=DATA, sampling_weights={"rows": "w1"}, **call)
    rows = DATA.loc[DATA.index.repeat(DATA.w1.astype(int))]
    robust = glmer(data=rows, **call).cov_params(cov="CR1", cluster="g")
    np.testing.assert_allclose(once.bse, np.sqrt(np.diag(robust)), rtol=1e-5)


@pytest.mark.parametrize(
    "call",
    [
        {"family": "betabinomial"},
        {"family": "betabinomial", "disp_formula": "~ x"},
        {"family": "binomial", "zi_formula": "~ 1 + (1 | g)"},
        {"family": "betabinomial", "zi_formula": "~ x", "n_quad": 5},
    ],
    ids=str,
)
@pytest.mark.parametrize("response", ["cbind(s, n - s)", "share"])
def test_weights_are_how_often_trials_occur(call: dict[str, Any], response: str) -> None:
    """A row that counts twice is two rows of the same trials, not one of twice as many."""
    call = {"formula": "SUCCESSES ~ x + (1 | g)", **call}
    call["formula"] = call["formula"].replace("SUCCESSES", response)
    if response == "share":
        call["weights"] = "n"
    data, twice = (
        d.assign(n=n, s=np.minimum(d["count"], n), share=np.minimum(d["count"], n) / n)
        for d in (DATA, TWICE)
        for n in [4 + (np.abs(10 * d.x).astype(int) % 5)]
    )
    a = glmer(data=data, sampling_weights=BOTH, **call)
    b = glmer(data=twice, **call)
    assert a.objective == pytest.approx(b.objective, abs=1e-8)
    np.testing.assert_allclose(a.params, b.params, atol=1e-6)
    # residuals are those of a row, however often it counts
    np.testing.assert_allclose(
        np.unique(np.round(a.residuals("pearson"), 5)), np.unique(np.round(b.residuals("pearson"), 5)), atol=2e-5
    )
    once = glmer(data=data, sampling_weights={"rows": "w1"}, **call)
    rows = data.loc[data.index.repeat(data.w1.astype(int))]
    robust = glmer(data=rows, **call).cov_params(cov="CR1", cluster="g")
    np.testing.assert_allclose(once.bse, np.sqrt(np.diag(robust)), rtol=1e-5)


def test_a_zero_part_that_runs_away_beside_a_higher_optimum() -> None:
    """Where rows are written out 2155.6375 is found as well, in 12 seconds."""
    n = 4 + (np.abs(10 * DATA.x).astype(int) % 5)
    data = DATA.assign(n=n, s=np.minimum(DATA["count"], n))
    formula = "cbind(s, n - s) ~ x + (1 |p| g)"
    m = glmer(formula, data, family="betabinomial", zi_formula="~ (1 |p| g)", n_quad=3, sampling_weights=BOTH)
    # a point that is known; the other optimum is at 2158.056
    assert m.objective < 2155.638


def dense(d: pd.DataFrame, p: np.ndarray) -> np.ndarray:
    """Weighted log-likelihoods of the clusters of y ~ x + (1 | g) at cuts, slope and SD, by the
    trapezoidal rule.
    """
    z = np.linspace(-9, 9, 201)
    w = np.exp(-0.5 * z**2) * (z[1] - z[0])
    cuts = np.concatenate([[-np.inf], p[:3], [np.inf]])
    y = d.y.cat.codes.to_numpy()
    eta = (p[3] * d.x).to_numpy()[:, None] + p[4] * z
    log = np.log(expit(cuts[y + 1][:, None] - eta) - expit(cuts[y][:, None] - eta))
    out = []
    for _, rows in d.reset_index(drop=True).groupby("g"):
        total = rows.w1.to_numpy() @ log[rows.index]
        out.append(rows.w2.iloc[0] * np.log(np.exp(total) @ w / np.sqrt(2 * np.pi)))
    return np.array(out)


def test_the_pseudo_likelihood_and_its_sandwich() -> None:
    m = clmm("y ~ x + (1 | g)", DATA, sampling_weights=BOTH, n_quad=25)
    at = np.array([*m.thresholds, *m.fixef, *m.theta])
    assert m.objective == pytest.approx(-2 * dense(DATA, at).sum(), abs=1e-7)
    k, step = len(at), 1e-4

    def slope(p: np.ndarray) -> np.ndarray:
        moved = [np.eye(k)[j] * step for j in range(k)]
        return np.array([(dense(DATA, p + h) - dense(DATA, p - h)) / (2 * step) for h in moved]).T

    scores = slope(at)
    np.testing.assert_allclose(scores.sum(axis=0), 0.0, atol=1e-5)
    moved = [np.eye(k)[j] * step for j in range(k)]
    hessian = np.array([(slope(at + h).sum(axis=0) - slope(at - h).sum(axis=0)) / (2 * step) for h in moved])
    inverse = np.linalg.inv(-hessian)
    count = len(scores)
    sandwich = inverse @ (count / (count - 1) * scores.T @ scores) @ inverse
    errors = np.sqrt(np.diag(sandwich))
    assert m.bse["x"] == pytest.approx(errors[3], rel=1e-4)
    np.testing.assert_allclose(m.component("thresholds").bse, errors[:3], rtol=1e-4)
    # within strata scores are centred there
    strata = DATA.assign(s=DATA.h % 2)
    own = strata.groupby("g").s.first().to_numpy()
    middle = np.zeros((k, k))
    for s in (0, 1):
        centred = scores[own == s] - scores[own == s].mean(axis=0)
        middle += len(centred) / (len(centred) - 1) * centred.T @ centred
    errors = np.sqrt(np.diag(inverse @ middle @ inverse))
    m = clmm("y ~ x + (1 | g)", strata, sampling_weights=BOTH, n_quad=25, strata="s")
    assert m.bse["x"] == pytest.approx(errors[3], rel=1e-4)


def dense_zeros(d: pd.DataFrame, p: np.ndarray) -> np.ndarray:
    """The same of count ~ z + (1 | g) with zi_formula="~ z", of a Poisson with extra zeros."""
    t = np.linspace(-9, 9, 201)
    w = np.exp(-0.5 * t**2) * (t[1] - t[0])
    y, z = d["count"].to_numpy()[:, None], d.z.to_numpy()[:, None]
    mean, zero = np.exp(p[0] + p[1] * z + p[4] * t), expit(p[2] + p[3] * z)
    log = np.log((1 - zero) * poisson.pmf(y, mean) + zero * (y == 0))
    out = []
    for _, rows in d.reset_index(drop=True).groupby("g"):
        out.append(rows.w2.iloc[0] * np.log(np.exp(rows.w1.to_numpy() @ log[rows.index]) @ w / np.sqrt(2 * np.pi)))
    return np.array(out)


def test_variables_of_clusters_in_both_parts() -> None:
    """Within a cluster such a variable is a combination of the intercept, or zero."""
    d = DATA.assign(z=(DATA.g % 3 == 0).astype(float))
    m = glmer("count ~ z + (1 | g)", d, family="poisson", zi_formula="~ z", sampling_weights=BOTH, n_quad=25)
    at = np.array([*m.fixef, *m.component("zi").fixef, *m.theta])
    assert m.objective == pytest.approx(-2 * dense_zeros(d, at).sum(), abs=1e-7)
    k, step = len(at), 1e-4
    moved = [np.eye(k)[j] * step for j in range(k)]

    def slope(p: np.ndarray) -> np.ndarray:
        return np.array([(dense_zeros(d, p + h) - dense_zeros(d, p - h)) / (2 * step) for h in moved]).T

    scores = slope(at)
    hessian = np.array([(slope(at + h).sum(axis=0) - slope(at - h).sum(axis=0)) / (2 * step) for h in moved])
    inverse = np.linalg.inv(-hessian)
    errors = np.sqrt(np.diag(inverse @ (24 / 23 * scores.T @ scores) @ inverse))
    np.testing.assert_allclose([*m.bse, *m.component("zi").bse], errors[:4], rtol=1e-4)


def test_scalings_and_what_is_refused() -> None:
    m = clmm("y ~ x + (1 | g)", DATA, sampling_weights=BOTH, weight_scaling="size")
    share = DATA.w1 / DATA.groupby("g").w1.transform("mean")
    by_hand = clmm("y ~ x + (1 | g)", DATA.assign(w1=share), sampling_weights=BOTH)
    assert m.objective == pytest.approx(by_hand.objective, abs=1e-9)
    with pytest.raises(OptionError, match="sampling weights"):
        _ = m.aic
    with pytest.raises(DataError, match="the same in all rows of a level"):
        clmm("y ~ x + (1 | g)", DATA, sampling_weights={"g": "w1"})
    with pytest.raises(DesignError, match="nested grouping factors"):
        clmm("y ~ x + (1 | g) + (1 | k)", DATA.assign(k=np.arange(len(DATA)) % 5), sampling_weights={"g": "w2"})
    with pytest.raises(OptionError, match="no grouping factor"):
        clmm("y ~ x + (1 | g)", DATA, sampling_weights={"school": "w2"})


def test_clusters_of_the_scale_alone() -> None:
    """The factor with weights may be in the scale only, whose effects are correlated or not."""
    a = clmm("y ~ x", DATA, scale="~ (1 | g)", sampling_weights=BOTH)
    b = clmm("y ~ x", TWICE, scale="~ (1 | g)")
    assert a.objective == pytest.approx(b.objective, abs=1e-9)
    assert "robust (24 clusters of g)" in str(a.summary())
