"""A figure as an ``svg`` element of a web page:
its colours are those of the page, light or dark, and its texts stay texts.
"""

import io
import re
from html import escape
from typing import TYPE_CHECKING, Any

from ranef.plots.canvas import require_matplotlib
from ranef.plots.palette import DARK, LIGHT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: More points or lines than this are drawn as an image, which takes less room.
_MOST_POINTS = 600

#: Pixels an inch of such an image; pictures are some 5 inches wide.
_DPI = 150

# Of a picture drawn on dark paper too, as a user's style may have it: the page has its own.
_VARIABLES = {
    colour.lower(): name
    for palette in (DARK, LIGHT)
    for colour, name in (
        *((c, f"c{i}") for i, c in enumerate(palette.series)),
        (palette.ink, "ink"),
        (palette.quiet, "quiet"),
        (palette.grid, "grid"),
        ("#000000", "ink"),
        ("#FFFFFF", "paper"),
    )
}
_COLOUR = re.compile(r"(fill|stroke): (#[0-9a-fA-F]{6})")
_UNUSED_ID = re.compile(r' id="(?!p[0-9a-f]{10}|m[0-9a-f]{10}|image|C)[^"]*"')


def figure_svg(figure: "Figure", name: str, title: str, description: str) -> str:
    """Draw a figure as an ``svg`` element.

    Colours are the variables ``--ink, --quiet, --grid, --paper, --c0 … --c7`` of the page's style.

    Parameters
    ----------
    figure : Figure
    name : str
        A name that no other picture of the page has; its identifiers begin with it.
    title, description : str
        For readers who do not see it.

    Returns
    -------
    str
    """
    require_matplotlib()
    import matplotlib

    for ax in figure.axes:
        for drawn in (*ax.collections, *ax.lines):
            if _points(drawn) > _MOST_POINTS:
                drawn.set_rasterized(True)
    engine = figure.get_layout_engine()
    if engine is not None:  # otherwise matplotlib draws twice, the first time for the layout alone
        engine.execute(figure)
        # "none" would leave an engine that does nothing, and the second drawing for it
        with matplotlib.rc_context({"figure.autolayout": False, "figure.constrained_layout.use": False}):
            figure.set_layout_engine(None)
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, dpi=_DPI, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<style[^>]*>.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    # Texts without a colour are black.
    text = re.sub(r'<text style="(?![^"]*fill:)', '<text style="fill: #000000; ', text)
    text = _COLOUR.sub(_variable, text)
    text = _UNUSED_ID.sub("", text)
    text = re.sub(r' id="([^"]+)"', rf' id="{name}-\1"', text)
    text = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{name}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)
    text = text.replace('xlink:href="data:', 'href="data:')
    box = re.search(r'viewBox="[^"]*"', text)
    head = (
        f'<svg {box.group() if box else ""} role="img" aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>'
    )
    text = re.sub(r"^<svg[^>]*>", lambda _: head, text, count=1)
    return re.sub(r"\n\s*", "\n", text).strip()


def _points(drawn: Any) -> int:
    """Points of a cloud, markers of a line, or lines of a collection."""
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D

    if isinstance(drawn, LineCollection):
        return len(drawn.get_paths())

    if isinstance(drawn, Line2D):
        marked = drawn.get_marker() not in ("", "None", None, " ")
        return len(drawn.get_xdata()) if marked else 0  # type: ignore[arg-type]
    return len(drawn.get_offsets())


def _variable(match: "re.Match[str]") -> str:
    name = _VARIABLES.get(match.group(2).lower())
    return match.group() if name is None else f"{match.group(1)}: var(--{name})"
