"""Effect sizes against their formulas in R (tests/reference/effect_sizes.json)."""

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import ArgumentTypeError, OptionError, RanefWarning, glmer, lmer, load_dataset
from ranef.inference.effect_sizes import r_squared_limits

FILE = Path(__file__).parents[1] / "reference" / "effect_sizes.json"
R = json.loads(FILE.read_text())
COLUMNS = {"std": "std", "d": "d", "r2": "r2"}


def test_checksum() -> None:
    assert hashlib.md5(FILE.read_bytes()).hexdigest() == FILE.with_suffix(".md5").read_text().strip()


@pytest.fixture(scope="module")
def slopes() -> Any:
    return lmer("normexam ~ standLRT * sex + schavg + (standLRT | school)", load_dataset("exam"))


@pytest.fixture(scope="module")
def cake() -> Any:
    return lmer("angle ~ recipe + temp + (1 | recipe:replicate)", load_dataset("cake"), ddf="kenward-roger")


@pytest.fixture(scope="module")
def herds() -> Any:
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    return glmer(formula, load_dataset("cbpp"), family="binomial")


def agree(frame: pd.DataFrame, expected: dict[str, Any], rtol: float) -> None:
    for kind, stem in COLUMNS.items():
        first = "std_coef" if kind == "std" else kind
        for name, part in ((first, "estimate"), (f"{stem}_lower", "lower"), (f"{stem}_upper", "upper")):
            want = np.array(np.atleast_1d(expected[kind][part]), dtype=float)
            np.testing.assert_allclose(frame[name], want, rtol=rtol, atol=1e-6, err_msg=name)


def test_linear_model_with_slopes(slopes: Any) -> None:
    sizes = slopes.effect_sizes()
    # lmerTest differentiates numerically, which costs digits of the degrees of freedom
    agree(sizes.to_frame(), R["slopes"], 1e-4)
    assert sizes.total_sd == pytest.approx(R["slopes"]["total_sd"], rel=1e-6)
    assert list(sizes.to_frame()["term"]) == ["standLRT", "sex[T.M]", "schavg", "standLRT:sex[T.M]"]


def test_kenward_roger_and_terms(cake: Any) -> None:
    frame = cake.effect_sizes().to_frame()
    agree(frame.iloc[:3], R["cake"], 1e-5)
    whole = frame.iloc[3]
    assert whole["term"] == "recipe"
    found = [whole["r2"], whole["r2_lower"], whole["r2_upper"]]
    np.testing.assert_allclose(found, [R["terms"][k] for k in ("r2", "lower", "upper")], rtol=1e-5)
    assert np.isnan(whole["d"])


def test_the_two_values_of_a_sum_coded_factor() -> None:
    m = lmer("normexam ~ sex + (1 | school)", load_dataset("exam"), contrasts={"sex": "sum"})
    agree(m.effect_sizes().to_frame(), R["summed"], 1e-4)
    treatment = lmer("normexam ~ sex + (1 | school)", load_dataset("exam"))
    ours, same = m.effect_sizes().to_frame(), treatment.effect_sizes().to_frame()
    assert abs(ours["d"][0]) == pytest.approx(abs(same["d"][0]))
    # a difference of the two means, as marginal means have it
    pairs = treatment.emmeans("sex").eff_size("total").to_frame()
    assert abs(same["d"][0]) == pytest.approx(abs(pairs["estimate"][0]))


def test_by_level(slopes: Any) -> None:
    found = slopes.effect_sizes("pseudo")
    np.testing.assert_allclose(found.to_frame()["std_coef"], R["levels"]["estimate"], rtol=1e-5)
    assert "Hoffman" in found.notes[0]
    np.testing.assert_allclose(found.to_frame()["r2"], slopes.effect_sizes().to_frame()["r2"])


def test_generalized_models(herds: Any) -> None:
    frame = herds.effect_sizes().to_frame()
    np.testing.assert_allclose(frame["std_coef"], R["logit"]["std"], rtol=2e-3)
    np.testing.assert_allclose(frame["d"], R["logit"]["d"], rtol=2e-3)
    assert frame["r2"].isna().all()
    text = str(herds.effect_sizes())
    assert "not standardised" in text
    assert "no semi-partial R²" in text
    counts = glmer("TICKS ~ YEAR + (1 | BROOD)", load_dataset("grouseticks"), family="poisson").effect_sizes()
    assert counts.to_frame()["d"].isna().all()
    assert counts._document().grids[0].columns == ("", "Std. coef.", "95 % CI")


def test_limits_of_r_squared() -> None:
    r = R["r2"]
    found = [r_squared_limits(*case, 0.95) for case in zip(r["f"], r["num"], r["den"], strict=True)]
    np.testing.assert_allclose(found, r["limits"], rtol=1e-5, atol=1e-8)
    assert all(np.isnan(r_squared_limits(2.0, 1, df, 0.95)).all() for df in (np.inf, np.nan))


def test_forms(cake: Any, tmp_path: Path) -> None:
    sizes = cake.effect_sizes(level=0.9)
    assert sizes._document().grids[0].columns == ("", "Std. coef.", "90 % CI", "d", "90 % CI", "R²", "90 % CI")
    assert "<em>d</em>" in sizes._repr_html_()
    assert "recipe[T.B]" in str(sizes)
    assert sizes.save(tmp_path / "s.tex").read_text(encoding="utf-8") == sizes.to_latex()
    narrow, wide = (s.to_frame()["std_upper"][2] for s in (sizes, cake.effect_sizes()))
    assert narrow < wide


def test_what_has_none(cake: Any) -> None:
    sleep = load_dataset("sleepstudy")
    alone = lmer("Reaction ~ 1 + (1 | Subject)", sleep).effect_sizes()
    assert alone.to_frame().empty
    assert alone.notes == ("There is nothing to show, as the model has no fixed effects besides an intercept.",)
    slope = lmer("Reaction ~ Days + (1 | Subject)", sleep).effect_sizes()
    assert [note.split(":")[0] for note in slope.notes] == ["Std. coef.", "R²"]  # d is of columns with two values
    untested = lmer("Reaction ~ Days + (1 | Subject)", sleep, ddf="none").effect_sizes()
    assert untested.coefficients is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RanefWarning)
        twice = lmer("Reaction ~ Days + I(2 * Days) + (1 | Subject)", sleep)
    assert list(twice.effect_sizes().to_frame()["term"]) == ["Days"]
    crossed = lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", load_dataset("penicillin"))
    with pytest.raises(OptionError, match="one grouping factor, and this one has plate, sample"):
        crossed.effect_sizes("pseudo")
    with pytest.raises(OptionError, match="standardize must be one of 'basic', 'pseudo'"):
        cake.effect_sizes("refit")
    with pytest.raises((OptionError, ArgumentTypeError), match="level"):
        cake.effect_sizes(level=95)
