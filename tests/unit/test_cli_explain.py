"""``ranef explain``: a model explained without data."""

import pytest

from unit.command_line import runner


@pytest.fixture
def run(capsys):
    return runner(capsys, "explain")


def test_levels_parameters_and_translations(run):
    result = run(
        "normexam ~ standLRT * schavg + sex + (standLRT | school)", "--within", "schavg=school", "--factor", "sex"
    )
    assert (result.exit_code, result.stderr) == (0, "")
    for line in (
        "Linear mixed model, fitted by restricted maximum likelihood (REML)",
        "  β_1j = γ_10 + γ_11 schavg_j + u_1j",
        "  covariances           1  school: (Intercept) with standLRT",
        "    MIXED normexam BY sex WITH standLRT schavg",
        "    mixed normexam standLRT schavg i.sex c.standLRT#c.schavg || school: standLRT, covariance(unstructured) "
        "reml",
        "      random intercept standLRT / subject=school type=un;",
    ):
        assert line in result.stdout.splitlines()


def test_family_and_method(run):
    result = run("y ~ x + (1 | g)", "--family", "binomial(probit)", "--n-quad", "5")
    assert "Generalized linear mixed model, binomial family with probit link" in result.stdout
    assert "meprobit y x || g:, intpoints(5)" in result.stdout
    assert "cannot be written: the binomial family" in result.stdout
    assert "  in all                3" in result.stdout
    assert "method=ml" in run("y ~ x + (1 | g)", "--ml").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["y ~ x"], "no random-effects term"),
        (["y ~ x + (1 | g"], "never closed"),
        (["y ~ x + (1 | g)", "--family", "cauchy"], "there is no family 'cauchy'"),
        (["y ~ x + (1 | g)", "--within", "x"], "--within needs a name and a value, as in 'schavg=school'"),
    ],
)
def test_bad_input(run, arguments, message):
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr
