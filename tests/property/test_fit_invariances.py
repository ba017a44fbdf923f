"""What must not change a fit, or must change it in a known way, on random data of random layout."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ranef import RanefWarning, lmer, load

FORMULAS = (
    "y ~ x + (1 | g)",
    "y ~ x + f + (x | g)",
    "y ~ x + (1 | g) + (1 | h)",
    "y ~ x + (x || g) + (1 | h)",
    "y ~ f + (1 | g) + (1 | g:f)",
    "y ~ 0 + f + x + (0 + x | h) + (1 | g)",
)

quick = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
problems = st.tuples(st.sampled_from(FORMULAS), st.integers(0, 10_000), st.booleans(), st.booleans())


def fit(formula, data, **options):
    """A fit; whether it is singular does not matter here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RanefWarning)
        return lmer(formula, data, **options)


def make(problem):
    """Data of unequal groups, and the arguments of the fit."""
    formula, seed, reml, weighted = problem
    rng = np.random.default_rng(seed)
    n = int(rng.integers(60, 140))
    g, h, f = rng.choice(9, n, p=np.arange(1, 10) / 45), rng.integers(0, 5, n), rng.integers(0, 3, n)
    x = rng.normal(size=n)
    sd = rng.uniform(0, 1.5, 4)
    y = (
        1
        + x
        + f
        + sd[0] * rng.normal(size=9)[g]
        + sd[1] * rng.normal(size=9)[g] * x
        + sd[2] * rng.normal(size=5)[h]
        + rng.normal(size=n)
    )
    data = pd.DataFrame(
        {
            "y": y,
            "x": x,
            "f": np.array(["a", "b", "c"])[f],
            "g": [f"g{i}" for i in g],
            "h": [f"h{i}" for i in h],
            "w": rng.uniform(0.5, 2, n),
        }
    )
    return formula, data, {"REML": reml, "weights": "w" if weighted else None}, rng


def covariances(model):
    return {key: block.cov for key, block in model.varcorr.items()}


def same_fit(a, b, scale=1.0):
    """The optimum is flat, so that estimates agree less closely than the criterion.

    B is a with the response times scale.
    """
    assert b.sigma == pytest.approx(scale * a.sigma, rel=1e-4)
    np.testing.assert_allclose(b.fittedvalues.sort_index(), scale * a.fittedvalues.sort_index(), atol=2e-3 * scale)
    for key, cov in covariances(a).items():
        np.testing.assert_allclose(covariances(b)[key], scale**2 * cov, atol=2e-3 * scale**2)


@quick
@given(problems)
def test_order_of_rows(problem):
    formula, data, options, rng = make(problem)
    a = fit(formula, data, **options)
    b = fit(formula, data.iloc[rng.permutation(len(data))], **options)
    assert b.objective == pytest.approx(a.objective, abs=1e-6)
    same_fit(a, b)
    np.testing.assert_allclose(b.fixef, a.fixef, atol=1e-4)
    for group, frame in a.ranef().items():
        np.testing.assert_allclose(b.ranef()[group].loc[frame.index], frame, atol=2e-3)


@quick
@given(problems)
def test_names_of_levels(problem):
    formula, data, options, rng = make(problem)
    names = {f"g{i}": f"{j:02d} ünit" for i, j in enumerate(rng.permutation(9))}
    a, b = fit(formula, data, **options), fit(formula, data.assign(g=data["g"].map(names)), **options)
    assert b.objective == pytest.approx(a.objective, abs=1e-6)
    same_fit(a, b)
    frame = a.ranef()["g"]
    np.testing.assert_allclose(b.ranef()["g"].loc[frame.index.map(names)], frame, atol=2e-3)


@quick
@given(problems)
def test_grouping_by_text_numbers_or_categories(problem):
    formula, data, options, _ = make(problem)
    a = fit(formula, data, **options)
    number = data.assign(g=data["g"].str[1:].astype(int))
    category = data.assign(
        g=pd.Categorical(data["g"], categories=[f"g{i}" for i in range(11)])
    )  # two that do not occur
    for other in (number, category):
        b = fit(formula, other, **options)
        assert b.objective == a.objective
        assert b.ngroups == a.ngroups
        assert np.array_equal(b.ranef()["g"], a.ranef()["g"])


@quick
@given(problems, st.sampled_from([1e-6, 1e-3, 50.0, 1e5]), st.sampled_from([0.0, -3.0, 1e4]))
def test_units_of_the_response(problem, scale, shift):
    formula, data, options, _ = make(problem)
    a = fit(formula, data, **options)
    b = fit(formula, data.assign(y=scale * (data["y"] + shift)), **options)
    nu = a.nobs - (len(a.fixef) if options["REML"] else 0)
    assert b.objective == pytest.approx(a.objective + 2 * nu * np.log(scale), abs=2e-5)  # 1e4 in every y costs digits
    assert b.sigma == pytest.approx(scale * a.sigma, rel=1e-4)
    np.testing.assert_allclose(b.bse, scale * a.bse, rtol=1e-3)
    np.testing.assert_allclose(b.resid, scale * a.resid, atol=2e-3 * scale)


@quick
@given(problems, st.sampled_from([1e-4, 1e4]))
def test_units_of_a_covariate(problem, scale):
    formula, data, options, _ = make(problem)
    a, b = fit(formula, data, **options), fit(formula, data.assign(x=scale * data["x"]), **options)
    steps = np.array([scale if n == "x" else 1.0 for n in a.fixef.index])
    shift = 2 * np.log(scale) if options["REML"] and "x" in a.fixef.index else 0.0
    assert b.objective == pytest.approx(a.objective + shift, abs=2e-6)
    np.testing.assert_allclose(b.fixef * steps, a.fixef, atol=1e-3)
    np.testing.assert_allclose(b.bse * steps, a.bse, rtol=1e-3)
    same_fit_rows = np.abs(b.fittedvalues - a.fittedvalues).max()
    assert same_fit_rows < 2e-3


