"""This package, in the process of the benchmark itself.

The share of the compiled core is measured apart.
"""

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pandas as pd

from benchmarks.engines.sample import EngineError, Sample
from benchmarks.models import Method


class _TimedSystem:
    """Stands in for a compiled class and adds up the time spent inside it."""

    def __init__(self, clock: "CoreClock", original: Any, *args: Any, **kwargs: Any):
        start = time.perf_counter()
        self._system = original(*args, **kwargs)
        clock.seconds += time.perf_counter() - start
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._system, name)
        if not callable(attribute):
            return attribute

        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return attribute(*args, **kwargs)
            finally:
                self._clock.seconds += time.perf_counter() - start

        return timed


class CoreClock:
    """Seconds spent inside the compiled module while :meth:`running`."""

    def __init__(self) -> None:
        from ranef import _core

        self._module: Any = _core
        self.originals: dict[str, Any] = {name: getattr(_core, name) for name in ("LmmSystem", "GlmmSystem")}
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator["CoreClock"]:
        self.seconds = 0.0
        for name, original in self.originals.items():
            setattr(self._module, name, partial(_TimedSystem, self, original))
        try:
            yield self
        finally:
            for name, original in self.originals.items():
                setattr(self._module, name, original)


class OursEngine:
    """``ranef.lmer`` and ``ranef.glmer`` on one thread."""

    name = "ranef"

    def __init__(self) -> None:
        import ranef

        self._lmer, self._glmer = ranef.lmer, ranef.glmer
        self.version = f"ranef {ranef.__version__}"

    def _call(self, formula: str, frame: pd.DataFrame, method: Method) -> Any:
        if method.family is None:
            return self._lmer(formula, frame, REML=method.reml, n_threads=1)
        return self._glmer(formula, frame, family=method.family, n_quad=method.n_quad, n_threads=1)

    def fit(
        self, formula: str, frame: pd.DataFrame, data_name: str, method: Method, repeat: int, timeout: float
    ) -> Sample:
        """One round: ``repeat`` whole calls, text and frame in, fitted object out."""
        try:
            # A singular fit warns at every call; what is timed includes making the warning, not
            # showing it.
            warnings.simplefilter("ignore")
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(repeat):
                model = self._call(formula, frame, method)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        except Exception as error:
            raise EngineError(f"{type(error).__name__}: {error}".replace("\n", " ")[:160]) from error
        return Sample(wall / repeat, cpu / repeat, float(model.objective))

    def core_seconds(self, formula: str, frame: pd.DataFrame, method: Method, repeat: int) -> float:
        """Mean seconds of one call that are spent inside the compiled module."""
        with CoreClock().running() as clock:
            for _ in range(repeat):
                self._call(formula, frame, method)
        return clock.seconds / repeat

    def close(self) -> None:
        """Nothing to end."""
