"""Profiles: each point against an independent constrained search in n x n algebra,
refits with an offset, the boundary, bad input.
"""

import os
import signal
import threading
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef.errors import ArgumentTypeError, OptionError
from unit.held_likelihood import HeldLikelihood

Q95 = 1.959963984540054


def fitted(formula: str, data: Any = "sleepstudy", **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ranef.RanefWarning)
        return ranef.lmer(formula, ranef.load_dataset(data) if isinstance(data, str) else data, **options)


def small_data() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    g = np.repeat(np.arange(9), 5)
    x = np.tile(np.arange(5.0), 9)
    b = rng.normal(size=(9, 2)) @ np.array([[2.0, 0.4], [0.0, 0.5]])
    return pd.DataFrame({"g": g.astype(str), "x": x, "y": 3 + 0.5 * x + b[g, 0] + b[g, 1] * x + rng.normal(size=45)})


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("sd_(Intercept)|g", ("sd", 0, 1)),
        ("cor_x.(Intercept)|g", ("cor", 0, 1)),
        ("sd_x|g", ("sd", 1, 0)),
        ("sigma", ("sigma", 0, 1)),
        ("(Intercept)", ("beta", 0, 1)),
        ("x", ("beta", 1, 0)),
    ],
)
def test_limits_solve_the_equation(name: str, held: tuple[str, int, int]) -> None:
    """The deviance at a limit, all else minimised independently,
    is above its minimum by the square of the normal quantile.
    """
    m = fitted("y ~ x + (x | g)", small_data(), REML=False)
    likelihood = HeldLikelihood(m)
    kind, i, j = held
    for value in m.conf_int("profile", parm=name).loc[name]:
        rise = likelihood.rise(kind, value, i, j)
        if value in (0.0, 1.0, -1.0):
            assert rise < Q95**2
        else:
            assert rise == pytest.approx(Q95**2, abs=2e-5)


