"""Responses of a model that is stated without a fit, and of a fit with other parameters.

Moments are held to what the model says, within four standard errors of the number of draws.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import ArgumentTypeError, DataError, OptionError, simulate

DRAWS = 8000
ROWS = pd.DataFrame(
    {"x": [0.0, 1.0, 3.0, 0.0, 1.0, 3.0], "g": list("aaabbb"), "h": list("uvuvuv")}, index=list("ABCDEF")
)


def assert_moments(drawn: Any, mean: Any, covariance: Any) -> None:
    """Of normal draws: a mean has variance v / n, a covariance (v_i v_j + c²) / n."""
    n = drawn.shape[1]
    v = np.diag(covariance)
    assert (np.abs(drawn.mean(axis=1) - mean) < 4 * np.sqrt(v / n)).all()
    error = np.sqrt((np.outer(v, v) + covariance**2) / n)
    assert (np.abs(np.cov(drawn) - covariance) < 4.5 * error).all()


def test_a_linear_model_has_the_moments_that_are_stated() -> None:
    sd = {"(Intercept)": 2.0, "x": 0.5, ("(Intercept)", "x"): -0.4}
    made = simulate(
        "y ~ x + (x | g) + (1 | h)", ROWS, fixef={"x": -1.0, "(Intercept)": 5.0}, varcorr={"g": sd, "h": 1.5},
        sigma=0.7, n=DRAWS, rng=1,
    )  # fmt: skip
    assert list(made.index) == list("ABCDEF")
    assert list(made.columns[[0, -1]]) == ["sim_1", f"sim_{DRAWS}"]
    x = ROWS.x.to_numpy()
    z = np.column_stack([np.ones(6), x])
    own = z @ np.array([[4.0, -0.4], [-0.4, 0.25]]) @ z.T
    same = {c: np.equal.outer(ROWS[c].to_numpy(), ROWS[c].to_numpy()) for c in "gh"}
    covariance = own * same["g"] + 1.5**2 * same["h"] + 0.7**2 * np.eye(6)
    assert_moments(made.to_numpy(), 5.0 - x, covariance)


def test_weights_and_offsets() -> None:
    rows = ROWS.assign(w=[1.0, 4.0, 1.0, 0.25, 1.0, 1.0], o=np.arange(6.0))
    made = simulate(
        "~ 1 + (1 | g)", rows, fixef=[0], varcorr={"g": 1.0}, sigma=2.0, n=DRAWS, rng=2, weights="w", offset="o"
    )
    same = np.equal.outer(rows.g.to_numpy(), rows.g.to_numpy())
    assert_moments(made.to_numpy(), np.arange(6.0), same + np.diag(4.0 / rows.w))


FORMS: list[dict[str, Any]] = [
    {"varcorr": {"g": {"(Intercept)": 2.0, "x": 0.5, ("x", "(Intercept)"): -0.4}}},
    {"varcorr": {"g": [[4.0, -0.4], [-0.4, 0.25]]}},
    {
        "varcorr": {
            "g": pd.DataFrame([[0.25, -0.4], [-0.4, 4.0]], index=["x", "(Intercept)"], columns=["x", "(Intercept)"])
        }
    },
    {"varcorr": {"g": SimpleNamespace(sd=[2.0, 0.5], corr=[[1.0, -0.4], [-0.4, 1.0]])}},
    {"theta": [4.0, -0.4, 0.5 * np.sqrt(1 - 0.4**2) / 0.5]},
    {"theta": {"g.(Intercept)": 4.0, "g.x.(Intercept)": -0.4, "g.x": np.sqrt(1 - 0.4**2)}},
]


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_of_the_variances_state_the_same(form: dict[str, Any]) -> None:
    """Theta is the Cholesky factor of the covariance in units of sigma, which is 0.5."""
    first = simulate("~ x + (x | g)", ROWS, fixef=[1, 2], sigma=0.5, rng=1, **FORMS[0])
    made = simulate("~ x + (x | g)", ROWS, fixef=pd.Series({"(Intercept)": 1, "x": 2}), sigma=0.5, rng=1, **form)
    np.testing.assert_allclose(made, first, rtol=1e-10)


def test_estimates_of_a_fit_draw_what_the_fit_draws() -> None:
    data = ranef.load_dataset("sleepstudy")
    for formula in ("Reaction ~ Days + (Days | Subject)", "Reaction ~ Days + (Days || Subject)"):
        m = ranef.lmer(formula, data)
        made = simulate(formula, data.drop(columns="Reaction"), fixef=m.fixef, varcorr=m.varcorr, sigma=m.sigma, rng=3)
        np.testing.assert_allclose(made, m.simulate(rng=3), rtol=1e-10)
    named = {"Subject": {"Days": m.varcorr["Subject.1"].sd[0], "(Intercept)": m.varcorr["Subject"].sd[0]}}
    again = simulate(formula, data, fixef=m.fixef, varcorr=named, sigma=m.sigma, rng=3)
    np.testing.assert_allclose(again, made, rtol=1e-12)


def test_more_levels_than_a_fit_could_have_and_variances_of_zero() -> None:
    rows = pd.DataFrame({"g": list("abc"), "x": [1.0, 2.0, 3.0]})
    made = simulate("~ x + (1 + x | g)", rows, fixef=[1, 2], varcorr={"g": np.zeros((2, 2))}, sigma=1e-9, rng=1)
    np.testing.assert_allclose(made.sim_1, [3, 5, 7], atol=1e-7)
    perfect = {"g": {"(Intercept)": 1.0, "x": 1.0, ("(Intercept)", "x"): -1.0}}  # b0 + b1 x = b0 (1 - x)
    made = simulate("~ x + (x | g)", rows, fixef=[0, 0], varcorr=perfect, sigma=1e-9, rng=1)
    assert abs(made.sim_1[0]) < 1e-6 < abs(made.sim_1[1])


def test_rows_with_missing_values_are_nan() -> None:
    made = simulate("~ x + (1 | g)", ROWS.assign(x=[1, np.nan, 2, 3, 4, 5]), fixef=[0, 1], theta=1, sigma=1, rng=1)
    assert made.sim_1.isna().tolist() == [False, True, False, False, False, False]


def test_binomial_proportions_counts_and_binary() -> None:
    rows = pd.DataFrame({"g": np.repeat(np.arange(3), 2), "s": 0, "n": [1, 5, 10, 20, 40, 80]})
    stated: dict[str, Any] = {"fixef": [-1.0], "varcorr": {"g": 0.8}, "family": "binomial", "n": 4000, "rng": 1}
    by_weights = simulate("~ 1 + (1 | g)", rows, weights="n", **stated)
    counts = simulate("cbind(s, n - s) ~ 1 + (1 | g)", rows, **stated)
    np.testing.assert_allclose(by_weights.mul(rows.n, axis=0), counts, atol=1e-9)
    node, weight = np.polynomial.hermite_e.hermegauss(60)
    p = 1 / (1 + np.exp(1.0 - 0.8 * node))
    mean, square = (weight @ v / weight.sum() for v in (p, p**2))
    variance = square - mean**2 + (mean - square) / rows.n.to_numpy()
    assert (np.abs(by_weights.mean(axis=1) - mean) < 4 * np.sqrt(variance / 4000)).all()
    np.testing.assert_allclose(by_weights.var(axis=1), variance, rtol=0.1)  # four standard errors are 9 %
    assert set(np.unique(simulate("~ 1 + (1 | g)", rows, **stated))) == {0.0, 1.0}
    with pytest.raises(DataError, match="weights='trials'"):
        simulate("cbind(a, n - a) ~ 1 + (1 | g)", rows, **stated)


def test_counts_and_a_dispersion() -> None:
    """Moments of counts around a lognormal mean."""
    rows = {"g": np.arange(DRAWS) // 2}
    sd, size = 0.5, 1.5
    mean, square = np.exp(1 + sd**2 / 2), np.exp(2 + 2 * sd**2)
    want = {"poisson": mean + square - mean**2, "nbinom2": mean + square / size + square - mean**2}
    for family, variance in want.items():
        extra: Any = {"dispersion": size} if family == "nbinom2" else {}
        y = simulate("~ 1 + (1 | g)", rows, fixef=[1.0], varcorr={"g": sd}, family=family, rng=4, **extra).sim_1
        assert abs(y.mean() - mean) < 4 * np.sqrt(2 * variance / DRAWS)
        assert y.var() == pytest.approx(variance, rel=0.12)
        pairs = y.to_numpy().reshape(-1, 2)
        assert np.cov(pairs.T)[0, 1] == pytest.approx(square - mean**2, rel=0.2)
    held = ranef.NegativeBinomial(size=size)
    same = simulate("~ 1 + (1 | g)", rows, fixef=[1.0], varcorr={"g": sd}, family=held, rng=4).sim_1
    assert (same == y).all()


def test_a_fit_with_other_parameters() -> None:
    m = ranef.lmer("Reaction ~ Days + (Days | Subject)", ranef.load_dataset("sleepstudy"))
    new = {"Days": [0.0, 9.0, 9.0], "Subject": ["a", "a", "b"]}
    params = {"fixef": {"Days": 0.0}, "varcorr": {"Subject": {"Days": 3.0}}, "sigma": 10.0}
    drawn = m.simulate(DRAWS, newdata=new, params=params, rng=1).to_numpy()
    block = m.varcorr["Subject"]
    size = np.array([block.sd[0], 3.0])
    z = np.array([[1, 0], [1, 9], [1, 9]])
    covariance = z @ (np.outer(size, size) * block.corr) @ z.T
    covariance[2, :2] = covariance[:2, 2] = 0.0
    assert_moments(drawn, np.full(3, m.fixef["(Intercept)"]), covariance + 100 * np.eye(3))
    # theta is in units of the new sigma, and what is not named stays
    scaled = m.simulate(1, params={"theta": m.theta, "sigma": 2 * m.sigma, "fixef": [0, 0]}, rng=1)
    plain = m.simulate(1, params={"fixef": [0, 0]}, rng=1)
    np.testing.assert_allclose(scaled, 2 * plain, rtol=1e-10)
    pd.testing.assert_frame_equal(m.simulate(1, params={}, rng=1), m.simulate(1, rng=1))


def test_a_generalized_fit_with_other_parameters_keeps_its_modes() -> None:
    m = ranef.glmer("TICKS ~ cHEIGHT + (1 | BROOD)", ranef.load_dataset("grouseticks"), family="poisson")
    drawn = m.simulate(400, params={"fixef": {"cHEIGHT": 0.0}}, re="conditional", rng=1)
    mean = np.exp(m.linear_predictor - m.fixef["cHEIGHT"] * ranef.load_dataset("grouseticks")["cHEIGHT"])
    assert np.mean(np.abs(drawn.mean(axis=1) - mean) < 4 * np.sqrt(mean / 400)) > 0.99


GIVEN: dict[str, Any] = {"fixef": [0, 1], "varcorr": {"g": {"(Intercept)": 1.0, "x": 1.0}}, "sigma": 1.0}


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"fixef": None}, OptionError, r"fixef must have a value for \(Intercept\), x"),
        ({"fixef": {"x": 1}}, OptionError, r"a value for \(Intercept\): give"),
        ({"fixef": {"x": 1, "z": 2}}, OptionError, r"no fixed effect 'z'; they are \(Intercept\), x"),
        ({"fixef": [1, 2, 3]}, OptionError, r"must have 2 values, for \(Intercept\), x, not 3"),
        ({"fixef": [1, np.inf]}, OptionError, "not finite"),
        ({"fixef": "a"}, ArgumentTypeError, "fixef must be a dict"),
        (
            {"varcorr": None},
            OptionError,
            r"varcorr must have 'g', with the standard deviations of '\(Intercept\)', 'x'",
        ),
        ({"theta": [1, 0, 1]}, OptionError, "two ways to state the same"),
        ({"varcorr": None, "theta": [1, 0]}, OptionError, r"theta must have 3 values \(g.\(Intercept\)"),
        ({"varcorr": None, "theta": {"g.x": 1.0}}, OptionError, r"theta must have a value for g.\(Intercept\)"),
        ({"varcorr": None, "theta": [-1, 0, 1]}, OptionError, "theta must not be negative"),
        ({"sigma": None}, OptionError, r"sigma must be given \(the residual standard deviation\)"),
        ({"sigma": 0}, OptionError, "sigma must be positive"),
        ({"varcorr": {"h": 1.0}}, OptionError, "no grouping factor 'h'; the model's are 'g'"),
        ({"varcorr": {"Residual": 1.0}}, OptionError, "The residual standard deviation is sigma="),
        ({"varcorr": 1.0}, ArgumentTypeError, "dict by grouping factor such as {'g': 1.0}"),
        ({"varcorr": {"g": 1.0}}, OptionError, r"is one number, and the term has the effects '\(Intercept\)', 'x'"),
        ({"varcorr": {"g": [1.0, 2.0]}}, OptionError, "Standard deviations are given in a dict"),
        ({"varcorr": {"g": {"x": 1.0}}}, OptionError, r"a standard deviation for '\(Intercept\)'"),
        ({"varcorr": {"g": {"y": 1.0}}}, OptionError, "has no 'y'"),
        ({"varcorr": {"g": {"(Intercept)": 1.0, "x": -1.0}}}, OptionError, "must not be negative"),
        (
            {"varcorr": {"g": {"(Intercept)": 1.0, "x": 1.0, ("x", "(Intercept)"): 1.1}}},
            OptionError,
            "is a correlation, from -1 to 1",
        ),
        ({"varcorr": {"g": [[1.0, 2.0], [2.0, 1.0]]}}, OptionError, "is no covariance matrix"),
        ({"varcorr": {"g": [[1.0, 0.5], [0.0, 1.0]]}}, OptionError, "must be symmetric"),
        ({"varcorr": {"g": [[0.0, 0.5], [0.5, 1.0]]}}, OptionError, "covariance beside a variance of zero"),
        ({"varcorr": {"g": "a"}}, ArgumentTypeError, "standard deviation, a dict of them by name, or a covariance"),
        ({"dispersion": 1.0}, OptionError, "give one of them"),
        ({"family": "poisson"}, OptionError, "the poisson family has none"),
        ({"family": "nbinom2", "sigma": None}, OptionError, "dispersion must be given: size of the"),
        ({"n": 0}, OptionError, "at least 1"),
    ],
)
def test_what_cannot_be(changed: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        simulate("~ x + (x | g)", ROWS, **{**GIVEN, **changed})


def test_structures_must_be_able_to_have_the_covariance() -> None:
    rows = pd.DataFrame({"f": list("abc") * 4, "g": np.repeat(np.arange(4), 3)})
    equal = np.full((3, 3), 0.6) + 0.4 * np.eye(3)
    stated: dict[str, Any] = {"fixef": [1, 2, 3], "sigma": 1.0, "rng": 1}
    assert simulate("~ 0 + f + cs(0 + f | g, hom=True)", rows, varcorr={"g": equal}, **stated).shape == (12, 1)
    with pytest.raises(OptionError, match=r"a covariance that cs\(.*hom=True\) cannot have"):
        simulate("~ 0 + f + cs(0 + f | g, hom=True)", rows, varcorr={"g": np.diag([1.0, 2.0, 3.0])}, **stated)
    with pytest.raises(OptionError, match=r"a covariance that diag\(.*\) cannot have"):
        simulate("~ 0 + f + diag(0 + f | g)", rows, varcorr={"g": equal}, **stated)


def test_params_that_cannot_be() -> None:
    m = ranef.lmer("Reaction ~ Days + (1 | Subject)", ranef.load_dataset("sleepstudy"))
    with pytest.raises(OptionError, match="params has no part 'beta'; its parts are fixef, varcorr"):
        m.simulate(params={"beta": [1]})
    with pytest.raises(ArgumentTypeError, match="params must be a dict"):
        m.simulate(params=[1.0])  # type: ignore[arg-type]
