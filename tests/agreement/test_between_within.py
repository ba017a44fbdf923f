"""Between-within degrees of freedom: those of nlme's ``lme`` (3.1-162), whose ``fixDF$X`` the
numbers are, and of R's mmrm where rows are correlated within subjects only.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ranef import OptionError, gls, lmer, load_dataset, mmrm

PIXEL = Path(__file__).parents[1] / "reference" / "data" / "Pixel.parquet"


@pytest.mark.parametrize(
    ("formula", "data", "df"),
    [
        # pixel ~ day + I(day^2) + Side, random = list(Dog = ~ day, Side = ~ 1)
        ("pixel ~ day + I(day^2) + Side + (day | Dog) + (1 | Dog:Side)", "pixel", [80, 80, 80, 9]),
        # distance ~ age * Sex, random = ~ age | Subject
        ("distance ~ age * Sex + (age | Subject)", "orthodont", [79, 79, 25, 79]),
        # Reaction ~ Days, random = ~ Days | Subject
        ("Reaction ~ Days + (Days | Subject)", "sleepstudy", [161, 161]),
        # score ~ Machine, random = ~ 1 | Worker/Machine; the intercept has the largest
        ("score ~ Machine + (1 | Worker/Machine)", "machines", [36, 10, 10]),
        # yield ~ 0 + Variety + nitro, random = ~ 1 | Block/Variety
        ("yield ~ 0 + Variety + nitro + (1 | Block/Variety)", "oats", [10, 10, 10, 54]),
        ("yield ~ nitro + (1 | Block/Variety)", "oats", [53, 53]),
        # a balanced split plot: those of its analysis of variance
        ("yield ~ Variety + factor(nitro) + (1 | Block/Variety)", "oats", [51, 10, 10, 51, 51, 51]),
    ],
)
def test_they_are_those_of_lme(formula: str, data: str, df: list[int]) -> None:
    m = lmer(formula, pd.read_parquet(PIXEL) if data == "pixel" else load_dataset(data), ddf="between-within")
    assert m.df.tolist() == df


def test_the_intercept_has_the_largest_stratum() -> None:
    """Nlme's y ~ x + w + v, random = ~ 1 | g, ten pairs of rows: 9, 7, 7, 7."""
    draw = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat(list("abcdefghij"), 2), **{n: draw.standard_normal(20) for n in "xwvy"}})
    m = lmer("y ~ x + w + v + (1 | g)", data, ddf="bw")
    assert m.df.tolist() == [9, 7, 7, 7]


def test_terms_have_the_smallest_of_their_columns() -> None:
    """Nlme's anova of distance ~ age * Sex, random = ~ age | Subject, whose columns are those of
    the t tests: F of the interaction 5.119 on 1 and 79.
    """
    m = lmer("distance ~ age * Sex + (age | Subject)", load_dataset("orthodont"))
    table = m.anova(type=1, ddf="between-within")
    assert table["den_df"].tolist() == [79, 25, 79]
    assert table["f_value"].iloc[[0, 2]].tolist() == pytest.approx([99.445, 5.119], abs=6e-4)
    assert table["p_value"].iloc[2] == pytest.approx(0.0264, abs=6e-5)
    means = m.emmeans("Sex", ddf="between-within")
    assert means.contrast("pairwise").to_frame()["df"].tolist() == [25]


def test_rows_correlated_within_subjects_have_those_of_mmrm() -> None:
    data = load_dataset("orthodont")
    repeated = mmrm("distance ~ age * Sex + us(age | Subject)", data, ddf="between-within")
    m = gls("distance ~ age * Sex", data, correlation="us(age | Subject)", ddf="between-within")
    assert m.df.tolist() == repeated.df.tolist() == [79, 79, 25, 79]
    assert m.pvalues.tolist() == pytest.approx(repeated.pvalues.tolist(), rel=1e-6)
    # nlme's gls tests with n - p
    assert gls("distance ~ age", data, correlation="ar1(1 | Subject)", ddf="residual").df.tolist() == [106, 106]


def test_a_correlation_within_finer_groups_is_a_stratum() -> None:
    """Pupils within schools, both with covariates of their own, by the counts of the rule."""
    draw = np.random.default_rng(2)
    pupil = np.repeat(np.arange(30), 4)
    data = pd.DataFrame({"pupil": pupil.astype(str), "school": (pupil // 6).astype(str), "t": np.tile(range(4), 30)})
    data["of_school"], data["of_pupil"] = draw.standard_normal(5)[pupil // 6], draw.standard_normal(30)[pupil]
    data["y"] = draw.standard_normal(120) + draw.standard_normal(5)[pupil // 6]
    formula = "y ~ of_school + of_pupil + t + (1 | school)"
    m = lmer(formula, data, correlation="ar1(t | pupil)", ddf="between-within")
    assert m.df.tolist() == [120 - 30 - 1, 5 - 1 - 1, 30 - 5 - 1, 120 - 30 - 1]


def test_where_there_are_none() -> None:
    data = load_dataset("sleepstudy")
    with pytest.raises(OptionError, match=r"nested groups, and .* are crossed"):
        lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", load_dataset("penicillin"), ddf="between-within").summary()
    with pytest.raises(OptionError, match="has neither"):
        gls("Reaction ~ Days", data, variance="exponential(Days)", ddf="between-within").summary()
    with pytest.raises(OptionError, match="has neither"):
        gls("Reaction ~ Days", data.head(10), correlation="ar1(Days)", ddf="between-within").summary()
