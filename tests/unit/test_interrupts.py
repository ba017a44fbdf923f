"""Ctrl-C ends every stage of a fit, and what follows it, within a second of work by an ordinary
``KeyboardInterrupt``; the process, models and checkpoints are as they were.
"""

import signal
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import glmer, lmer, load_dataset, scale
from ranef.data import batches
from ranef.scale import passes

#: Processor seconds that may pass between Ctrl-C and its exception, and as many by the clock of a
#: machine with other work: what takes one second alone takes up to three where other processes have
#: the caches. Compiled without optimisation, all takes longer.
SOON, SOON_BY_CLOCK = 4.0, 8.0

FORMULA = "y ~ 1 + (1 | u) + (1 | f)"

Work = Callable[[], Any]


def crossed(n: int, u: int, f: int, binary: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    users, films = rng.integers(u, size=n), rng.integers(f, size=n)
    y = rng.normal(size=u)[users] + rng.normal(size=f)[films] + rng.normal(size=n)
    return pd.DataFrame({"y": (y > 0).astype(float) if binary else y, "u": users, "f": films, "x": rng.normal(size=n)})


@cache
def small() -> Any:
    return lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))


@cache
def large() -> Any:
    """A model with a dense part, which is fitted by few evaluations."""
    data = crossed(25_000, 2_000, 1_500)
    control = {"solver": "exact", "max_evaluations": 3}
    with pytest.warns(match="limit on evaluations"):
        return lmer("y ~ x + (x | u) + (1 | f)", data, control=control, n_threads=1)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("rows")
    data = crossed(600_000, 900, 800)
    for i in range(2):
        data[i::2].to_parquet(folder / f"{i}.parquet")
    return str(folder)


def interrupted(work: Work, after: float) -> tuple[float, float]:
    """Seconds of the processor and of the clock that passed since the signal."""
    main, sent = threading.get_ident(), []

    def send() -> None:
        sent.append((time.process_time(), time.monotonic()))
        signal.pthread_kill(main, signal.SIGINT)

    timer = threading.Timer(after, send)
    timer.start()
    try:
        work()
    except KeyboardInterrupt:
        (cpu, clock) = sent[0]
        return time.process_time() - cpu, time.monotonic() - clock
    timer.cancel()
    pytest.fail("it was over before it was interrupted")


def ends_soon(work: Work, after: float) -> None:
    cpu, clock = interrupted(work, after)
    assert cpu < SOON
    assert clock < SOON_BY_CLOCK
    assert abs(small().bootstrap(3, rng=1).to_frame().iloc[0, 0]) < 1e9


def many_times(work: Work) -> Work:
    def repeated() -> None:
        for _ in range(10_000):
            work()

    return repeated


def fit(data: pd.DataFrame, solver: str, formula: str = FORMULA, **more: Any) -> Work:
    verb = glmer if "family" in more else lmer
    return lambda: verb(formula, data, control={"solver": solver}, n_threads=1, **more)


#: What runs, and after how many seconds it is interrupted.
STAGES: dict[str, tuple[Callable[[], Work], tuple[float, ...]]] = {
    "order of elimination": (lambda: fit(crossed(250_000, 30_000, 20_000), "exact"), (0.3, 1.5)),
    "dense factor": (lambda: fit(crossed(60_000, 9_000, 7_000), "exact"), (1.0, 3.0)),
    "exact finish": (lambda: fit(crossed(100_000, 5_000, 4_000), "auto"), (2.5,)),
    "sorting of rows": (lambda: fit(crossed(1_500_000, 60_000, 40_000), "iterative"), (0.3,)),
    "conjugate gradients": (lambda: fit(crossed(600_000, 60_000, 40_000), "iterative"), (1.2,)),
    "rows of a generalized model": (
        lambda: fit(crossed(1_000_000, 2_000, 10, True), "auto", "y ~ x + (1 | u)", family="binomial"),
        (1.0,),
    ),
    "dense generalized model": (lambda: fit(crossed(30_000, 3_000, 2_500, True), "exact", family="binomial"), (1.0,)),
}


@pytest.mark.parametrize("stage", STAGES)
def test_stage_ends_soon(stage: str) -> None:
    make, times = STAGES[stage]
    work = make()
    for after in times:
        ends_soon(work, after)


def test_passes_end_soon(files: str) -> None:
    ends_soon(many_times(lambda: scale.survey(FORMULA, files)), 0.5)
    recipe = scale.survey(FORMULA, files).freeze()
    ends_soon(many_times(lambda: scale.Statistic(recipe).update(files)), 0.5)
    ends_soon(many_times(lambda: lmer(FORMULA, files, control={"solver": "iterative"})), 0.7)


#: What is asked of a model with a dense part.
AFTER: dict[str, Callable[[Any], Any]] = {
    "Kenward-Roger": lambda m: m.anova(ddf="kenward-roger"),
    "conditional variances": lambda m: m.ranef(condvar=True),
    "predictions": lambda m: m.predict(m._request.data, se=True),
    "groups left out": lambda m: m.influence(by="u"),
    "profile": lambda m: m.profile(),
}


@pytest.mark.parametrize("what", AFTER)
def test_what_follows_ends_soon(what: str) -> None:
    m = large()
    ends_soon(many_times(lambda: AFTER[what](m)), 0.6)


def test_refits_end_soon() -> None:
    y = np.random.default_rng(1).normal(size=(180, 100_000))
    ends_soon(many_times(lambda: small().refit(y)), 0.5)


def test_what_is_finished_of_a_bootstrap_is_kept() -> None:
    held: list[Any] = []

    def work() -> None:
        held.append(small().bootstrap(10_000_000, rng=1))
        raise KeyboardInterrupt

    with pytest.warns(match="interrupted"):
        ends_soon(work, 0.5)
    kept, again = held[0], small().bootstrap(8, rng=1)
    assert 8 < len(kept.number) < 10_000_000
    known = np.flatnonzero(kept.number < 8)
    assert len(known) > 0
    assert kept.values[known].tolist() == again.values[kept.number[known]].tolist()


def test_checkpoint_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "BATCHES", 1)
    monkeypatch.setattr(batches, "BATCH", 500)
    data, file = str(tmp_path / "rows.parquet"), tmp_path / "fit.ranef"
    crossed(5_000, 40, 30).to_parquet(data)
    whole = scale.fit(FORMULA, data, checkpoint=tmp_path / "whole")
    for stop in (2, 4):
        count = 0

        def show(done: int, of: float) -> None:
            nonlocal count
            count += isinstance(of, int) and file.exists()
            if count == stop:  # noqa: B023
                count = -1000
                signal.raise_signal(signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            scale.fit(FORMULA, data, checkpoint=file, progress=show)
        assert sorted(p.name for p in tmp_path.iterdir()) == ["fit.ranef", "rows.parquet", "whole"]
    resumed = scale.fit(FORMULA, data, checkpoint=file)
    assert resumed.objective == whole.objective
    assert resumed.theta.tolist() == whole.theta.tolist()
