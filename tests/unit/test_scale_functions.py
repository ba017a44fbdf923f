"""Functions of all rows in streamed models: what batches give is what all rows in memory give."""

import pickle

import numpy as np
import pandas as pd
import pytest

from ranef import DataError, DesignError, lmer, scale
from ranef.design.orthogonal import recurrence
from ranef.scale import order_statistics
from ranef.scale.order_statistics import wanted
from ranef.scale.power_sums import PowerSums

N = 1200


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    g = rng.integers(30, size=N)
    d = pd.DataFrame({"g": g, "x": 2000 + 30 * rng.normal(size=N), "z": rng.exponential(size=N)})
    d["f"] = rng.choice(list("abc"), N)
    d["y"] = 1 + 0.02 * d.x + d.z + rng.normal(size=30)[g] + rng.normal(size=N)
    d.loc[rng.choice(N, 40), "y"] = np.nan
    d.loc[rng.choice(N, 40), "x"] = np.nan
    d.loc[rng.choice(N, 40), "z"] = np.nan
    return d


def parts(data, n=5):
    return [data.iloc[i::n] for i in range(n)]


FORMULAS = [
    "y ~ poly(x, 2) + (1 | g)",
    "y ~ poly(x, z, degree = 2) + (1 | g)",
    "y ~ poly(log(z), 2, raw = TRUE) + poly(scale(x), 3) + (1 | g)",
    "y ~ bs(z, df = 5) * f + (1 | g)",
    "y ~ bs(z, df = 6, Boundary.knots = c(0, 3)) + (1 | g)",
    "y ~ bs(z, knots = quantile(z, c(0.25, 0.5, 0.75))) + (1 | g)",
    "y ~ ns(z, 4) + ns(scale(x), df = 3) + (1 | g)",
    "y ~ I(x > median(x)) + I(z - median(z)) + (1 | g)",
    "y ~ cut(x, 3) + (1 | g)",
    "y ~ cut(z, quantile(z)) + f + (1 | g)",  # the smallest value is in no interval
    "y ~ ifelse(z > mean(z), 'high', 'low') + (1 | g)",
    "y ~ log(z - min(z) + 1) + (1 | g)",
    "y ~ scale(poly(x, 2)) + (1 | g)",
    "y ~ x + (1 | cut(z, 4)) + (1 | g)",
    "y ~ x + (1 | g:cut(z, 3))",
    "scale(y) ~ x + (ns(z, 2) | g)",
]


@pytest.mark.parametrize("kept", [1 << 20, 50])
@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.filterwarnings("ignore:singular fit")
def test_the_fit_is_that_of_all_rows(data, formula, kept, monkeypatch):
    monkeypatch.setattr(order_statistics, "KEPT", kept)
    whole, streamed = lmer(formula, data), scale.fit(formula, parts(data))
    assert streamed.objective == pytest.approx(whole.objective, abs=1e-8)
    assert (streamed.nobs, streamed.ngroups) == (whole.nobs, whole.ngroups)
    assert list(streamed.fixef.index) == list(whole.fixef.index)
    np.testing.assert_allclose(streamed.fixef, whole.fixef, rtol=1e-6)
    np.testing.assert_allclose(streamed.theta, whole.theta, atol=1e-6)
    new = data.dropna().head(5)
    np.testing.assert_allclose(streamed.predict(new), whole.predict(new), rtol=1e-7)


#: Arguments whose expressions depend on all rows.
ARGUMENTS = [
    {"weights": "1 + z / mean(z, na.rm = TRUE)"},
    {"weights": "exp(scale(x))", "subset": "z > median(z, na.rm = TRUE)"},
    {"offset": "0.5 * scale(x) + ifelse(z > median(z, na.rm = TRUE), 1, 0)"},
    {"subset": "scale(x) < 1 & z < mean(z, na.rm = TRUE) + 2 * sd(z, na.rm = TRUE)", "weights": "1 + z"},
]


@pytest.mark.parametrize("kept", [1 << 20, 50])
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=lambda a: "+".join(a))
@pytest.mark.parametrize("formula", ["y ~ x + f + (1 | g)", "y ~ scale(x) + ns(z, 3) + (1 | g)"])
@pytest.mark.filterwarnings("ignore:singular fit")
def test_arguments_may_depend_on_all_rows(data, formula, arguments, kept, monkeypatch):
    monkeypatch.setattr(order_statistics, "KEPT", kept)
    whole, streamed = lmer(formula, data, **arguments), scale.fit(formula, parts(data), **arguments)
    assert streamed.objective == pytest.approx(whole.objective, abs=1e-8)
    assert (streamed.nobs, streamed.ngroups) == (whole.nobs, whole.ngroups)
    np.testing.assert_allclose(streamed.fixef, whole.fixef, rtol=1e-6)
    np.testing.assert_allclose(streamed.theta, whole.theta, atol=1e-6)
    # a part's own mean is another one
    after = None
    while after is None or not after.complete:
        after = scale.survey(formula, parts(data), after=after, **arguments)
    recipe = after.freeze()
    sums = scale.Statistic(scale.Recipe.from_bytes(recipe.to_bytes()))
    for part in parts(data, 3):
        sums.update(part)
    assert sums.fit().objective == pytest.approx(whole.objective, abs=1e-8)
    again = streamed.with_data(data)
    np.testing.assert_allclose(again.resid, whole.resid, atol=1e-6)
    new = data.dropna().head(5)
    np.testing.assert_allclose(streamed.predict(new), whole.predict(new), rtol=1e-7)


