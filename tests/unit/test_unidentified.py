"""By REML nothing is known of the variance of a random effect that the fixed effects explain; the other effects are estimated all the same."""

import warnings

import numpy as np
import pandas as pd
import pytest

import ranef
from unit import dense_lmm

# lme4 1.1-31 with bobyqa to rhoend = 1e-10: criterion and standard deviations of what is identified. It gives 0.930, 1.312, 0.359 and 1.404 for what is not.
LME4 = {
    "y ~ f + x + (x | a)": (288.61908121, {("a", "x"): 1.4749171, "sigma": 0.9497223}),
    "y ~ f + (c | a)": (364.34519651, {("a", "c"): 0.0, "sigma": 1.509280}),
    "y ~ f + (1 | a / b)": (362.38330953, {("b:a", "(Intercept)"): 0.5243307, "sigma": 1.4313714}),
    "y ~ f + x + (x | a) + (1 | a:b)": (
        283.98331492,
        {("a:b", "(Intercept)"): 0.42588303, ("a", "x"): 1.45625751, "sigma": 0.86747399},
    ),
}


def data() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    a, x = np.repeat(np.arange(4), 25), np.round(rng.normal(size=100), 3)
    d = pd.DataFrame({"x": x, "a": a, "c": np.tile(np.arange(2), 50), "b": np.tile(np.repeat(np.arange(5), 5), 4)})
    d["f"] = np.array(list("wxyz"))[a]
    noise, slopes = rng.normal(size=100), 1.2 * rng.normal(size=4)[a]
    d["y"] = np.round(noise + slopes * x + 0.6 * rng.normal(size=20)[a * 5 + d["b"]], 3)
    return d


def fitted(formula: str, d: object, **options: object):
    """The model and what was said of it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        m = ranef.lmer(formula, d, **options)
    return m, " ".join(str(w.message) for w in caught)


@pytest.mark.parametrize("formula", LME4)
def test_what_is_identified_is_that_of_lme4(formula) -> None:
    m, said = fitted(formula, data())
    criterion, sds = LME4[formula]
    assert m.objective == pytest.approx(criterion, abs=2e-7)
    assert m.convergence.ok
    assert f"(Intercept) in ({formula[formula.index('(') + 1 : formula.index(')')]}) is not identified" in said or (
        "(1 | a) is not identified" in said
    )
    for key, sd in sds.items():
        if key == "sigma":
            assert m.sigma == pytest.approx(sd, rel=1e-6)
        else:
            block = m.varcorr[key[0]]
            assert block.sd[block.names.index(key[1])] == pytest.approx(sd, rel=1e-6, abs=1e-6)


def test_the_criterion_is_the_same_for_any_variance_in_plain_algebra() -> None:
    m, _ = fitted("y ~ f + x + (x | a)", data())
    fit = m._fit
    term = fit.design.random[0]
    factors = [(term.codes, len(term.levels), [(term.z, term.structure)])]
    system = dense_lmm.LmmSystem(fit.x, fit.design.y, None, factors)
    slope = m.varcorr["a"].sd[1] / m.sigma
    for own, shared in ((0.1, 0.0), (1.0, 0.3), (7.0, -0.9)):
        theta = np.array([own, shared * slope, np.sqrt(1 - shared**2) * slope])
        assert system.solution(theta, True)["reml_criterion"] == pytest.approx(m.objective, abs=1e-7)


def test_no_false_error_and_always_said() -> None:
    for formula in ("y ~ f + x + (x | a)", "y ~ f + (c | a)", "y ~ f + (1 | a / b / c)"):
        for seed in range(25):
            rng = np.random.default_rng(seed)
            a, x = np.repeat(np.arange(3), 30), rng.normal(size=90)
            d = {"y": rng.normal(size=90) + rng.normal(size=3)[a] * x, "a": a, "x": x, "f": np.array(list("xyz"))[a]}
            d |= {"c": np.tile(np.arange(2), 45), "b": np.tile(np.repeat(np.arange(3), 10), 3)}
            m, said = fitted(formula, d)
            assert m.convergence.ok, (formula, seed)
            assert "is not identified" in said, (formula, seed)


def test_it_depends_on_neither_origin_nor_unit() -> None:
    near, _ = fitted("y ~ f + x + (x | a)", data())
    far, said = fitted("y ~ f + x + (x | a)", data().assign(x=1e-3 * (data()["x"] + 1e5)))
    assert "(Intercept) in (x | a) is not identified" in said
    assert far.varcorr["a"].sd[1] == pytest.approx(1e3 * near.varcorr["a"].sd[1], rel=1e-6)
    np.testing.assert_allclose(far.fittedvalues, near.fittedvalues, atol=1e-6)
    np.testing.assert_allclose(far.hatvalues(), near.hatvalues(), rtol=1e-6)


def test_other_ways_of_writing_it() -> None:
    d = data().assign(w=1 + np.arange(100) % 3)
    _, said = fitted("y ~ f * x + (x | a)", d, weights="w")
    assert "the variance of (x | a) is not identified" in said
    _, said = fitted("y ~ f + x + (x || a)", d)
    assert "(1 | a) is not identified" in said
    m, said = fitted("y ~ f + x + diag(x | a)", d)
    assert "(Intercept) in (x | a) is not identified" in said
    assert m.varcorr["a"].sd[1] == pytest.approx(LME4["y ~ f + x + (x | a)"][1]["a", "x"], rel=1e-6)
    # Each level's mean has a fixed effect under any coding, and a combination of the columns is what is not identified.
    _, said = fitted("y ~ 0 + f + x + (0 + x + I(x + 1) | a)", d)
    assert "is not identified" in said
    # By maximum likelihood all is identified.
    _, said = fitted("y ~ f + x + (x | a)", d, REML=False)
    assert "not identified" not in said
    _, said = fitted("y ~ x + (x | a)", d)
    assert "not identified" not in said


def test_it_can_be_refitted_and_explained() -> None:
    d = data()
    m, _ = fitted("y ~ f + x + (x | a)", d)
    with pytest.warns(ranef.RanefWarning, match="not identified"):
        again = m.refit(2 * d["y"])
    assert again.objective == pytest.approx(m.objective + 2 * (100 - 5) * np.log(2), abs=1e-6)
    assert "converged" in m.convergence.explanation
    assert (m.ranef()["a"]["(Intercept)"].abs() < 1).all()
