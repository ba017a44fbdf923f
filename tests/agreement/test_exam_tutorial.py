"""The five Exam models of a tutorial of 2007, by REML and ML:
every printed number, and the same models at R's tight optimum.

The tutorial's tables were printed by the lme4 of 2007, whose optimiser stopped early: it left up to
4e-3 of a criterion, 2e-3 of a variance and 3e-5 of a fixed effect on the table (models 3 to 5;
models 1 and 2 agree to the last digit). Its information criteria do not count sigma as a parameter:
they are compared after adding 2 to AIC and log(n) to BIC.
"""

import hashlib
import json
import math
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranef import lmer, load_dataset

REFERENCE = Path(__file__).parents[1] / "reference"
PUPILS, SCHOOLS = 4059, 65


@dataclass(frozen=True)
class Printed:
    """One table of the tutorial:
    facts as printed, so that each number's last digit is its precision.
    """

    formula: str
    reml: bool
    criteria: tuple[str, str, str, str, str]  # AIC BIC logLik MLdeviance REMLdeviance
    school: tuple[tuple[str, str, str], ...]  # name, variance, SD
    residual: tuple[str, str]
    fixed: tuple[tuple[str, str, str, str], ...]  # name, estimate, SE, t
    correlation: str | None = None
    correlation_of_fixed: tuple[tuple[str, ...], ...] = ()
    labels: tuple[str, ...] = field(default=())


TUTORIAL = {
    "null": Printed(
        "normexam ~ 1 + (1 | school)",
        True,
        ("11019", "11031", "-5507", "11011", "11015"),
        (("(Intercept)", "0.17160", "0.41425"),),
        ("0.84776", "0.92074"),
        (("(Intercept)", "-0.01325", "0.05405", "-0.2452"),),
    ),
    "intercept": Printed(
        "normexam ~ standLRT + (1 | school)",
        True,
        ("9375", "9394", "-4684", "9357", "9369"),
        (("(Intercept)", "0.093839", "0.30633"),),
        ("0.565865", "0.75224"),
        (("(Intercept)", "0.002323", "0.040354", "0.06"), ("standLRT", "0.563307", "0.012468", "45.18")),
        correlation_of_fixed=(("0.008",),),
        labels=("standLRT",),
    ),
    "slope": Printed(
        "normexam ~ standLRT + (standLRT | school)",
        False,
        ("9327", "9358", "-4658", "9317", "9328"),
        (("(Intercept)", "0.090406", "0.30068"), ("standLRT", "0.014548", "0.12062")),
        ("0.553656", "0.74408"),
        (("(Intercept)", "-0.01151", "0.03978", "-0.289"), ("standLRT", "0.55673", "0.01994", "27.917")),
        correlation="0.497",
        correlation_of_fixed=(("0.365",),),
        labels=("standLRT",),
    ),
    "group predictor": Printed(
        "normexam ~ standLRT + schavg + (1 + standLRT | school)",
        True,
        ("9336", "9374", "-4662", "9310", "9324"),
        (("(Intercept)", "0.077189", "0.27783"), ("standLRT", "0.015318", "0.12377")),
        ("0.553604", "0.74405"),
        (
            ("(Intercept)", "-0.001422", "0.037253", "-0.038"),
            ("standLRT", "0.552243", "0.020352", "27.135"),
            ("schavg", "0.294737", "0.107262", "2.748"),
        ),
        correlation="0.373",
        correlation_of_fixed=(("0.266",), ("0.089", "-0.085")),
        labels=("standLRT", "schavg"),
    ),
    "cross-level interaction": Printed(
        "normexam ~ standLRT * schavg + (1 + standLRT | school)",
        True,
        ("9334", "9379", "-4660", "9303", "9320"),
        (("(Intercept)", "0.076326", "0.27627"), ("standLRT", "0.012240", "0.11064")),
        ("0.553780", "0.74416"),
        (
            ("(Intercept)", "-0.00709", "0.03713", "-0.191"),
            ("standLRT", "0.55794", "0.01915", "29.134"),
            ("schavg", "0.37341", "0.11094", "3.366"),
            ("standLRT:schavg", "0.16182", "0.05773", "2.803"),
        ),
        correlation="0.357",
        correlation_of_fixed=(("0.236",), ("0.070", "-0.064"), ("-0.065", "0.087", "0.252")),
        labels=("standLRT", "schavg", "stndLRT:sch"),
    ),
}


