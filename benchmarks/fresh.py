"""What only a fresh process shows: import time, first fit, peak memory.

Each figure is a process of its own.

Run as ``python -m benchmarks.fresh import`` or ``... grow ROWS`` or ``... insteval``; prints one
line of JSON.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.engines.pipe import ONE_THREAD

WORKER = Path(__file__).parent / "engines" / "r_worker.R"


def _peak_mb() -> float:
    """Largest resident size of this process so far.

    The kernel's own mark where it is shown: the one that ``getrusage`` gives is inherited from the
    parent that started the process.
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _import_and_first_fit() -> dict[str, float]:
    start = time.perf_counter()
    import ranef  # noqa: F401

    imported = time.perf_counter()
    from ranef import lmer, load_dataset

    lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    return {"import": imported - start, "import_and_fit": time.perf_counter() - start}


def _insteval() -> dict[str, float]:
    bare = _peak_mb()
    from ranef import lmer, load_dataset

    frame = load_dataset("insteval")
    before = _peak_mb()
    start = time.perf_counter()
    lmer("y ~ service + (1 | s) + (1 | d) + (1 | dept:service)", frame, n_threads=1)
    return {"seconds": time.perf_counter() - start, "bare_mb": bare, "before_mb": before, "peak_mb": _peak_mb()}


def _grow(rows: int) -> dict[str, float]:
    from benchmarks.models import ROWS_PER_GROUP, SCALING_FORMULA
    from benchmarks.sources import growing

    frame = growing(rows, ROWS_PER_GROUP)
    from ranef import lmer

    before = _peak_mb()
    start, cpu = time.perf_counter(), time.process_time()
    model = lmer(SCALING_FORMULA, frame, n_threads=1)
    return {
        "seconds": time.perf_counter() - start,
        "cpu": time.process_time() - cpu,
        "before_mb": before,
        "peak_mb": _peak_mb(),
        "objective": float(model.objective),
    }


def measure(*arguments: str) -> dict[str, float]:
    """Run one of the measurements of this file in a fresh interpreter on one thread."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fresh", *arguments],
        env={**os.environ, **ONE_THREAD},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"ended with code {done.returncode}"]
        raise RuntimeError(lines[-1][:160])
    result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def start_up(repetitions: int) -> dict[str, float]:
    """Medians of import and of import plus first fit."""
    runs = [measure("import") for _ in range(repetitions)]
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def grow_in_r(rows: int, directory: Path, timeout: float) -> dict[str, float]:
    """The same growing data in a fresh R: seconds of the fit and peak memory of the process."""
    from benchmarks.models import ROWS_PER_GROUP, SCALING_FORMULA
    from benchmarks.sources import growing, write_for_r

    write_for_r(growing(rows, ROWS_PER_GROUP), directory)
    requests = f"load\td\t{directory}\nfit\td\tTRUE\t1\t{SCALING_FORMULA}\npeak\nquit\n"
    done = subprocess.run(
        ["Rscript", "--vanilla", str(WORKER), "lme4"],
        input=requests,
        env={**os.environ, **ONE_THREAD},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    lines = [line[2:].split("\t") for line in done.stdout.splitlines() if line.startswith("@@")]
    if len(lines) < 4 or lines[2][0] != "ok":
        raise RuntimeError(" ".join(lines[-1])[:120] if lines else "R did not answer")
    elapsed, cpu, objective = (float(value) for value in lines[2][1:4])
    return {"seconds": elapsed, "cpu": cpu, "peak_mb": float(lines[3][1]), "objective": objective}


def refits(responses: int) -> dict[str, float]:
    """Refits of the sleepstudy model to many responses, per second on one thread."""
    import numpy as np

    from ranef import lmer, load_dataset

    frame: Any = load_dataset("sleepstudy")
    model = lmer("Reaction ~ Days + (Days | Subject)", frame, n_threads=1)
    noise = np.random.default_rng(3).normal(scale=25.0, size=(len(frame), responses))
    y = np.asarray(model.fittedvalues)[:, None] + noise
    model.refit(y[:, :10])
    start = time.perf_counter()
    model.refit(y)
    seconds = time.perf_counter() - start
    return {"responses": responses, "seconds": seconds, "per_second": responses / seconds}


def main() -> None:
    kind, *rest = sys.argv[1:]
    jobs = {
        "import": _import_and_first_fit,
        "insteval": _insteval,
        "grow": lambda: _grow(int(rest[0])),
        "refits": lambda: refits(int(rest[0])),
    }
    print(json.dumps(jobs[kind]()))


if __name__ == "__main__":
    main()
