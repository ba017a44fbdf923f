"""The charts of speed, drawn from the committed tables of the benchmarks when the site is built."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from svg_chart import Scale, axis, beyond, dot, legend, line, svg, text

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results.md"
UNITS = {"µs": 1e-6, "ms": 1e-3, "s": 1.0}
KINDS = {"ranef": "ours", "lme4": "first", "glmmTMB": "second", "statsmodels": "third"}
"""Programs with a colour of their own; the others, Python packages, share one."""

FEW = ("sleepstudy", "Exam 5", "Chem97", "factorial 3x4x5x6x7", "kb07, 20 thetas", "cbpp", "Contraception", "VerbAgg")
"""Models of the small chart: with one grouping factor, nested, crossed, and generalized."""

TICKS = ((1e-3, "1 ms"), (1e-2, "10 ms"), (1e-1, "100 ms"), (1.0, "1 s"), (10.0, "10 s"), (60.0, "1 min"))


@dataclass(frozen=True)
class Time:
    """Seconds of one call, or more than these."""

    seconds: float
    more: bool = False

    @property
    def words(self) -> str:
        """As people write it."""
        value, unit = (self.seconds * 1e3, "ms") if self.seconds < 1 else (self.seconds, "s")
        return f"{'over ' if self.more else ''}{value:.3g} {unit}"


def parse_time(cell: str) -> Time | None:
    """``30.0 ms (27×)`` or ``> 8 s (> 13×)``; None for a dash."""
    found = re.match(r"(> )?([\d.]+) (µs|ms|s)\b", cell)
    return None if found is None else Time(float(found[2]) * UNITS[found[3]], bool(found[1]))


def whole_calls(markdown: str) -> dict[str, dict[str, Time]]:
    """Times by model and program, from the table under "Whole calls"."""
    part = markdown.split("## Whole calls", 1)[1].split("\n## ", 1)[0]
    rows = [[c.strip() for c in r.strip("|").split("|")] for r in part.splitlines() if r.startswith("|")]
    programs = rows[0]
    skipped = {"model", "limit", "of which core"}
    return {
        row[0]: {
            program: time
            for program, cell in zip(programs, row, strict=True)
            if program not in skipped and (time := parse_time(cell)) is not None
        }
        for row in rows[2:]
    }


def growth(markdown: str) -> list[tuple[int, Time, Time | None]]:
    """Rows of the data with our time and that of lme4, from the table under "Growth"."""
    part = markdown.split("## Growth", 1)[1].split("\n## ", 1)[0]
    found = []
    for row in re.findall(r"^\| ([\d,]+) \| (.*) \|$", part, re.MULTILINE):
        cells = row[1].split(" | ")
        ours = parse_time(cells[0])
        assert ours is not None
        found.append((int(row[0].replace(",", "")), ours, parse_time(cells[3].replace("over", ">"))))
    return found


def speed_chart(times: dict[str, dict[str, Time]], models: list[str]) -> str:
    """A row for each model, a dot for each program."""
    top, step, left = 34, 19, 12 + 5.9 * max(len(model) for model in models)
    bottom = top + step * len(models)
    longest = max(time.seconds for model in models for time in times[model].values())
    scale = Scale(6e-4, 1.6 * longest, left, 385)
    drawn = axis(scale, top - 8, bottom, [tick for tick in TICKS if tick[0] < longest])
    drawn += legend([(kind, name) for name, kind in KINDS.items()] + [("other", "Python packages")], 2, 12)
    drawn += text(430, top - 4, "lme4 ÷ ranef", "end", "tick")
    for i, model in enumerate(models):
        y = top + step * (i + 0.5)
        found = times[model]
        drawn += text(left - 10, y + 4, model, "end")
        places = [scale(t.seconds) for t in found.values()]
        drawn += line(min(places), y, max(places), y, "span")
        for program, time in sorted(found.items(), key=lambda item: item[0] in KINDS):
            mark = beyond if time.more else (lambda x, y, kind, says: dot(x, y, 4, kind, says))
            drawn += mark(scale(time.seconds), y, KINDS.get(program, "other"), f"{program}: {time.words}")
        if "lme4" in found and "ranef" in found:
            more = "> " if found["lme4"].more else ""
            drawn += text(430, y + 4, f"{more}{found['lme4'].seconds / found['ranef'].seconds:.0f}×", "end")
    return svg(drawn, bottom + 18, "Time of a whole call by model and program, on a logarithmic scale")


def growth_chart(sizes: list[tuple[int, Time, Time | None]]) -> str:
    """Time along the number of rows, both logarithmic."""
    across = Scale(7e2, 1.5e7, 60, 420)
    up = Scale(1e-3, 100.0, 180, 20)
    drawn = "".join(
        line(60, up(v), 420, up(v), "grid") + text(52, up(v) + 4, label, "end", "tick")
        for v, label in ((1e-3, "1 ms"), (1e-2, "10 ms"), (0.1, "100 ms"), (1.0, "1 s"), (10.0, "10 s"))
    )
    drawn += "".join(text(across(rows), 197, f"{rows:,}", "middle", "tick") for rows, _, _ in sizes)
    drawn += text(240, 214, "rows", "middle", "tick")
    for kind, series in (
        ("first", [(rows, other) for rows, _, other in sizes if other is not None]),
        ("ours", [(rows, ours) for rows, ours, _ in sizes]),
    ):
        points = " ".join(f"{across(rows):.1f},{up(time.seconds):.1f}" for rows, time in series)
        drawn += f'<polyline points="{points}" class="path {kind}"/>'
        drawn += "".join(
            (beyond if time.more else lambda x, y, k, s: dot(x, y, 4, k, s))(
                across(rows), up(time.seconds), kind, f"{rows:,} rows: {time.words}"
            )
            for rows, time in series
        )
    drawn += legend([("ours", "ranef"), ("first", "lme4")], 66, 14)
    return svg(drawn, 218, "Time of a fit along the number of rows")


class SpeedChart(Directive):
    """The chart: of a few models, of ``all``, or of ``growth``."""

    optional_arguments = 1

    def run(self) -> list[Any]:
        """Draw it."""
        markdown = RESULTS.read_text(encoding="utf-8")
        which = self.arguments[0] if self.arguments else "few"
        times = whole_calls(markdown)
        models = list(times) if which == "all" else list(FEW)
        drawn = growth_chart(growth(markdown)) if which == "growth" else speed_chart(times, models)
        return [nodes.raw("", drawn, format="html")]


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("speed-chart", SpeedChart)
    return {"parallel_read_safe": True}