@cache
def reference() -> dict[str, dict[str, Any]]:
    content = (REFERENCE / "exam_tutorial.json").read_bytes()
    assert hashlib.md5(content).hexdigest() == (REFERENCE / "exam_tutorial.md5").read_text().strip()
    return {model["name"]: model for model in json.loads(content)["models"]}


@cache
def fitted(name: str, reml: bool) -> Any:
    return lmer(TUTORIAL[name].formula, load_dataset("exam"), REML=reml)


def half_digit(text: str) -> float:
    """Half a unit of the last digit printed."""
    digits = text.partition(".")[2]
    return 0.5 * 10.0 ** -len(digits) * (1 + 1e-9)


def agrees(value: float, text: str, slack: float = 0.0) -> bool:
    """Whether the value would be printed so, up to what the optimiser of 2007 left."""
    return abs(value - float(text)) <= half_digit(text) + slack


MODELS = pytest.mark.parametrize("name", TUTORIAL)
SLOPE_MODELS = {"slope", "group predictor", "cross-level interaction"}


@MODELS
def test_printed_criteria(name: str) -> None:
    table, m = TUTORIAL[name], fitted(name, TUTORIAL[name].reml)
    aic, bic, llf, ml, reml = table.criteria
    # For the REML fits the tutorial shows the ML deviance at the REML estimates, and for the ML fit
    # the REML criterion at the ML estimates.
    assert agrees(m.ml_deviance, ml)
    assert agrees(m.reml_criterion, reml)
    assert agrees(m.llf, llf)
    # One parameter more than the tutorial counted: sigma.
    assert agrees(m.aic - 2, aic)
    assert agrees(m.bic - math.log(PUPILS), bic)
    assert m.objective == pytest.approx(m.reml_criterion if table.reml else m.ml_deviance, abs=1e-9)


@MODELS
def test_printed_variances(name: str) -> None:
    table, m = TUTORIAL[name], fitted(name, TUTORIAL[name].reml)
    school = m.varcorr["school"]
    slack = 1.2e-3 if name in SLOPE_MODELS else 0.0
    assert list(school.names) == [row[0] for row in table.school]
    for i, (_, variance, sd) in enumerate(table.school):
        assert agrees(school.sd[i] ** 2, variance, slack * float(variance))
        assert agrees(school.sd[i], sd, slack * float(sd))
    assert agrees(m.sigma**2, table.residual[0], slack * 0.01)
    assert agrees(m.sigma, table.residual[1], slack * 0.01)
    if table.correlation is not None:
        assert agrees(school.corr[0, 1], table.correlation, 1e-3)
    assert (m.nobs, m.ngroups) == (PUPILS, {"school": SCHOOLS})


@MODELS
def test_printed_fixed_effects(name: str) -> None:
    table, m = TUTORIAL[name], fitted(name, TUTORIAL[name].reml)
    slack = 1.0 if name in SLOPE_MODELS else 0.0
    assert list(m.fixef.index) == [row[0] for row in table.fixed]
    for effect, estimate, se, t in table.fixed:
        assert agrees(m.fixef[effect], estimate, 1e-3 * float(se) * slack)
        assert agrees(m.bse[effect], se, 5e-4 * float(se) * slack)
        # The ratio of the estimate and the standard error that the old optimiser left: to 3 parts
        # in 10,000 of its size.
        assert agrees(m.tvalues[effect], t, (3e-4 * abs(float(t)) + 1e-3) * slack)
    correlation = m.corr_params().to_numpy()
    for i, row in enumerate(table.correlation_of_fixed, start=1):
        for j, text in enumerate(row):
            assert agrees(correlation[i, j], text, 1e-3 * slack)


