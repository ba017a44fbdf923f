"""Writes the page of agreement when the site is built:
every reference case fitted here, with its distance from R's best numbers.
"""

import functools
import math
import sys
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx
from svg_chart import Scale, axis, line, svg, text

ROOT = Path(__file__).parents[2]

HEAD = """# Agreement

Fitted when this page was built: every linear model of the reference collection, against the best of
several optimisers of lme4, each run to tight tolerances. The stored values, the R script that made
them and the versions of R and its packages are in `tests/reference`.

```{agreement-chart}
```

- *criterion*: ours minus theirs (REML criterion or deviance); negative is a lower, better one
- *fixed effects*: largest difference in standard errors
- *standard errors*, *standard deviations*: largest relative difference. Standard deviations of
  singular fits are left out, since they are not smooth there, and those of two redundant models
  (`(f || g)` with a factor), of which the data determine only sums of variances

| model | data | rows | criterion | fixed effects | standard errors | standard deviations |
| --- | --- | ---: | ---: | ---: | ---: | ---: |
"""

FOOT = """
Models for which we and lme4 disagree by intention, and those where other programs are wrong,
are in [findings](findings.md).
"""


@dataclass(frozen=True)
class Agreement:
    """Our fit of a reference model beside R's best."""

    formula: str
    data: str
    rows: int
    criterion: float
    fixed: float
    errors: float
    spread: float | str
    """The difference of standard deviations, or in a word why they cannot be compared."""

    @property
    def line(self) -> str:
        """One line of the table."""
        formula = self.formula.replace("|", "\\|")
        spread = self.spread if isinstance(self.spread, str) else f"{self.spread:.0e}"
        return (
            f"| `{formula}` | {self.data} | {self.rows:,} | {self.criterion:+.0e} | "
            f"{self.fixed:.0e} | {self.errors:.0e} | {spread} |\n"
        )


def compared(case: dict[str, Any], model: Any, warned: list[str]) -> Agreement:
    """The differences of one model."""
    best = case["best"]
    theirs = np.array(list(best["beta"].values()), dtype=float)
    errors = np.array(list(best["se"].values()), dtype=float)
    ours = [sd for block in model.varcorr.values() for sd in block.sd]
    stored = [float(sd) for block in best["varcorr"].values() for sd in block["sd"]]
    return Agreement(
        case["formula"],
        case["data"],
        model.nobs,
        model.objective - case["objective_best"],
        float(np.max(np.abs(model.fixef.to_numpy() - theirs) / errors, initial=0.0)),
        float(np.max(np.abs(model.bse.to_numpy() / errors - 1), initial=0.0)),
        incomparable(model, warned) or max(abs(a / b - 1) for a, b in zip(ours, stored, strict=True)),
    )


def incomparable(model: Any, warned: list[str]) -> str:
    """Why standard deviations cannot be compared, or nothing."""
    if model.is_singular:
        return "singular"
    return "redundant" if any("left of a double bar" in message for message in warned) else ""


@functools.cache
def agreements() -> list[Agreement]:
    """Fit every case."""
    for folder in (ROOT / "tests" / "agreement", ROOT / "tests"):
        sys.path.insert(0, str(folder))
    from lme4_case import fitted, warnings_of

    from reference.store import case_ids, load_case

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [compared(load_case(i), fitted(i), warnings_of(i)) for i in case_ids("lmer")]


def write_page(app: Sphinx) -> None:
    """Write the page into the source folder."""
    text = HEAD + "".join(model.line for model in agreements()) + FOOT
    (Path(app.srcdir) / "agreement.md").write_text(text, encoding="utf-8")


def agreement_chart(models: list[Agreement]) -> str:
    """For each quantity the models by the size of their largest difference, in powers of ten."""
    quantities = (
        ("criterion", [abs(m.criterion) for m in models]),
        ("fixed effects, in SE", [m.fixed for m in models]),
        ("standard errors", [m.errors for m in models]),
        ("standard deviations", [m.spread for m in models if not isinstance(m.spread, str)]),
    )
    scale = Scale(1e-16, 1e-2, 122, 424)
    top, step = 20, 42
    bottom = top + step * len(quantities)
    drawn = axis(scale, top - 8, bottom, ((10.0**p, f"1e{p}") for p in (-15, -12, -9, -6, -3)))
    for i, (name, values) in enumerate(quantities):
        base = top + step * (i + 1) - 5
        counts = Counter(min(max(math.floor(2 * math.log10(max(v, 1e-16))), -32), -5) for v in values)
        tallest = max(counts.values())
        drawn += text(112, base - 10, name, "end") + line(122, base, 424, base, "span")
        for half, count in counts.items():
            left, right = scale(10 ** (half / 2)), scale(10 ** ((half + 1) / 2))
            height = (step - 10) * count / tallest
            says = f"{count} models: 1e{half / 2:g} to 1e{(half + 1) / 2:g}"
            drawn += (
                f'<rect x="{left + 0.7:.1f}" y="{base - height:.1f}" width="{right - left - 1.4:.1f}" '
                f'height="{height:.1f}" class="ours"><title>{says}</title></rect>'
            )
    return svg(drawn, bottom + 18, f"Largest differences from lme4 in {len(models)} models, in powers of ten")


class AgreementChart(Directive):
    """The chart of all models."""

    def run(self) -> list[Any]:
        """Draw it."""
        return [nodes.raw("", agreement_chart(agreements()), format="html")]


PERFORMANCE = """# Performance

How long a whole call takes, formula and frame in and fitted object out, with one thread for every program.
Hover over a mark for its time; an arrow is a program that was stopped there.

```{speed-chart} all
```

The same along the size of the data, `y ~ x + (x | g)` with about 100 rows in each group:

```{speed-chart} growth
```

The tables below are those of `benchmarks/results.md`; `benchmarks/README.md` has the rules and the
command that makes them again.
"""

TABLES = {
    "performance.md": ("results.md", "# Last run of the benchmarks", PERFORMANCE),
    "coverage.md": ("results_coverage.md", "", ""),
}
"""Pages of the site, and the committed tables of the benchmarks that they show."""


def write_tables(app: Sphinx) -> None:
    """The last committed tables of the benchmarks as pages."""
    for page, (source, title, shown) in TABLES.items():
        words = (ROOT / "benchmarks" / source).read_text(encoding="utf-8")
        (Path(app.srcdir) / page).write_text(words.replace(title, shown, 1), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the pages with Sphinx."""
    app.add_directive("agreement-chart", AgreementChart)
    app.connect("builder-inited", write_page)
    app.connect("builder-inited", write_tables)
    return {"parallel_read_safe": True}
