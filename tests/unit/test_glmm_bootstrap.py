"""Bootstraps of generalized models: replicates as refits,
distributions against responses drawn in Python, groups, tests, failures, bad input.
"""

import os
import signal
import threading
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp, norm

import ranef
from ranef import RanefWarning, anova, glmer, load_dataset
from ranef.errors import ArgumentTypeError, OptionError

FORMULA = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


def half_of_ticks() -> pd.DataFrame:
    """Rows of every second brood."""
    data = load_dataset("grouseticks")
    return data[data["BROOD"].cat.codes % 2 == 0]


@pytest.fixture(scope="module")
def cbpp() -> Any:
    return glmer(FORMULA, load_dataset("cbpp"), family="binomial")


@pytest.fixture(scope="module")
def ticks() -> Any:
    return glmer("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", load_dataset("grouseticks"), family="nbinom2")


@pytest.fixture(scope="module")
def some_ticks() -> Any:
    return glmer("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", half_of_ticks(), family="nbinom2")


@pytest.fixture(scope="module")
def sleep() -> Any:
    return glmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"), family="Gamma(log)")


@pytest.mark.filterwarnings("ignore::ranef.RanefWarning")
@pytest.mark.parametrize("type", ["parametric", "cases"])
@pytest.mark.parametrize("name", ["cbpp", "sleep"])
def test_threads_and_number_do_not_change_a_replicate(name: str, type: Any, request: pytest.FixtureRequest) -> None:
    m = request.getfixturevalue(name)
    a = m.bootstrap(40, type=type, rng=9, n_threads=1)
    b = m.bootstrap(25, type=type, rng=9, n_threads=2)
    assert np.array_equal(a.values[:25], b.values, equal_nan=True)
    assert np.array_equal(a.objective[:25], b.objective, equal_nan=True)
    assert not np.array_equal(a.values[0], a.values[1])


@pytest.mark.filterwarnings("ignore::ranef.RanefWarning")
@pytest.mark.parametrize("re", ["new", "conditional"])
@pytest.mark.parametrize("name", ["cbpp", "some_ticks", "sleep"])
def test_core_and_python_draw_the_same_distribution(name: str, re: Any, request: pytest.FixtureRequest) -> None:
    """Replicates of the core against responses drawn by NumPy and fitted as any other."""
    m = request.getfixturevalue(name)
    n = 140
    ours = m.bootstrap(n, rng=2, re=re)
    theirs = m.refit(m.simulate(n, re=re, rng=5))
    kept = np.isfinite(ours.objective)
    assert kept.mean() > 0.99
    pairs = [(ours.values[kept, j], theirs.fixef[:, j]) for j in range(len(m.fixef))]
    pairs += [(ours.thetas[kept, j], theirs.theta[:, j]) for j in range(len(m.theta))]
    pairs += [(ours.objective[kept], theirs.objective)]
    if m.family.scaled:
        pairs += [(ours.values[kept, -1], theirs.sigma)]
    for own, other in pairs:
        assert ks_2samp(own, other[theirs.converged]).pvalue > 0.001


@pytest.mark.parametrize("family", ["poisson(sqrt)", "nbinom1", "inverse.gaussian(log)", "gaussian(log)", "beta"])
def test_every_family_is_drawn(family: str) -> None:
    """Means of the replicates lie near the estimates, and the criterion is that of the data."""
    data = load_dataset("sleepstudy")
    rng = np.random.default_rng(6)
    eta = 0.8 + 0.1 * data["Days"] + 0.5 * rng.normal(size=18)[data["Subject"].cat.codes]
    spread = rng.gamma(3.0, 1 / 3.0, len(data)) if family == "nbinom1" else 1.0
    data["y"] = rng.poisson(np.exp(eta) * spread)
    if family == "beta":
        data["y"] = (data["Reaction"] - 150) / 400
    elif not family.startswith(("poisson", "nbinom")):
        data["y"] = data["Reaction"] / 100
    m = glmer("y ~ Days + (1 | Subject)", data, family=family)
    b = m.bootstrap(70, rng=1)
    assert b.n_failed < 2
    fixed = ["(Intercept)", "Days"]
    assert (b.bias.abs()[fixed] < 0.5 * b.std_error[fixed]).all()
    assert np.nanmin(b.objective) < m.objective < np.nanmax(b.objective)


def test_names_and_observed_values(ticks: Any) -> None:
    b = ticks.bootstrap(20, rng=1)
    assert b.names == (*ticks.fixef.index, "sd_(Intercept)|BROOD", "size")
    np.testing.assert_allclose(b.observed, [*ticks.fixef, ticks.varcorr["BROOD"].sd[0], ticks.dispersion])
    frame = b.to_frame("wide")
    assert len(frame) == 20
    assert "size" in frame.columns


