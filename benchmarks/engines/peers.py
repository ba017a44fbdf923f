"""Other Python packages, fitted in the interpreter of their own environment."""

import json
import tempfile
from pathlib import Path

import pandas as pd

from benchmarks.engines.pipe import PipedProcess
from benchmarks.engines.sample import EngineError, Sample
from benchmarks.models import Method
from benchmarks.sources import columns_of

SCRIPT = Path(__file__).with_name("peer_worker.py")


class PeerProcess:
    """One process that holds all peers; started again when a fit had to be stopped."""

    def __init__(self, python: str):
        self._python = python
        self._directory = tempfile.TemporaryDirectory(prefix="ranef-bench-")
        self._written: dict[str, Path] = {}
        self._known: set[str] = set()
        self._start()

    def _start(self) -> None:
        self._process = PipedProcess([self._python, str(SCRIPT)])
        self._known.clear()
        answer = json.loads(self._process.ask("", 120))
        self.found: dict[str, str] = answer["found"]
        self.missing: dict[str, str] = answer["missing"]

    def fit(
        self,
        peer: str,
        formula: str,
        frame: pd.DataFrame,
        data_name: str,
        method: Method,
        repeat: int,
        timeout: float,
    ) -> Sample:
        """One round of one peer."""
        if not self._process.alive:
            self._start()
        used = frame[columns_of(formula, frame)]
        key = data_name + "-" + "-".join(used.columns)
        if key not in self._written:
            path = Path(self._directory.name) / f"{len(self._written)}.parquet"
            # The widths that every package reads: some refuse 8-bit integers.
            narrow = {name: "int32" for name in used.columns if used[name].dtype in ("int8", "int16")}
            used.astype(narrow).to_parquet(path, index=False)
            self._written[key] = path
        if key not in self._known:
            self._ask({"do": "load", "data": key, "path": str(self._written[key])}, 600)
            self._known.add(key)
        request: dict[str, object] = {"do": "fit", "peer": peer, "data": key, "formula": formula, "repeat": repeat}
        request |= {"reml": method.reml, "family": method.family, "n_quad": method.n_quad}
        answer = self._ask(request, timeout)
        return Sample(answer["elapsed"], answer["cpu"], answer["objective"])

    def _ask(self, request: dict[str, object], timeout: float) -> dict[str, float]:
        answer = json.loads(self._process.ask(json.dumps(request), timeout))
        if "error" in answer:
            raise EngineError(answer["error"])
        return answer

    def close(self) -> None:
        self._process.close()
        self._directory.cleanup()


class PeerEngine:
    """One peer of the process, with the interface of the other engines."""

    def __init__(self, owner: PeerProcess, name: str):
        self._owner, self.name = owner, name
        self.version = f"{name} {owner.found[name]}"

    def fit(
        self, formula: str, frame: pd.DataFrame, data_name: str, method: Method, repeat: int, timeout: float
    ) -> Sample:
        return self._owner.fit(self.name, formula, frame, data_name, method, repeat, timeout)

    def close(self) -> None:
        """The process is closed by its owner."""
