"""A document on a terminal, by rich (extra ``cli``)."""

from typing import TYPE_CHECKING

from ranef.presentation.document import Document, Grid

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def print_document(document: Document, console: "Console") -> None:
    """Print a document with its tables.

    Parameters
    ----------
    document : Document
    console : rich.console.Console
        Where to print; colours and width are its own.
    """
    from rich.text import Text

    console.print(Text(document.title, style="bold"))
    width = max((len(label) for label, _ in document.facts), default=0)
    for label, fact in document.facts:
        console.print(Text.assemble((f"{label:<{width}}  ", "dim"), fact))
    for grid in document.grids:
        console.print()
        console.print(Text(grid.caption, style="bold"))
        console.print(_table(grid))
        if grid.remark:
            console.print(Text(grid.remark, style="dim"))
    console.print()
    *notes, verdict = document.remarks
    for note in notes:
        console.print(Text(note))
    console.print(Text(verdict, style=_verdict_style(verdict)))


def _verdict_style(verdict: str) -> str:
    """Green, yellow or red by how the fit ended; the words say the same."""
    if "not converged" in verdict:
        return "bold red"
    return "yellow" if verdict.startswith("boundary") else "green"


def fits(document: Document, console: "Console") -> bool:
    """Whether every table of a document is as wide as the console or less,
    so that no number is broken.
    """
    from rich.measure import Measurement

    return all(
        Measurement.get(console, console.options.update(width=10_000), _table(grid)).maximum <= console.width
        for grid in document.grids
    )


def _table(grid: Grid) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1), pad_edge=False, header_style="")
    for j, name in enumerate(grid.columns):
        table.add_column(Text(name), justify="left" if j < grid.labels else "right", no_wrap=True)
    for row in grid.rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
