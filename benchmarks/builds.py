"""Two builds of this package on the same models, in alternating rounds: what a change costs.

Run as ``python -m benchmarks.builds BEFORE AFTER [--folder DIR] [--rounds N] [--only NAME ...]``;
BEFORE and AFTER are folders that hold ``ranef`` with its compiled core. Each build answers in a
process of its own; figures are the least of all rounds and the median of the ratios of neighbouring
rounds.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from benchmarks.models import MODELS, BenchmarkModel
from benchmarks.sources import SourceMissingError, Sources

#: Calls of one round take about this long together.
ROUND_SECONDS = 0.2


class Build:
    """A build of the package, in a process that is kept."""

    def __init__(self, folder: str):
        command = [sys.executable, "-m", "benchmarks.builds", "--worker", folder]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, request: dict[str, Any]) -> Any:
        """Send one request and wait for the answer; None where the data are not at hand."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def work(folder: str) -> None:
    """Answer requests with the build in ``folder``."""
    sys.path.insert(0, folder)
    import ranef

    warnings.simplefilter("ignore")
    sources: Sources | None = None
    for line in sys.stdin:
        request = json.loads(line)
        sources = sources or Sources.at(Path(request["folder"]) if request["folder"] else None)
        try:
            data = sources.load(request["data"])
        except SourceMissingError:
            print("null", flush=True)
            continue
        family = request["family"]
        start = time.perf_counter()
        if request["replicates"]:
            model = ranef.lmer(request["formula"], data)
            start = time.perf_counter()
            model.bootstrap(request["replicates"], rng=1, n_threads=1)
        else:
            for _ in range(request["calls"]):
                if family is None:
                    model = ranef.lmer(request["formula"], data, REML=request["reml"], n_threads=1)
                else:
                    model = ranef.glmer(request["formula"], data, family=family, n_quad=request["n_quad"], n_threads=1)
        seconds = time.perf_counter() - start
        found = {"objective": model.objective, "evaluations": model.convergence.evaluations, "seconds": seconds}
        print(json.dumps(found), flush=True)


def compare(
    model: BenchmarkModel, folder: Path | None, builds: tuple[Build, Build], rounds: int, replicates: int = 0
) -> str | None:
    """One row of the table."""
    request = {
        "data": model.data,
        "folder": str(folder) if folder else None,
        "formula": model.formula,
        "reml": model.reml,
        "family": model.family,
        "n_quad": model.n_quad,
        "calls": 1,
        "replicates": replicates,
    }
    warm = [b.ask(request) for b in builds]
    if None in warm:
        return None
    calls = 1 if replicates else max(1, round(ROUND_SECONDS / max(w["seconds"] for w in warm)))
    request["calls"] = calls
    times: list[list[float]] = [[], []]
    for r in range(rounds):
        for i in (0, 1) if r % 2 == 0 else (1, 0):
            times[i].append(builds[i].ask(request)["seconds"] / calls * 1e3)
    ratio = statistics.median(b / a for a, b in zip(*times, strict=True))
    before, after = (min(t) for t in times)
    name = f"{model.name}, {replicates} replicates" if replicates else model.name
    change = warm[1]["objective"] - warm[0]["objective"]
    return (
        f"| {name} | {before:.3g} | {after:.3g} | {ratio:.2f} | {warm[0]['evaluations']} | {warm[1]['evaluations']} | "
        f"{change:.1g} |"
    )


def main() -> None:
    """Print the table, row by row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before")
    parser.add_argument("after", nargs="?")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", nargs="*")
    given = parser.parse_args()
    if given.worker:
        work(given.before)
        return
    builds = (Build(given.before), Build(given.after))
    print("| model | before, ms | after, ms | ratio | evaluations before | after | change of the criterion |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for model in MODELS:
        if given.only and model.name not in given.only:
            continue
        for replicates in (0, 10_000) if model.name == "sleepstudy" else (0,):
            if row := compare(model, given.folder, builds, given.rounds, replicates):
                print(row, flush=True)
    for b in builds:
        b.close()


if __name__ == "__main__":
    main()
