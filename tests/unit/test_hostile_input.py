"""What a statistician tried and found wanting: units, names of other programs, impossible input."""

import warnings

import numpy as np
import pandas as pd
import pytest

from ranef import clmm, glmer, lmer, load_dataset, nlmer, priors, translate
from ranef.errors import RanefError, RanefWarning, TranslationError
from ranef.presentation.report.sources import python_call

CURVE = "circumference ~ SSlogis(age, Asym, xmid, scal) ~ (Asym | Tree)"


@pytest.fixture(scope="module")
def field() -> pd.DataFrame:
    """Forty positions with three rows each; counts and measurements with effects of the places."""
    rng = np.random.default_rng(2)
    places = rng.uniform(0, 10, (40, 2))
    far = np.sqrt(((places[:, None] - places) ** 2).sum(axis=2))
    effect = np.linalg.cholesky(np.exp(-far / 3) + 1e-9 * np.eye(40)) @ rng.normal(size=40) * 1.5
    d = pd.DataFrame(np.repeat(places, 3, axis=0), columns=["a", "b"])
    d["x"] = rng.normal(size=120)
    d["place"], d["one"] = np.repeat([f"p{i}" for i in range(40)], 3), 1
    d["y"] = 2 + 0.5 * d["x"] + np.repeat(effect + 0.7 * rng.normal(size=40), 3) + 0.5 * rng.normal(size=120)
    d["count"] = np.random.default_rng(7).poisson(np.exp(d["y"] / 3))
    d["year"] = 2000 + np.tile([0, 5, 10], 40)
    d["wide"] = d["y"] + rng.normal(size=120) * 0.3 * (1 + 0.3 * (d["year"] - 2000))
    return d


def test_replicates_of_curves_are_in_the_units_of_the_response() -> None:
    model = nlmer(CURVE, load_dataset("Orange"))
    drawn = model.bootstrap(40, rng=1).conf_int()
    # relative to sigma it is 4
    assert drawn.loc["sd_Asym|Tree", "lower"] < model.varcorr["Tree"].sd[0] < drawn.loc["sd_Asym|Tree", "upper"]


@pytest.mark.parametrize("unit", [1e-9, 1e-6, 1e6, 1e9])
def test_curves_have_the_same_optimum_in_any_unit(unit: float) -> None:
    orange = load_dataset("Orange")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = nlmer(CURVE, orange)
        other = nlmer(CURVE, orange.assign(circumference=orange["circumference"] * unit))
    assert other.llf + 35 * np.log(unit) == pytest.approx(plain.llf, abs=1e-7)
    assert other.fixef["Asym"] / unit == pytest.approx(plain.fixef["Asym"], rel=1e-5)


def test_counts_with_effects_at_positions_do_not_end_without_them(field: pd.DataFrame) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = glmer("count ~ x + exp(a + b + 0 | one)", field, family="poisson")
    near = glmer("count ~ x + exp(a + b + 0 | one)", field, family="poisson", start={"theta": [0.3, 0.0]})
    none = glmer(
        "count ~ x + (1 | place)", field.assign(place=0).assign(place=field["one"].index % 2), family="poisson"
    )
    assert model.llf == pytest.approx(near.llf, abs=1e-8)
    assert model.llf > none.llf + 1


@pytest.mark.parametrize("unit", [1e-12, 1e-6, 1e8])
def test_a_known_matrix_may_have_any_unit(field: pd.DataFrame, unit: float) -> None:
    names = [f"p{i}" for i in range(40)]
    matrix = pd.DataFrame(0.5 * np.eye(40) + 0.5, index=names, columns=names)
    formula = "count ~ x + known(1 | place, A)"
    plain = glmer(formula, field, family="poisson", known={"A": matrix})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        other = glmer(formula, field, family="poisson", known={"A": matrix * unit})
    assert other.llf == pytest.approx(plain.llf, abs=1e-7)
    assert other.theta.iloc[0] * np.sqrt(unit) == pytest.approx(plain.theta.iloc[0], rel=1e-4)


