"""Profiles of generalized models: held parameters as offsets and given sizes,
the boundary, quadrature, units, what the data do not determine, bad input.
"""

import os
import signal
import threading
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import trapezoid

import ranef
from ranef import NegativeBinomial, RanefWarning, glmer, load_dataset
from ranef.errors import OptionError
from ranef.inference.parameters import parameters_of

Q95 = 1.959963984540054


def fitted(formula: str, data: Any, family: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RanefWarning)
        return glmer(formula, data, family=family, **options)


def counts() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(20), 6)
    x = rng.normal(size=120)
    b = rng.normal(size=(20, 2)) @ np.array([[0.6, 0.1], [0.0, 0.4]])
    rate = np.exp(0.8 + 0.3 * x + b[g, 0] + b[g, 1] * x) * rng.gamma(3.0, 1 / 3.0, 120)
    return pd.DataFrame({"g": g.astype(str), "x": x, "y": rng.poisson(rate)})


def objective_at(m: Any, values: Any) -> float:
    """The criterion of the core at standard deviations, correlations,
    spread and fixed effects, which it is compared with R at elsewhere.
    """
    fit, theta = m._fit, []
    for span, term in zip(fit.order.spans, fit.terms, strict=True):
        sd = np.array([values[f"sd_{n}|{term.group}"] for n in term.names])
        c = np.eye(span.size)
        for i in range(span.size):
            for j in range(i):
                c[i, j] = c[j, i] = values[f"cor_{term.names[i]}.{term.names[j]}|{term.group}"]
        factor = np.linalg.cholesky(np.outer(sd, sd) * c + 1e-14 * np.eye(span.size))
        theta += [factor[i, j] for j in range(span.size) for i in range(j, span.size)]
    core = np.array(theta)[fit.order.core_of_theta]
    beta = np.array([values[n] for n in fit.x_names])
    spread = None if fit.spread_name is None else float(values[fit.spread_name])
    system = fit.system.get(1)
    return float(system.evaluate(core, beta, spread, fit.n_quad, fit.curvature, 1).objective)


@pytest.mark.parametrize("n_quad", [1, 5])
@pytest.mark.parametrize("family", ["poisson", "nbinom2"])
def test_points_are_optima_with_the_deviance_that_zeta_says(family: str, n_quad: int) -> None:
    m = fitted("y ~ x + (x | g)", counts(), family, n_quad=n_quad)
    p = m.profile()
    names = [q.name for q in parameters_of(m._fit)]
    assert list(p.parameters) == names
    frame = p.to_frame()
    assert frame.groupby("parameter").size().min() > 5
    rng = np.random.default_rng(1)
    for _, row in frame.iterrows():
        rise = row["zeta"] ** 2
        assert row[row["parameter"]] == pytest.approx(row["value"], rel=1e-9)
        if any(row[n] < 1e-3 for n in names if n.startswith("sd_")):
            continue
        if any(abs(row[n]) > 0.999 for n in names if n.startswith("cor_")):
            continue
        assert objective_at(m, row) - p.deviance == pytest.approx(rise, abs=1e-6)
        # no small change of the others lowers it
        for _ in range(3):
            other = row.copy()
            for n in names:
                if n != row["parameter"]:
                    other[n] = row[n] + rng.normal() * (
                        2e-3
                        if n in m.fixef.index
                        else 2e-3 * (1 - row[n] ** 2)
                        if n.startswith("cor_")
                        else 2e-3 * row[n]
                    )
            assert objective_at(m, other) > p.deviance + rise - 1e-7


def test_a_fixed_effect_held_is_an_offset() -> None:
    data = counts()
    m = fitted("y ~ x + (1 | g)", data, "poisson")
    for value in m.conf_int("profile", parm="x").loc["x"]:
        held = fitted("y ~ 1 + (1 | g)", data, "poisson", offset=value * data["x"].to_numpy())
        assert held.objective - m.objective == pytest.approx(Q95**2, abs=1e-5)


