"""Bootstrap: what is drawn, that seeds and threads keep their promise,
and what is said of failures and bad input.
"""

import os
import signal
import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import ArgumentTypeError, DataError, OptionError, RanefWarning, lmer, load_bootstrap, load_dataset
from ranef.inference.bootstrap.pools import pools
from ranef.results.linear import LinearMixedModel


@pytest.fixture(scope="module")
def sleep() -> LinearMixedModel:
    return lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"), n_threads=1)


@pytest.fixture(scope="module")
def penicillin() -> LinearMixedModel:
    return lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", load_dataset("Penicillin"), n_threads=1)


@pytest.fixture(scope="module")
def pastes() -> LinearMixedModel:
    return lmer("strength ~ 1 + (1 | batch/cask)", load_dataset("Pastes"), n_threads=1)


@pytest.fixture(scope="module")
def weighted() -> LinearMixedModel:
    data = load_dataset("sleepstudy").assign(w=np.tile([0.5, 1.0, 2.0], 60))
    return lmer("Reaction ~ Days + (Days || Subject)", data, weights="w", offset="Days", n_threads=1)


# ---- seeds and threads


@pytest.mark.parametrize("type", ["parametric", "residual", "cases"])
def test_threads_and_number_do_not_change_a_replicate(sleep: LinearMixedModel, type: Any) -> None:
    few = sleep.bootstrap(40, type=type, rng=3, n_threads=1)
    many = sleep.bootstrap(150, type=type, rng=3, n_threads=2)
    for name in ("values", "std_errors", "thetas", "objective"):
        assert np.array_equal(getattr(few, name), getattr(many, name)[:40], equal_nan=True), name
    other = sleep.bootstrap(40, type=type, rng=4)
    assert not np.array_equal(few.values, other.values)


def test_threads_do_not_change_a_crossed_design(penicillin: LinearMixedModel) -> None:
    one, two = (penicillin.bootstrap(60, rng=9, n_threads=t) for t in (1, 2))
    assert np.array_equal(one.values, two.values)


def test_a_generator_gives_the_seed(sleep: LinearMixedModel) -> None:
    first = sleep.bootstrap(5, rng=np.random.default_rng(1))
    assert np.array_equal(first.values, sleep.bootstrap(5, rng=first.seed).values)
    generator = np.random.default_rng(1)
    assert sleep.bootstrap(5, rng=generator).seed == first.seed
    assert sleep.bootstrap(5, rng=generator).seed != first.seed
    assert sleep.bootstrap(5).seed != sleep.bootstrap(5).seed


def test_replicates_of_a_statistic_do_not_depend_on_their_number(pastes: LinearMixedModel) -> None:
    types: tuple[Any, ...] = ("parametric", "residual", "cases")
    for type in types:
        few, many = (pastes.bootstrap(n, type=type, rng=2, statistic=lambda m: m.sigma) for n in (3, 5))
        assert np.array_equal(few.values, many.values[:3])


# ---- what is drawn


def brute_force(model: LinearMixedModel, n: int, rng: int) -> np.ndarray:
    """Replicates from whole responses drawn by NumPy,
    with the columns of the bootstrap's values.
    """
    from ranef.inference.bootstrap.quantities import quantity_values

    fits = model.refit(model.simulate(n, rng=rng))
    return quantity_values(model._fit, fits.fixef, fits.theta, fits.sigma)  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["sleep", "penicillin", "pastes", "weighted"])
def test_the_distribution_is_that_of_whole_responses(name: str, request: pytest.FixtureRequest) -> None:
    """Kolmogorov and Smirnov's test of every quantity.

    Seeds are fixed, and with 24 tests the limit is one in twenty.
    """
    from scipy.stats import ks_2samp

    model = request.getfixturevalue(name)
    ours = model.bootstrap(1500, rng=21)
    theirs = brute_force(model, 1500, 22)
    for j, quantity in enumerate(ours.names):
        a, b = (v[np.isfinite(v)] for v in (ours.values[:, j], theirs[:, j]))
        assert ks_2samp(a, b).pvalue > 0.002, quantity


