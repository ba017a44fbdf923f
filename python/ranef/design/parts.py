"""Columns of linear predictors beside the first, such as nominal and scale effects of ordered
categories.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.design.coding import Layout
from ranef.errors import ArgumentTypeError, FormulaError
from ranef.formula.formula import Formula

if TYPE_CHECKING:
    from ranef.design.encoder import RandomEncoder
    from ranef.design.record import RandomTerm

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class DesignPart:
    """The columns of a part.

    Attributes
    ----------
    name : str
    formula : str
        As the user gave it.
    x_names : tuple of str
    x_assign : tuple of int
        For every column, the number of the term it belongs to, from 1.
    terms : tuple of str
        Labels of the terms.
    x : (n, k) array
    random : tuple of RandomTerm
        Its random terms, in the order of its formula.
    """

    name: str
    formula: str
    x_names: tuple[str, ...]
    x_assign: tuple[int, ...]
    terms: tuple[str, ...]
    x: Floats
    random: "tuple[RandomTerm, ...]" = ()


@dataclass(frozen=True, slots=True, eq=False)
class PartLayout:
    """How the columns of a part are made of data.

    Attributes
    ----------
    name : str
        The argument that asked for it, such as ``"nominal"``.
    formula : Formula
    layout : Layout
        Without an intercept.
    random : tuple of RandomEncoder
    """

    name: str
    formula: Formula
    layout: Layout
    random: "tuple[RandomEncoder, ...]" = ()

    def with_columns(self, x: Floats, random: "tuple[RandomTerm, ...]" = ()) -> DesignPart:
        """The part in rows with these columns (n, k) and random terms."""
        terms, own = tuple(t.label for t in self.formula.fixed), self.layout
        return DesignPart(self.name, self.formula.text, own.names, own.assign, terms, x, random)


def without_intercept(layout: Layout) -> Layout:
    """The columns beside the intercept, coded as beside one."""
    if not layout.intercept:
        return layout
    return Layout(False, layout.terms, layout.names[1:], layout.assign[1:], True)


def without_response(name: str, text: object) -> str:
    """Check the text of the formula of an argument, which has no response.

    Raises
    ------
    ArgumentTypeError, FormulaError
        For what is no text, or has a response.
    """
    if not isinstance(text, str):
        raise ArgumentTypeError(f"{name} must be text such as '~ x', not {type(text).__name__}.")
    shown = text.strip()
    if not shown.startswith("~"):
        raise FormulaError(
            f"{name} must be a formula without a response, such as {name}='~ x'; it is {text!r}.", text, 0, len(text)
        )
    return shown
