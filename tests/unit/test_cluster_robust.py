"""The sandwich estimator against its definition in dense matrices,
its properties, and what it refuses.
"""

import math
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef.inference.cluster_robust.clusters import clusters_of
from ranef.inference.cluster_robust.least_squares import ClusterRobust
from ranef.inference.cluster_robust.tests import robust_tests


def data(seed: int = 4, n: int = 90, groups: int = 9) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = rng.integers(0, groups, n)
    h = g * 3 + rng.integers(0, 3, n)  # nested in g
    frame = pd.DataFrame(
        {"g": g, "h": h, "k": rng.integers(0, 6, n), "x": rng.normal(size=n), "w": rng.uniform(0.5, 3, n)}
    )
    frame["z"] = rng.normal(size=groups)[g]
    frame["y"] = (
        1
        + frame.x * (1 + rng.normal(size=groups)[g])
        + rng.normal(size=groups)[g]
        + rng.normal(size=3 * groups)[h]
        + rng.normal(size=n)
    )
    frame["y"] += rng.normal(size=6)[frame["k"]]
    frame[["g", "h", "k"]] = frame[["g", "h", "k"]].astype(str)
    return frame


def dense_v(m: Any) -> np.ndarray:
    fit = m._fit
    w = np.ones(fit.nobs) if fit.design.weights is None else fit.design.weights
    v = np.diag(1 / w)
    for term, factor in zip(fit.terms, fit.relative_factors, strict=True):
        rows = term.z @ factor
        v = v + (rows @ rows.T) * (term.codes[:, None] == term.codes[None, :])
    return fit.sigma**2 * v


