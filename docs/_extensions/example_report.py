"""Puts the report of the tutorial's last model beside the pages of the site, which link to it."""

from pathlib import Path
from typing import Any


def write_report(app: Any, problem: Exception | None) -> None:
    """Write the page when the site has been built."""
    if problem is None and app.builder.format == "html":
        from ranef import lmer, load_dataset

        model = lmer("normexam ~ standLRT * schavg + (standLRT | school)", load_dataset("exam"))
        model.report(Path(app.outdir) / "example_report.html")


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("build-finished", write_report)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
