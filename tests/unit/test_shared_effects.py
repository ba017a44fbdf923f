"""Random terms with the same effects of the same groups, whatever their names:
said, and divided equally.
"""

import numpy as np
import pandas as pd
import pytest

import ranef

RNG = np.random.default_rng(0)
G = np.repeat(np.arange(8), 8)
DATA = pd.DataFrame({"y": 2 * RNG.normal(size=8)[G] + RNG.normal(size=64), "g": G, "x": RNG.normal(size=64)})
DATA["y"] += DATA["x"] * RNG.normal(size=8)[G]
DATA["f"] = np.array(list("ab"))[G % 2]
DATA["h"] = np.array(list("zyxwvuts"))[G]
DATA["count"] = RNG.poisson(np.exp(0.3 * DATA["y"]))

TWICE = (
    ("(1 | g) + (1 | g:f)", "(1 | g)", "the grouping factors g and g:f are the same partition of the rows"),
    ("(1 | g) + (1 | h)", "(1 | g)", "the grouping factors g and h are the same partition"),
    ("(1 | g) + (1 | g)", "(1 | g)", r"the random-effects term \(1 \| g\) occurs twice"),
    ("(x || g) + (1 | g)", "(x || g)", r"the random-effects term \(1 \| g\) occurs twice"),
    ("(1 | g) + (1 | h) + (1 | g:f)", "(1 | g)", "g and h are the same partition"),
    ("(x | g) + (x | h)", "(x | g)", "g and h are the same partition"),
    ("(x || g) + (1 | h)", "(x || g)", "g and h are the same partition"),
    ("diag(x | g) + (1 | h)", "diag(x | g)", "g and h are the same partition"),
    ("(x | g) + (1 | h)", "(x | g)", "g and h are the same partition"),
    ("(x | g) + (1 | g)", "(x | g)", r"the effects of \(1 \| g\) are among those of \(x \| g\)"),
)


def total(m) -> np.ndarray:
    """Covariance of the intercepts and slopes of all terms together."""
    out = np.zeros((2, 2))
    for block in m.varcorr.values():
        at = ["(Intercept)", "x"].index(block.names[0])
        out[at : at + len(block.names), at : at + len(block.names)] += block.cov
    return out


@pytest.mark.parametrize(("random", "alone", "said"), TWICE)
def test_the_model_is_the_one_without_the_superfluous_term(random, alone, said) -> None:
    with pytest.warns(ranef.RanefWarning, match=said):
        m = ranef.lmer(f"y ~ x + {random}", DATA)
    right = ranef.lmer(f"y ~ x + {alone}", DATA)
    assert m.objective == pytest.approx(right.objective, abs=1e-8)
    assert m.convergence.ok
    np.testing.assert_allclose(total(m), total(right), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(m.fittedvalues, right.fittedvalues, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:the ")
def test_the_parts_are_equal_in_any_order_of_rows_and_terms() -> None:
    whole = ranef.lmer("y ~ x + (1 | g)", DATA).varcorr["g"].sd[0]
    for seed in range(4):
        data = DATA.sample(frac=1, random_state=seed)
        for formula in ("y ~ x + (1 | g) + (1 | g:f)", "y ~ x + (1 | g:f) + (1 | g)", "y ~ x + (1 | g) + (1 | g)"):
            m = ranef.lmer(formula, data)
            for block in m.varcorr.values():
                assert block.sd[0] == pytest.approx(whole / np.sqrt(2), rel=1e-6)


@pytest.mark.filterwarnings("ignore:the ")
def test_generalized_models_too() -> None:
    right = ranef.glmer("count ~ x + (1 | g)", DATA, family="poisson")
    m = ranef.glmer("count ~ x + (1 | g) + (1 | h)", DATA, family="poisson")
    assert m.objective == pytest.approx(right.objective, abs=1e-8)
    for block in m.varcorr.values():
        assert block.sd[0] == pytest.approx(right.varcorr["g"].sd[0] / np.sqrt(2), rel=1e-4)


def test_what_is_no_repetition_is_not_taken_for_one() -> None:
    slow = DATA.assign(k=np.where(DATA["g"] < 6, DATA["g"], DATA.index % 2 + 6))  # agrees with g in part
    slow["k"] = slow["k"].astype(int)
    for random in ("(1 | g) + (0 + x | g)", "(1 | g) + (0 + x | h)", "(x || g)"):
        ranef.lmer(f"y ~ x + {random}", slow)  # without a warning
    with pytest.warns(ranef.RanefWarning) as caught:
        ranef.lmer("y ~ x + (1 | f / g) + (1 | k)", slow)
    assert "same partition" not in str(caught[0].message)


@pytest.mark.filterwarnings("ignore:singular", "ignore:the ")
def test_no_variance_to_divide() -> None:
    flat = DATA.assign(y=DATA["x"] + np.tile([-1.0, 1.0], 32))
    m = ranef.lmer("y ~ x + (1 | g) + (1 | h)", flat)
    assert m.is_singular
    assert m.theta.tolist() == [0.0, 0.0]


@pytest.mark.filterwarnings("ignore:singular", "ignore:the ")
def test_replicates_are_divided_equally_too() -> None:
    right, m = (ranef.lmer(f"y ~ x + {random}", DATA) for random in ("(1 | g)", "(1 | g) + (1 | h)"))
    y = right.simulate(5, rng=1).to_numpy()
    own, many = right.refit(y), m.refit(y)
    np.testing.assert_allclose(many.objective, own.objective, atol=1e-8)
    np.testing.assert_allclose(many.theta, own.theta @ np.full((1, 2), np.sqrt(0.5)), rtol=1e-4, atol=1e-6)
    for options in ({}, {"type": "cases", "by": "g"}):
        b = m.bootstrap(20, rng=1, **options)
        assert b.n_failed == 0
        g, h = (b.values[:, b.names.index(f"sd_(Intercept)|{group}")] for group in "gh")
        np.testing.assert_allclose(g, h, rtol=1e-4, atol=1e-6)
        assert np.isfinite(b.conf_int(method="bca").loc["x"]).all()


@pytest.mark.filterwarnings("ignore:singular")
@pytest.mark.parametrize("seed", [1, 2, 5])
def test_a_factor_in_a_double_bar_is_fitted_as_its_levels_alone(seed) -> None:
    """The intercept beside the levels adds nothing to the model: no search walks along it."""
    persons, items = 60, 9
    rng = np.random.default_rng(seed)
    u, i = np.repeat(np.arange(persons), 2 * items), np.tile(np.repeat(np.arange(items), 2), persons)
    c = np.tile([0, 1], persons * items)
    y = rng.normal(size=persons)[u] + 0.3 * rng.normal(size=items)[i] + 0.2 * rng.normal(size=items)[i] * c
    d = pd.DataFrame({"y": y + rng.normal(size=len(u)), "c": np.where(c, "pen", "none"), "u": u, "i": i})
    with pytest.warns(ranef.RanefWarning, match="levels of a factor"):
        m = ranef.lmer("y ~ c + (c || u) + (c || i)", d)
    alone = ranef.lmer("y ~ c + (0 + c | u) + (0 + c | i)", d)
    assert m.convergence.ok
    assert m.objective == pytest.approx(alone.objective, abs=1e-8)
    np.testing.assert_allclose(m.bse, alone.bse, rtol=1e-6)
