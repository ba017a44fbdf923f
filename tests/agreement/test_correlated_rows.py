"""``gls`` and ``lmer(correlation=, variance=)`` against nlme 3.1-162 (R 4.2.2) at tight
tolerances (tests/reference/correlated_rows.R).
"""

import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from ranef import FormulaError, RanefError, gls, lmer, load, load_dataset

ORTHODONT = load_dataset("orthodont")
LINE = "distance ~ Sex * age"

FOLDER = Path(__file__).parents[1] / "reference"
CONTENT = (FOLDER / "correlated_rows.json").read_bytes()
CASES = {case["name"]: case for case in json.loads(CONTENT)["cases"]}


def fitted(name):
    """The model of a stored fit."""
    verb, formula = (lmer, f"{LINE} + (1 | Subject)") if name.startswith("intercept") else (gls, LINE)
    return verb(formula, ORTHODONT, **CASES[name]["arguments"])


def test_stored_values_are_those_of_the_script():
    assert hashlib.md5(CONTENT).hexdigest() == (FOLDER / "correlated_rows.md5").read_text().strip()


@pytest.mark.parametrize("name", CASES)
def test_optimum_is_that_of_nlme(name):
    m, stored = fitted(name), CASES[name]
    assert m.convergence.ok
    assert m.objective == pytest.approx(stored["objective"], abs=1e-6)
    assert (m.npar, m.aic) == (stored["npar"], pytest.approx(stored["aic"], abs=1e-6))
    # nlme's columns are named as in R
    theirs = {k.replace("SexFemale", "Sex[T.Female]"): v for k, v in stored["fixef"].items()}
    assert all(abs(m.fixef[k] - v) < 1e-4 * m.bse[k] for k, v in theirs.items())
    assert m.sigma == pytest.approx(stored["sigma"], rel=1e-4)


def test_parameters_are_those_of_nlme():
    m, stored = fitted("cs_by_sex"), CASES["cs_by_sex"]["structure"]
    assert dict(zip(m._fit.structure_names, m._fit.structure, strict=True)) == pytest.approx(
        {"rho": stored["corStruct.Rho"], "sd_ratio(Female)": stored["varStruct.Female"]}, abs=1e-6
    )


def test_random_intercept_and_autoregression():
    assert fitted("intercept_ar1_by_sex_ml").ngroups == {"Subject": 27}


def test_line_with_autoregression_where_nlme_ends_early():
    """nlme's default ends with "iteration limit"; its best is 3e-5 higher."""
    with pytest.warns(match="singular"):
        m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"), correlation="ar1(Days | Subject)")
    assert m.objective == pytest.approx(1724.116456, abs=1e-5)


def test_equalities_between_structures():
    intercept = lmer("distance ~ Sex * age + (1 | Subject)", ORTHODONT)
    cs = gls(LINE, ORTHODONT, correlation="cs(1 | Subject)")
    assert cs.objective == pytest.approx(intercept.objective, abs=1e-9)
    assert cs.bse.to_numpy() == pytest.approx(intercept.bse.to_numpy(), rel=1e-6)
    assert cs.df.to_numpy() == pytest.approx(intercept.df.to_numpy(), rel=1e-5)


def test_variance_by_fitted_values_is_the_fixed_point_of_nlme():
    m = gls(LINE, ORTHODONT, correlation="car1(age | Subject)", variance="power(fitted)")
    assert m.objective == pytest.approx(442.723467725, abs=1e-5)
    assert "not maximum likelihood" in m.convergence.optimizer


def test_covariance_of_positions_is_that_of_nlme():
    m = gls(LINE, ORTHODONT, correlation="us(factor(age) | Subject)", method="ML")
    found = m.residual_cov.to_numpy()
    assert found[0, 0] == pytest.approx(m.sigma**2)
    assert np.linalg.eigvalsh(found).min() > 0
    assert m.structure["cor(8, 10)"] == pytest.approx(found[0, 1] / np.sqrt(found[0, 0] * found[1, 1]))
    assert float(m.hatvalues().sum()) == pytest.approx(4.0)


def test_order_of_rows_and_spelling_change_nothing():
    first = gls(LINE, ORTHODONT, correlation="ar1(age | Subject)")
    mixed = ORTHODONT.sample(frac=1, random_state=3)
    again = gls(LINE, mixed, correlation="corAR1(form = ~ age | Subject)")
    assert again.objective == pytest.approx(first.objective, abs=1e-10)
    assert again._fit.structure == pytest.approx(first._fit.structure, abs=1e-8)


def test_normalized_residuals_have_the_sum_of_squares_of_the_degrees_of_freedom():
    m = gls(LINE, ORTHODONT, correlation="us(factor(age) | Subject)")
    e = m._fit.whitened(np.asarray(m.resid)) / m.sigma
    assert float(e @ e) == pytest.approx(m.nobs - len(m.fixef), abs=1e-8)


