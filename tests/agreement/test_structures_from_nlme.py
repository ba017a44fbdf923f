"""nlme's defaults in pasted code, and its values for what has no parameters."""

from pathlib import Path

import pandas as pd
import pytest

import ranef
from ranef import gls, lmer, load_dataset, translate


@pytest.fixture(scope="module")
def growth() -> pd.DataFrame:
    return load_dataset("orthodont")


def test_known_variances_alone(growth: pd.DataFrame) -> None:
    # gls(distance ~ age, Orthodont, weights = varFixed(~ age)), and lme with random = ~ 1 | Subject
    assert gls("distance ~ age", growth, variance="fixed(age)").objective == pytest.approx(508.50870602965, abs=1e-8)
    m = lmer("distance ~ age + (1 | Subject)", growth, variance="fixed(age)")
    assert m.objective == pytest.approx(448.46945065313, abs=1e-8)


@pytest.mark.parametrize(
    ("written", "call"),
    [
        ("gls(y ~ t, d, weights = varPower())", 'gls("y ~ t", d, variance="power(fitted)")'),
        ("gls(y ~ t, data = d, weights = ~ v)", 'gls("y ~ t", d, variance="fixed(v)")'),
        ("gls(y ~ t, data = d)", 'gls("y ~ t", d, variance="fixed(1)")'),
        (
            "gls(y ~ t, data = d, correlation = corExp(form = ~ x + y, nugget = T))",
            'gls("y ~ t", d, correlation="exp(x + y, nugget = TRUE)")',
        ),
        ("lme(y ~ t, d, ~ 1 | g, corAR1())", 'lmer("y ~ t + (1 | g)", d, correlation="ar1(1 | g)")'),
        (
            "lme(y ~ t, d, ~ 1 | a/b, corCAR1(form = ~ t))",
            'lmer("y ~ t + (1 | a/b)", d, correlation="car1(t | a:b)")',
        ),
        (
            "lme(y ~ t, d, ~ 1 | a/b, corAR1(form = ~ 1 | a/b))",
            'lmer("y ~ t + (1 | a/b)", d, correlation="ar1(1 | a:b)")',
        ),
        (
            "lme(y ~ t, d, list(a = ~ 1, b = ~ 1), corAR1(form = ~ t | a))",
            'lmer("y ~ t + (1 | a) + (1 | a:b)", d, correlation="ar1(t | a)")',
        ),
    ],
)
def test_defaults(written: str, call: str) -> None:
    assert translate(written).call == call


def test_blocks_are_the_innermost_groups(growth: pd.DataFrame) -> None:
    # lme(distance ~ age, Orthodont, random = ~ 1 | Subject, correlation = corAR1())
    found = translate("lme(distance ~ age, growth, ~ 1 | Subject, corAR1())")
    m = lmer(found.formula, growth, correlation="ar1(1 | Subject)")
    assert 'correlation="ar1(1 | Subject)"' in found.call
    assert m.objective == pytest.approx(446.92550570934, abs=1e-7)


def test_anova_shows_structures(growth: pd.DataFrame) -> None:
    plain = lmer("distance ~ age + (1 | Subject)", growth)
    other = plain.update(correlation="ar1(1 | Subject)", variance="by_group(Sex)")
    shown = str(ranef.anova(plain, other))
    assert "other: distance ~ age + (1 | Subject); correlation ar1(1 | Subject); variance by_group(Sex)" in shown


def test_a_constant_plus_a_power_of_zero() -> None:
    # gls(weight ~ Time * Diet, ChickWeight, corAR1(form = ~ 1 | Chick),
    # weights = varConstPower(form = ~ Time)), and weight ~ Time by ML without the correlation: at
    # Time 0 the standard deviation is the constant
    chick = pd.read_parquet(Path(__file__).parents[1] / "reference" / "data" / "ChickWeight.parquet")
    m = gls("weight ~ Time * Diet", chick, correlation="ar1(1 | Chick)", variance="const_power(Time)")
    assert m.objective == pytest.approx(3976.10975342, abs=1e-5)
    assert m.structure.to_list() == pytest.approx([0.97714396, 0.61021178, 0.72168591], rel=2e-3)
    m = gls("weight ~ Time", chick, variance="const_power(Time)", method="ML")
    assert m.objective == pytest.approx(5142.50254323, abs=1e-6)
    assert m.structure.to_list() == pytest.approx([1.5651422, 1.4576340], rel=1e-3)