def test_conditional_replicates_are_those_of_kept_effects(sleep: LinearMixedModel) -> None:
    from scipy.stats import ks_2samp

    ours = sleep.bootstrap(2000, re="conditional", rng=5)
    fits: Any = sleep.refit(sleep.simulate(2000, re="conditional", rng=6))
    for j in range(2):
        assert ks_2samp(ours.values[:, j], fits.fixef[:, j]).pvalue > 0.002
    assert ks_2samp(ours.values[:, -1], fits.sigma).pvalue > 0.002


def test_objective_and_standard_errors_are_those_of_a_fit(sleep: LinearMixedModel) -> None:
    """The law of the criterion and of the standard errors,
    whose constants a draw with fixed effects of zero must not lose.
    """
    from scipy.stats import ks_2samp

    ours = sleep.bootstrap(2000, rng=31)
    fits: Any = sleep.refit(sleep.simulate(2000, rng=32))
    assert ks_2samp(ours.objective, fits.objective).pvalue > 0.002
    assert ks_2samp(ours.std_errors[:, 1], fits.bse[:, 1]).pvalue > 0.002


@pytest.mark.parametrize("type", ["residual", "cases"])
@pytest.mark.parametrize("name", ["sleep", "pastes", "weighted"])
def test_core_and_python_draw_the_same_distribution(name: str, type: Any, request: pytest.FixtureRequest) -> None:
    """Two implementations: in the core on changed columns, and in Python on whole designs."""
    from scipy.stats import ks_2samp

    model = request.getfixturevalue(name)
    ours = model.bootstrap(1500, type=type, rng=41)

    def statistic(m: LinearMixedModel) -> np.ndarray:
        return np.append(m.fixef.to_numpy(), m.sigma)

    theirs = model.bootstrap(250, type=type, rng=42, statistic=statistic)
    p = len(model.fixef)
    for j, column in enumerate([*range(p), len(ours.names) - 1]):
        assert ks_2samp(ours.values[:, column], theirs.values[:, j]).pvalue > 0.002


def test_pools_have_the_estimated_covariance(sleep: LinearMixedModel, weighted: LinearMixedModel) -> None:
    for model in (sleep, weighted):
        p = pools(model._fit)
        effects = p.effects[0]
        covariance = effects.T @ effects / len(effects)
        np.testing.assert_allclose(effects.mean(axis=0), 0.0, atol=1e-10)
        blocks = [b.cov for b in model.varcorr.values()]
        if len(blocks) == 1:
            np.testing.assert_allclose(covariance, blocks[0], rtol=1e-9)
        else:  # independent effects: each has its own variance
            np.testing.assert_allclose(np.diagonal(covariance), [b.item() for b in blocks], rtol=1e-9)
        assert p.residuals.mean() == pytest.approx(0.0, abs=1e-10)
        assert np.mean(p.residuals**2) == pytest.approx(model.sigma**2, rel=1e-12)


def test_cases_of_nested_groups_copy_the_inner_groups(pastes: LinearMixedModel) -> None:
    from ranef.inference.bootstrap.rows import design_of_groups

    made = design_of_groups(pastes._fit.design, "batch", [3, 3, 0, 7, 7])
    inner, outer = (next(t for t in made.random if t.group == g) for g in ("cask:batch", "batch"))
    assert len(outer.levels) == 5
    assert len(inner.levels) == 15
    assert len(set(zip(outer.codes.tolist(), inner.codes.tolist(), strict=True))) == 15
    np.testing.assert_array_equal(made.y[:6], made.y[6:12])


def test_leave_one_group_out_is_a_fit_without_it(sleep: LinearMixedModel) -> None:
    from ranef.fit.control import FitControl
    from ranef.inference.bootstrap.draw import jackknife_influence

    data = load_dataset("sleepstudy")
    found = jackknife_influence(sleep._fit, None, FitControl(), 2)
    days = [lmer(sleep.formula, data[data.Subject != s]).fixef["Days"] for s in data.Subject.cat.categories]
    np.testing.assert_allclose(found[:, 1], 17 * (np.mean(days) - np.array(days)), atol=1e-4)


# ---- the object


