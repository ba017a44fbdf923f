"""Bars of tqdm for the argument ``progress``."""

import io
import pickle

import pytest

from ranef import lmer, load_dataset

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


def test_without_tqdm_the_extra_is_named(without):
    without("tqdm", "ranef.interop.tqdm", "tqdm")