def test_a_size_held_is_a_given_size() -> None:
    data = counts()
    m = fitted("y ~ x + (x | g)", data, "nbinom2")
    for value in m.conf_int("profile", parm="size").loc["size"]:
        held = fitted("y ~ x + (x | g)", data, NegativeBinomial(size=value))
        assert held.objective - m.objective == pytest.approx(Q95**2, abs=1e-5)


def test_a_given_size_is_no_parameter() -> None:
    m = fitted("y ~ x + (1 | g)", counts(), NegativeBinomial(size=3.0))
    assert list(m.conf_int("profile").index) == ["sd_(Intercept)|g", "(Intercept)", "x"]


def test_a_standard_deviation_of_zero_is_the_model_without_it() -> None:
    data = counts()
    m = fitted("y ~ x + (x | g)", data, "poisson")
    curve = m.profile("sd_x|g", level=0.999999).to_frame()
    without = fitted("y ~ x + (1 | g)", data, "poisson")
    if curve["value"].iloc[0] == 0.0:
        assert curve["zeta"].iloc[0] ** 2 == pytest.approx(without.objective - m.objective, abs=1e-5)
    else:
        assert without.objective - m.objective > curve["zeta"].iloc[0] ** 2
    crossed = fitted("TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | LOCATION)", load_dataset("grouseticks"), "poisson")
    alone = fitted("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", load_dataset("grouseticks"), "poisson")
    curve = crossed.profile("sd_(Intercept)|LOCATION").to_frame()
    assert curve["value"].iloc[0] == 0.0
    assert curve["zeta"].iloc[0] ** 2 == pytest.approx(alone.objective - crossed.objective, abs=1e-5)


