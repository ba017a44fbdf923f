"""From a fit to its summary: names of the data, arguments as texts, remarks."""

import io
import re
import sys

import numpy as np
import pandas as pd
import pytest

from ranef import glmer, lmer, load_dataset
from ranef.errors import ArgumentTypeError, OptionError, RanefWarning, TranslationError
from ranef.presentation.model_summary import data_name
from ranef.presentation.random_effects import STD_DEV, variance_blocks, variance_lines
from reference.store import load_data

FORMULA = "Reaction ~ Days + (Days | Subject)"


def sleep():
    return load_data("sleepstudy")


def test_data_are_named_where_they_have_a_name(tmp_path):
    assert data_name(load_dataset("SLEEPSTUDY")) == "sleepstudy"
    assert data_name(pd.DataFrame({"x": [1]})) is None
    assert data_name({"x": [1]}) is None
    assert data_name(tmp_path / "study.csv") == "study.csv"
    path = tmp_path / "study.parquet"
    sleep().to_parquet(path)
    assert "   Data: study.parquet" in str(lmer(FORMULA, path).summary()).split("\n")
    frame = sleep()
    frame.attrs.clear()
    assert "Data:" not in str(lmer(FORMULA, frame).summary())


def test_arguments_are_shown_as_texts():
    frame = sleep()
    frame["w"] = np.linspace(1, 2, len(frame))
    lines = str(lmer(FORMULA, frame, weights="w", subset="Days > 1", control={"max_evaluations": 500}).summary()).split(
        "\n"
    )
    assert "Weights: w" in lines
    assert " Subset: Days > 1" in lines
    assert "Control: max_evaluations = 500" in lines
    by_values = str(lmer(FORMULA, frame, weights=frame["w"], offset=np.zeros(len(frame))).summary()).split("\n")
    assert "Weights: w" in by_values
    assert " Offset: (given as values)" in by_values


def test_a_series_that_is_no_column_does_not_bear_a_columns_name():
    herds = load_dataset("cbpp")
    herds["log_size"] = np.log(herds["size"])
    formula = "incidence ~ period + (1 | herd)"
    computed = glmer(formula, herds, family="poisson", offset=np.log(herds["size"]))
    assert " Offset: (given as values)" in str(computed.summary()).split("\n")
    with pytest.raises(TranslationError, match="the offset: they were given as values"):
        computed.to_syntax("lme4")  # it said offset = size
    column = glmer(formula, herds, family="poisson", offset=herds["log_size"])
    assert "offset = log_size" in column.to_syntax("lme4")
    new = {"period": ["1"], "log_size": [np.log(10.0)]}
    by_formula = glmer("incidence ~ period + offset(log(size)) + (1 | herd)", herds, family="poisson").predict(
        {"period": ["1"], "size": [10.0]}, re="population"
    )
    np.testing.assert_allclose(column.predict(new, re="population"), by_formula, rtol=1e-8)


def test_a_condition_is_no_column_either():
    frame = sleep()
    model = lmer(FORMULA, frame, subset=frame["Days"] > 1)
    assert " Subset: (given as values)" in str(model.summary()).split("\n")


def test_a_column_with_blanks_in_its_name_is_quoted_for_other_programs():
    frame = sleep()
    frame["my w"] = np.linspace(1, 2, len(frame))
    assert "weights = `my w`" in lmer(FORMULA, frame, weights="my w").to_syntax("lme4")


def test_formula_is_shown_as_r_writes_it():
    text = str(lmer("Reaction~Days+( Days|Subject )", sleep()).summary())
    assert f"Formula: {FORMULA}\n" in text


def test_dropped_columns_are_noted():
    with pytest.warns(RanefWarning, match="dropped"):
        model = lmer("Reaction ~ Days + I(2 * Days) + (1 | Subject)", sleep())
    summary = model.summary()
    assert summary.notes == ("dropped from the fixed effects, as columns before determine them: I(2 * Days).",)
    assert str(summary).count("I(2 * Days).") == 1
    assert "note: dropped from the fixed effects" in repr(model)


def test_repr_is_the_short_text():
    lines = repr(lmer(FORMULA, sleep())).split("\n")
    # Lines of lme4's print; its standard deviation of the intercept is 24.741, where it stops
    # earlier.
    for line in (
        "REML criterion at convergence: 1743.628",
        "          Days         5.922   0.07",
        "     251.41        10.47  ",
    ):
        assert line in lines
    assert lines[-1].startswith("converged: the optimum was reached after")


def test_independent_effects_have_no_correlations():
    model = lmer("Reaction ~ Days + (Days || Subject)", sleep())
    text = "\n".join(variance_lines(variance_blocks(model.varcorr), model.sigma, 5, (STD_DEV,)))
    # lme4's print(VarCorr(m)); these digits do not depend on where an optimiser stops.
    assert text.split("\n")[0] == " Groups    Name        Std.Dev."
    assert [line.split()[-1] for line in text.split("\n")[1:]] == ["25.0513", "5.9882", "25.5653"]


def test_width_is_that_of_the_terminal_or_given(monkeypatch):
    m = lmer("angle ~ recipe + temperature + (1 | recipe:replicate)", load_dataset("cake"))
    text = str(m.summary())
    assert max(map(len, text.split("\n")[:-3])) <= 80
    for width in (40, 60, 100):
        lines = str(m.summary(width=width)).split("\n")
        assert max(map(len, lines)) <= width
        # Not a number is lost on the way.
        assert sorted(re.findall(r"-?\d+\.\d+", text)) == sorted(re.findall(r"-?\d+\.\d+", "\n".join(lines)))
    monkeypatch.setenv("COLUMNS", "60")
    assert str(m.summary()) == text
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert str(m.summary()) == str(m.summary(width=60))
    assert m.summary().text(width=100) == m.summary(width=100).text()
    for shown in (m, m.tidy(), m.anova(), m.ranova(), m.emmeans(["recipe", "temperature"]), m.varcorr, m.ranef()):
        assert max(map(len, repr(shown).split("\n"))) <= 60
    monkeypatch.setenv("COLUMNS", "40")
    means = str(m.emmeans("recipe").pairs())
    assert max(map(len, means.split("\n"))) <= 40
    assert "p.value" in means


class Terminal(io.StringIO):
    """Output that says of itself that it is a terminal."""

    def isatty(self):
        """It says so."""
        return True


def test_width_that_is_none():
    m = lmer(FORMULA, sleep())
    for wrong, error in ((10, OptionError), ("80", ArgumentTypeError), (True, ArgumentTypeError)):
        with pytest.raises(error, match="width must be"):
            m.summary(width=wrong)


def test_scaled_residuals_are_those_of_the_whole_fit():
    model = lmer(FORMULA, sleep())
    scaled = model.residuals("scaled").to_numpy()
    quantiles = model.summary().residual_quantiles
    np.testing.assert_allclose(quantiles[[0, 2, 4]], [scaled.min(), np.median(scaled), scaled.max()])
    # R's quantile(resid, type = 7), as lme4 prints it.
    np.testing.assert_allclose(quantiles, [-3.9536, -0.4634, 0.0231, 0.4634, 5.1793], atol=1e-4)