@pytest.mark.parametrize("formula", [FORMULAS[5], FORMULAS[9], FORMULAS[2]])
def test_parts_are_surveyed_as_often_as_needed(data, formula, monkeypatch):
    monkeypatch.setattr(order_statistics, "KEPT", 50)
    found = scale.survey(formula, parts(data))
    with pytest.raises(DataError, match="another look"):
        found.freeze()
    looks, after = 0, None
    while after is None or not after.complete:
        surveys = [pickle.loads(pickle.dumps(scale.survey(formula, p, after=after))) for p in parts(data)]
        first = surveys[2].copy()
        for s in (surveys[i] for i in (4, 0, 3, 1)):
            first.merge(s)
        after, looks = first, looks + 1
    assert 1 < looks <= 6
    whole = lmer(formula, data)
    c = scale.Statistic(after.freeze())
    for p in parts(data):
        c.update(p)
    assert c.fit().objective == pytest.approx(whole.objective, abs=1e-8)
    with pytest.raises(DataError, match="different looks"):
        after.merge(scale.survey(formula, data))
    with pytest.raises(DataError, match="another model"):
        scale.survey("y ~ z + (1 | g)", data, after=after)


VALUES = {
    "normal": lambda rng: rng.normal(size=4001),
    "far away": lambda rng: 1e9 + rng.normal(size=4000),
    "ties": lambda rng: rng.integers(-3, 4, 4000).astype(float),
    "one value": lambda rng: np.full(2000, 2.5),
    "skewed": lambda rng: -np.exp(5 * rng.normal(size=3999)),
    "zeros of both signs": lambda rng: np.concatenate([np.zeros(500), -np.zeros(500), rng.normal(size=7)]),
    "extreme": lambda rng: np.array([-1e308, -5e-324, 5e-324, 1e308] * 50 + [0.0]),
}


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("kept", [20, 10**6])
def test_quantiles_are_numpys_to_the_last_bit(kind, kept, monkeypatch):
    monkeypatch.setattr(order_statistics, "KEPT", kept)
    x = VALUES[kind](np.random.default_rng(1))
    p = (0.0, 0.1, 1 / 3, 0.5, 0.77, 1.0)
    look, looks, found = wanted(p), 0, None
    while found is None:
        a = b = look
        for i, batch in enumerate(np.array_split(x, 7)):
            a, b = (a.added(batch), b) if i % 2 else (a, b.added(batch))
        joined = b.merged(a)
        found, looks = joined.quantiles(), looks + 1
        look = joined.following() if found is None else look
    np.testing.assert_array_equal(found, np.quantile(x, p))
    assert looks == 1 if kept > len(x) else looks <= 4


@pytest.mark.parametrize(("degree", "alphas", "norms"), [(1, 1e-15, 2e-15), (2, 2e-15, 2e-15), (6, 8e-11, 2e-10)])
@pytest.mark.parametrize("kind", ["normal", "far away", "lognormal"])
def test_polynomials_follow_from_power_sums(degree, alphas, norms, kind):
    rng = np.random.default_rng(8)
    x = np.exp(2 * rng.normal(size=20_000)) if kind == "lognormal" else VALUES[kind](rng)
    if kind == "far away":
        x = np.round(x - 1e9, 6) + 1e6
    sums = PowerSums.of(x[:0], degree, "x")
    other = PowerSums.of(x[:700], degree, "x")
    for batch in np.array_split(x[700:], 11):
        sums = sums.merged(PowerSums.of(batch, degree, "x", sums))
    alpha, norm2 = other.merged(sums).recurrence()
    expected = recurrence(x, degree)
    np.testing.assert_allclose(alpha, expected[0], rtol=0, atol=alphas * np.abs(x).max())
    np.testing.assert_allclose(norm2, expected[1], rtol=max(norms, 2e-14))


def test_what_cannot_be_learned_is_said(data):
    d = data.assign(k=(data.g % 2).astype(float), one=1.0, i=np.where(data.g == 3, np.inf, data.x))
    for term, message in [
        ("poly(k, 2)", "more than 2 different values, and k has fewer"),
        ("ns(one, 3)", "one is constant"),
        ("bs(i, 5)", "infinite"),
        ("scale(one)", "constant"),
        ("poly(i, 2)", "infinite"),
    ]:
        with pytest.raises((DataError, DesignError), match=message):
            scale.fit(f"y ~ {term} + (1 | g)", parts(d))
