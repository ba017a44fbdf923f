"""The forms of a table: text, HTML, Markdown, LaTeX, Typst, and files of these, of Word and CSV."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ranef.errors import ArgumentTypeError, DataError, OptionError
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
_TEXTS: dict[str, Callable[[Document], str]] = {
    ".tex": latex,
    ".html": html_page,
    ".typ": typst,
    ".md": markdown,
    ".txt": lambda document: plain(document) + "\n",
}

ENDINGS = (".docx", *_TEXTS, ".csv")


class TableForms:
    """What a table of fixed numbers can be turned into.

    A subclass makes the document, and a frame of the numbers behind it.
    """

    __slots__ = ()

    def _document(self) -> Document:
        raise NotImplementedError

    def to_frame(self) -> "pd.DataFrame":
        """Return the numbers."""
        raise NotImplementedError

    def __str__(self) -> str:
        return plain(self._document())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_html(self) -> str:
        """Return the table as an HTML fragment."""
        return html(self._document())

    def to_markdown(self) -> str:
        """Return the table as Markdown."""
        return markdown(self._document())

    def to_latex(self) -> str:
        r"""Return the table as LaTeX; it needs ``\usepackage{booktabs}``."""
        return latex(self._document())

    def to_typst(self) -> str:
        """Return the table as Typst markup."""
        return typst(self._document())

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the table to a file, in the form that its name ends with.

        Parameters
        ----------
        path : path
            Ending with ``.docx`` (Word, by python-docx: ``pip install 'ranef[tables]'``), ``.tex``
            (for ``\\input``), ``.typ`` (for Typst's ``#include``), ``.html`` (a whole page),
            ``.md``, ``.txt``, or ``.csv`` (the numbers of ``to_frame``, unrounded). A file that is
            there is replaced.

        Returns
        -------
        Path
            Of the file.
        """
        if not isinstance(path, str | os.PathLike):
            raise ArgumentTypeError(f"path must be a file name, not {path!r}.")
        target = Path(path)
        ending = target.suffix.lower()
        if ending not in ENDINGS:
            raise OptionError(
                f"a table is written to a file whose name ends with {', '.join(ENDINGS)}, and {target.name!r} does not."
            )
        try:
            if ending == ".docx":
                save_word(self._document(), target)
            elif ending == ".csv":
                self.to_frame().to_csv(target, index=False)
            else:
                target.write_text(_TEXTS[ending](self._document()), encoding="utf-8")
        except OSError as problem:
            raise DataError(f"the table cannot be written to {str(target)!r}: {problem.strerror or problem}.") from None
        return target
