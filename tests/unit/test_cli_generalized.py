"""The command line for generalized models."""

import json

import pytest

import ranef
from reference.store import load_case
from unit.command_line import runner

FORMULA = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


@pytest.fixture
def run(capsys):
    return runner(capsys)


def test_fit_prints_the_summary(run):
    result = run("fit", FORMULA, "cbpp", "--family", "binomial")
    assert result.exit_code == 0
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    # Lines of lme4's summary that do not depend on where its search stopped.
    r = load_case("cbpp_counts")["results"]["summary_print"].splitlines()
    # R's class is left out, and then the title fits on one line.
    title = " ".join(f"{r[0]} {r[1]}".removesuffix("[glmerMod]").split())
    for line in (title, r[2], r[3], r[4], r[6], "Random effects:", "Number of obs: 56, groups:  herd, 15"):
        assert line in lines
    assert "Estimate Std. Error z value Pr(>|z|)" in result.stdout


def test_json_document(run):
    result = run("fit", FORMULA, "cbpp", "--family", "binomial(probit)", "--n-quad", "9", "--json")
    document = json.loads(result.stdout)
    assert (document["family"], document["link"], document["n_quad"]) == ("binomial", "probit", 9)
    assert document["dispersion"] is None
    assert document["convergence"]["ok"]
    assert list(document["fixef"]) == list(document["zvalues"]) == list(document["pvalues"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--n-quad", "5"), "give --family too"),
        (("--family", "binomial", "--ml"), "do not go with --family"),
        (("--family", "binomial", "--ddf", "none"), "do not go with --family"),
        (("--family", "binary"), "families are"),
        (("--family", "poisson"), "two columns"),
        (("--zi-formula", "~ 1"), "as with --family poisson"),
        (("--family", "cumulative", "--zi-formula", "~ 1"), "as with --family poisson"),
        (("--family", "binomial", "--nominal", "~ 1"), "ordered categories"),
        (("--family", "cumulative(normal)"), "no link 'normal'"),
        (("--param", "Asym"), "'Asym=~ trt"),
        (("--param", "Asym=~ 1", "--start", "Asym=much"), "needs a number"),
        (("--param", "Asym=~ 1", "--family", "binomial"), "do not go with a curve"),
        (("--variance", "power(fitted)"), "is for curves"),
    ],
)
def test_bad_usage(run, arguments, words):
    result = run("fit", FORMULA, "cbpp", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_zeros_and_dispersion(run):
    arguments = ("total.fruits ~ amd + (1 | popu)", "Arabidopsis", "--family", "nbinom2")
    more = ("--zi-formula", "~ amd + (1 | popu)", "--disp-formula", "~ amd")
    document = json.loads(run("fit", *arguments, *more, "--json").stdout)
    m = ranef.glmer(
        arguments[0], ranef.load_dataset("arabidopsis"), family="nbinom2", zi_formula=more[1], disp_formula=more[3]
    )
    assert document["llf"] == pytest.approx(m.llf, abs=1e-8)
    for part in ("zi", "disp"):
        own = document["components"][part]
        assert list(own["fixef"].values()) == pytest.approx(m.component(part).fixef.tolist())
        assert list(own["bse"].values()) == pytest.approx(m.component(part).bse.tolist())
    assert "Zero-inflation model:" in run("fit", *arguments, *more).stdout


def test_ordered_categories(run):
    arguments = ("rating ~ temp + (1 | judge)", "wine", "--family", "cumulative(probit)")
    document = json.loads(run("fit", *arguments, "--nominal", "~ contact", "--json").stdout)
    m = ranef.clmm(arguments[0], ranef.load_dataset("wine"), link="probit", nominal="~ contact")
    assert document["llf"] == pytest.approx(m.llf, abs=1e-8)
    assert list(document["components"]["thresholds"]["fixef"].values()) == pytest.approx(m.thresholds.tolist())
    table = run("anova", "rating ~ 1 + (1 | judge)", *arguments)
    assert "temp" in table.stdout
    assert table.exit_code == 0


def test_curves(run):
    """lme4's three parts, and a formula for each parameter."""
    curve = "circumference ~ SSlogis(age, Asym, xmid, scal)"
    m = ranef.nlmer(f"{curve} ~ (Asym | Tree)", ranef.load_dataset("Orange"))
    for arguments in (
        (f"{curve} ~ (Asym | Tree)",),
        (curve, "--param", "Asym=~ 1 + (1 | Tree)"),
        ("circumference ~ Asym / (1 + exp((xmid - age) / scal))", "--param", "Asym=~ 1 + (1 | Tree)", "--start",
         "Asym=200", "--start", "xmid=700", "--start", "scal=350"),
    ):  # fmt: skip
        result = run("fit", arguments[0], "Orange", *arguments[1:], "--json")
        assert json.loads(result.stdout)["fixef"] == pytest.approx(m.fixef.to_dict(), rel=1e-5)
