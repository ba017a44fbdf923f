"""The measurements as Markdown tables."""

from collections.abc import Sequence

from benchmarks.models import BenchmarkModel
from benchmarks.rounds import Timing


def seconds(value: float | None) -> str:
    """A time with three significant digits in the unit that suits it."""
    if value is None:
        return "–"
    if value >= 1:
        return f"{value:.3g} s" if value < 1000 else f"{value:.0f} s"
    digits = max(0, 2 - int(f"{value * 1e3:e}".split("e")[1]))
    return f"{value * 1e3:.{digits}f} ms"


def ratio(value: float | None, ours: float | None, at_least: bool = False) -> str:
    """How many times longer than ours."""
    if value is None or not ours:
        return "–"
    quotient = value / ours
    return ("> " if at_least else "") + (f"{quotient:.0f}×" if quotient >= 10 else f"{quotient:.1f}×")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are right-aligned."""
    lines = ["| " + " | ".join(header) + " |", "| --- |" + " ---: |" * (len(header) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def _cell(timing: Timing | None, ours: float | None) -> str:
    if timing is None:
        return "–"
    if timing.at_least is not None:
        return f"> {timing.at_least:.0f} s ({ratio(timing.at_least, ours, at_least=True)})"
    if timing.median is None:
        return "–"
    return f"{seconds(timing.median)} ({ratio(timing.median, ours)})"


def model_table(
    results: Sequence[tuple[BenchmarkModel, dict[str, Timing], float | None]], others: Sequence[str]
) -> str:
    """Medians of whole calls:
    ours, what was promised, the core's share, every other program with its ratio to ours.
    """
    rows = []
    for model, timings, core in results:
        ours = timings["ranef"].median if "ranef" in timings else None
        limit = seconds(model.limit_ms / 1e3) if model.limit_ms else ""
        rows.append(
            [model.name, seconds(ours), limit, seconds(core)] + [_cell(timings.get(name), ours) for name in others]
        )
    return table(["model", "ranef", "limit", "of which core", *others], rows)


def objective_table(
    results: Sequence[tuple[BenchmarkModel, dict[str, Timing], float | None]], others: Sequence[str]
) -> str:
    """The criterion reached: ours, and by how much each other program stops above it."""
    rows = []
    for model, timings, _ in results:
        ours = timings["ranef"].objective if "ranef" in timings else None
        cells = []
        for name in others:
            timing = timings.get(name)
            theirs = timing.objective if timing else None
            if theirs is None:
                cells.append("–")
            elif ours is None:
                cells.append(f"{theirs:.6f}")
            else:
                cells.append(f"{theirs - ours:+.2g}")
        rows.append([model.name, "–" if ours is None else f"{ours:.6f}", *cells])
    return table(["model", "criterion (ranef)", *(f"{name} minus ours" for name in others)], rows)


def cpu_table(results: Sequence[tuple[BenchmarkModel, dict[str, Timing], float | None]], others: Sequence[str]) -> str:
    """Median processor seconds, which a busy machine disturbs less than wall-clock time."""
    rows = []
    for model, timings, _ in results:
        cells = []
        for name in ["ranef", *others]:
            timing = timings.get(name)
            cells.append(seconds(timing.median_cpu) if timing else "–")
        rows.append([model.name, *cells])
    return table(["model", "ranef", *others], rows)


def failures(results: Sequence[tuple[BenchmarkModel, dict[str, Timing], float | None]]) -> list[str]:
    """One line for each program and reason, with the models it did not fit."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for model, timings, _ in results:
        for timing in timings.values():
            if timing.failure:
                grouped.setdefault((timing.engine, timing.failure), []).append(model.name)
    return [f"{engine}: {reason} ({', '.join(models)})" for (engine, reason), models in grouped.items()]
