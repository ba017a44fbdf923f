"""The machine in general words: enough to judge the times, nothing that names it."""

import os
import platform
from pathlib import Path


def _cpu_family() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError):
        return None


def describe() -> str:
    """One line: cores, processor family, memory, operating system, Python."""
    memory = _memory_gib()
    size = f", {memory:.0f} GiB" if memory else ""
    cores = os.cpu_count()
    return (
        f"{cores} cores, {_cpu_family()} ({platform.machine()}){size}, {platform.system()}; "
        f"Python {platform.python_version()}"
    )