def test_frames_and_names(sleep: LinearMixedModel) -> None:
    b = sleep.bootstrap(12, rng=1)
    long, wide = b.to_frame(), b.to_frame("wide")
    assert list(long.columns) == ["replicate", "effect", "group", "term", "value"]
    assert len(long) == 72
    tidy = sleep.tidy()
    first = long[long.replicate == 0]
    assert list(first.term) == [
        "(Intercept)", "Days", "sd__(Intercept)", "cor__(Intercept).Days", "sd__Days", "sd__Observation"
    ]  # fmt: skip
    assert set(first.term) == set(tidy.term)
    assert list(wide.columns[:4]) == ["replicate", "status", "singular", "objective"]
    assert set(b.names) < set(wide.columns)
    pivot = long.pivot(index="replicate", columns="term", values="value")
    np.testing.assert_array_equal(pivot["Days"], wide["Days"])
    with pytest.raises(OptionError, match="'long' or 'wide'"):
        b.to_frame("tall")  # type: ignore[arg-type]


def test_names_of_two_terms_on_one_factor(weighted: LinearMixedModel) -> None:
    names = weighted.bootstrap(10, rng=1).names
    assert names == ("(Intercept)", "Days", "sd_(Intercept)|Subject", "sd_Days|Subject", "sigma")


def test_bias_and_standard_error_are_of_the_replicates(sleep: LinearMixedModel) -> None:
    b = sleep.bootstrap(200, rng=1)
    assert b.std_error["Days"] == pytest.approx(b.values[:, 1].std(ddof=1))
    assert b.bias["Days"] == pytest.approx(b.values[:, 1].mean() - sleep.fixef["Days"])
    text = repr(b)
    assert "200 replicates, seed 1" in text
    assert "0 failed" in text


def test_parquet_round_trip(sleep: LinearMixedModel, tmp_path: Any) -> None:
    b = sleep.bootstrap(30, rng=1)
    file = tmp_path / "b.parquet"
    b.to_parquet(file)
    again = load_bootstrap(file)
    for name in ("values", "objective", "std_errors", "thetas", "number", "status", "singular", "observed"):
        np.testing.assert_array_equal(getattr(b, name), getattr(again, name))
    assert again.names == b.names
    assert (again.seed, again.n, again.type, again.re) == (b.seed, b.n, b.type, b.re)
    assert repr(again) == repr(b)
    pd.testing.assert_frame_equal(pd.read_parquet(file)[["Days"]], b.to_frame("wide")[["Days"]])
    with pytest.raises(OptionError, match="read from a file"):
        again.conf_int("bca")
    statistic = sleep.bootstrap(3, rng=1, statistic=lambda m: {"icc": m.icc().adjusted})
    statistic.to_parquet(file)
    assert load_bootstrap(file).names == ("icc",)


def test_files_that_hold_no_bootstrap(tmp_path: Any) -> None:
    with pytest.raises(DataError, match="there is no file"):
        load_bootstrap(tmp_path / "none.parquet")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_text("no")
    for name in ("a.parquet", "b.parquet"):
        with pytest.raises(DataError, match="does not hold a bootstrap"):
            load_bootstrap(tmp_path / name)
    with pytest.raises(ArgumentTypeError):
        load_bootstrap(3)  # type: ignore[arg-type]


def test_conf_int_of_the_model(sleep: LinearMixedModel) -> None:
    made = sleep.conf_int("boot", n=300, rng=8, level=0.9)
    assert made.equals(sleep.bootstrap(300, rng=8).conf_int("percentile", level=0.9))
    assert list(sleep.conf_int("boot", n=50, rng=8, parm="sigma", level=0.5).index) == ["sigma"]
    with pytest.raises(OptionError, match="parm has no quantity 'days'"):
        sleep.conf_int("boot", n=50, rng=8, parm="days")
    with pytest.raises(OptionError, match="must be one of 'wald', 'profile', 'boot'"):
        sleep.conf_int("bootstrap")  # type: ignore[arg-type]


def test_too_few_replicates_for_the_level_are_reported(sleep: LinearMixedModel) -> None:
    b = sleep.bootstrap(30, rng=1)
    with pytest.warns(RanefWarning, match="too few replicates for level=0.99"):
        b.conf_int(level=0.99)
    with pytest.raises(OptionError, match="at least 10"):
        sleep.bootstrap(9, rng=1).conf_int()
    with pytest.raises(OptionError, match="method must be one of"):
        b.conf_int("student")  # type: ignore[arg-type]


# ---- statistics


