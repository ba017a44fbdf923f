"""Plain frames of a fit: terms, the fit in one row, observations."""

import math
import pickle

import numpy as np
import pandas as pd
import pytest

from ranef import OptionError, RanefError, lmer, load_dataset

FORMULA = "Reaction ~ Days + (Days | Subject)"


def test_terms() -> None:
    m = lmer(FORMULA, load_dataset("sleepstudy"))
    frame = m.tidy(conf_int=True)
    assert list(frame["effect"]) == ["fixed"] * 2 + ["ran_pars"] * 4
    assert list(frame["term"]) == [
        "(Intercept)",
        "Days",
        "sd__(Intercept)",
        "sd__Days",
        "cor__(Intercept).Days",
        "sd__Observation",
    ]
    assert list(frame["group"].dropna()) == ["Subject"] * 3 + ["Residual"]
    # lme4's print of the model.
    np.testing.assert_allclose(frame["estimate"], [251.405, 10.467, 24.741, 5.922, 0.066, 25.592], atol=1e-3)
    np.testing.assert_allclose(frame["std_error"][:2].round(3), [6.825, 1.546])
    np.testing.assert_allclose(frame["statistic"][:2].round(2), [36.84, 6.77])
    assert frame["std_error"][2:].isna().all()
    # lmerTest's.
    np.testing.assert_allclose(frame["df"][:2], [17.0, 17.0], atol=1e-3)
    np.testing.assert_allclose(frame["p_value"][1], 3.26e-6, rtol=2e-3)
    assert frame["p_value"][2:].isna().all()
    assert list(m.tidy(ddf="none").columns) == ["effect", "group", "term", "estimate", "std_error", "statistic"]
    assert list(m.tidy().columns) == ["effect", "group", "term", "estimate", "std_error", "statistic", "df", "p_value"]
    limits = m.conf_int(ddf="satterthwaite")
    np.testing.assert_allclose(frame[["conf_low", "conf_high"]][:2], limits)


def test_conditional_modes() -> None:
    m = lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", load_dataset("penicillin"))
    frame = m.tidy("ran_vals", conf_int=True, level=0.9)
    assert {"effect", "group", "level", "term", "estimate", "std_error", "conf_low", "conf_high"} <= set(frame.columns)
    assert len(frame) == 24 + 6
    for group, (modes, covariance) in m.ranef(condvar=True).items():
        rows = frame[frame["group"] == group].set_index("level")
        np.testing.assert_allclose(rows["estimate"], modes["(Intercept)"])
        np.testing.assert_allclose(rows["std_error"], np.sqrt(covariance[:, 0, 0]))
        np.testing.assert_allclose(rows["conf_high"] - rows["estimate"], 1.6448536 * rows["std_error"])


def test_one_row() -> None:
    data = load_dataset("sleepstudy")
    reml, ml = (lmer(FORMULA, data, REML=r).glance().iloc[0] for r in (True, False))
    assert reml["nobs"] == 180
    assert reml["df_resid"] == 174
    assert reml["reml_criterion"] == pytest.approx(1743.6283, abs=1e-4)
    assert math.isnan(reml["deviance"])
    assert ml["deviance"] == pytest.approx(1751.9393, abs=1e-4)
    assert math.isnan(ml["reml_criterion"])
    assert ml["aic"] == pytest.approx(1763.9393, abs=1e-4)
    assert ml["llf"] == pytest.approx(-875.9697, abs=1e-4)
    assert bool(ml["converged"])
    assert not ml["is_singular"]


def test_observations() -> None:
    data = load_dataset("sleepstudy").set_index(pd.Index(range(1000, 1180)))
    m = lmer(FORMULA, data)
    frame = m.augment()
    assert list(frame.columns) == [
        "Reaction",
        "Days",
        "Subject",
        ".fitted",
        ".resid",
        ".fixed",
        ".hat",
        ".cooksd",
        ".std_resid",
    ]
    assert frame.index.equals(data.index)
    pd.testing.assert_series_equal(frame["Reaction"], data["Reaction"], check_dtype=False)
    assert list(frame["Subject"].astype(str)) == list(data["Subject"].astype(str))
    np.testing.assert_allclose(frame[".fitted"] + frame[".resid"], data["Reaction"])
    np.testing.assert_allclose(frame[".fixed"], m.predict(re="population"))
    np.testing.assert_allclose(frame[".hat"], m.hatvalues())
    np.testing.assert_allclose(frame[".cooksd"], m.cooks_distance())
    np.testing.assert_allclose(frame[".std_resid"], m.rstudent())
    assert list(pickle.loads(pickle.dumps(m)).augment().columns) == list(frame.columns[3:])


@pytest.mark.parametrize(("action", "rows"), [("omit", 178), ("exclude", 180)])
def test_missing_rows(action: str, rows: int) -> None:
    data = load_dataset("sleepstudy")
    data.loc[[3, 7], "Reaction"] = np.nan
    frame = lmer(FORMULA, data, na_action=action).augment()
    assert len(frame) == rows
    assert frame[".hat"].notna().sum() == 178
    both = frame.dropna()
    np.testing.assert_allclose(both["Days"], data.loc[both.index, "Days"])


def test_other_kinds_of_columns() -> None:
    rng = np.random.default_rng(3)
    data = {
        "y": rng.normal(size=60) + np.arange(60) % 6,
        "late": rng.random(60) > 0.5,
        "id": np.arange(60) % 6,
        "kind": np.array(["a", "b", "c"] * 20),
    }
    frame = lmer("log(y + 20) ~ late + kind + (1 | id)", data).augment()
    assert list(frame.columns[:4]) == ["y", "late", "kind", "id"]
    assert frame["late"].dtype == bool
    assert list(frame["id"]) == list(data["id"])
    assert list(frame["kind"]) == list(data["kind"])


def test_bad_arguments() -> None:
    m = lmer(FORMULA, load_dataset("sleepstudy"))
    with pytest.raises(OptionError, match="'random'"):
        m.tidy("random")
    with pytest.raises(RanefError, match="effects"):
        m.tidy(3)
    with pytest.raises(RanefError, match="conf_int"):
        m.tidy(conf_int="wald")
    with pytest.raises(OptionError, match="level"):
        m.tidy(conf_int=True, level=95)
