"""Writes the page of agreement when the site is built:
every reference case fitted here, with its distance from R's best numbers.
"""

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]

HEAD = """# Agreement

Fitted when this page was built: every linear model of the reference collection, against the best of
several optimisers of lme4, each run to tight tolerances. The stored values, the R script that made
them and the versions of R and its packages are in `tests/reference`.

- *criterion*: ours minus theirs (REML criterion or deviance); negative is a lower, better one
- *fixed effects*: largest difference in standard errors
- *standard errors*, *standard deviations*: largest relative difference; for singular fits
  standard deviations are left out, since they are not smooth there

| model | data | rows | criterion | fixed effects | standard errors | standard deviations |
| --- | --- | ---: | ---: | ---: | ---: | ---: |
"""

FOOT = """
Models for which we and lme4 disagree by intention, and those where other programs are wrong,
are in [findings](findings.md).
"""


def row(identifier: str, case: dict[str, Any], model: Any) -> str:
    """One line of the table."""
    best = case["best"]
    bse = model.bse.to_numpy()
    theirs = np.array(list(best["beta"].values()), dtype=float)
    errors = np.array(list(best["se"].values()), dtype=float)
    fixed = float(np.max(np.abs(model.fixef.to_numpy() - theirs) / errors, initial=0.0))
    ratio = float(np.max(np.abs(bse / errors - 1), initial=0.0))
    ours = [sd for block in model.varcorr.values() for sd in block.sd]
    stored = [float(sd) for block in best["varcorr"].values() for sd in block["sd"]]
    spread = (
        "singular" if model.is_singular else f"{max(abs(a / b - 1) for a, b in zip(ours, stored, strict=True)):.0e}"
    )
    formula = case["formula"].replace("|", "\\|")
    return (
        f"| `{formula}` | {case['data']} | {model.nobs:,} | {model.objective - case['objective_best']:+.0e} | "
        f"{fixed:.0e} | {ratio:.0e} | {spread} |\n"
    )


def write_page(app: Sphinx) -> None:
    """Fit every case and write the page into the source folder."""
    for folder in (ROOT / "tests" / "agreement", ROOT / "tests"):
        sys.path.insert(0, str(folder))
    from lme4_case import fitted

    from reference.store import case_ids, load_case

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lines = [row(i, load_case(i), fitted(i)) for i in case_ids("lmer")]
    (Path(app.srcdir) / "agreement.md").write_text(HEAD + "".join(lines) + FOOT, encoding="utf-8")


TABLES = {
    "performance.md": ("results.md", "# Last run of the benchmarks", "# Performance"),
    "coverage.md": ("results_coverage.md", "", ""),
}
"""Pages of the site, and the committed tables of the benchmarks that they show."""


def write_tables(app: Sphinx) -> None:
    """The last committed tables of the benchmarks as pages."""
    for page, (source, title, shown) in TABLES.items():
        text = (ROOT / "benchmarks" / source).read_text(encoding="utf-8")
        (Path(app.srcdir) / page).write_text(text.replace(title, shown, 1), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the pages with Sphinx."""
    app.connect("builder-inited", write_page)
    app.connect("builder-inited", write_tables)
    return {"parallel_read_safe": True}
