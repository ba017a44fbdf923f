"""A soak: bootstraps, refits, predictions, files and summaries, over and over in one process.

Memory is read when the caches are warm and at the end; what grows is a leak.
"""

import gc
import os
import pickle
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

import ranef

#: Part of the time after which memory is first compared: caches and the allocator have settled.
WARM = 0.2
#: Growth of memory that is none.
ALLOWED = 0.05


def resident() -> int:
    """Bytes of memory in use by this process; the most it ever used where the system does not tell
    more.
    """
    pages = Path("/proc/self/statm")
    if pages.exists():
        return int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def work(folder: Path) -> Callable[[int], None]:
    """One round of everything, on models of two kinds."""
    sleep = ranef.load_dataset("sleepstudy")
    herds = ranef.load_dataset("cbpp")
    linear = ranef.lmer("Reaction ~ Days + (Days | Subject)", sleep)
    counts = ranef.glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", herds, family="binomial")

    def round_of(number: int) -> None:
        rng = np.random.default_rng(number)
        y = linear.simulate(20, rng=number)
        linear.refit(y)
        linear.bootstrap(50, rng=number)
        counts.bootstrap(5, rng=number)
        m = ranef.lmer("Reaction ~ Days + (1 | Subject)", sleep.assign(Reaction=rng.permutation(sleep["Reaction"])))
        str(m.summary())
        m.predict(sleep)
        m.anova(ddf="kenward-roger")
        linear.save(folder / "model")
        ranef.load(folder / "model").predict(sleep)
        pickle.loads(pickle.dumps(counts))

    return round_of


def soak(seconds: float) -> list[tuple[float, int]]:
    """Seconds and bytes after each round."""
    seen = []
    with tempfile.TemporaryDirectory() as folder:
        once = work(Path(folder))
        begun, number = time.perf_counter(), 0
        while (now := time.perf_counter() - begun) < seconds:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ranef.RanefWarning)  # random responses may have no variance by subject
                once(number)
            number += 1
            gc.collect()
            seen.append((now, resident()))
    return seen


def growth(seen: list[tuple[float, int]]) -> float:
    """Growth from the mean of the first rounds when warm to that of the last ones, as a part."""
    warm = [size for _, size in seen[int(len(seen) * WARM) :]]
    some = max(1, len(warm) // 5)
    return sum(warm[-some:]) / sum(warm[:some]) - 1


def report(minutes: float) -> int:
    """Run for a time, print a line, and return 1 if memory grew."""
    seen = soak(60 * minutes)
    grew = growth(seen)
    mebibytes = [size / 2**20 for _, size in seen]
    print(
        f"{len(seen)} rounds in {minutes:g} minutes; memory {mebibytes[0]:.1f} MiB after the first, "
        f"{mebibytes[int(len(seen) * WARM)]:.1f} when warm, {mebibytes[-1]:.1f} at the end: {100 * grew:+.2f} %"
    )
    return int(grew > ALLOWED)