def root(s: np.ndarray, power: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(s)
    keep = values > 1e-10 * values[-1]
    return (vectors[:, keep] * values[keep] ** power) @ vectors[:, keep].T


def dense_cr2(m: Any, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The covariance, and for every coefficient the degrees of freedom,
    from the definitions and n × n matrices; the root of V is Cholesky's.
    """
    x, v = m._fit.x, dense_v(m)
    y = m._fit.design.y
    inverse = np.linalg.inv(v)
    bread = np.linalg.inv(x.T @ inverse @ x)
    residual_maker = np.eye(len(x)) - x @ bread @ x.T @ inverse
    e = residual_maker @ y
    p = x.shape[1]
    meat = np.zeros((p, p))
    loads = []
    for c in np.unique(codes):
        own = np.flatnonzero(codes == c)
        d = np.linalg.cholesky(v[np.ix_(own, own)]).T
        part = residual_maker[own]
        b = d @ part @ v @ part.T @ d.T
        a = d.T @ root(b, -0.5) @ d
        weight = x[own].T @ inverse[np.ix_(own, own)] @ a
        meat += np.outer(weight @ e[own], weight @ e[own])
        loads.append(bread @ weight @ part)
    df = []
    for j in range(p):
        u = np.array([load[j] for load in loads])
        products = u @ v @ u.T
        df.append(np.trace(products) ** 2 / np.sum(products**2))
    return bread @ meat @ bread, np.array(df)


MODELS = {
    "slopes": ("y ~ x + z + (x | g)", None, "g"),
    "nested": ("y ~ x + z + (1 | g) + (1 | h)", None, "g"),
    "weights": ("y ~ x + z + (x | g)", "w", "g"),
    "weights nested": ("y ~ x * z + (1 | g / h)", "w", "g"),
}


@pytest.mark.parametrize("model", MODELS)
def test_cr2_is_its_definition(model: str) -> None:
    formula, weights, cluster = MODELS[model]
    frame = data()
    m = ranef.lmer(formula, frame, weights=weights)
    v, df = dense_cr2(m, frame[cluster].to_numpy())
    np.testing.assert_allclose(m.cov_params(cov="CR2", cluster=cluster), v, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(m.tidy("fixed", cov="CR2", cluster=cluster)["df"], df, rtol=1e-7)


@pytest.mark.parametrize("weights", [None, "w"])
def test_cr0_is_its_definition_for_crossed_factors(weights: str | None) -> None:
    frame = data()
    m = ranef.lmer("y ~ x + z + (1 | g) + (1 | k)", frame, weights=weights)
    x, inverse = m._fit.x, np.linalg.inv(dense_v(m))
    bread = np.linalg.inv(x.T @ inverse @ x)
    scores = x * (inverse @ (m._fit.design.y - x @ m._fit.beta))[:, None]
    for cluster in ("g", "k"):
        sums = pd.DataFrame(scores).groupby(frame[cluster]).sum().to_numpy()
        v = m.cov_params(cov="CR0", cluster=cluster)
        np.testing.assert_allclose(v, bread @ sums.T @ sums @ bread, rtol=1e-7, atol=1e-12)
        assert any("shared by rows of different clusters" in note for note in v.attrs["notes"])
        table = m.tidy("fixed", cov="CR1", cluster=cluster)
        assert (table["df"] == frame[cluster].nunique() - 1).all()


@pytest.mark.parametrize("model", MODELS)
def test_cr2_is_unbiased_under_the_model(model: str) -> None:
    formula, weights, cluster = MODELS[model]
    m = ranef.lmer(formula, data(), weights=weights)
    tests = robust_tests(m._fit, None, "CR2", cluster)
    rows = np.eye(len(m.fixef))
    expected, _ = tests.robust.expected_and_spread(rows)
    np.testing.assert_allclose(expected * m.sigma**2, m.cov_params(ddf="none"), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_moments_of_cr0_are_those_of_dense_matrices(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no matrix of the order of a cluster is formed for them."""
    monkeypatch.setattr("ranef.inference.cluster_robust.least_squares.LIMIT", 0)
    formula, weights, cluster = MODELS[model]
    frame = data()
    m = ranef.lmer(formula, frame, weights=weights)
    p = len(m.fixef)
    expected, variances = robust_tests(m._fit, None, "CR0", cluster).robust.expected_and_spread(np.eye(p))
    x, v = m._fit.x, dense_v(m) / m.sigma**2
    inverse = np.linalg.inv(v)
    bread = np.linalg.inv(x.T @ inverse @ x)
    residuals = v - x @ bread @ x.T
    w = inverse @ x @ bread
    same = np.equal.outer(frame[cluster].to_numpy(), frame[cluster].to_numpy())
    for j in range(p):
        product = np.outer(w[:, j], w[:, j]) * same @ residuals
        assert expected[j, j] == pytest.approx(np.trace(product), rel=1e-8)
        assert variances[j, j] == pytest.approx(2 * np.sum(product * product.T), rel=1e-8)


def test_order_of_rows_and_names_of_clusters_do_not_matter() -> None:
    frame = data()
    shuffled = frame.sample(frac=1, random_state=1)
    formula = "y ~ x + z + (1 | g) + (1 | h)"
    one = ranef.lmer(formula, frame).test(["x", "z"], cov="CR2", cluster="g")
    two = ranef.lmer(formula, shuffled).test(["x", "z"], cov="CR2", cluster=shuffled["g"].map(lambda s: f"c{s}"))
    np.testing.assert_allclose(one.to_numpy(float), two.to_numpy(float), rtol=1e-5)


def test_clusters_of_many_sizes_are_those_of_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = data(n=400, groups=60)
    m = ranef.lmer("y ~ x + z + (1 | g / h)", frame)
    together = m.cov_params(cov="CR2", cluster="g")
    monkeypatch.setattr("ranef.inference.cluster_robust.least_squares.BATCH", 1)
    codes = next(t.codes for t in m._fit.terms if t.group == "g")
    alone = ClusterRobust(m._fit, "CR2", clusters_of(m._fit, "g", codes)).covariance
    np.testing.assert_allclose(together, alone, rtol=1e-9)


def test_a_coarser_column_and_an_array_are_the_same_clusters() -> None:
    frame = data()
    frame["pair"] = (frame["g"].astype(int) // 2).astype(str)
    m = ranef.lmer("y ~ x + (1 | g)", frame)
    a = m.cov_params(cov="CR2", cluster="pair")
    b = m.cov_params(cov="CR2", cluster=frame["pair"].to_numpy())
    pd.testing.assert_frame_equal(a, b)


def test_missing_rows() -> None:
    frame = data()
    frame.loc[[3, 17], "y"] = np.nan
    whole = ranef.lmer("y ~ x + (1 | g)", frame)
    kept = frame.dropna()
    part = ranef.lmer("y ~ x + (1 | g)", kept)
    for cluster in ("g", None):
        a = whole.cov_params(cov="CR2", cluster=cluster or frame["g"])
        b = part.cov_params(cov="CR2", cluster=cluster or kept["g"])
        np.testing.assert_allclose(a, b, rtol=1e-8)


def test_it_is_used_wherever_a_covariance_is() -> None:
    m = ranef.lmer("y ~ x + z + (1 | g)", data())
    se = np.sqrt(np.diagonal(m.cov_params(cov="CR2", cluster="g")))
    assert not np.allclose(se, m.bse)
    np.testing.assert_allclose(m.summary(cov="CR2", cluster="g").fixed.column("Std. Error"), se)
    np.testing.assert_allclose(m.summary("none", cov="CR2", cluster="g").fixed.column("Std. Error"), se)
    assert "robust to clusters of 'g'" in str(m.summary(cov="CR2", cluster="g"))
    test = m.test("x", cov="CR2", cluster="g").iloc[0]
    anova = m.anova(cov="CR2", cluster="g").loc["x"]
    assert anova["f_value"] == pytest.approx(test["statistic"] ** 2)
    assert anova["den_df"] == pytest.approx(test["df"])
    means = m.emtrends("~ 1", "x", cov="CR2", cluster="g").to_frame().iloc[0]
    assert (means["std_error"], means["df"]) == pytest.approx((test["std_error"], test["df"]))
    assert m.test("x", cov="CR2", cluster="g", ddf="none").iloc[0]["df"] == math.inf
    assert m.joint_tests(cov="CR2", cluster="g").loc["x", "f_value"] == pytest.approx(anova["f_value"])


def test_few_clusters_are_said() -> None:
    frame = data(groups=3)
    m = ranef.lmer("y ~ x + z + (1 | g)", frame)
    with pytest.warns(ranef.RanefWarning, match="no more clusters"):
        notes = m.cov_params(cov="CR2", cluster="g").attrs["notes"]
    assert any("no more clusters (3) than fixed effects (3)" in note for note in notes)
    # As many contrasts as clusters have no inverse: NaN, and said so.
    found = m.test(["(Intercept)", "x", "z"], cov="CR2", cluster="g")
    assert np.isnan(found["p_value"]).all()
    assert any("no p-value" in note for note in found.attrs["notes"])


def test_a_loaded_model_has_its_grouping_factors() -> None:
    frame = data()
    m = ranef.lmer("y ~ x + (1 | g)", frame)
    copy = pickle.loads(pickle.dumps(m))
    pd.testing.assert_frame_equal(copy.cov_params(cov="CR2", cluster="g"), m.cov_params(cov="CR2", cluster="g"))
    with pytest.raises(ranef.RanefError, match="no grouping factor of the model, and the data are not kept"):
        copy.cov_params(cov="CR2", cluster="k")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cov": "CR2", "cluster": "k"}, "levels of 'g' have rows in several clusters of 'k'"),
        ({"cov": "CR2"}, "cov= needs cluster="),
        ({"cluster": "g"}, "say which: cov='CR2'"),
        ({"cov": "HC3", "cluster": "g"}, "cov must be one of 'CR0'"),
        ({"cov": 2, "cluster": "g"}, "cov must be one of 'CR0'"),
        ({"cov": "CR2", "cluster": "G"}, "there is no column 'G'"),
        ({"cov": "CR2", "cluster": [1, 2]}, "one label for each of the 90 rows"),
        ({"cov": "CR2", "cluster": ["a"] * 90}, "1 cluster only"),
        ({"cov": "CR2", "cluster": [None, "b", "c"] * 30}, "is missing in 30 of the rows"),
        ({"cov": "CR2", "cluster": 3}, "name of a column or an array"),
        ({"cov": "CR2", "cluster": "g", "ddf": "kenward-roger"}, "Kenward-Roger adjusts the covariance of the model"),
    ],
)
def test_bad_input(options: dict[str, Any], message: str) -> None:
    m = ranef.lmer("y ~ x + (1 | g)", data())
    with pytest.raises(ranef.RanefError, match=message):
        m.cov_params(**options)


def test_cr1p_needs_more_clusters_than_coefficients() -> None:
    m = ranef.lmer("y ~ x + z + (1 | g)", data(groups=3))
    with pytest.warns(ranef.RanefWarning), pytest.raises(ranef.RanefError, match="CR1p divides by"):
        m.cov_params(cov="CR1p", cluster="g")
