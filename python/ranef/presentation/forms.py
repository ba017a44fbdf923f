"""The forms of a table: text, HTML, Markdown, LaTeX, Typst, and files of these, of Word and CSV."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ranef.errors import ArgumentTypeError, DataError, OptionError
from ranef.known_arguments import known_members
from ranef.presentation.document import Document
from ranef.presentation.html import html, html_page
from ranef.presentation.latex import latex
from ranef.presentation.markdown import markdown
from ranef.presentation.plain import plain
from ranef.presentation.typst import typst
from ranef.presentation.word import save_word

if TYPE_CHECKING:
    import pandas as pd

#: What a file of text has in it, by the ending of its name.
_TEXTS: dict[str, Callable[[Document], str]] = {".tex": latex, ".html": html_page, ".typ": typst, ".md": markdown}

ENDINGS = (".docx", *_TEXTS, ".txt")


@known_members
class DocumentForms:
    """What tables with a heading and notes can be turned into.

    A subclass makes the document.
    """

    __slots__ = ()

    def _document(self) -> Document:
        raise NotImplementedError

    def _numbers(self) -> "pd.DataFrame | None":
        """What a file of CSV has in it; None where that would take several frames."""
        return None

    def __str__(self) -> str:
        return plain(self._document())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_html(self) -> str:
        """Return an HTML fragment."""
        return html(self._document())

    def to_markdown(self) -> str:
        """Return Markdown with pipe tables."""
        return markdown(self._document())

    def to_latex(self) -> str:
        r"""Return LaTeX; the tables need ``\usepackage{booktabs}``."""
        return latex(self._document())

    def to_typst(self) -> str:
        """Return Typst markup."""
        return typst(self._document())

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write to a file, in the form that its name ends with.

        Parameters
        ----------
        path : path
            Ending with ``.docx`` (Word, by python-docx: ``pip install 'ranef[tables]'``), ``.tex``
            (for LaTeX's input), ``.typ`` (for Typst's include), ``.html`` (a whole page), ``.md``,
            ``.txt``, or, where there is one table of numbers, ``.csv`` (those of ``to_frame``,
            unrounded). A file that is there is replaced.

        Returns
        -------
        Path
            Of the file.
        """
        return save_document(path, self._document(), self._numbers(), lambda: str(self))


class TableForms(DocumentForms):
    """What one table can be turned into: the same, and a frame of the numbers behind it."""

    __slots__ = ()

    def to_frame(self) -> "pd.DataFrame":
        """Return the numbers."""
        raise NotImplementedError

    def _numbers(self) -> "pd.DataFrame | None":
        return self.to_frame()


def save_document(
    path: str | os.PathLike[str], document: Document, numbers: "pd.DataFrame | None", text: Callable[[], str]
) -> Path:
    """Write a document to a file, in the form that its name ends with.

    Parameters
    ----------
    path : path
    document : Document
    numbers : DataFrame or None
        What a file of CSV has in it; None refuses one.
    text : callable
        What a file of text has in it.

    Returns
    -------
    Path
        Of the file.
    """
    if not isinstance(path, str | os.PathLike):
        raise ArgumentTypeError(f"path must be a file name, not {path!r}.")
    target = Path(path)
    ending = target.suffix.lower()
    endings = ENDINGS if numbers is None else (*ENDINGS, ".csv")
    if ending not in endings:
        raise OptionError(
            f"a table is written to a file whose name ends with {', '.join(endings)}, and {target.name!r} does not."
        )
    try:
        if ending == ".docx":
            save_word(document, target)
        elif ending == ".csv" and numbers is not None:
            numbers.to_csv(target, index=False)
        else:
            target.write_text(f"{text()}\n" if ending == ".txt" else _TEXTS[ending](document), encoding="utf-8")
    except OSError as problem:
        raise DataError(f"the table cannot be written to {str(target)!r}: {problem.strerror or problem}.") from None
    return target
