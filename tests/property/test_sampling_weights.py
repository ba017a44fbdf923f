"""Sampling weights that are whole numbers are the same as rows and levels that occur so often."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import glmer, lmer


def survey(depth: int = 2, seed: int = 3) -> pd.DataFrame:
    """Rows in classes (and schools) with whole weights at every level."""
    rng = np.random.default_rng(seed)
    rows = []
    for school in range(8 if depth == 3 else 1):
        w3 = int(rng.integers(1, 4)) if depth == 3 else 1
        u3 = rng.normal(0, 0.6)
        for group in range(4 if depth == 3 else 15):
            w2, u2, slope = int(rng.integers(1, 4)), rng.normal(0, 0.8), rng.normal(0, 0.4)
            for _ in range(int(rng.integers(3, 8))):
                x = rng.normal()
                eta = 0.3 + 0.5 * x + u3 + u2 + slope * x
                rows.append((f"s{school}", f"s{school}c{group}", x, eta, int(rng.integers(1, 4)), w2, w3))
    d = pd.DataFrame(rows, columns=["school", "cls", "x", "eta", "w1", "w2", "w3"])
    d["y"] = d["eta"] + rng.normal(0, 0.7, len(d))
    d["yb"] = (rng.random(len(d)) < 1 / (1 + np.exp(-d["eta"]))).astype(int)
    d["n"] = rng.integers(1, 6, len(d))
    d["s"] = rng.binomial(d["n"], 1 / (1 + np.exp(-d["eta"])))
    d["count"] = rng.poisson(np.exp(0.4 * d["eta"]))
    return d


def replicated(d: pd.DataFrame) -> pd.DataFrame:
    """Every row, class and school as often as it counts."""
    parts = []
    for (school, cls), part in d.groupby(["school", "cls"]):
        for a in range(int(part["w3"].iloc[0])):
            for b in range(int(part["w2"].iloc[0])):
                again = part.loc[part.index.repeat(part["w1"])].copy()
                again["school"], again["cls"] = f"{school}#{a}", f"{cls}#{a}#{b}"
                parts.append(again)
    return pd.concat(parts, ignore_index=True)


GENERALIZED: list[tuple[str, dict[str, Any]]] = [
    ("yb ~ x + (1 | cls)", {"family": "binomial"}),
    ("yb ~ x + (1 | cls)", {"family": "binomial", "n_quad": 9}),
    ("yb ~ x + (x | cls)", {"family": "binomial"}),
    ("yb ~ x + (x | cls)", {"family": "binomial", "n_quad": 5}),
    ("yb ~ x + (1 | cls)", {"family": "binomial(probit)", "curvature": "expected"}),
    ("cbind(s, n - s) ~ x + (1 | cls)", {"family": "binomial", "n_quad": 7}),
    ("count ~ x + (1 | cls)", {"family": "poisson"}),
    ("count ~ x + (1 | cls)", {"family": "nbinom2"}),
    ("count ~ x + (1 | cls)", {"family": "nbinom2", "n_quad": 5}),
    ("exp(y) ~ x + (x | cls)", {"family": "Gamma(log)", "n_quad": 5}),
]
NESTED: list[tuple[str, dict[str, Any]]] = [
    ("yb ~ x + (1 | cls) + (1 | school)", {"family": "binomial"}),
    ("yb ~ x + (1 | cls) + (1 | school)", {"family": "binomial", "n_quad": 7}),
    ("yb ~ x + (x | cls) + (x | school)", {"family": "binomial"}),
    ("count ~ x + (1 | cls) + (1 | school)", {"family": "nbinom2", "n_quad": 5}),
]


def evaluated(m: Any, theta: Any, beta: Any) -> tuple[float, np.ndarray]:
    """Criterion and gradient of a generalized model at fixed parameters, in the core."""
    f = m._fit
    system = f.system.get(1)
    found = system.evaluate(theta, beta, f.core_dispersion, f.n_quad, f.curvature, 1)
    return found.objective, found.gradient


@pytest.mark.parametrize(("formula", "how"), GENERALIZED + NESTED)
@pytest.mark.filterwarnings("ignore::ranef.RanefWarning")
def test_generalized(formula: str, how: dict[str, Any]) -> None:
    depth = 3 if "school" in formula else 2
    d = survey(depth)
    weights = {"rows": "w1", "cls": "w2", **({"school": "w3"} if depth == 3 else {})}
    a = glmer(formula, d, sampling_weights=weights, **how)
    b = glmer(formula, replicated(d), **how)
    assert a.objective == pytest.approx(b.objective, rel=1e-10)
    np.testing.assert_allclose(a.fixef, b.fixef, atol=2e-6)
    # at the same parameters, derivatives too
    theta, beta = b._fit.core_theta * 0.9 + 0.02, b._fit.beta + 0.05
    (v, g), (w, h) = evaluated(a, theta, beta), evaluated(b, theta, beta)
    if "cbind" not in formula:  # binomial coefficients are counted afterwards
        assert v == pytest.approx(w, rel=1e-12)
    if not np.isnan(a.dispersion):
        theta, beta = b._fit.core_theta, b._fit.beta
        f = a._fit
        at = (theta, beta, b.dispersion, f.n_quad, f.curvature, 1)
        v, w = f.system.get(1).evaluate(*at), b._fit.system.get(1).evaluate(*at)
        assert v.objective == pytest.approx(w.objective, rel=1e-12)
        np.testing.assert_allclose(v.gradient, w.gradient, atol=1e-8)
    else:
        np.testing.assert_allclose(g, h, rtol=1e-9, atol=1e-8)
    # effects of a level are those of each of its copies
    for group, frame in a.ranef().items():
        copies = b.ranef()[group]
        first = {name.split("#")[0]: copies.loc[name].to_numpy() for name in copies.index}
        for name, row in frame.iterrows():
            np.testing.assert_allclose(row.to_numpy(), first[name], atol=5e-6)


@pytest.mark.parametrize(
    "formula",
    ["y ~ x + (1 | cls)", "y ~ x + (x | cls)", "y ~ x + (1 | cls) + (1 | school)", "y ~ x + (x | cls) + (1 | school)"],
)
@pytest.mark.filterwarnings("ignore::ranef.RanefWarning")
def test_linear(formula: str) -> None:
    depth = 3 if "school" in formula else 2
    d = survey(depth)
    weights = {"rows": "w1", "cls": "w2", **({"school": "w3"} if depth == 3 else {})}
    a = lmer(formula, d, sampling_weights=weights)
    b = lmer(formula, replicated(d), method="ML")
    assert a.objective == pytest.approx(b.objective, rel=1e-11)
    np.testing.assert_allclose(a.fixef, b.fixef, atol=1e-6)
    assert a.sigma == pytest.approx(b.sigma, rel=1e-6)
    for group, block in b.varcorr.items():
        np.testing.assert_allclose(a.varcorr[group].sd, block.sd, atol=2e-5)
    theta = b._fit.core_theta * 0.8 + 0.03
    v = a._fit.system.get(1).evaluate_penalised(theta, 0.75, False)
    n = len(replicated(d))
    # the same by the criterion that has no parameter sigma
    w = b._fit.system.get(1).solution(theta, False)
    held = w.ml_deviance + n * (2 * np.log(0.75 / w.sigma) + w.sigma**2 / 0.75**2 - 1)
    assert v.objective == pytest.approx(held, rel=1e-12)


def test_scaled_weights_do_not_depend_on_their_unit() -> None:
    d = survey()
    d["w9"] = 7.3 * d["w1"]
    for scaling in ("size", "effective"):
        a = glmer("yb ~ x + (1 | cls)", d, family="binomial", sampling_weights={"rows": "w1"}, weight_scaling=scaling)
        b = glmer("yb ~ x + (1 | cls)", d, family="binomial", sampling_weights={"rows": "w9"}, weight_scaling=scaling)
        assert a.objective == pytest.approx(b.objective, rel=1e-10)
        np.testing.assert_allclose(a.bse, b.bse, rtol=1e-5)
    held = a._fit.design.sampling
    per_class = pd.Series(held.rows).groupby(d["cls"].to_numpy())
    np.testing.assert_allclose(per_class.sum(), per_class.sum() ** 2 / (per_class.apply(lambda v: (v**2).sum())))


def test_unconditional_weights_are_divided_by_those_of_the_cluster() -> None:
    d = survey()
    d["both"] = d["w1"] * d["w2"]
    a = glmer("yb ~ x + (1 | cls)", d, family="binomial", sampling_weights={"rows": "w1", "cls": "w2"})
    b = glmer(
        "yb ~ x + (1 | cls)",
        d,
        family="binomial",
        sampling_weights={"rows": "both", "cls": "w2"},
        weights_are="unconditional",
    )
    assert a.objective == pytest.approx(b.objective, rel=1e-12)
    np.testing.assert_allclose(a.bse, b.bse, rtol=1e-8)


def test_equal_weights_give_the_cluster_robust_errors() -> None:
    d = survey()
    d["one"] = 1.0
    a = glmer("yb ~ x + (1 | cls)", d, family="binomial", sampling_weights={"rows": "one"})
    b = glmer("yb ~ x + (1 | cls)", d, family="binomial")
    robust = b.cov_params(cov="CR1", cluster="cls")
    np.testing.assert_allclose(a.cov_params(), robust, rtol=1e-5, atol=1e-9)
    # a stratum for all is none
    d["all"] = "a"
    c = glmer("yb ~ x + (1 | cls)", d, family="binomial", sampling_weights={"rows": "one"}, strata="all")
    np.testing.assert_allclose(a.bse, c.bse, rtol=1e-12)


def test_strata_centre_the_scores() -> None:
    d = survey()
    d["stratum"] = np.where(d["cls"].str[-1].astype(int) < 5, "a", "b")
    m = glmer(
        "yb ~ x + (1 | cls)", d, family="binomial", sampling_weights={"rows": "w1", "cls": "w2"}, strata="stratum"
    )
    plain = m.update(strata=None)
    from ranef.fit.pseudo_likelihood import cluster_scores

    f = m._fit
    codes = f.design.random[0].codes
    scores, _ = cluster_scores(
        f.design, f.order, f.family, f.kept, codes, (f.core_theta, f.beta, None, 1, "observed"), False
    )
    np.testing.assert_allclose(scores.sum(axis=0), 0.0, atol=1e-4)
    bread = np.linalg.inv(0.5 * f.hessian)
    home = d.groupby("cls", sort=False)["stratum"].first()
    strata = home.reindex(f.design.random[0].levels).to_numpy()
    middle = np.zeros((3, 3))
    for h in ("a", "b"):
        s = scores[strata == h]
        middle += len(s) / (len(s) - 1) * (s - s.mean(0)).T @ (s - s.mean(0))
    expected = bread @ middle @ bread
    np.testing.assert_allclose(m.bse, np.sqrt(np.diag(expected))[1:], rtol=1e-5)
    assert not np.allclose(m.bse, plain.bse, rtol=1e-3)


def test_what_cannot_be_used() -> None:
    d = survey(3)
    d["varies"] = np.arange(len(d)) + 1.0
    d["bad"] = np.where(np.arange(len(d)) == 4, -1.0, 1.0)
    d["other"] = [f"o{i % 7}" for i in range(len(d))]
    call = {"family": "binomial"}
    with pytest.raises(ranef.DataError, match=r"cls 's0c0' has 1 and 2"):
        glmer("yb ~ x + (1 | cls)", d, sampling_weights={"cls": "varies"}, **call)
    with pytest.raises(ranef.DataError, match=r"row 4 has -1"):
        glmer("yb ~ x + (1 | cls)", d, sampling_weights={"rows": "bad"}, **call)
    with pytest.raises(ranef.OptionError, match=r"'klass' is no grouping factor of the model; it has 'rows' and 'cls'"):
        glmer("yb ~ x + (1 | cls)", d, sampling_weights={"klass": "w2"}, **call)
    with pytest.raises(ranef.DesignError, match="nested grouping factors"):
        glmer("yb ~ x + (1 | cls) + (1 | other)", d, sampling_weights={"cls": "w2"}, **call)
    with pytest.raises(ranef.OptionError, match="no form with sampling weights"):
        lmer("y ~ x + (1 | cls)", d, REML=True, sampling_weights={"cls": "w2"})
    with pytest.raises(ranef.OptionError, match="weight_scaling must be one of"):
        glmer("yb ~ x + (1 | cls)", d, sampling_weights={"cls": "w2"}, weight_scaling="sise", **call)
    with pytest.raises(ranef.ArgumentTypeError, match="sampling_weights must be a dict"):
        glmer("yb ~ x + (1 | cls)", d, sampling_weights="w1", **call)
    m = glmer("yb ~ x + (1 | cls)", d, sampling_weights={"cls": "w2"}, **call)
    for refused in (lambda: m.aic, lambda: ranef.anova(m, m, penalized=True), lambda: m.profile(), m.ranova):
        with pytest.raises(ranef.OptionError, match="sampling weights the likelihood is that of no sample"):
            refused()
    with pytest.raises(ranef.OptionError, match="bootstrap is not for fits with sampling weights"):
        m.bootstrap(10)
    with pytest.warns(ranef.RanefWarning, match="weight_scaling='size'"):
        glmer("yb ~ x + (1 | cls)", d, sampling_weights={"rows": "w2"}, **call)
    rows_only = glmer("yb ~ x + (1 | cls) + (1 | other)", d, sampling_weights={"rows": "w1"}, **call)
    assert "crossed factors leave no independent clusters" in str(rows_only.summary())