@MODELS
@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
def test_tight_optimum(name: str, reml: bool) -> None:
    """Against lme4 run to the end:
    a criterion never higher, and the numbers that follow from it.
    """
    m, r = fitted(name, reml), reference()[name]["REML" if reml else "ML"]
    assert m.objective <= r["criterion"] + 1e-6
    assert m.objective == pytest.approx(r["criterion"], abs=2e-6)
    assert m.reml_criterion == pytest.approx(r["reml_criterion"], abs=2e-5)
    assert m.ml_deviance == pytest.approx(r["ml_deviance"], abs=2e-5)
    assert (m.nobs, m.npar) == (r["nobs"], r["npar"])
    assert m.aic == pytest.approx(r["aic"], abs=2e-6)
    assert m.bic == pytest.approx(r["bic"], abs=2e-6)
    assert m.llf == pytest.approx(r["llf"], abs=1e-6)
    assert list(m.fixef.index) == r["names"]
    se = np.array(r["se"], ndmin=1)
    np.testing.assert_allclose(m.fixef, np.array(r["fixef"], ndmin=1), atol=1e-4 * se.min(), rtol=0)
    np.testing.assert_allclose(m.bse, se, rtol=1e-4)
    np.testing.assert_allclose(m.varcorr["school"].sd, np.array(r["sd"], ndmin=1), rtol=1e-4)
    assert m.sigma == pytest.approx(r["sigma"], rel=1e-5)
    np.testing.assert_allclose(m.theta, np.array(r["theta"], ndmin=1), atol=1e-4)
    if r["correlation"] is not None:
        assert m.varcorr["school"].corr[0, 1] == pytest.approx(r["correlation"], abs=2e-4)
    np.testing.assert_allclose(m.corr_params(), np.array(r["correlation_of_fixed"], ndmin=2), atol=1e-4)
    assert m.convergence.ok
    assert not m.is_singular


def test_information_criteria_count_sigma() -> None:
    """11020.65, where the tutorial prints 11019:
    today's lme4 counts sigma, the lme4 of 2007 did not.
    """
    m = fitted("null", True)
    assert m.npar == 3
    assert m.aic == pytest.approx(11020.654540864529, abs=1e-6)
    assert m.bic == pytest.approx(11039.580616615045, abs=1e-6)
    assert m.aic == pytest.approx(m.objective + 2 * m.npar, abs=1e-9)


def test_likelihood_ratio_of_the_slope() -> None:
    """The two variance parameters of the slope, by ML."""
    difference = fitted("intercept", False).objective - fitted("slope", False).objective
    assert difference == pytest.approx(40.372, abs=5e-4)


@MODELS
@pytest.mark.parametrize("reml", [True, False], ids=["REML", "ML"])
def test_summary_shows_what_lme4_prints(name: str, reml: bool) -> None:
    """Every line of lme4's summary, read as tokens, is a line of ours.

    The table of criteria is the one that may differ.
    """
    ours = [re.sub(r"\s+", " ", line).strip() for line in str(fitted(name, reml).summary(ddf="none")).splitlines()]
    theirs = [re.sub(r"\s+", " ", line).strip() for line in reference()[name]["REML" if reml else "ML"]["print"]]
    start = theirs.index("Random effects:")
    missing = [line for line in theirs[start:] if line and line not in ours]
    assert not missing, "\n".join(missing)
    if reml:
        criterion = next(line for line in theirs if line.startswith("REML criterion"))
        assert criterion in ours


@MODELS
def test_summary_has_the_line_of_the_tutorial(name: str) -> None:
    """AIC, BIC, logLik, MLdeviance and REMLdeviance in one line, for REML fits too."""
    m = fitted(name, True)
    lines = str(m.summary()).splitlines()
    header = next(i for i, line in enumerate(lines) if line.split()[:3] == ["AIC", "BIC", "logLik"])
    assert lines[header].split() == ["AIC", "BIC", "logLik", "MLdeviance", "REMLdeviance"]
    shown = [float(text) for text in lines[header + 1].split()]
    np.testing.assert_allclose(shown, [m.aic, m.bic, m.llf, m.ml_deviance, m.reml_criterion], atol=0.0501)


def test_labels_of_the_correlations() -> None:
    """Row labels are shortened as the tutorial prints them."""
    for name, table in TUTORIAL.items():
        text = str(fitted(name, table.reml).summary())
        for label in table.labels:
            assert re.search(rf"^{re.escape(label)} ", text, flags=re.MULTILINE), label
