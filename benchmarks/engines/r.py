"""R's lme4 and glmmTMB, each in one R process that lives
as long as the run (started again if a fit had to be stopped).
"""

import shutil
import tempfile
from pathlib import Path

import pandas as pd

from benchmarks.engines.pipe import PipedProcess
from benchmarks.engines.sample import EngineError, Sample
from benchmarks.models import Method
from benchmarks.sources import columns_of, write_for_r

SCRIPT = Path(__file__).with_name("r_worker.R")


class REngine:
    """Fits with one package of R (``lme4`` or ``glmmTMB``) over a pipe.

    Times are taken inside R.
    """

    def __init__(self, name: str = "lme4") -> None:
        self.name = name
        if shutil.which("Rscript") is None:
            raise EngineError("Rscript is not installed")
        self._directory = tempfile.TemporaryDirectory(prefix="ranef-bench-")
        self._written: dict[str, Path] = {}
        self._known: set[str] = set()
        self._start()

    def _start(self) -> None:
        self._process = PipedProcess(["Rscript", "--vanilla", str(SCRIPT), self.name])
        self._known.clear()
        ready = self._process.ask("", 120).split("\t")
        if ready[0] != "ready":
            raise EngineError(f"R did not start: is {self.name} installed?")
        self.version = f"{self.name} {ready[2]} on R {ready[1]} (BLAS: {ready[3]})"

    def fit(
        self, formula: str, frame: pd.DataFrame, data_name: str, method: Method, repeat: int, timeout: float
    ) -> Sample:
        """One round: ``repeat`` fits, mean seconds for each."""
        key = self._loaded(formula, frame, data_name)
        elapsed, cpu, objective = self._parts(
            f"fit\t{key}\t{'TRUE' if method.reml else 'FALSE'}\t{repeat}"
            f"\t{method.family or 'none'}\t{method.n_quad}\t{formula}",
            timeout,
        )
        return Sample(float(elapsed), float(cpu), float(objective))

    def bootstrap(self, formula: str, frame: pd.DataFrame, data_name: str, n: int, timeout: float) -> Sample:
        """``bootMer`` of a REML fit; the objective is the mean of the first fixed effect."""
        key = self._loaded(formula, frame, data_name)
        elapsed, cpu, mean = self._parts(f"boot\t{key}\t{n}\t{formula}", timeout)
        return Sample(float(elapsed), float(cpu), float(mean))

    def power(self, formula: str, frame: pd.DataFrame, data_name: str, effect: str, n: int, timeout: float) -> Sample:
        """Responses drawn, fitted again by lme4 and tested by lmerTest, as simr does; the objective
        is the power.
        """
        key = self._loaded(formula, frame, data_name)
        elapsed, cpu, power = self._parts(f"power\t{key}\t{n}\t{effect}\t{formula}", timeout)
        return Sample(float(elapsed), float(cpu), float(power))

    def profile(self, formula: str, frame: pd.DataFrame, data_name: str, timeout: float) -> float:
        """Seconds of ``profile()`` of a REML fit, all parameters, without the fit."""
        key = self._loaded(formula, frame, data_name)
        return float(self._parts(f"profile\t{key}\t{formula}", timeout)[0])

    def _loaded(self, formula: str, frame: pd.DataFrame, data_name: str) -> str:
        """Name in R of a frame with the columns of a formula,
        written and read when first needed.
        """
        if not self._process.alive:
            self._start()
        used = frame[columns_of(formula, frame)]
        key = data_name + "-" + "-".join(used.columns)
        if key not in self._written:
            directory = Path(self._directory.name) / str(len(self._written))
            write_for_r(used, directory)
            self._written[key] = directory
        if key not in self._known:
            self._parts(f"load\t{key}\t{self._written[key]}", 600)
            self._known.add(key)
        return key

    def _parts(self, request: str, timeout: float) -> list[str]:
        status, *values = self._process.ask(request, timeout).rstrip("\t").split("\t")
        if status != "ok":
            raise EngineError(" ".join(values)[:120])
        return values

    def close(self) -> None:
        self._process.close()
        self._directory.cleanup()