def test_kinds_of_statistics(pastes: LinearMixedModel) -> None:
    made = {
        ("statistic",): lambda m: m.sigma,
        ("statistic[0]", "statistic[1]"): lambda m: np.array([m.sigma, 1.0]),
        ("a", "b"): lambda m: {"a": m.sigma, "b": 2},
        ("(Intercept)",): lambda m: m.fixef,
    }
    for names, statistic in made.items():
        b = pastes.bootstrap(3, rng=1, statistic=statistic)
        assert b.names == names
        assert np.isfinite(b.values).all()
        assert b.objective.shape == (3,)
    with pytest.raises(OptionError, match="Python statistic"):
        pastes.bootstrap(12, rng=1, statistic=lambda m: m.sigma).conf_int("bca")


def test_statistics_that_fail(pastes: LinearMixedModel) -> None:
    calls = []

    def sometimes(m: LinearMixedModel) -> float:
        calls.append(m)
        if len(calls) % 3 == 0:
            raise ZeroDivisionError
        return m.sigma

    with pytest.warns(RanefWarning, match=r"3 of 8 replicates failed \(3 had a statistic that raised an error\)"):
        b = pastes.bootstrap(8, rng=1, statistic=sometimes)
    assert b.n_failed == 3
    assert list(b.status[np.isnan(b.values[:, 0])]) == ["statistic_failed"] * 3
    with pytest.raises(OptionError, match="statistic failed on the model itself: ZeroDivisionError"):
        pastes.bootstrap(3, statistic=lambda m: 1 / 0)
    sizes = iter(range(1, 10))
    with pytest.raises(OptionError, match=r"returned 1 value .* for the model and 2"):
        pastes.bootstrap(3, statistic=lambda m: np.ones(next(sizes)))
    with pytest.raises(ArgumentTypeError, match="must return a number"):
        pastes.bootstrap(3, statistic=lambda m: "text")
    with pytest.raises(OptionError, match="no value"):
        pastes.bootstrap(3, statistic=lambda m: [])
    with pytest.raises(ArgumentTypeError, match="must be a function"):
        pastes.bootstrap(3, statistic=3)  # type: ignore[arg-type]


# ---- failures and interruptions


def test_failed_replicates_are_counted_and_blank() -> None:
    """A dummy variable of one group is gone from many samples of groups."""
    data = load_dataset("sleepstudy")
    data["first"] = (data.Subject == "308").astype(float)
    m = lmer("Reaction ~ Days + first + (1 | Subject)", data)
    with pytest.warns(RanefWarning, match="replicates failed .*do not determine all fixed effects"):
        b = m.bootstrap(100, type="cases", rng=1)
    assert 20 < b.n_failed < 60  # (17/18)^18 = 0.36
    assert set(b.status) == {"converged", "rank_deficient"}
    assert np.isnan(b.values[b.status != "converged"]).all()
    assert np.isfinite(b.values[b.status == "converged"]).all()
    assert "failed" in repr(b)
    assert np.isfinite(b.conf_int(level=0.8).to_numpy()).all()


def test_no_convergence_is_a_failure() -> None:
    with pytest.warns(RanefWarning):
        m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"), control={"max_evaluations": 2})
    with pytest.warns(RanefWarning, match="reached the limit on evaluations"):
        b = m.bootstrap(20, rng=1)
    assert b.n_failed > 0


def test_singular_replicates_are_kept(sleep: LinearMixedModel) -> None:
    b = sleep.bootstrap(500, rng=1)
    assert 0 < b.n_singular < 50
    assert np.isfinite(b.values[b.singular, :2]).all()


def test_bootstrap_of_a_singular_fit() -> None:
    with pytest.warns(RanefWarning, match="singular"):
        m = lmer("Yield ~ 1 + (1 | Batch)", load_dataset("Dyestuff2"))
    b = m.bootstrap(400, rng=1)
    assert b.n_failed == 0
    assert b.n_singular > 100
    residual = m.bootstrap(50, type="residual", rng=1)
    assert residual.n_failed == 0


def test_undefined_correlations_are_said(sleep: LinearMixedModel) -> None:
    b = sleep.bootstrap(60, rng=1)
    values = b.values.copy()
    values[:7, 3] = np.nan
    made = replace(b, values=values).conf_int(level=0.8)
    assert "7 of 60 replicates have no value" in made.attrs["notes"][0]


