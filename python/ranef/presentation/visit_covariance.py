"""The covariance matrix of the visits of a subject, as a part of a summary."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.estimates.residual_covariance import residual_covariances
from ranef.fit.record import MixedFit
from ranef.presentation.numbers import format_numbers
from ranef.presentation.text_table import WIDTH, table_lines

#: What structures are called.
_WORDS = {
    "us": "unstructured",
    "cs": "compound symmetry",
    "ar1": "auto-regressive of order one",
    "ad": "ante-dependence",
    "toep": "Toeplitz",
    "exp": "spatial exponential",
    "gau": "spatial Gaussian",
}


@dataclass(frozen=True, slots=True, eq=False)
class VisitCovariance:
    """How the rows of a subject are correlated.

    Attributes
    ----------
    structure : str
        In words, with the number of its parameters.
    subjects : str
        Number of subjects and of visits.
    groups : tuple of (label, names, matrix)
        The covariance matrix of the visits of each group; the label is empty where all have one.
        None at all where positions are no visits.
    parameters : tuple of (str, float)
        Parameters by name, where there is no matrix.
    """

    structure: str
    subjects: str
    groups: tuple[tuple[str, tuple[str, ...], NDArray[np.float64]], ...]
    parameters: tuple[tuple[str, float], ...]

    def facts(self) -> tuple[tuple[str, str], ...]:
        """Labels and texts of the header."""
        return ("Covariance", self.structure), ("Subjects", self.subjects)

    def tables(self, digits: int) -> list[tuple[str, tuple[str, ...], list[tuple[str, ...]]]]:
        """Captions, headings and rows; the first column holds labels."""
        if not self.groups:
            names, values = zip(*self.parameters, strict=True)
            texts = [t.strip() for t in format_numbers(list(values), digits)]
            return [("Covariance parameters", ("", "Estimate"), list(zip(names, texts, strict=True)))]
        out = []
        for label, names, matrix in self.groups:
            texts = [t.strip() for t in format_numbers(matrix.ravel().tolist(), digits)]
            rows = [(name, *texts[i * len(names) : (i + 1) * len(names)]) for i, name in enumerate(names)]
            caption = "Covariance of the visits" + (f", {label}" if label else "")
            out.append((caption, ("", *names), rows))
        return out

    def lines(self, digits: int, width: int = WIDTH) -> list[str]:
        """The tables as text."""
        out: list[str] = []
        for caption, columns, rows in self.tables(digits):
            cells = [list(column) for column in zip(*(row[1:] for row in rows), strict=True)]
            labels = [row[0] for row in rows]
            out += ["", f"{caption}:", *table_lines(labels, list(columns[1:]), cells, right=True, width=width)]
        return out


def visit_covariance(fit: MixedFit) -> VisitCovariance | None:
    """The block of a model for repeated measures; None for other models."""
    rows = fit.design.residual
    if not fit.is_of_visits or rows is None or rows.expr.correlation is None:
        return None
    own = fit.npar - len(fit.beta)
    c: Any = rows.expr.correlation
    hetero = "" if c.homogeneous or c.structure == "us" else "heterogeneous "
    by = f" by {', '.join(v.name for v in c.by)}" if c.by else ""
    structure = f"{hetero}{_WORDS.get(c.structure, c.structure)}{by} ({own} parameters)"
    subject = c.subject[-1].name
    subjects = f"{len(np.unique(rows.subject))} ({subject}), with {rows.most} rows at most"
    try:
        if c.kind.spatial:
            raise OptionError("positions are no visits.")
        found = residual_covariances(fit)
    except OptionError:
        named: Any = fit
        parameters = (*zip(named.structure_names, named.structure.tolist(), strict=True), ("sigma", fit.sigma))
        return VisitCovariance(structure, subjects, (), parameters)
    groups = tuple((g, tuple(map(str, names)), matrix) for g, (names, matrix) in found.items())
    return VisitCovariance(structure, subjects, groups, ())
