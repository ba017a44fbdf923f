"""Many inputs, in processes that may die of one, and a table of what became of them."""

import multiprocessing
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import TimeoutError as Overdue
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

from .archives import use_archive
from .attempt import LIMIT, Attempt, attempt
from .formulas import use_formula
from .text_files import use_text

USE: dict[str, Callable[[int], None]] = {"formulas": use_formula, "csv": use_text, "archives": use_archive}

#: Inputs that a process is given at once.
_SHARE = 500


@dataclass(slots=True)
class Count:
    """How many inputs became what, and the faults by class and place."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: dict[tuple[str, str], list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    slowest: tuple[float, int] = (0.0, 0)

    def add(self, number: int, made: Attempt, seconds: float) -> None:
        self.outcomes[made.outcome if not made.is_fault else "faults"] += 1
        self.slowest = max(self.slowest, (seconds, number))
        if made.is_fault:
            self.faults[made.outcome, made.where].append((number, made.note))

    def join(self, other: "Count") -> None:
        self.outcomes.update(other.outcomes)
        self.slowest = max(self.slowest, other.slowest)
        for key, found in other.faults.items():
            self.faults[key].extend(found)

    @property
    def n(self) -> int:
        return self.outcomes.total()

    @property
    def faulty(self) -> int:
        return self.outcomes["faults"]

    def table(self, examples: int = 3) -> str:
        """Counts, then each kind of fault with a few numbers of inputs."""
        seconds, number = self.slowest
        lines = [
            f"{self.n} inputs: {self.outcomes['taken']} taken, {self.outcomes['refused']} refused, "
            f"{self.outcomes['faults']} faults; the slowest took {seconds:.2f} s ({number})"
        ]
        for (kind, where), found in sorted(self.faults.items(), key=lambda pair: -len(pair[1])):
            numbers = ", ".join(str(n) for n, _ in found[:examples])
            lines.append(f"{len(found):7d}  {kind} at {where} ({numbers}): {found[0][1][:160]}")
        return "\n".join(lines)


def tried(kind: str, first: int, n: int) -> Count:
    """Inputs of consecutive numbers, in this process."""
    use, count = USE[kind], Count()
    for number in range(first, first + n):
        begun = time.perf_counter()
        made = attempt(lambda number=number: use(number))  # type: ignore[misc]
        count.add(number, made, time.perf_counter() - begun)
    return count


def many(kind: str, first: int, n: int, jobs: int = 1) -> Iterator[Count]:
    """Counts of shares as they come, from processes of which one that dies is a fault of its
    share.
    """
    shares = [(a, min(_SHARE, first + n - a)) for a in range(first, first + n, _SHARE)]
    context = multiprocessing.get_context("spawn")
    while shares:
        with ProcessPoolExecutor(jobs, mp_context=context) as pool:
            waiting = [(share, pool.submit(tried, kind, *share)) for share in shares]
            shares = []
            for (a, size), future in waiting:
                try:
                    yield future.result(timeout=LIMIT * _SHARE)
                except BrokenProcessPool as problem:
                    shares.append((a, size))
                    if len(shares) == 1:  # of the first that did not come back; the others are tried again
                        shares.pop()
                        if size == 1:
                            died = Count()
                            died.add(a, Attempt("crash", note=str(problem)), 0.0)
                            yield died
                        else:
                            half = size // 2
                            shares += [(a, half), (a + half, size - half)]
                except Overdue:
                    hung = Count()
                    hung.add(a, Attempt("hang", note=f"one of {size} inputs from {a}"), LIMIT)
                    yield hung