@pytest.mark.parametrize("data", ["sleepstudy", "Machines"])
def test_points_are_what_they_say(data: str) -> None:
    """At every point the parameters have the deviance that zeta says,
    and the held one has its value.
    """
    formula = {"sleepstudy": "Reaction ~ Days + (Days | Subject)", "Machines": "score ~ Machine + (Machine | Worker)"}
    m = fitted(formula[data], data, REML=False)
    p = m.profile(level=0.9)
    frame = p.to_frame()
    likelihood = HeldLikelihood(m)
    k = likelihood.k
    assert set(frame["parameter"]) == set(p.parameters)
    for _, row in frame.iloc[::7].iterrows():
        values = row.loc[list(p.parameters)].to_numpy(float)
        theta = values[: k * (k + 1) // 2]
        shape = np.zeros((k, k))
        shape.T[np.triu_indices(k)] = (
            theta  # standard deviations on the diagonal, correlations below it, column by column
        )
        sd = np.diag(shape).copy()
        np.fill_diagonal(shape, 1.0)
        r = shape + shape.T - np.eye(k)
        e, vectors = np.linalg.eigh(r * np.outer(sd, sd))
        assert e.min() > -1e-6 * e.max()
        root = vectors * np.sqrt(np.maximum(e, 0.0))
        d = likelihood.deviance(root, row["sigma"], values[-len(m.fixef) :])
        assert d - m.objective == pytest.approx(row["zeta"] ** 2, abs=2e-5)
        assert row[row["parameter"]] == pytest.approx(row["value"], rel=1e-9)


def test_a_fixed_effect_held_is_an_offset() -> None:
    data = ranef.load_dataset("Penicillin").assign(x=lambda d: np.arange(len(d)) % 7)
    m = fitted("diameter ~ x + (1 | plate) + (1 | sample)", data, REML=False)
    for value in m.conf_int("profile", parm="x").loc["x"]:
        held = fitted(
            "diameter ~ 1 + (1 | plate) + (1 | sample)", data, REML=False, offset=value * data["x"].to_numpy()
        )
        assert held.objective - m.objective == pytest.approx(Q95**2, abs=1e-5)


def test_a_standard_deviation_of_zero_is_the_model_without_it() -> None:
    m = fitted("strength ~ 1 + (1 | batch) + (1 | batch:cask)", "Pastes", REML=False)
    p = m.profile(["sd_(Intercept)|batch"])
    first = p.to_frame().iloc[0]
    assert first["value"] == 0.0
    without = fitted("strength ~ 1 + (1 | batch:cask)", "Pastes", REML=False)
    assert first["zeta"] == pytest.approx(-np.sqrt(without.objective - m.objective), abs=1e-6)
    assert m.conf_int("profile", parm="sd_(Intercept)|batch").iloc[0, 0] == 0.0


def test_an_estimate_on_the_boundary_has_one_side() -> None:
    m = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff2", REML=False)
    frame = m.profile(["sd_(Intercept)|Batch"]).to_frame()
    assert frame["value"].iloc[0] == 0.0
    assert frame["zeta"].iloc[0] == 0.0
    assert (np.diff(frame["zeta"]) > 0).all()
    assert m.conf_int("profile", parm="sd_(Intercept)|Batch").iloc[0, 0] == 0.0


def test_rows_and_units_do_not_matter() -> None:
    data = small_data()
    ci = fitted("y ~ x + (x | g)", data).conf_int("profile")
    mixed = data.sample(frac=1, random_state=5)
    other = fitted("y ~ x + (x | g)", mixed.assign(y=1000 * mixed["y"] - 7, x=mixed["x"])).conf_int("profile")
    factor = np.where(ci.index.str.startswith("cor_"), 1.0, 1000.0)[:, None]
    shift = np.where(ci.index == "(Intercept)", -7.0, 0.0)[:, None]
    np.testing.assert_allclose(other.to_numpy(), ci.to_numpy() * factor + shift, rtol=1e-5, atol=1e-5)


def test_levels_are_nested_and_threads_do_not_matter() -> None:
    m, two = (fitted("Reaction ~ Days + (Days | Subject)", n_threads=k) for k in (1, 2))
    p = m.profile()
    narrow, wide = p.conf_int(0.8), p.conf_int(0.99)
    assert (wide.lower <= narrow.lower).all()
    assert (wide.upper >= narrow.upper).all()
    pd.testing.assert_frame_equal(p.to_frame(), two.profile().to_frame(), check_exact=True)


def test_zeta_between_points() -> None:
    m = fitted("Reaction ~ Days + (Days | Subject)", REML=False)
    p = m.profile("Days")
    limits = m.conf_int("profile", parm="Days").loc["Days"]
    np.testing.assert_allclose(p.zeta("Days", [*limits, m.fixef["Days"], 500.0]), [-Q95, Q95, 0.0, np.nan], atol=1e-5)


def test_choice_and_names() -> None:
    m = fitted("Reaction ~ Days + (Days || Subject)")
    names = ["sd_(Intercept)|Subject", "sd_Days|Subject", "sigma", "(Intercept)", "Days"]
    assert list(m.conf_int("profile").index) == names
    assert list(m.conf_int("profile", parm="theta_").index) == names[:3]
    assert list(m.conf_int("profile", parm=["beta_", "sigma"]).index) == ["(Intercept)", "Days", "sigma"]
    assert m.profile("sigma").parameters == ("sigma",)


def test_notes_say_what_was_done() -> None:
    m = fitted("Reaction ~ Days + (Days | Subject)")
    assert "fitted by REML" in m.conf_int("profile").attrs["notes"][0]
    assert "fitted by REML" in repr(m.profile("sigma"))
    assert m.update(REML=False).profile("sigma").notes == ()


def test_what_the_data_do_not_determine_is_said() -> None:
    """The same grouping twice under two names: only the sum of the two variances matters."""
    data = ranef.load_dataset("sleepstudy")
    data["Twin"] = data["Subject"].astype(str) + "x"
    m = fitted("Reaction ~ Days + (1 | Subject) + (1 | Twin)", data)
    one = fitted("Reaction ~ Days + (1 | Subject)", data)
    ci = m.conf_int("profile", parm="sd_(Intercept)|Subject")
    assert ci.iloc[0, 0] == 0.0
    assert ci.iloc[0, 1] == pytest.approx(one.conf_int("profile").iloc[0, 1], rel=1e-4)


def test_wald_with_degrees_of_freedom() -> None:
    m = fitted("Reaction ~ Days + (Days | Subject)")
    t = m.conf_int(ddf="kenward-roger")
    test = m.test([{"(Intercept)": 1}, {"Days": 1}], ddf="kenward-roger", joint=False)
    np.testing.assert_allclose(t.to_numpy(), test[["lower", "upper"]].to_numpy(), rtol=1e-10)
    assert (m.conf_int().upper < t.upper).all()


def test_progress_and_interruption() -> None:
    m = fitted("Reaction ~ Days + (Days | Subject)")
    seen: list[tuple[int, float]] = []
    m.profile(["sigma", "Days"], progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 2.0), (2, 2.0)]

    def stop(done: int, of: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        m.profile(progress=stop)
    assert len(m.profile("sigma").to_frame()) > 10


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_signal_ends_the_work(n_threads: int) -> None:
    """Also where threads other than Python's main one do it.

    Without an answer to the signal all curves would be finished first.
    """
    m = fitted("y ~ service + (1 | s) + (1 | d)", "InstEval", n_threads=n_threads)
    seen: list[int] = []
    alarm = threading.Timer(0.3, lambda s: os.kill(os.getpid(), s), [signal.SIGINT])
    alarm.start()
    with pytest.raises(KeyboardInterrupt):
        m.profile(progress=lambda done, of: seen.append(done))
    assert len(seen) < m.npar


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda m: m.profile("Dayz"), OptionError, "sd_Days"),
        (lambda m: m.profile(7), ArgumentTypeError, "parm"),
        (lambda m: m.profile([]), ArgumentTypeError, "parm"),
        (lambda m: m.profile(level=99), OptionError, "level"),
        (lambda m: m.profile(progress="yes"), ArgumentTypeError, "progress"),
        (lambda m: m.profile("sigma", level=0.5).conf_int(0.999), OptionError, "beyond"),
        (lambda m: m.profile("sigma").zeta("Days", [1.0]), OptionError, "not profiled"),
        (lambda m: m.conf_int(parm="sigma"), OptionError, "method='profile'"),
        (lambda m: m.conf_int(3), ArgumentTypeError, "method"),
        (lambda m: m.conf_int(ddf="wald"), OptionError, "ddf"),
    ],
)
def test_bad_input(call: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call(fitted("Reaction ~ Days + (Days | Subject)"))
