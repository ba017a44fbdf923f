"""Predictions of rows whose block has other rows, against universal kriging with n x n matrices and
nlme.
"""

import numpy as np
import pytest

from ranef import RanefError, gls, lmer, load_dataset, mmrm

ORTHODONT = load_dataset("orthodont")
SLEEP = load_dataset("sleepstudy").assign(day=lambda d: d["Days"] + 1.0)
HELD = np.arange(len(SLEEP)) % 7 == 3
SEEN, NEW = SLEEP[~HELD].reset_index(drop=True), SLEEP[HELD].reset_index(drop=True)


def power_ar1(m, days, subject):
    """R of the rows by subject, autoregression times a power of a covariate."""
    sd = (days + 1.0) ** m.structure["power(day)"]
    same = subject[:, None] == subject[None, :]
    r = np.where(same, m.structure["rho"] ** np.abs(days[:, None] - days[None, :]), 0.0)
    return m.sigma**2 * r * np.outer(sd, sd)


def kriged(v, x, y, k):
    """Predictions of the rows from k on given the first k, and the variances of their errors."""
    inverse = np.linalg.inv(v[:k, :k])
    phi = np.linalg.inv(x[:k].T @ inverse @ x[:k])
    b = phi @ x[:k].T @ inverse @ y
    w = v[k:, :k] @ inverse
    a = x[k:] - w @ x[:k]
    variance = np.diagonal(v[k:, k:] - w @ v[:k, k:] + a @ phi @ a.T)
    return x[k:] @ b + w @ (y - x[:k] @ b), variance


@pytest.mark.parametrize("bar", ["1 | Subject", "1 | Days"])
def test_rows_beside_random_effects_are_kriged(bar):
    """Of a subject with its own effect, and with effects shared with other subjects."""
    m = lmer(
        f"Reaction ~ Days + ({bar})",
        SEEN,
        correlation="ar1(Days | Subject)",
        variance="power(day)",
    )
    days = np.r_[SEEN["Days"], NEW["Days"]].astype(float)
    subject = np.r_[SEEN["Subject"].to_numpy(), NEW["Subject"].to_numpy()]
    key = subject if bar == "1 | Subject" else days
    r = power_ar1(m, days, subject)
    effect = m.varcorr[bar[4:]].sd[0] ** 2
    v = r + effect * (key[:, None] == key[None, :])
    x = np.column_stack([np.ones(len(days)), days])
    k = len(SEEN)
    y = SEEN["Reaction"].to_numpy()
    mean, variance = kriged(v, x, y, k)
    found = m.predict(NEW, interval="prediction")
    assert found["fit"].to_numpy() == pytest.approx(mean, rel=1e-9)
    half = (found["upper"] - found["lower"]).to_numpy() / 2 / 1.959963984540054
    assert half**2 == pytest.approx(variance, rel=1e-8)
    own = np.diagonal(r)[k:]
    effects = m.predict(NEW, re="effects", interval="prediction")
    gap = ((effects["upper"] - effects["lower"]) / 2 / 1.959963984540054) ** 2 - effects["se"] ** 2
    assert gap.to_numpy() == pytest.approx(own, rel=1e-8)
    assert np.abs(effects["fit"] - found["fit"]).max() > 1


#: nlme 3.1-162: ``lme(Reaction ~ Days, ~ 1 | Subject, SEEN, corAR1(form = ~ Days | Subject),
#: varPower(form = ~ day))``, predictions of the first six new rows at levels 1 and 0.
NLME = (
    [296.779114297, 210.718518686, 281.886818407, 254.853417419, 292.632285937, 363.800585658],
    [286.175251847, 255.674551967, 326.842851688, 296.342151807, 265.841451927, 337.009751648],
)


