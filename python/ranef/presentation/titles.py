"""The first line of a printed model: what was fitted, and how."""

from ranef.options import Ddf
from ranef.presentation.text_table import WIDTH, text_width

#: Columns at the end of a line that a wrapped title leaves free.
_MARGIN = 3

_TEST_METHODS = {
    "satterthwaite": "Satterthwaite's method",
    "kenward-roger": "Kenward-Roger's method",
    "kenward-roger-linear": "Kenward-Roger's linear method",
    "between-within": "between-within degrees of freedom",
    "residual": "residual degrees of freedom",
    "clusters": "the number of clusters less one",
}


def model_title(model: str, estimation: str, ddf: Ddf = "none") -> str:
    """Return the title of a model.

    Parameters
    ----------
    model : str
        What such a model is called, such as "linear mixed model".
    estimation : str
        What was minimised, such as "REML" or "maximum likelihood (Laplace Approximation)".
    ddf : {"satterthwaite", "kenward-roger", "residual", "none"}
        Method of the degrees of freedom of the tests that are shown; "none" where they have none.
    """
    title = f"{model[:1].upper()}{model[1:]} fit by {estimation}"
    return title if ddf == "none" else f"{title}. t-tests use {_TEST_METHODS[ddf]}"


def title_lines(title: str, width: int = WIDTH) -> list[str]:
    """Lay out a title, wrapped where it does not fit on one line."""
    if text_width(title) <= width:
        return [title]
    lines = [""]
    for word in title.split():
        blank = " " if lines[-1].strip() else ""
        if blank and text_width(lines[-1]) + 1 + text_width(word) > width - _MARGIN:
            lines.append("  ")
            blank = ""
        lines[-1] += blank + word
    return lines
