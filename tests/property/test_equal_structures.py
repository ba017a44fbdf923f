"""Models with covariance structures that are one model written in two ways, and what must not
change a fit.
"""

import numpy as np
import pandas as pd
import pytest

from ranef import gls, lmer, load_dataset, mmrm

ORTHODONT = load_dataset("orthodont")
ORTHODONT = ORTHODONT.assign(
    visit=ORTHODONT["age"].map(lambda a: f"v{int(a):02d}"), step=((ORTHODONT["age"] - 8) / 2).astype(int)
)
LINE = "distance ~ Sex * age"


def holes(seed: int) -> pd.DataFrame:
    """The data without some rows, in another order."""
    rng = np.random.default_rng(seed)
    kept = ORTHODONT[rng.random(len(ORTHODONT)) > 0.15]
    return kept.iloc[rng.permutation(len(kept))]


def same(a, b, tolerance: float = 1e-7) -> None:
    assert a.convergence.ok
    assert b.convergence.ok
    assert a.objective == pytest.approx(b.objective, abs=tolerance)
    assert a.fixef.to_numpy() == pytest.approx(b.fixef.to_numpy(), abs=1e-4)


@pytest.mark.parametrize("method", ["REML", "ML"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("of_rows", "of_visits"),
    [
        ("us(visit | Subject)", "us(visit | Subject)"),
        ("cs(visit | Subject)", "cs(visit | Subject)"),
        ("cs(visit | Subject, hom=False)", "csh(visit | Subject)"),
        ("ar1(visit | Subject)", "ar1(visit | Subject)"),
        ("ar1(visit | Subject, hom=False)", "ar1h(visit | Subject)"),
        ("ad(visit | Subject)", "ad(visit | Subject)"),
        ("toep(visit | Subject)", "toep(visit | Subject)"),
        ("exp(age | Subject)", "sp_exp(age | Subject)"),
    ],
)
def test_sums_over_patterns_are_the_rows(of_rows: str, of_visits: str, seed: int, method: str) -> None:
    data = holes(seed)
    same(
        gls(LINE, data, correlation=of_rows, method=method), mmrm(f"{LINE} + {of_visits}", data, REML=method == "REML")
    )


@pytest.mark.parametrize("seed", range(3))
def test_structures_that_are_one_on_the_line(seed: int) -> None:
    data = holes(seed)
    ar1 = gls(LINE, data, correlation="ar1(step | Subject)")
    same(ar1, gls(LINE, data, correlation="arma(step | Subject, p=1, q=0)"))
    same(ar1, gls(LINE, data, correlation="car1(age | Subject)"))  # the correlation is positive
    same(ar1, gls(LINE, data, correlation="exp(age | Subject)"))
    # a random intercept is compound symmetry with a correlation that is not negative
    same(gls(LINE, data, correlation="cs(1 | Subject)"), lmer(f"{LINE} + (1 | Subject)", data))


def test_known_identity_and_one_member_are_a_random_intercept() -> None:
    plain = lmer(f"{LINE} + (1 | Subject)", ORTHODONT)
    names = sorted(ORTHODONT["Subject"].astype(str).unique())
    identity = pd.DataFrame(np.eye(len(names)), index=names, columns=names)
    data = ORTHODONT.assign(Subject=ORTHODONT["Subject"].astype(str), weight=1.0)
    same(plain, lmer(f"{LINE} + known(1 | Subject, K)", data, known={"K": identity}))
    same(plain, lmer(f"{LINE} + (1 | mm(Subject, weights=[weight]))", data))


@pytest.mark.parametrize(
    "correlation",
    ["us(visit | Subject)", "ar1(visit | Subject, hom=False)", "toep(visit | Subject)", "exp(age | Subject)"],
)
def test_order_of_rows_and_scale_of_the_response(correlation: str) -> None:
    data = holes(7)
    first = gls(LINE, data, correlation=correlation)
    other = gls(LINE, data.sort_values(["age", "Subject"]), correlation=correlation)
    assert other.objective == pytest.approx(first.objective, abs=1e-8)
    scaled = gls(LINE, data.assign(distance=data["distance"] * 1000.0), correlation=correlation)
    assert scaled.sigma == pytest.approx(1000.0 * first.sigma, rel=1e-5)
    assert scaled.structure.to_numpy() == pytest.approx(first.structure.to_numpy(), rel=1e-4)
    df = len(data) - len(first.fixef)
    assert scaled.objective == pytest.approx(first.objective + 2.0 * df * np.log(1000.0), abs=1e-6)