def test_interrupt_keeps_what_is_done(sleep: LinearMixedModel) -> None:
    def press() -> None:
        time.sleep(0.4)
        os.kill(os.getpid(), signal.SIGINT)

    for threads in (1, 2):
        thread = threading.Thread(target=press)
        thread.start()
        with pytest.warns(RanefWarning, match="was interrupted: .* were finished and are kept"):
            b = sleep.bootstrap(50_000_000, rng=1, n_threads=threads)
        thread.join()
        assert b.interrupted
        assert 0 < len(b) < 50_000_000
        same = sleep.bootstrap(5, rng=1)
        assert np.array_equal(b.values[:5], same.values)


def test_interrupt_of_a_statistic(pastes: LinearMixedModel) -> None:
    calls = []

    def statistic(m: LinearMixedModel) -> float:
        calls.append(m)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return m.sigma

    with pytest.warns(RanefWarning, match="3 of 10 replicates were finished"):
        b = pastes.bootstrap(10, rng=1, statistic=statistic)
    assert len(b) == 3


def test_progress(sleep: LinearMixedModel, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[int, int]] = []
    sleep.bootstrap(2000, rng=1, progress=lambda done, n: seen.append((done, n)))
    assert seen[-1] == (2000, 2000)
    assert [d for d, _ in seen] == sorted(d for d, _ in seen)
    sleep.bootstrap(10, rng=1, progress=True)
    assert "10 of 10 replicates" in capsys.readouterr().err

    def broken(done: int, n: int) -> None:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        sleep.bootstrap(10, rng=1, progress=broken)


# ---- bad input


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"n": 0}, OptionError, "n must be at least 1"),
        ({"n": -5}, OptionError, "n must be at least 1"),
        ({"n": 2.5}, ArgumentTypeError, "whole number"),
        ({"n": True}, ArgumentTypeError, "whole number"),
        ({"n": 10**12}, OptionError, "at most"),
        ({"n": 5, "type": "wild"}, OptionError, "'parametric', 'residual', 'cases'"),
        ({"n": 5, "type": 1}, ArgumentTypeError, "type must be one of"),
        ({"n": 5, "re": "old"}, OptionError, "'new' or 'conditional'"),
        ({"n": 5, "re": "conditional", "type": "cases"}, OptionError, "goes with type='parametric'"),
        ({"n": 5, "by": "group"}, OptionError, "'Subject', not 'group'"),
        ({"n": 5, "by": "school", "type": "cases"}, OptionError, "'Subject', not 'school'"),
        ({"n": 5, "by": 3, "type": "cases"}, ArgumentTypeError, "name of a grouping factor"),
        ({"n": 5, "rng": -1}, OptionError, "must not be negative"),
        ({"n": 5, "rng": "x"}, ArgumentTypeError, "rng must be"),
        ({"n": 5, "progress": 3}, ArgumentTypeError, "progress must be"),
        ({"n": 5, "n_threads": 0}, OptionError, "at least 1"),
    ],
)
def test_bad_arguments(sleep: LinearMixedModel, arguments: dict[str, Any], error: type[Exception], text: str) -> None:
    for extra in ({}, {"statistic": lambda m: m.sigma}):
        with pytest.raises(error, match=text):
            sleep.bootstrap(**arguments, **extra)


def test_cases_need_groups(penicillin: LinearMixedModel) -> None:
    with pytest.raises(OptionError, match=r"are crossed.*by="):
        penicillin.bootstrap(5, type="cases")
    few = load_dataset("sleepstudy").query("Subject in ['308', '309', '310', '330']")
    m = lmer("Reaction ~ Days + (1 | Subject)", few)
    with pytest.raises(OptionError, match="Subject has 4; at least 5"):
        m.bootstrap(5, type="cases")
    with pytest.raises(OptionError, match="are crossed"):
        penicillin.bootstrap(20, rng=1).conf_int("bca")
    assert np.isfinite(penicillin.bootstrap(60, rng=1, by="plate").conf_int("bca", level=0.8).to_numpy()).all()


def test_saved_models_are_drawn_alike(sleep: LinearMixedModel, tmp_path: Any) -> None:
    sleep.save(tmp_path / "m.ranef")
    again: Any = ranef.load(tmp_path / "m.ranef")
    assert np.array_equal(again.bootstrap(5, rng=1).values, sleep.bootstrap(5, rng=1).values)
