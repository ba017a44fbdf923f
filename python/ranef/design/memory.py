"""How much memory is free, and how much a call may take."""

from collections.abc import Iterator
from contextlib import contextmanager

GIGABYTE = 1e9


def available_memory() -> float | None:
    """Bytes that can be taken now without swapping: the least of what the machine, its control
    groups, the limit of the address space and :func:`memory_limit` leave. None where the system
    does not say.
    """
    from ranef._core import available_memory as available

    return available()


@contextmanager
def memory_limit(limit: float | None) -> Iterator[None]:
    """Let what is called in the block take so many bytes more than the process holds.

    Parameters
    ----------
    limit : float or None
        None sets no limit beside those of the system.
    """
    from ranef._core import allow_memory, restore_memory

    before = allow_memory(limit)
    try:
        yield
    finally:
        restore_memory(before)
