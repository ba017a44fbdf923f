"""The command line for generalized models."""

import json

import pytest

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
    ],
)
def test_bad_usage(run, arguments, words):
    result = run("fit", FORMULA, "cbpp", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
