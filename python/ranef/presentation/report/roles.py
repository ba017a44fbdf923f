"""What each fixed effect is: the effect of a number, of a level of a factor,
an interaction, or something that is not read by itself.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.design.coding import Coded
from ranef.fit.record import MixedFit
from ranef.formula import parse_expression
from ranef.formula.syntax import Name, names_in, without_parens
from ranef.presentation.term_labels import label_of


@dataclass(frozen=True, slots=True)
class Piece:
    """One factor of a product of columns.

    Attributes
    ----------
    label, name : str
        The variable, which may be a function of columns; the name, which may be the user's label,
        is for output.
    kind : {"number", "level", "mean", "other"}
        A number that is taken as it is or by a function of one column; a level of a factor against
        its reference; a level with a column for each; a column that means nothing by itself.
    level, reference : str
        Of a factor.
    columns : frozenset of str
        The columns of the data it is made of.
    centred : bool
        Whether a column of a coding sums to zero over the levels, as of sum coding.
    """

    label: str
    name: str
    kind: str
    level: str = ""
    reference: str = ""
    columns: frozenset[str] = frozenset()
    centred: bool = False

    @property
    def origin(self) -> str:
        """Where all columns of the variable are zero, in words: for a coding that is centred an
        average, which no row has.
        """
        return f"{self.name} is averaged over its levels" if self.centred else self.at_zero

    @property
    def at_zero(self) -> str:
        """Where the column is zero, in words."""
        if self.kind == "level":
            return f"{self.name} is {self.reference}"
        return f"{self.name} is 0" if self.kind == "number" else ""


@dataclass(frozen=True, slots=True)
class Role:
    """What one fixed effect is.

    Attributes
    ----------
    name, text : str
        Of the coefficient; the text, which may be the user's label, is for output.
    pieces : tuple of Piece
        Empty for the intercept.
    where : tuple of str
        Conditions under which the effect holds, as it takes part in interactions.
    entangled : tuple of str
        Other terms that are functions of the same columns, so that it cannot be read by itself.
    """

    name: str
    text: str
    pieces: tuple[Piece, ...]
    where: tuple[str, ...] = ()
    entangled: tuple[str, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether it can be put into words by itself."""
        return not self.entangled and all(p.kind in ("number", "level") for p in self.pieces)


def roles_of(fit: MixedFit, labels: Mapping[str, str]) -> list[Role]:
    """The role of every fixed effect, in the order of the estimates.

    Parameters
    ----------
    fit : MixedFit
    labels : mapping
        The user's labels of coefficients and variables.
    """
    design = fit.design
    layout = design.encoder.fixed
    by_name: dict[str, tuple[Piece, ...]] = {"(Intercept)": ()}
    terms: list[list[Coded]] = [list(t) for t in layout.terms]
    for term in terms:
        parts = [_pieces(c, design.encoder.levels.get(c.label), label_of(c.name, labels)) for c in term]
        for chosen in itertools.product(*(range(len(c.suffixes)) for c in term)):
            name = ":".join(c.columns[i] for c, i in zip(term, chosen, strict=True))
            by_name[name] = tuple(p[i] for p, i in zip(parts, chosen, strict=True))
    columns = {c.label: _columns(c.label) for term in terms for c in term}
    out = []
    for name in fit.x_names:
        pieces = by_name.get(name)
        if pieces is None:
            text = label_of(name, labels)
            out.append(Role(name, text, (Piece(name, text, "other"),)))
            continue
        out.append(_placed(name, pieces, terms, columns, by_name, labels))
    return out


def _placed(
    name: str,
    pieces: tuple[Piece, ...],
    terms: list[list[Coded]],
    columns: dict[str, frozenset[str]],
    by_name: dict[str, tuple[Piece, ...]],
    labels: Mapping[str, str],
) -> Role:
    own = {p.label for p in pieces}
    where: list[str] = []
    entangled: list[str] = []
    for term in terms:
        variables = [c.label for c in term]
        if not pieces or set(variables) == own:
            continue
        if own < set(variables):
            for coded in term:
                if coded.label in own:
                    continue
                partner = next(p for n in by_name.values() for p in n if p.label == coded.label)
                text = partner.at_zero
                if not text:
                    entangled.append(label_of(":".join(variables), labels))
                elif text not in where:
                    where.append(text)
        elif any(columns[x] & columns[p.label] and x != p.label for x in variables for p in pieces):
            entangled.append(label_of(":".join(variables), labels))
    return Role(name, label_of(name, labels), pieces, tuple(where), tuple(dict.fromkeys(entangled)))


def _columns(label: str) -> frozenset[str]:
    return frozenset(names_in(parse_expression(label)))


def _pieces(coded: Coded, levels: "NDArray[np.object_] | None", shown_as: str) -> list[Piece]:
    """The pieces of all columns of a variable, which is shown by a name."""
    columns = _columns(coded.label)
    if coded.basis is None:
        expression = without_parens(parse_expression(coded.label))
        single = len(coded.suffixes) == 1 and (isinstance(expression, Name) or len(columns) == 1)
        return [Piece(coded.label, shown_as, "number" if single else "other", columns=columns) for _ in coded.suffixes]
    known = [str(level) for level in (() if levels is None else levels)]
    basis = np.asarray(coded.basis)
    indicators = len(known) == len(basis) and bool(np.all((basis == 0) | (basis == 1)))
    if not indicators or not all(basis[:, k].sum() == 1 for k in range(basis.shape[1])):
        centred = bool(np.all(np.abs(basis.sum(axis=0)) <= 1e-9 * np.abs(basis).sum(axis=0)))
        return [Piece(coded.label, shown_as, "other", columns=columns, centred=centred) for _ in coded.suffixes]
    shown = [known[int(np.argmax(basis[:, k]))] for k in range(basis.shape[1])]
    empty = [known[i] for i in range(len(known)) if not basis[i].any()]
    if len(empty) != 1:
        return [Piece(coded.label, shown_as, "mean", level, columns=columns) for level in shown]
    return [Piece(coded.label, shown_as, "level", level, empty[0], columns) for level in shown]
