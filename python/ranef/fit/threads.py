"""How many threads the core may use. The number changes the time of a fit, never its result."""

import numbers
import os
from functools import lru_cache
from pathlib import Path

from ranef.errors import ArgumentTypeError, OptionError

#: So many threads may always be asked for.
FEW = 16


def parse_n_threads(n_threads: object) -> int:
    """Check the ``n_threads`` argument; ``None`` is one thread for each physical core this process
    may run on. Larger numbers than make sense are cut.
    """
    if n_threads is None:
        return physical_cores()
    if isinstance(n_threads, bool) or not isinstance(n_threads, numbers.Integral):
        raise ArgumentTypeError(f"n_threads must be a whole number or None, not {n_threads!r}.")
    if n_threads < 1:
        raise OptionError(f"n_threads must be at least 1 (or None for all physical cores), not {n_threads}.")
    return min(int(n_threads), most_threads())


@lru_cache(maxsize=1)
def most_threads() -> int:
    """The most threads that are ever started: more than there are processors gain nothing, and
    thousands take minutes to start and to share work out to.
    """
    return max(FEW, os.cpu_count() or 1)


@lru_cache(maxsize=1)
def physical_cores() -> int:
    """Physical cores this process may run on; where they cannot be told from hyper-threads, all
    logical ones.
    """
    try:
        allowed = os.sched_getaffinity(0)
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1
    cores = set()
    for cpu in allowed:
        try:
            cores.add(Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text())
        except OSError:
            return len(allowed)
    return max(1, len(cores))


#: With fewer rows a second thread costs more than it saves in one fit.
WORTH_SHARING = 50_000


def threads_of_fit(n_rows: int, n_threads: int) -> int:
    """Threads for one fit of so many rows."""
    return n_threads if n_rows >= WORTH_SHARING else 1