def test_weights_of_members_may_be_tiny(field: pd.DataFrame) -> None:
    members = glmer("count ~ x + (1 | mm(place, place, weights=[w, w]))", field.assign(w=5e-7), family="poisson")
    assert members.llf == pytest.approx(glmer("count ~ x + (1 | place)", field, family="poisson").llf, abs=1e-7)


def test_effects_at_positions_are_tested_as_a_whole(field: pd.DataFrame) -> None:
    formula = "y ~ x + exp(a + b + 0 | one, nugget=True)"
    table = lmer(formula, field, REML=False).ranova()
    assert list(table["npar"]) == [6, 3]  # the fixed effects and sigma are left
    # of the least squares that are left: n / 2 (log(2 pi rss / n) + 1)
    columns = np.column_stack([np.ones(120), field["x"]])
    left = np.linalg.lstsq(columns, field["y"], rcond=None)[1][0]
    assert table["llf"].iloc[1] == pytest.approx(-60 * (np.log(2 * np.pi * left / 120) + 1), abs=1e-9)


def test_structures_are_written_as_other_programs_have_them(field: pd.DataFrame) -> None:
    model = lmer("y ~ x + exp(a + b + 0 | one)", field, REML=False)
    with pytest.raises(RanefError, match="lme4 has no such covariance structure"):
        model.to_syntax("r")
    # glmmTMB has the same log-likelihood by this call
    written = model.to_syntax("glmmTMB")
    assert "exp(numFactor(a, b) + 0 | one)" in written
    assert "exp(a + b + 0 | one)" in str(translate(written.replace("glmmTMB(", "glmmTMB(", 1)))
    with pytest.raises(RanefError, match="Euclidean"):
        lmer("y ~ x + exp(a + b + 0 | one, nugget=True)", field, REML=False).to_syntax("glmmTMB")


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        (np.zeros((40, 40)), "zeros on the diagonal only"),
        (np.eye(40).astype(complex), "real numbers"),
    ],
)
def test_known_matrices_that_are_none(field: pd.DataFrame, matrix: np.ndarray, said: str) -> None:
    with pytest.raises(RanefError, match=said):
        lmer("y ~ x + known(1 | place, A)", field, known={"A": (matrix, [f"p{i}" for i in range(40)])})


@pytest.mark.parametrize("given", [3, "pedigree", (np.eye(2), ["a", "b"], 1)])
def test_known_things_that_are_no_matrix(field: pd.DataFrame, given: object) -> None:
    with pytest.raises(RanefError, match=r"known\['A'\]"):
        lmer("y ~ x + known(1 | place, A)", field, known={"A": given})


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("y ~ x + known(diag(x | place), A)", "stands around a plain random-effects term"),
        ("y ~ x + (1 | place/mm(place, one))", "neither nested nor crossed"),
        ("y ~ x + (1 | mm(place, one, weights=[big, big]))", "infinite in row 3"),
        ("y ~ x + (1 | mm(place, one, weights=[zero, zero]))", "no row has a member"),
        ("y ~ x + exp(big + b + 0 | one)", "finite, not such as 'inf,"),
    ],
)
def test_terms_that_cannot_be(field: pd.DataFrame, formula: str, said: str) -> None:
    odd = field.assign(big=np.where(np.arange(120) == 3, np.inf, 0.5), zero=0.0)
    with pytest.raises(RanefError, match=said):
        lmer(formula, odd)


def test_a_model_without_priors_is_not_advised_one(field: pd.DataFrame) -> None:
    names = [f"p{i}" for i in range(40)]
    known = {"A": (np.eye(40), names)}
    even = field.assign(count=np.arange(120) % 2)
    with pytest.warns(RanefWarning, match="singular") as said:
        glmer("count ~ x + known(1 | place, A)", even, family="poisson", known=known)
    assert "priors" not in str(said[0].message)


def test_a_formula_under_two_names(field: pd.DataFrame) -> None:
    with pytest.raises(RanefError, match="disagree"):
        glmer("count ~ x + (1 | place)", field, family="poisson", zi_formula="~ 1", ziformula="~ x")