@pytest.mark.filterwarnings("ignore:.*replicates failed:ranef.RanefWarning")
def test_five_kinds_of_intervals(cbpp: Any) -> None:
    """The textbook's formulas on the replicates; the influence of a herd by a fit without it."""
    b = cbpp.bootstrap(2000, rng=3)
    data = load_dataset("cbpp")
    own = np.array([*cbpp.fixef, cbpp.varcorr["herd"].sd[0]])
    without = [glmer(FORMULA, data[data["herd"] != h], family="binomial") for h in data["herd"].cat.categories]
    left = np.array([[*m.fixef, m.varcorr["herd"].sd[0]] for m in without])
    influence = left.mean(axis=0) - left
    acceleration = (influence**3).sum(axis=0) / (6 * (influence**2).sum(axis=0) ** 1.5)
    values = b.values[b.status == "converged"]
    z = norm.ppf([0.025, 0.975])
    for j, name in enumerate(b.names):
        v, middle = np.sort(values[:, j]), own[j]
        low, high = np.quantile(v, [0.025, 0.975], method="weibull")
        bias = norm.ppf(np.mean(v < middle))
        shares = norm.cdf(bias + (bias + z) / (1 - acceleration[j] * (bias + z)))
        gap = round(0.95 * len(v))
        first = int(np.argmin(v[gap:] - v[:-gap]))
        want = {
            "percentile": (low, high),
            "basic": (2 * middle - high, 2 * middle - low),
            "normal": 2 * middle - v.mean() + z * v.std(ddof=1),
            "bca": np.quantile(v, shares, method="weibull"),
            "shortest": (v[first], v[first + gap]),
        }
        for method, limits in want.items():
            found = b.conf_int(method).loc[name]
            # Between neighbours quantiles are interpolated in another way; the fits without a herd
            # are ours by other starts.
            np.testing.assert_allclose(found, limits, atol=0.02 * v.std(), err_msg=f"{method} {name}")


def test_leave_one_group_out_is_a_fit_without_it(cbpp: Any) -> None:
    influence = cbpp.bootstrap(10, rng=1)._influence()
    data = load_dataset("cbpp")
    herds = list(data["herd"].cat.categories)
    assert influence.shape == (len(herds), 5)
    without = {h: glmer(FORMULA, data[data["herd"] != h], family="binomial") for h in herds[:2]}
    difference = [[*without[h].fixef, without[h].varcorr["herd"].sd[0]] for h in herds[:2]]
    np.testing.assert_allclose(
        influence[0] - influence[1], (len(herds) - 1) * (np.array(difference[1]) - difference[0]), rtol=1e-3, atol=1e-3
    )


@pytest.mark.filterwarnings("ignore::ranef.RanefWarning")
def test_cases_keep_the_offset() -> None:
    """The same groups are drawn for the same seed, and an offset of one more in every row moves the
    intercept by one, and nothing else.
    """
    data = load_dataset("cbpp")
    formula = "incidence ~ period + (1 | herd)"
    logarithm, shifted = (
        glmer(formula, data, family="poisson", offset=o).bootstrap(100, type="cases", rng=1)
        for o in ("log(size)", "log(size) + 1")
    )
    assert list(logarithm.status) == list(shifted.status)
    done = logarithm.status == "converged"
    assert done.sum() > 90
    move = [-1.0, 0.0, 0.0, 0.0, 0.0]
    np.testing.assert_allclose(shifted.values[done] - logarithm.values[done], np.tile(move, (done.sum(), 1)), atol=1e-4)


def test_conf_int_is_the_percentile_interval(cbpp: Any) -> None:
    direct = cbpp.bootstrap(500, rng=7).conf_int()
    pd.testing.assert_frame_equal(cbpp.conf_int("boot", n=500, rng=7), direct)
    one = cbpp.conf_int("boot", parm="sd_(Intercept)|herd", n=500, rng=7)
    assert list(one.index) == ["sd_(Intercept)|herd"]


def test_a_statistic_sees_fitted_models(cbpp: Any) -> None:
    b = cbpp.bootstrap(15, rng=1, statistic=lambda m: {"icc": m.icc().adjusted, "llf": m.llf})
    assert b.names == ("icc", "llf")
    assert np.isfinite(b.values).all()
    assert b.n_failed == 0


def test_a_family_of_functions_is_drawn_in_python() -> None:
    data = half_of_ticks()
    geometric = ranef.CustomFamily(
        lambda y, mu: y * np.log(mu) - (y + 1) * np.log1p(mu),
        link="log",
        sampler=lambda rng, mu: rng.geometric(1 / (1 + mu)) - 1.0,
    )
    m = glmer("TICKS ~ YEAR + (1 | BROOD)", data, family=geometric)
    b = m.bootstrap(75, rng=1)
    assert b.names == (*m.fixef.index, "sd_(Intercept)|BROOD")
    assert b.n_failed == 0
    # The geometric distribution is the negative binomial of size 1, which the core draws.
    same = glmer("TICKS ~ YEAR + (1 | BROOD)", data, family=ranef.NegativeBinomial(size=1.0))
    assert m.objective == pytest.approx(same.objective, abs=1e-4)
    drawn = same.bootstrap(225, rng=2).values
    for j in range(len(b.names)):
        assert ks_2samp(b.values[:, j], drawn[:, j]).pvalue > 0.001
    with pytest.raises(OptionError, match="Python functions"):
        m.pb_lrt(m.update(". ~ . - YEAR"), 5)


