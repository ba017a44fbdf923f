"""drop1, and with it step, test the smaller model as R codes its formula,
also where another factor is coded in the light of the term.
"""

import pickle

import numpy as np
import pandas as pd
import pytest

import ranef

# lme4 1.1-31: drop1(lmer(..., REML = FALSE), test = "Chisq"): AIC, chi-square and degrees of
# freedom of every term.
R = {
    "y ~ f:x + h:x + (1 | g)": {"f:x": (358.56203, 0.32110659, 1), "x:h": (356.83673, 0.59581259, 2)},
    "y ~ f / x + h / x + (1 | g)": {"f:x": (360.77437, 1.07772492, 1), "x:h": (358.48759, 0.79095196, 2)},
    "y ~ 0 + f + h + (1 | g)": {"f": (391.21804, 0.7869726, 1), "h": (390.53362, 2.1025540, 2)},
    "y ~ f * h + x + (1 | g)": {"x": (396.20362, 37.5917070, 1), "f:h": (357.43390, 0.8219865, 2)},
    "y ~ 0 + f:h + x:f + (1 | g)": {"f:h": (358.45342, 8.8249497, 6), "f:x": (396.20362, 38.5751499, 2)},
    "y ~ f:x + h:x:z + (1 | g)": {"f:x": (389.71200, 35.2687443, 2), "x:h:z": (356.83673, 4.3934754, 3)},
    "y ~ f:h:x + h:z + (1 | g)": {"h:z": (363.31128, 3.0053478, 3), "f:h:x": (393.42216, 39.1162221, 6)},
    "y ~ f:poly(x, 2) + h:poly(x, 2) + (1 | g)": {
        "f:poly(x, 2)": (363.63372, 0.38649841, 2),
        "poly(x, 2):h": (360.24152, 0.99429701, 4),
    },
}


def data() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    n, g = 120, np.repeat(np.arange(12), 10)
    x = np.round(rng.normal(size=n), 3)
    f, h = np.array(list("ab"))[rng.integers(0, 2, n)], np.array(list("pqr"))[rng.integers(0, 3, n)]
    z = np.round(rng.normal(size=n), 3)
    y = 0.5 * x + rng.normal(size=12)[g] + rng.normal(size=n) + 0.3 * (f == "a") + 0.4 * (h == "q")
    d = pd.DataFrame({"y": np.round(y, 3), "x": x, "f": f, "h": h, "g": g, "z": z})
    d["c"] = (rng.random(n) < 1 / (1 + np.exp(-d["y"]))).astype(int)
    return d


@pytest.mark.parametrize("contrasts", [None, "sum", "helmert"])
@pytest.mark.parametrize("formula", R)
def test_drop1_is_that_of_r_and_of_update(formula, contrasts) -> None:
    # How a factor is coded by contrasts changes no model here.
    given = {v: contrasts for v in "fh" if contrasts and v in formula}
    m = ranef.lmer(formula, data(), REML=False, contrasts=given or None)
    table = m.drop1()
    assert list(table.index[1:]) == list(R[formula])
    for term, (aic, chisq, df) in R[formula].items():
        row = table.loc[term]
        assert row["aic"] == pytest.approx(aic, abs=1e-4)
        assert row["chisq"] == pytest.approx(chisq, abs=1e-5)
        assert row["df"] == df
        if contrasts is None:
            small = m.update(f". ~ . - {term}")
            assert row["chisq"] == pytest.approx(2 * (m.llf - small.llf), abs=1e-6)
            assert df == m.npar - small.npar


def test_a_generalized_model() -> None:
    table = ranef.glmer("c ~ f:x + h:x + (1 | g)", data(), family="binomial").drop1()
    for term, aic, chisq, df in (("f:x", 156.67937, 0.26458561, 1), ("x:h", 155.76248, 1.34768878, 2)):
        assert table.loc[term, "aic"] == pytest.approx(aic, abs=2e-4)
        assert table.loc[term, "chisq"] == pytest.approx(chisq, abs=2e-4)
        assert table.loc[term, "df"] == df


def test_f_tests_are_of_the_same_models() -> None:
    m = ranef.lmer("y ~ f:x + h:x + (1 | g)", data())
    rows = m.drop1(test="f")
    assert rows["num_df"].tolist() == [1.0, 2.0]
    # What the smaller model takes from the larger one: that the slopes of f are the same.
    same = m.test("f[a]:x - f[b]:x")
    assert rows.loc["f:x", "f_value"] == pytest.approx(float(same["statistic"].iloc[0]) ** 2, rel=1e-8)
    assert rows.loc["f:x", "p_value"] == pytest.approx(float(same["p_value"].iloc[0]), rel=1e-6)


def test_step_goes_by_the_same_tests() -> None:
    m = ranef.lmer("y ~ f:x + h:x + (1 | g)", data(), REML=False)
    steps = m.step(test="chisq", random=False)
    first = steps.fixed.iloc[0]
    assert first["chisq"] == pytest.approx(R["y ~ f:x + h:x + (1 | g)"]["x:h"][1], abs=1e-4)


def test_no_data_are_needed() -> None:
    m = ranef.lmer("y ~ f:x + h:x + (1 | g)", data(), REML=False)
    again = pickle.loads(pickle.dumps(m))
    assert again.drop1().loc["f:x", "chisq"] == pytest.approx(0.32110659, abs=1e-5)


def test_a_formula_that_is_no_smaller_model_is_named() -> None:
    m = ranef.lmer("y ~ x:z + h:x + (1 | g)", data(), REML=False)
    table = m.drop1()
    assert "is no smaller model" in str(table)
    assert table.loc["x:z", "df"] == 1


@pytest.mark.filterwarnings("ignore:singular")
def test_random_effects_are_coded_anew_too() -> None:
    # lmerTest's ranova: parameters and log-likelihoods; -171.93 for the model without f:x, whose
    # optimum it misses by 0.04.
    theirs = {
        "y ~ x + (0 + f:x + h:x | g)": {"f:x": (9, -199.41), "x:h": (6, -199.41)},
        "y ~ x + (0 + f + h | g)": {"f": (9, -173.61), "h": (6, -172.59)},
        "y ~ x + (f:x + h:x | g)": {"f:x": (13, -171.89), "x:h": (9, -175.26)},
    }
    for formula, rows in theirs.items():
        m = ranef.lmer(formula, data())
        table = m.ranova()
        for label, (npar, llf) in rows.items():
            row = next(table.loc[name] for name in table.index if str(name).startswith(f"{label} in "))
            assert row["npar"] == npar
            assert row["llf"] == pytest.approx(llf, abs=0.006)
    small = ranef.lmer("y ~ x + (h:x | g)", data())
    assert table.loc["f:x in (f:x + h:x | g)", "llf"] == pytest.approx(small.llf, abs=1e-6)