def test_a_power_of_years_beyond_numbers(field: pd.DataFrame) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RanefError, match="subtract a number"):
            lmer("wide ~ x + (1 | place)", field, variance="power(year)", REML=False)
        centred = lmer("wide ~ x + (1 | place)", field.assign(since=field["year"] - 1990), variance="power(since)")
    assert 0 < centred.conf_int("profile").loc["power(since)", "lower"] < 1


def test_a_constant_beside_thresholds() -> None:
    wine = load_dataset("wine").assign(same=1.0)
    with pytest.raises(RanefError, match="thresholds hold a constant"):
        clmm("rating ~ temp + same + (1 | judge)", wine)
    # thresholds about zero leave room for one
    about_zero = clmm("rating ~ temp + same + (1 | judge)", wine, threshold="symmetric2")
    assert np.isfinite(about_zero.bse["same"])


def test_calls_of_other_programs_that_hold_parameters_or_weights() -> None:
    with pytest.raises(RanefError, match="map"):
        translate("glmmTMB(y ~ x + (1 | g), family = t_family, data = d, map = list(psi = factor(NA)))")
    with pytest.raises(RanefError, match="sampling_weights"):
        translate("meologit rating i.temp [pw=w] || school:")
    nlpars = "start = list(nlpars = c(Asym = 200, xmid = 725, scal = 350))"
    found = str(translate(f"nlmer(circumference ~ SSlogis(age, Asym, xmid, scal) ~ Asym | Tree, Orange, {nlpars})"))
    assert 'start={"Asym": 200, "xmid": 725, "scal": 350}' in found


def test_covariances_between_predictors_have_one_kind_of_index(field: pd.DataFrame) -> None:
    rng = np.random.default_rng(1)
    zeros = field.assign(count=field["count"] * rng.integers(0, 2, 120))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = glmer("count ~ x + (1 |p| place)", zeros, family="poisson", zi_formula="~ 1 + (1 |p| place)")
    assert r"\sigma_{u0,z0}" in str(model.equations()).replace(" ", "")


def test_what_no_other_program_is_told_is_not_left_out_in_silence(field: pd.DataFrame) -> None:
    formula = "y ~ x + (1 | place)"
    weighted = lmer(formula, field.assign(w=np.arange(120) % 2 + 1), REML=False, sampling_weights={"rows": "w"})
    with pytest.raises(TranslationError, match="sampling_weights"):
        weighted.to_syntax("stata")
    informed = lmer(formula, field, prior={"cov": priors.Gamma()})
    with pytest.raises(TranslationError, match="prior"):
        informed.to_syntax("r")
    assert "brm(" in informed.to_syntax("brms")


def test_parts_are_not_tested_where_the_likelihood_is_of_no_sample() -> None:
    wine = load_dataset("wine").assign(w=np.arange(72) % 2 + 1)
    formula = "rating ~ temp + (1 | judge)"
    with pytest.raises(RanefError, match="likelihood is that of no sample"):
        clmm(formula, wine, sampling_weights={"rows": "w"}).nominal_test()
    with pytest.raises(RanefError, match="likelihood with priors"):
        clmm(formula, wine, prior={"fixef": priors.Normal(sd=1)}).scale_test()


def test_the_call_in_a_report_makes_the_same_fit(field: pd.DataFrame) -> None:
    drawn = lmer("wide ~ x + (1 | place)", field, variance="by_group(year)", prior=None)
    assert 'variance="by_group(year)"' in python_call(drawn._fit, drawn._request, "d")
    curve = nlmer(CURVE, load_dataset("Orange"), curvature="gauss_newton", prior={"resid": priors.Gamma()})
    found = python_call(curve._fit, curve._request, "d")
    assert 'prior=..., curvature="gauss_newton"' in found
    plain = lmer("y ~ x + (1 | place)", field)
    assert 'lmer("y ~ x + (1 | place)", d)' in python_call(plain._fit, plain._request, "d")
