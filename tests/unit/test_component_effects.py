"""What ``component`` gives of zeros, dispersion and shape, and the names of families with zeros."""

import numpy as np
import pandas as pd
import pytest

from ranef import OptionError, glmer
from ranef.families.names import parse_family

RNG = np.random.default_rng(20)
N = 40
G = np.repeat(np.arange(N), 12)
U, V = RNG.normal(0, 0.5, (2, N))
X = RNG.normal(size=N * 12)
MU = np.exp(1 + 0.3 * X + U[G])
ZERO = RNG.random(N * 12) < 1 / (1 + np.exp(0.5 - 2 * V[G]))
DATA = pd.DataFrame({"y": np.where(ZERO, 0, RNG.poisson(MU)), "x": X, "g": G.astype(str)})
DATA["positive"] = RNG.gamma(2.0, MU / 2.0)
DATA["cost"] = np.where(ZERO, 0.0, DATA["positive"])


@pytest.fixture(scope="module")
def inflated():
    return glmer("y ~ x + (1 | g)", DATA, family="poisson", zi_formula="~ x + (1 | g)")


def test_random_effects_of_the_zero_part(inflated):
    zi, whole = inflated.component("zi"), inflated.varcorr
    assert list(whole) == ["g", "zi:g"]
    assert zi.varcorr["g"].sd[0] == whole["zi:g"].sd[0] > 0.5
    modes = zi.ranef()["g"]
    assert modes.shape == (N, 1)
    # the linear predictor is made of the effects and these modes
    made = zi.fixef.iloc[0] + zi.fixef.iloc[1] * X + modes.loc[DATA["g"], "(Intercept)"].to_numpy()
    np.testing.assert_allclose(zi.linear_predictor, made, atol=1e-12)
    assert np.corrcoef(modes["(Intercept)"].loc[[str(i) for i in range(N)]], V)[0, 1] > 0.6


def test_random_effects_that_two_parts_share():
    m = glmer("y ~ x + (1 |p| g)", DATA, family="poisson", zi_formula="~ 1 + (1 |p| g)")
    assert m.component("zi").varcorr["g"].sd[0] == m.varcorr["g"].sd[1]


def test_zero_part_of_random_effects_only():
    m = glmer("y ~ x + (1 | g)", DATA, family="poisson", zi_formula="~ 0 + (1 | g)")
    assert m.component("zi").fixef.empty
    assert m.component("zi").varcorr["g"].sd[0] == m.varcorr["zi:g"].sd[0]
    assert "Zero-inflation model" not in str(m.summary())


def test_dispersion_without_random_effects_says_so():
    m = glmer("y ~ x + (1 | g)", DATA, family="nbinom2", disp_formula="~ x")
    with pytest.raises(OptionError, match="the component 'disp' has no random effects"):
        _ = m.component("disp").varcorr
    with pytest.raises(OptionError, match="no component 'shape': its components are 'disp'"):
        m.component("shape")


def test_shape_parameters_together():
    data = DATA.assign(share=np.clip(RNG.beta(2, 2, len(DATA)) * 1.2 - 0.1, 0, 1))
    m = glmer("share ~ x + (1 | g)", data, family="ordbeta")
    shape = m.component("shape")
    assert list(shape.fixef.index) == ["cut1", "log_gap"]
    cut1, gap = shape.fixef
    assert m.family_params == pytest.approx({"cut1": cut1, "cut2": cut1 + np.exp(gap)})
    assert shape.bse["cut1"] == pytest.approx(m.component("cut1").bse.iloc[0])
    whole, at = m.cov_params(), [key for key, _ in m.params.index]
    assert shape.cov_params().iloc[0, 1] == whole.iloc[at.index("cut1"), at.index("log_gap")] != 0
    assert shape.linear_predictor.shape == (len(data), 2)


@pytest.mark.parametrize(
    ("name", "same"),
    [("negbinomial", "nbinom2"), ("hurdle_negbinomial", "hurdle_nbinom2"), ("zero_inflated_negbinomial", "nbinom2")],
)
def test_names_in_brms(name, same):
    assert repr(parse_family(name)) == repr(parse_family(same))


def test_hurdle_gamma_has_the_log_link_as_in_brms():
    assert parse_family("hurdle_gamma").link == "log"
    assert parse_family("hurdle_gamma(inverse)").link == "inverse"
    m = glmer("cost ~ x + (1 | g)", DATA, family="hurdle_gamma")
    assert m.component("zi").fixef.index.tolist() == ["(Intercept)"]


def test_what_is_of_the_first_component_is_refused_of_others() -> None:
    m = glmer("y ~ x + (1 | g)", DATA, family="poisson", zi_formula="~ x")
    with pytest.raises(OptionError, match="cov= is for means of the first linear predictor"):
        m.emtrends("~ 1", "x", component="zi", cov="CR1", cluster="g")
    with pytest.raises(OptionError, match="cov is for the fixed effects of the first component"):
        m.conf_int(component="zi", cov="CR1", cluster="g")
