"""Times one model with several programs in alternation,
so that a busy moment of the machine hits all of them.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pandas as pd

from benchmarks.engines.sample import EngineError, EngineTimeoutError, Sample
from benchmarks.models import R_PACKAGES, BenchmarkModel, Method


class Engine(Protocol):
    """A program that fits models."""

    name: str
    version: str

    def fit(
        self, formula: str, frame: pd.DataFrame, data_name: str, method: Method, repeat: int, timeout: float
    ) -> Sample: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Effort:
    """How much time a run may take."""

    rounds: int
    seconds_per_engine: float
    timeout: float
    slow_in_r: bool


QUICK = Effort(rounds=5, seconds_per_engine=3.0, timeout=60.0, slow_in_r=False)
FULL = Effort(rounds=15, seconds_per_engine=30.0, timeout=900.0, slow_in_r=True)


@dataclass(slots=True)
class Timing:
    """The rounds of one engine on one model, or the reason why there are none."""

    engine: str
    samples: list[Sample] = field(default_factory=list)
    failure: str = ""
    at_least: float | None = None

    @property
    def median(self) -> float | None:
        return statistics.median(s.elapsed for s in self.samples) if self.samples else None

    @property
    def median_cpu(self) -> float | None:
        return statistics.median(s.cpu for s in self.samples) if self.samples else None

    @property
    def objective(self) -> float | None:
        return self.samples[-1].objective if self.samples else None


def _plan(warm: float, effort: Effort) -> tuple[int, int]:
    """Repetitions within a round and rounds, from the time of one warm call."""
    repeat = max(1, min(50, math.ceil(0.03 / max(warm, 1e-6))))
    rounds = max(1, min(effort.rounds, int(effort.seconds_per_engine / max(warm * repeat, 1e-6))))
    return repeat, rounds


def time_model(
    model: BenchmarkModel, frame: pd.DataFrame, engines: Sequence[Engine], effort: Effort
) -> dict[str, Timing]:
    """Warm every engine up, then take the rounds in turn."""
    timings = {engine.name: Timing(engine.name) for engine in engines}
    plans: dict[str, tuple[int, int]] = {}
    formulas: dict[str, str] = {}
    for engine in engines:
        timing = timings[engine.name]
        is_peer = engine.name not in ("ranef", *R_PACKAGES)
        if engine.name in R_PACKAGES and model.slow_in_r and not effort.slow_in_r:
            timing.failure = "left out of a quick run"
            continue
        if engine.name == "glmmTMB" and model.family is None:
            timing.failure = "for generalized models"
            continue
        if is_peer and model.peers is not None and engine.name not in model.peers:
            timing.failure = "not tried at this size"
            continue
        formulas[engine.name] = model.formula
        if is_peer and model.peer_formula is not None:
            formulas[engine.name] = model.peer_formula
        try:
            first = engine.fit(formulas[engine.name], frame, model.data, model.method, 1, effort.timeout)
            # A second call is warm; the first is the sample where one fit takes longer than the
            # whole allowance.
            if first.elapsed < effort.seconds_per_engine:
                warm = engine.fit(formulas[engine.name], frame, model.data, model.method, 1, effort.timeout).elapsed
                plans[engine.name] = _plan(warm, effort)
            else:
                timing.samples.append(first)
        except EngineTimeoutError as error:
            timing.failure, timing.at_least = str(error), error.seconds
        except EngineError as error:
            timing.failure = str(error)
    for i in range(max((rounds for _, rounds in plans.values()), default=0)):
        for engine in engines:
            repeat, rounds = plans.get(engine.name, (0, 0))
            timing = timings[engine.name]
            if i >= rounds or timing.failure:
                continue
            try:
                sample = engine.fit(
                    formulas[engine.name], frame, model.data, model.method, repeat, effort.timeout * repeat
                )
                timing.samples.append(sample)
            except EngineError as error:
                timing.failure = str(error)
    return timings
