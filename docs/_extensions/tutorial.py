"""Holds the built tutorial against R:
the tables of its five models must carry the lines that lme4 prints.
"""

import html
import json
import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

ROOT = Path(__file__).parents[2]
CRITERION = ("REML", "REML", "ML", "REML", "REML")  # as the tutorial fits its five models


def printed_by_r(model: dict[str, object]) -> list[str]:
    """The lines of lme4's tables of random and fixed effects."""
    lines = [str(line).rstrip() for line in model["print"]]
    return [line for line in lines[lines.index("Random effects:") :] if line]


def check_tables(app: Sphinx, exception: Exception | None) -> None:
    """Compare when the page has been written."""
    page = Path(app.outdir) / "tutorial" / "exam.html"
    if exception or app.builder.name != "html":
        return
    shown = html.unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))
    lines = {line.rstrip() for line in shown.splitlines()}
    models = json.loads((ROOT / "tests" / "reference" / "exam_tutorial.json").read_text(encoding="utf-8"))["models"]
    for model, criterion in zip(models, CRITERION, strict=True):
        missing = [line for line in printed_by_r(model[criterion]) if line not in lines]
        if missing:
            raise ExtensionError(f"the tutorial lacks lines that lme4 prints for {model['formula']}: {missing}")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the check with Sphinx."""
    app.connect("build-finished", check_tables)
    return {"parallel_read_safe": True}