def test_separated_replicates_are_counted_in_words() -> None:
    """Few trials: some draws have no success in a period."""
    data = load_dataset("cbpp")
    data = data.assign(size=np.minimum(data["size"], 3), incidence=np.minimum(data["incidence"], 3))
    m = glmer(FORMULA, data, family="binomial")
    with pytest.warns(RanefWarning, match="had fixed effects without a finite estimate") as caught:
        b = m.bootstrap(2000, rng=1)
    assert len(caught) == 1
    assert b.n_failed > 0
    failed = b.status != "converged"
    assert np.isnan(b.values[failed]).all()
    assert np.isfinite(b.values[~failed]).all()


def test_means_that_a_family_cannot_have_are_failures() -> None:
    data = load_dataset("sleepstudy")
    rng = np.random.default_rng(1)
    data["y"] = (
        1
        / np.maximum(0.5 + 0.4 * rng.normal(size=18)[data["Subject"].cat.codes], 0.05)
        * rng.gamma(20, 1 / 20, len(data))
    )
    m = glmer("y ~ 1 + (1 | Subject)", data, family="Gamma(inverse)")
    with pytest.warns(RanefWarning, match="had means that the family cannot have"):
        b = m.bootstrap(200, rng=1)
    assert 0 < b.n_failed < 200


def test_bootstrap_of_a_singular_fit() -> None:
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"g": np.repeat(np.arange(30), 8).astype(str), "y": rng.poisson(2.0, 240)})
    with pytest.warns(RanefWarning, match="singular"):
        m = glmer("y ~ 1 + (1 | g)", data, family="poisson")
    b = m.bootstrap(500, rng=1)
    assert b.n_failed == 0
    # half of the replicates lie on the boundary in theory
    assert 0.35 < b.n_singular / 500 < 0.75


def test_a_test_by_bootstrap(cbpp: Any) -> None:
    smaller = cbpp.update(". ~ . - period")
    a, b = cbpp.pb_lrt(smaller, 200, rng=1, n_threads=1), cbpp.pb_lrt(smaller, 200, rng=1, n_threads=2)
    assert np.array_equal(a.reference, b.reference, equal_nan=True)
    assert a.statistic == pytest.approx(smaller.objective - cbpp.objective)
    assert a.df == 3
    assert a.p_value == pytest.approx(1 / 201)
    table = anova(smaller, cbpp, test="pb", n=200, rng=1)
    assert table["p_value"].iloc[1] == pytest.approx(1 / 201)


def test_a_test_of_a_variance_by_bootstrap() -> None:
    data = load_dataset("grouseticks")
    m = glmer("TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION)", data, family="poisson")
    made = m.pb_lrt(m.update(". ~ . - (1 | LOCATION)"), 60, rng=1)
    # a chi-square of one degree of freedom would be zero never, the mixture half of the time
    assert np.mean(made.reference < 1e-5) > 0.3


def test_progress_and_interruption(cbpp: Any) -> None:
    seen: list[tuple[int, int]] = []
    cbpp.bootstrap(50, rng=1, progress=lambda done, of: seen.append((done, of)))
    assert seen[-1] == (50, 50)

    def press() -> None:
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    for threads in (1, 2):
        thread = threading.Thread(target=press)
        thread.start()
        with pytest.warns(RanefWarning, match="was interrupted: .* were finished and are kept"):
            b = cbpp.bootstrap(50_000_000, rng=1, n_threads=threads)
        thread.join()
        assert 0 < len(b) < 50_000_000


def test_quadrature_is_kept() -> None:
    m = glmer(FORMULA, load_dataset("cbpp"), family="binomial", n_quad=9)
    b = m.bootstrap(5, rng=4)
    laplace = glmer(FORMULA, load_dataset("cbpp"), family="binomial").bootstrap(5, rng=4)
    assert (b.objective != laplace.objective).all()
    np.testing.assert_allclose(b.objective, laplace.objective, atol=1.0)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"type": "residual"}, OptionError, "for linear models"),
        ({"type": "wild"}, OptionError, "parametric"),
        ({"re": "conditional", "type": "cases"}, OptionError, "parametric"),
        ({"by": "farm"}, OptionError, "herd"),
        ({"statistic": 3}, ArgumentTypeError, "function"),
    ],
)
def test_bad_arguments(cbpp: Any, arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        cbpp.bootstrap(10, rng=1, **arguments)


def test_models_that_cannot_be_compared(cbpp: Any, ticks: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="glmer"):
        cbpp.pb_lrt(ranef.lmer("Reaction ~ Days + (1 | Subject)", load_dataset("sleepstudy")), 5)
    with pytest.raises(OptionError, match="one family and link"):
        cbpp.pb_lrt(cbpp.update(". ~ . - period", family="binomial(probit)"), 5)
    with pytest.raises(OptionError, match="approximated differently"):
        cbpp.pb_lrt(cbpp.update(". ~ . - period", n_quad=5), 5)
    with pytest.raises(OptionError, match="needs more in the first"):
        ticks.pb_lrt(ticks, 5)