def test_simulated_rows_have_the_covariance():
    m = gls(LINE, ORTHODONT, correlation="ar1(age | Subject)", variance="by_group(Sex)")
    draws = m.simulate(4000, rng=1).to_numpy() - np.asarray(m.fittedvalues)[:, None]
    two = draws[ORTHODONT.index[ORTHODONT["Subject"] == ORTHODONT["Subject"].iloc[0]]][:2]
    rho = np.corrcoef(two)[0, 1]
    assert rho == pytest.approx(m._fit.structure[0] ** 2, abs=0.03)  # ages are two years apart
    assert two.std(axis=1) == pytest.approx(np.sqrt(m._fit.observation_variance()[:2]), rel=0.05)


def test_saved_and_pickled(tmp_path):
    m = gls(LINE, ORTHODONT, correlation="cs(1 | Subject)", variance="by_group(Sex)")
    m.save(tmp_path / "m.ranef")
    for other in (load(tmp_path / "m.ranef"), pickle.loads(pickle.dumps(m))):
        assert other.objective == m.objective
        assert other.df.to_numpy() == pytest.approx(m.df.to_numpy())
    assert m.update(variance=None).objective == pytest.approx(CASES["cs"]["objective"], abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"correlation": "ar2(age | Subject)"}, "there is no correlation structure ar2"),
        ({"correlation": "ar1(Subject | age, q=1)"}, "no option 'q'"),
        ({"correlation": "power(age)"}, "is a variance function"),
        ({"correlation": "ar1(I(age / 3) | Subject)"}, "whole numbers"),
        ({"correlation": "ar1(1 | Sex:Subject:age)"}, "one row in every block"),
        ({"correlation": "us(Sex | Subject)"}, "two rows at Sex"),
        ({"variance": "power(I(age - 8))"}, "is zero in row"),
        ({"variance": "by_group(Sex) + power(age)"}, "are multiplied"),
        ({"variance": "power(Sex)"}, "is not numeric"),
        ({"variance": "power(I(0 * age + 2))"}, "not identified|say nothing"),
    ],
)
def test_mistakes_are_named(arguments, words):
    with pytest.raises(RanefError, match=words):
        gls(LINE, ORTHODONT, **arguments)


def test_what_is_not_identified_is_named():
    with pytest.raises(RanefError, match="not identified"):
        lmer("distance ~ Sex * age + (1 | Subject)", ORTHODONT, correlation="cs(1 | Subject)")


def test_bars_are_for_lmer():
    with pytest.raises(FormulaError, match="lmer"):
        gls("distance ~ age + (1 | Subject)", ORTHODONT)


def test_kenward_roger_in_covariances_is_that_of_the_random_intercept():
    """Compound symmetry is a random intercept, and the data are balanced."""
    cs = gls(LINE, ORTHODONT, correlation="cs(1 | Subject)", ddf="kenward-roger")
    intercept = lmer("distance ~ Sex * age + (1 | Subject)", ORTHODONT, ddf="kenward-roger")
    assert cs.df.to_numpy() == pytest.approx(intercept.df.to_numpy(), rel=1e-4)


def test_bootstrap_draws_from_the_structure():
    m = gls(LINE, ORTHODONT, correlation="ar1(age | Subject)")
    boot = m.bootstrap(20, rng=1)
    assert boot.to_frame()["replicate"].nunique() == 20
    with pytest.raises(RanefError, match="one by one"):
        m.bootstrap(5, type="residual")


def test_nlme_is_read_and_written():
    from ranef import translate

    text = (
        "gls(distance ~ Sex * age, data = Orthodont, correlation = corCompSymm(form = ~ 1 | Subject), "
        "weights = varIdent(form = ~ 1 | Sex))"
    )
    call = translate(text, source="nlme").call
    assert call == 'gls("distance ~ Sex * age", Orthodont, correlation="cs(1 | Subject)", variance="by_group(Sex)")'
    m = gls(LINE, ORTHODONT, correlation="cs(1 | Subject)", variance="by_group(Sex)")
    written = m.to_syntax("nlme")
    assert "correlation = corCompSymm(form = ~ 1 | Subject)" in written
    assert "weights = varIdent(form = ~ 1 | Sex)" in written
    assert "\ngls(distance ~ Sex" in written
    with pytest.raises(RanefError, match="GROUP= gives the correlations"):
        m.to_syntax("stata")


def test_functions_make_the_same_structures():
    from ranef import structures

    text = gls(LINE, ORTHODONT, correlation="ar1(age | Subject)", variance="by_group(Sex)")
    made = gls(LINE, ORTHODONT, correlation=structures.ar1("age", "Subject"), variance=structures.by_group("Sex"))
    assert made.objective == text.objective
    assert structures.compound_symmetry("Subject").structure == "cs"
    assert structures.power("fitted").fitted
