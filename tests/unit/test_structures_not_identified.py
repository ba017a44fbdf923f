"""Covariance parameters that the data cannot tell apart are named before anything is fitted, and
neighbours that are identified are fitted; structures and positions that do not go together are
refused in one sentence each.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from ranef import gls, lmer, load_dataset, mmrm
from ranef.errors import DataError, DesignError

DATA = load_dataset("orthodont")
DATA = DATA.assign(
    Subject=DATA["Subject"].astype(str),
    visit=DATA["age"].map(lambda a: f"v{int(a):02d}"),
    step=((DATA["age"] - 8) / 2).astype(int),
    arm=np.where(DATA["Sex"].astype(str) == "Male", "a", "b"),
    const=2.0,
    row=[f"r{i:03d}" for i in range(len(DATA))],
    broken=np.random.default_rng(1).random(len(DATA)),
    zero=np.where(DATA["age"] == 8, 0.0, DATA["age"]),
)
TWICE = pd.concat([DATA, DATA.assign(distance=DATA["distance"] + np.random.default_rng(2).normal(size=len(DATA)))])
LINE = "distance ~ Sex * age"
FIRST = DATA["Subject"].isin(DATA["Subject"].unique()[:14])
#: The first and the last visit of no subject.
NEVER = DATA[~((DATA["visit"] == "v14") & FIRST) & ~((DATA["visit"] == "v08") & ~FIRST)]

Fit = Callable[[], object]


def beside(bar: str, correlation: str) -> Fit:
    return lambda: lmer(f"{LINE} + {bar}", DATA, correlation=correlation)


NOT_IDENTIFIED: dict[str, tuple[Fit, str]] = {
    "intercept, cs": (beside("(1 | Subject)", "cs(visit | Subject)"), r"Subject\.\(Intercept\), rho and sigma"),
    "intercept, us": (beside("(1 | Subject)", "us(visit | Subject)"), r"Subject\.\(Intercept\), .*cor\(v08, v12\)"),
    "intercept, toep": (
        beside("(1 | Subject)", "toep(visit | Subject)"),
        r"Subject\.\(Intercept\), rho\(1\), rho\(2\), rho\(3\) and sigma",
    ),
    "line, cs": (beside("(age | Subject)", "cs(visit | Subject)"), r"Subject\.\(Intercept\).* rho and sigma"),
    "intercept, cs by arm": (
        beside("(1 | Subject)", "cs(visit | arm/Subject)"),
        r"Subject\.\(Intercept\), rho\[a\], sd_ratio\(b\), rho\[b\] and sigma",
    ),
    "us, one row a cell": (
        lambda: lmer("distance ~ visit + (0 + visit | Subject)", DATA),
        "cannot be told apart from the residuals",
    ),
    "diag, one row a cell": (
        lambda: lmer("distance ~ visit + diag(0 + visit | Subject)", DATA),
        "cannot be told apart from the residuals",
    ),
    "visits never together, mmrm": (
        lambda: mmrm("distance ~ Sex + us(visit | Subject)", NEVER),
        r"no subject was seen at both 'v08' and 'v14', so that its covariance in us\(visit \| Subject\)",
    ),
    "visits never together, gls": (
        lambda: gls("distance ~ Sex", NEVER, correlation="us(visit | Subject)"),
        r"no subject was seen at both 'v08' and 'v14', so that its covariance in us\(visit \| Subject\)",
    ),
    "one row a subject": (
        lambda: gls("distance ~ Sex", DATA[DATA["step"] == 0], correlation="ar1(step | Subject)"),
        "has one row in every block, so there is nothing to correlate",
    ),
    "nugget, one distance": (
        lambda: gls("distance ~ Sex", DATA[DATA["step"] < 2], correlation="exp(age | Subject, nugget=True)"),
        "the covariance parameters range and nugget are not identified",
    ),
    "power of a constant": (
        lambda: gls(LINE, DATA, variance="power(const)"),
        r"the covariance parameters power\(const\) and sigma are not identified",
    ),
    "power of a constant within groups": (
        lambda: gls(
            LINE, DATA.assign(two=np.where(DATA["arm"] == "a", 2.0, 3.0)), variance="by_group(Sex) * power(two)"
        ),
        r"sd_ratio\(Female\), power\(two\) and sigma are not identified",
    ),
    "one row a level": (
        beside("(1 | row)", "ar1(step | Subject)"),
        "with one observation in each level, its effects cannot be told apart",
    ),
}


@pytest.mark.parametrize("what", NOT_IDENTIFIED)
def test_what_is_not_identified_is_named(what: str) -> None:
    fit, message = NOT_IDENTIFIED[what]
    with pytest.raises(DesignError, match=message):
        fit()


IDENTIFIED: dict[str, Fit] = {
    "intercept, ar1": beside("(1 | Subject)", "ar1(step | Subject)"),
    "intercept, csh": beside("(1 | Subject)", "cs(visit | Subject, hom=False)"),
    "intercept, ar1h": beside("(1 | Subject)", "ar1(visit | Subject, hom=False)"),
    "slope alone, cs": beside("(0 + age | Subject)", "cs(visit | Subject)"),
    "ar1 effects": lambda: lmer(f"{LINE} + ar1(0 + visit | Subject)", DATA),
    "exp effects": lambda: lmer(f"{LINE} + exp(0 + age | Subject)", DATA),
    "us, two rows a cell": lambda: lmer("distance ~ visit + (0 + visit | Subject)", TWICE),
}


@pytest.mark.parametrize("what", IDENTIFIED)
def test_neighbours_that_are_identified_are_fitted(what: str) -> None:
    assert IDENTIFIED[what]().convergence.ok


def correlated(correlation: str, data: pd.DataFrame = DATA) -> Fit:
    return lambda: gls(LINE, data, correlation=correlation)


AGAIN = pd.concat([DATA, DATA.iloc[[5]]], ignore_index=True)
NEAR = DATA.assign(age=np.where(DATA["step"] < 2, 8.0, DATA["age"]))

REFUSED: dict[str, tuple[Fit, str]] = {
    "a visit twice, mmrm": (
        lambda: mmrm("distance ~ Sex + us(visit | Subject)", AGAIN),
        "two rows at visit = v10: row 5 and row 108.*at most one row at a position",
    ),
    "a visit twice, gls": (correlated("cs(visit | Subject, hom=False)", AGAIN), "two rows at visit = v10"),
    "a step twice": (correlated("ar1(step | Subject)", AGAIN), "two rows at step = 1: row 5 and row 108"),
    "a place twice": (correlated("exp(age | Subject)", NEAR), "rows at one place have the correlation 1; nugget=True"),
    "ar1, broken": (correlated("ar1(broken | Subject)"), r"positions of ar1\(\) are whole numbers"),
    "arma, broken": (correlated("arma(broken | Subject, p=1, q=1)"), r"positions of arma\(\) are whole numbers"),
    "toep, broken": (correlated("toep(broken | Subject)"), r"positions of toep\(\) are whole numbers"),
    "power of zero": (
        lambda: gls(LINE, DATA, variance="power(zero)"),
        r"zero in power\(zero\) is zero in row \d+.*use const_power\(zero\)",
    ),
    "fixed at zero": (lambda: gls(LINE, DATA, variance="fixed(zero)"), r"zero in fixed\(zero\) is not positive"),
    "cs, not indicators": (lambda: lmer(f"{LINE} + cs(visit | Subject)", TWICE), r"write 0 \+ before the factor"),
    "toep, not indicators": (lambda: lmer(f"{LINE} + toep(visit | Subject)", TWICE), r"write 0 \+ before the factor"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_positions_and_covariates_that_do_not_go_with_a_structure(what: str) -> None:
    fit, message = REFUSED[what]
    with pytest.raises((DataError, DesignError), match=message):
        fit()