def test_effects_alone_are_what_nlme_predicts():
    m = lmer("Reaction ~ Days + (1 | Subject)", SEEN, correlation="ar1(Days | Subject)", variance="power(day)")
    for re, expected in zip(("effects", "population"), NLME, strict=True):
        assert m.predict(NEW[:6], re=re).to_numpy() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("correlation", "variance", "sd"),
    [
        ("cs(1 | Subject)", "by_group(Sex)", lambda m, new: np.where(new["Sex"] == "Female", m.structure.iloc[1], 1)),
        ("cs(1 | Subject)", "power(age)", lambda m, new: new["age"] ** m.structure.iloc[1]),
        ("cs(1 | Subject)", "power(fitted)", lambda m, new: m.predict(new, re="effects") ** m.structure.iloc[1]),
        (None, "power(age)", lambda m, new: new["age"] ** m.structure.iloc[0]),
    ],
)
def test_intervals_of_new_rows_have_their_standard_deviation(correlation, variance, sd):
    given = {} if correlation is None else {"correlation": correlation}
    m = gls("distance ~ Sex * age", ORTHODONT, variance=variance, **given)
    new = ORTHODONT[::9].assign(Subject="someone", age=lambda d: d["age"] + 0.5)
    found = m.predict(new, interval="prediction")
    half = (found["upper"] - found["lower"]) / 2 / 1.959963984540054
    own = np.sqrt(half**2 - found["se"] ** 2)
    assert own.to_numpy() == pytest.approx(m.sigma * np.asarray(sd(m, new)), rel=1e-8)


def test_rows_without_places_are_further_rows():
    """Compound symmetry is a random intercept, whose predictions are conditional on the subject."""
    cs = gls("distance ~ Sex * age", ORTHODONT, correlation="cs(1 | Subject)")
    intercept = lmer("distance ~ Sex * age + (1 | Subject)", ORTHODONT)
    new = ORTHODONT[::9].assign(age=lambda d: d["age"] + 1.0)
    found, expected = (m.predict(new, interval="prediction") for m in (cs, intercept))
    assert found["fit"].to_numpy() == pytest.approx(expected["fit"].to_numpy(), rel=1e-6)
    assert found["upper"].to_numpy() == pytest.approx(expected["upper"].to_numpy(), rel=1e-6)


def test_rows_in_the_future():
    """Beyond all lags of the data an autoregression of order one goes on, under both its names."""
    data = ORTHODONT.assign(t=lambda d: (d["age"] - 8) // 2)
    new = data[::7].assign(t=lambda d: d["t"] + 9)
    ar1, arma = (
        gls("distance ~ Sex * age", data, correlation=c) for c in ("ar1(t | Subject)", "arma(t | Subject, p=1)")
    )
    assert arma.predict(new).to_numpy() == pytest.approx(ar1.predict(new).to_numpy(), rel=1e-5)
    assert np.abs(ar1.predict(new) - ar1.predict(new, re="population")).max() < 0.5
    toep = gls("distance ~ Sex * age", data, correlation="toep(t | Subject)")
    assert toep.predict(new).to_numpy() == pytest.approx(toep.predict(new, re="population").to_numpy())


def test_places_that_are_not_whole_are_refused():
    m = lmer("Reaction ~ Days + (1 | Subject)", SEEN, correlation="ar1(Days | Subject)")
    with pytest.raises(RanefError, match=r"Days in ar1\(Days \| Subject\) is 2.5 in row 1 of the new data"):
        m.predict(NEW[:3].assign(Days=[1.0, 2.5, 3.0]))


def test_observed_rows_are_themselves():
    """Also with weights, of which a visit of mmrm keeps its own."""
    m = mmrm("distance ~ Sex * age + us(age | Subject)", ORTHODONT.assign(w=1.0 + np.arange(108) % 3), weights="w")
    again = m.predict(ORTHODONT.assign(w=1.0 + np.arange(108) % 3))
    assert again.to_numpy() == pytest.approx(ORTHODONT["distance"].to_numpy(), rel=1e-12)