@pytest.fixture(scope="module")
def flat() -> pd.DataFrame:
    """Poisson counts: no variance between groups, no more within them than Poisson counts have."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=240)
    return pd.DataFrame({"g": np.repeat(np.arange(30), 8).astype(str), "x": x, "y": rng.poisson(np.exp(0.5 + 0.3 * x))})


def test_an_estimate_on_the_boundary_has_one_side(flat: pd.DataFrame) -> None:
    ours = fitted("y ~ x + (1 | g)", flat, "poisson").conf_int("profile")
    assert ours.loc["sd_(Intercept)|g", "lower"] == 0.0
    assert 0.02 < ours.loc["sd_(Intercept)|g", "upper"] < 0.5


def test_a_size_without_upper_limit(flat: pd.DataFrame) -> None:
    """Poisson counts fit as well as any: the upper limit is infinite, and it is said;
    the lower one is where the deviance has risen.
    """
    m = fitted("y ~ x + (1 | g)", flat, "nbinom2")
    with pytest.warns(RanefWarning, match="no upper limit"):
        lower, upper = m.conf_int("profile", parm="size").loc["size"]
    assert upper == np.inf
    held = fitted("y ~ x + (1 | g)", flat, NegativeBinomial(size=lower))
    assert held.objective - m.objective == pytest.approx(Q95**2, abs=1e-4)


def test_an_effect_without_finite_estimate_has_one_limit() -> None:
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.repeat(np.arange(15), 8).astype(str), "t": np.tile([0.0, 1.0], 60)})
    data["y"] = np.where(data["t"] == 1, 1, rng.integers(0, 2, 120))
    m = fitted("y ~ t + (1 | g)", data, "binomial")
    assert not m.convergence.ok
    with pytest.warns(RanefWarning, match="no upper limit"):
        lower, upper = m.conf_int("profile", parm="t").loc["t"]
    assert upper == np.inf
    held = fitted("y ~ 1 + (1 | g)", data, "binomial", offset=lower * data["t"].to_numpy())
    assert held.objective - m.objective == pytest.approx(Q95**2, abs=1e-3)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_units_do_not_matter(scale: float) -> None:
    data = load_dataset("sleepstudy")
    ours = fitted("Reaction ~ Days + (Days | Subject)", data, "Gamma(identity)").conf_int("profile")
    data["Reaction"] *= scale
    other = fitted("Reaction ~ Days + (Days | Subject)", data, "Gamma(identity)").conf_int("profile")
    free = ["sigma", "cor_Days.(Intercept)|Subject"]
    np.testing.assert_allclose(other.loc[free], ours.loc[free], rtol=1e-4, atol=1e-5)
    rest = [n for n in ours.index if n not in free]
    np.testing.assert_allclose(other.loc[rest] / scale, ours.loc[rest], rtol=1e-4)


def test_threads_do_not_matter() -> None:
    data = counts()
    one, two = (fitted("y ~ x + (x | g)", data, "poisson", n_threads=k).profile().to_frame() for k in (1, 2))
    pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_a_predictor_may_be_called_like_the_extra_parameter() -> None:
    data = counts().rename(columns={"x": "size"})
    m = fitted("y ~ size + (1 | g)", data, "nbinom2")
    limits = m.conf_int("profile")
    assert limits.index.is_unique
    assert {"size", "size|Negative Binomial"} <= set(limits.index)


def test_a_family_of_functions() -> None:
    geometric = ranef.CustomFamily(lambda y, mu: y * np.log(mu) - (y + 1) * np.log1p(mu), link="log")
    data = counts()
    ours = fitted("y ~ x + (1 | g)", data, geometric).conf_int("profile")
    same = fitted("y ~ x + (1 | g)", data, NegativeBinomial(size=1.0)).conf_int("profile")
    np.testing.assert_allclose(ours, same, rtol=1e-5)


def test_pictures_and_densities_take_the_frames() -> None:
    from ranef.inference.profile_density import profile_density

    frame = fitted("y ~ x + (1 | g)", counts(), "nbinom2").profile(level=0.9999).to_frame()
    density = profile_density(frame)
    for _, d in density.groupby("parameter"):
        area = float(trapezoid(d["density"], d["value"]))
        assert 0.98 < area < 1.001


def test_progress_and_interruption() -> None:
    m = fitted("y ~ x + (1 | g)", counts(), "poisson")
    seen: list[tuple[int, float]] = []
    m.profile(["x", "(Intercept)"], progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 2.0), (2, 2.0)]

    def stop(done: int, of: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        m.profile(progress=stop)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_signal_ends_the_work(n_threads: int) -> None:
    m = fitted(
        "r2 ~ Anger + Gender + btype + situ + (1 | id) + (1 | item)",
        load_dataset("VerbAgg"),
        "binomial",
        n_threads=n_threads,
    )
    seen: list[int] = []
    alarm = threading.Timer(0.5, lambda s: os.kill(os.getpid(), s), [signal.SIGINT])
    alarm.start()
    with pytest.raises(KeyboardInterrupt):
        m.profile(progress=lambda done, of: seen.append(done))
    assert len(seen) < m.npar


def test_wald_is_the_default_and_robust_covariances_are_for_it() -> None:
    m = fitted("y ~ x + (1 | g)", counts(), "poisson")
    wald = m.conf_int()
    np.testing.assert_allclose(wald["upper"], m.fixef + Q95 * m.bse)
    robust = m.conf_int(cov="CR0", cluster="g")
    assert robust.attrs["notes"]
    assert not np.allclose(robust, wald)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: m.profile("sd_z|g"), "sd_x"),
        (lambda m: m.profile(level=99), "level"),
        (lambda m: m.conf_int("profile", cov="CR0"), "Wald"),
        (lambda m: m.conf_int("bayes"), "'profile', 'boot'"),
        (lambda m: m.update(n_quad=0).profile(), "n_quad=1"),
    ],
)
def test_bad_input(call: Any, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        call(fitted("y ~ x + (x | g)", counts(), "poisson"))
