"""Mathematics as MathML, which browsers draw without a network or a script: formulas in the text,
and the equations of models in the cells.

A notebook shows the LaTeX of a model's equations; the pages are executed with one more formatter.
"""

import os
from pathlib import Path
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert

STARTUP = """
get_ipython().display_formatter.formatters["text/html"].for_type_by_name(
    "ranef.presentation.equations.document", "Equations", lambda equations: equations.to_mathml()
)
"""


def write_startup(app: Any) -> None:
    """Give the kernels that execute the pages a folder of settings of their own."""
    folder = Path(app.doctreedir) / "ipython"
    startup = folder / "profile_default" / "startup"
    startup.mkdir(parents=True, exist_ok=True)
    (startup / "equations.py").write_text(STARTUP, encoding="utf-8")
    os.environ["IPYTHONDIR"] = str(folder)


def inline(writer: Any, node: Any) -> None:
    """A formula in a sentence."""
    writer.body.append(convert(node.astext()))
    raise nodes.SkipNode


def display(writer: Any, node: Any) -> None:
    """A formula of its own."""
    writer.body.append(f'<div class="formula">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_html_math_renderer("mathml", (inline, None), (display, None))
    app.connect("builder-inited", write_startup)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
