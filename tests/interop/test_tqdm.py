"""Bars of tqdm for the argument ``progress``."""

import contextlib
import io
import pickle
import sys
import warnings

import pytest

from ranef import (
    ArgumentTypeError,
    MissingExtraError,
    NegativeBinomial,
    RanefError,
    anova,
    glmer,
    lmer,
    load_dataset,
    power,
    power_curve,
)
from ranef.fit.progress import Line, TqdmBar, reported

pytest.importorskip("tqdm")

from ranef.interop.tqdm import ProgressBar

pytestmark = pytest.mark.filterwarnings("ignore:IProgress not found")


def test_a_fit_counts_its_evaluations():
    shown = io.StringIO()
    with ProgressBar(file=shown, desc="fit", mininterval=0) as bar:
        m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"), progress=bar)
    last = shown.getvalue().rstrip().split("\r")[-1]
    assert last.startswith("fit: ")
    assert f"{m.objective:.6f}" in last
    assert f"{m.convergence.evaluations} evaluations" in last
    assert pickle.loads(pickle.dumps(m)).objective == m.objective  # a bar is not kept with the model


def test_a_job_that_knows_its_length_fills_the_bar():
    shown = io.StringIO()
    bar = ProgressBar(file=shown, mininterval=0)
    for finished in (1, 5, 10):
        bar(finished, 10)
    assert "100%" in shown.getvalue()
    assert "10/10" in shown.getvalue()
    assert bar._bar is None  # closed when it is full


def test_a_second_job_gets_a_bar_of_its_own():
    shown = io.StringIO()
    with ProgressBar(file=shown, mininterval=0) as bar:
        bar(2, 4)
        bar(1, 3)
        assert bar._bar.total == 3
        assert bar._bar.n == 1
        bar(1, 1743.5)
        assert bar._bar.total is None


# ---- every long call

SLEEP = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
SMALLER = lmer("Reaction ~ Days + (1 | Subject)", load_dataset("sleepstudy"))
CBPP = glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", load_dataset("cbpp"), family="binomial")
HELD = glmer("TICKS ~ YEAR + (1 | BROOD)", load_dataset("grouseticks"), family=NegativeBinomial(size=1.5))

LONG = {
    "bootstrap": (10, lambda p: SLEEP.bootstrap(10, rng=1, progress=p)),
    "bootstrap of a statistic": (10, lambda p: SLEEP.bootstrap(10, statistic=lambda m: m.sigma, rng=1, progress=p)),
    "intervals by bootstrap": (20, lambda p: SLEEP.conf_int("boot", n=20, level=0.5, rng=1, progress=p)),
    "profile": (2, lambda p: SLEEP.profile(["sigma", "Days"], progress=p)),
    "intervals by profile": (2, lambda p: SLEEP.conf_int("profile", parm=["sigma", "Days"], progress=p)),
    "likelihood ratio": (10, lambda p: SLEEP.pb_lrt(SMALLER, 10, rng=1, progress=p)),
    "anova": (10, lambda p: anova(SMALLER, SLEEP, test="pb", n=10, rng=1, progress=p)),
    "power": (10, lambda p: power(SLEEP, "Days", 10, rng=1, progress=p)),
    "power curve": (20, lambda p: power_curve(SLEEP, "Days", 10, extend={"Subject": [8, 12]}, rng=1, progress=p)),
    "refit": (3, lambda p: SLEEP.refit(SLEEP.simulate(3, rng=1), progress=p)),
    "generalized refit": (3, lambda p: CBPP.refit(CBPP.simulate(3, rng=1), progress=p)),
    "generalized refit, size held": (2, lambda p: HELD.refit(HELD.simulate(2, rng=1), progress=p)),
    "generalized influence": (15, lambda p: CBPP.influence("herd", progress=p)),
}


@pytest.mark.filterwarnings("ignore::ranef.RanefWarning")
@pytest.mark.parametrize("name", LONG)
def test_every_long_call_reports_alike(name, capsys):
    total, call = LONG[name]
    seen = []
    call(lambda done, of: seen.append((done, of)))
    assert seen[-1] == (total, total)
    assert all(isinstance(of, int) and of == total for _, of in seen)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert capsys.readouterr() == ("", "")
    call(True)
    shown = capsys.readouterr().err
    assert f"{total} of {total} " in shown
    assert shown.endswith("\n")
    assert shown.count("\n") == 1
    call("tqdm")
    shown = capsys.readouterr().err
    assert "100%" in shown
    assert f"{total}/{total}" in shown


@pytest.mark.parametrize("name", [n for n in LONG if "statistic" not in n])
@pytest.mark.parametrize("how", ["tqdm", True])
def test_what_is_shown_is_closed_when_a_call_is_stopped(name, how, capsys, monkeypatch):
    _, call = LONG[name]
    kind = TqdmBar if how == "tqdm" else Line
    closed = []

    def stop(self, done, of):
        raise KeyboardInterrupt

    monkeypatch.setattr(kind, "__call__", stop)
    monkeypatch.setattr(kind, "close", lambda self: closed.append(True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a bootstrap keeps what is finished, if anything is, and says so
        with contextlib.suppress(KeyboardInterrupt, RanefError):
            call(how)
    assert closed


def test_a_line_that_is_stopped_is_ended(capsys):
    def stopped():
        with reported(True, "replicates") as show:
            show(3, 10)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert capsys.readouterr().err == "\r3 of 10 replicates\n"


def test_a_bar_for_a_fit(capsys):
    m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"), progress="tqdm")
    assert f"criterion {m.objective:.6f}" in capsys.readouterr().err


@pytest.mark.parametrize("progress", ["bar", 3, None])
def test_what_else_is_given_for_progress_is_refused(progress):
    for call in (
        lambda: SLEEP.bootstrap(10, progress=progress),
        lambda: SLEEP.profile("sigma", progress=progress),
        lambda: SLEEP.refit(SLEEP.simulate(2, rng=1), progress=progress),
        lambda: lmer("Reaction ~ Days + (1 | Subject)", load_dataset("sleepstudy"), progress=progress),
    ):
        with pytest.raises(ArgumentTypeError, match="True, False, 'tqdm' or a function"):
            call()


def test_a_bar_where_tqdm_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    for name in [n for n in sys.modules if n.startswith("tqdm.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(MissingExtraError, match=r"pip install 'ranef\[interop\]'"):
        SLEEP.bootstrap(10, progress="tqdm")


def test_without_tqdm_the_extra_is_named(without):
    without("tqdm", "ranef.interop.tqdm", "tqdm")