@quick
@given(problems)
def test_all_weights_times_two(problem):
    formula, data, options, _ = make(problem)
    w = data["w"].to_numpy()
    options.pop("weights")
    a, b = fit(formula, data, weights=w, **options), fit(formula, data, weights=2 * w, **options)
    # a residual variance sigma^2 / w: sigma^2 doubles, random effects and the likelihood stay
    assert b.objective == pytest.approx(a.objective, abs=1e-6)
    assert b.sigma**2 == pytest.approx(2 * a.sigma**2, rel=1e-4)
    np.testing.assert_allclose(b.fixef, a.fixef, atol=1e-4)
    np.testing.assert_allclose(b.bse, a.bse, rtol=1e-3)
    for key, cov in covariances(a).items():
        np.testing.assert_allclose(covariances(b)[key], cov, atol=2e-3)


@quick
@given(problems)
def test_predictions_of_the_data_are_fitted_values(problem):
    formula, data, options, rng = make(problem)
    m = fit(formula, data, **options)
    np.testing.assert_allclose(m.predict(data), m.fittedvalues, rtol=1e-9, atol=1e-9)
    assert m.predict(se=True, interval="prediction").index.equals(data.index)
    np.testing.assert_allclose(
        m.predict(data, interval="prediction"), m.predict(interval="prediction"), rtol=1e-7, atol=1e-7
    )
    rows = rng.permutation(len(data))[:11]
    np.testing.assert_allclose(m.predict(data.iloc[rows]), m.fittedvalues.iloc[rows], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(data["y"] - m.fittedvalues, m.resid, rtol=0, atol=1e-12)


@quick
@given(problems)
def test_fixed_plus_random_is_coef(problem):
    formula, data, options, _ = make(problem)
    m = fit(formula, data, **options)
    for group, frame in m.coef().items():
        effects = m.ranef()[group]
        for name in frame.columns:
            # an effect of a level goes with its treatment contrast, so columns are compared by
            # their plain names
            random = sum(
                (effects.iloc[:, j].to_numpy() for j, n in enumerate(effects.columns) if n == name),
                np.zeros(len(frame)),
            )
            np.testing.assert_allclose(frame[name], m.fixef.get(name, 0.0) + random, atol=1e-12)


@quick
@given(problems)
def test_simulations_are_what_the_seed_says(problem):
    formula, data, options, _ = make(problem)
    m = fit(formula, data, **options)
    few, many = m.simulate(2, rng=5), m.simulate(4, rng=5)
    assert few.equals(many.iloc[:, :2])
    assert m.simulate(2, rng=np.random.default_rng(5)).equals(few)
    assert not m.simulate(2, rng=6).equals(few)
    assert list(many.columns) == ["sim_1", "sim_2", "sim_3", "sim_4"]
    assert many.index.equals(data.index)


@quick
@given(problem=problems)
def test_round_trips(problem, tmp_path_factory):
    formula, data, options, _ = make(problem)
    m = fit(formula, data, **options)
    path = tmp_path_factory.mktemp("models") / "m"
    m.save(path)
    for back in (load(path), pickle.loads(pickle.dumps(m))):
        assert back.objective == m.objective
        assert back.fixef.equals(m.fixef)
        assert back.theta.equals(m.theta)
        assert back.fittedvalues.equals(m.fittedvalues)
        assert str(back) == str(m)
        np.testing.assert_allclose(back.predict(data, se=True), m.predict(data, se=True), rtol=1e-12)


@quick
@given(problems)
def test_refit_of_the_same_response_and_updates(problem):
    formula, data, options, _ = make(problem)
    m = fit(formula, data, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RanefWarning)
        again = m.refit(data["y"])
        other = m.update(REML=not options["REML"])
        back = other.update(REML=options["REML"])
    assert again.objective == m.objective == back.objective
    assert again.theta.equals(m.theta)
    assert (other.objective == other.ml_deviance) == options["REML"]
    matrix = m.refit(np.column_stack([data["y"], 2 * data["y"]]))
    assert matrix.objective[0] == pytest.approx(m.objective, abs=1e-6)
    np.testing.assert_allclose(matrix.fixef[1], 2 * m.fixef, atol=2e-4)
    assert matrix.sigma[1] == pytest.approx(2 * m.sigma, rel=1e-4)


@quick
@given(
    st.sampled_from(["y ~ f + (f | g)", "y ~ f * x + (f + x | g)", "y ~ f + (f | g) + (1 | h)", "y ~ f + (f || g)"]),
    st.integers(0, 10_000),
    st.sampled_from(["sum", "helmert", "poly", "SAS", "sdif", [[1, 0.5], [-2, 1], [0, 3]]]),
)
def test_the_coding_of_correlated_effects_is_another_name_for_one_model(formula, seed, coding):
    """Criterion, fitted values and predictions do not depend on it, and neither do the estimated
    variances of the levels.
    """
    data = make((formula, seed, False, False))[1]
    one, other = (fit(formula, data, REML=False, contrasts=c) for c in (None, {"f": coding}))
    assert other.objective == pytest.approx(one.objective, rel=1e-7, abs=1e-5)
    np.testing.assert_allclose(other.fittedvalues, one.fittedvalues, atol=2e-3 * data.y.std())
    new = data.iloc[::7].drop(columns="y")
    np.testing.assert_allclose(other.predict(new), one.predict(new), atol=2e-3 * data.y.std())
