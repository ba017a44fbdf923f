"""What cannot be asked of zero inflation, hurdles and dispersion models, in one sentence each."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import Poisson, RanefError, RanefWarning, Truncated, glmer


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 240
    g = rng.integers(0, 12, n)
    x = rng.normal(size=n)
    rate = np.exp(0.6 + 0.4 * x + 0.4 * rng.normal(size=12)[g])
    y = np.where(rng.random(n) < 0.3, 0, rng.poisson(rate))
    return pd.DataFrame(
        {
            "y": y,
            "positive": np.maximum(y, 1),
            "p": np.clip(rng.beta(2, 3, n), 0.01, 0.99),
            "one": rng.integers(0, 2, n),
            "x": x,
            "g": [f"g{i:02d}" for i in g],
        }
    )


CASES: list[tuple[str, dict[str, Any], str]] = [
    ("y ~ x + (1 | g)", {"family": "poisson", "zi_formula": "y ~ x"}, "formula without a response"),
    ("y ~ x + (1 | g)", {"family": "poisson", "zi_formula": 3}, "text such as"),
    ("y ~ x + (1 | g)", {"family": "poisson", "zi_formula": "~ z"}, "z"),
    ("y ~ x + (1 | g)", {"family": "poisson", "disp_formula": "~ x"}, "no dispersion"),
    ("y ~ x + (1 | g)", {"family": "truncated_poisson"}, "zeros, which a truncated family cannot produce"),
    ("positive ~ x + (1 | g)", {"family": "poisson", "zi_formula": "~ 1"}, "has no zeros"),
    ("positive ~ x + (1 | g)", {"family": "truncated_poisson", "zi_formula": "~ 1"}, "has no zeros"),
    ("x ~ 1 + (1 | g)", {"family": "t", "zi_formula": "~ 1"}, "zero is a number like others"),
    ("one ~ x + (1 | g)", {"family": "betabinomial"}, "one trial"),
    ("y ~ x + (1 | g)", {"family": "zero_inflated_poison"}, "no family"),
    ("x ~ 1 + (1 | g)", {"family": "nbinom2", "zi_formula": "~ 1"}, "is negative"),
    ("y ~ x + (1 | g)", {"family": "hurdle"}, "names its counts: family='hurdle_poisson'"),
    ("y ~ x + (1 | g)", {"family": "zigama"}, "no family 'zigama'.*Did you mean 'zigamma'"),
    ("y ~ x + (1 | g)", {"family": Truncated}, r"needs arguments.*Truncated\(Poisson\(\)\)"),
    ("y ~ x", {"family": "poisson", "zi_formula": "~ x"}, "no random-effects term"),
    ("x ~ 1 + (1 | g)", {"family": "tweedie"}, "is negative"),
]


@pytest.mark.parametrize(("formula", "arguments", "sentence"), CASES)
def test_refusals(data: pd.DataFrame, formula: str, arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RanefError, match=sentence):
        glmer(formula, data, **arguments)


@pytest.mark.filterwarnings("ignore::ranef.RanefWarning")
def test_names_with_zeros(data: pd.DataFrame) -> None:
    """brms's names have a zero part of one number; R's names of arguments are taken."""
    named = glmer("y ~ x + (1 | g)", data, family="zero_inflated_poisson")
    given = glmer("y ~ x + (1 | g)", data, family="poisson", ziformula="~ 1")
    assert named.objective == given.objective
    hurdle = glmer("y ~ x + (1 | g)", data, family="hurdle_poisson")
    same = glmer("y ~ x + (1 | g)", data, family=Truncated(Poisson()), zi_formula="~ 1")
    assert hurdle.objective == same.objective
    dot = glmer("y ~ x + (1 | g)", data, family="poisson", zi_formula="~ .")
    written = glmer("y ~ x + (1 | g)", data, family="poisson", zi_formula="~ x + (1 | g)")
    assert dot.objective == written.objective


@pytest.mark.filterwarnings("ignore::ranef.RanefWarning")
def test_a_model_and_its_copies(data: pd.DataFrame, tmp_path: Any) -> None:
    import pickle

    import ranef

    m = glmer("y ~ x + (1 | g)", data, family="nbinom2", zi_formula="~ x")
    m.save(tmp_path / "m")
    for again in (ranef.load(tmp_path / "m"), pickle.loads(pickle.dumps(m))):
        assert again.objective == m.objective
        assert np.array_equal(again.predict(type="zprob"), m.predict(type="zprob"))
    assert m.params["zi"].index.tolist() == ["(Intercept)", "x"]
    assert m.params["cond"].to_numpy().tolist() == m.fixef.to_numpy().tolist()
    assert m.cov_params().loc[("cond", "x"), ("cond", "x")] == pytest.approx(m.bse["x"] ** 2)
    assert m.conf_int(component="all").shape == (len(m.params), 2)
    plain = m.update(zi_formula=None)
    assert plain.npar == m.npar - 2
    assert plain.objective > m.objective
    with pytest.raises(RanefError, match="its components are"):
        m.component("scale")
    text = str(m.summary())
    assert "Zero-inflation model:" in text
    assert "Dispersion model:" in text


@pytest.mark.filterwarnings("ignore:singular fit")
def test_no_extra_zeros_are_said(data: pd.DataFrame) -> None:
    rng = np.random.default_rng(2)
    plain = data.assign(y=rng.poisson(np.exp(0.3 + 0.2 * data["x"])))
    with pytest.warns(RanefWarning):
        m = glmer("y ~ x + (1 | g)", plain, family="nbinom1", zi_formula="~ 1")
    without = glmer("y ~ x + (1 | g)", plain, family="nbinom1")
    assert m.objective <= without.objective + 1e-4


def test_tables_have_models_without_shares_of_variance(data: pd.DataFrame) -> None:
    """A t variable with two degrees of freedom or fewer has no variance."""
    m = glmer("y ~ x + (1 | g)", data, family=ranef.StudentT(df=1.5))
    text = str(ranef.table(m))
    assert "undefined" in text
    assert "shares of variance are not defined" in text
    with pytest.raises(RanefError, match="have no variance"):
        m.icc()


def test_comparisons_name_the_other_formulas(data: pd.DataFrame) -> None:
    plain = glmer("y ~ x + (1 | g)", data, family="poisson")
    inflated = glmer("y ~ x + (1 | g)", data, family="poisson", zi_formula="~ x")
    text = str(ranef.anova(plain, inflated))
    assert "inflated: y ~ x + (1 | g); zi ~ x" in text
    assert "logit(π_ij) = ζ_0 + ζ_1 x_ij" in inflated.equations().to_text()
