"""R's rules for the columns of terms:
which factors get contrasts and which indicators, and how columns are multiplied and named.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.coding_rules import CodingRules, column_names, contrast_words, is_usual
from ranef.design.contrasts import Contrast, contrast_columns, full_columns
from ranef.design.factors import drop_unused
from ranef.design.memory import GIGABYTE
from ranef.design.values import Factor, Floats, Logical, Numeric, Vector, as_factor
from ranef.errors import DesignError, MemoryLimitError
from ranef.formula.terms import Term, Variable


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """A variable in the form in which terms use it.

    Attributes
    ----------
    name : str
        The variable's name in column names.
    label : str
        The variable's label, under which its values are found.
    suffixes : tuple of str
        One for each column.
    basis : ndarray of shape (levels, columns) or None
        The columns of each level of a factor; None for numbers.
    contrast : str or None
        The coding by contrasts in words; None for indicators and numbers, and in files of earlier
        versions.
    stated : bool
        Whether a summary has to name it: it comes from an argument or a setting, and R's default is
        another.
    """

    name: str
    label: str
    suffixes: tuple[str, ...]
    basis: Floats | None = None
    contrast: str | None = None
    stated: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.name + suffix for suffix in self.suffixes)


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The columns of a model matrix.

    Attributes
    ----------
    intercept : bool
    terms : tuple of tuple of Coded
        The variables of each term; the columns of the first vary fastest.
    names : tuple of str
    assign : tuple of int
        Term of each column: 0 is the intercept, i the i-th term.
    beside : bool
        Whether the terms are coded as beside an intercept that stands elsewhere.
    """

    intercept: bool
    terms: tuple[tuple[Coded, ...], ...]
    names: tuple[str, ...]
    assign: tuple[int, ...]
    beside: bool = False

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for layouts that make the same columns, if their variables are the same objects."""
        return (self.intercept, tuple(tuple(id(c) for c in term) for term in self.terms))


class Coder:
    """Codes the variables of one model.

    Parameters
    ----------
    values : mapping
        The value of every variable by label, in the rows that are used.
    variables : iterable of Variable
        All of them.
    rules : CodingRules
        Coding of factors for which none is given.
    """

    def __init__(self, values: Mapping[str, Vector], variables: Iterable[Variable], rules: CodingRules):
        self.values = values
        self.rules = rules
        self.names = column_names(variables)
        self.factors: dict[str, Factor] = {}
        self.used: dict[str, NDArray[np.bool_] | None] = {}
        self._coded: dict[tuple[str, bool, bool], Coded] = {}

    def is_factor(self, variable: Variable) -> bool:
        """Whether a variable is coded by levels; truth values are, as in R."""
        return isinstance(self.values[variable.label], Factor | Logical)

    def width(self, variable: Variable) -> int:
        """Number of columns of a variable, a factor coded by contrasts."""
        value = self.values[variable.label]
        if isinstance(value, Numeric):
            return len(value.suffixes or ("",))
        return len(self.factor(variable).levels) - 1

    def layout(self, terms: Sequence[Term], intercept: bool, contrasts: Mapping[str, Contrast] | None = None) -> Layout:
        """Find the columns of terms.

        Parameters
        ----------
        terms : sequence of Term
            In R's order.
        intercept : bool
        contrasts : mapping, optional
            Contrasts of variables by label.
        """
        names: list[str] = ["(Intercept)"] if intercept else []
        assign: list[int] = [0] if intercept else []
        coded: list[tuple[Coded, ...]] = []
        for number, (term, full) in enumerate(
            zip(terms, full_codings(terms, intercept, self.is_factor), strict=True), start=1
        ):
            parts = tuple(self.coded(v, v.label in full, contrasts) for v in term.variables)
            coded.append(parts)
            columns: Sequence[str] = parts[0].columns
            for part in parts[1:]:
                columns = [f"{a}:{b}" for b in part.columns for a in columns]
            names.extend(columns)
            assign.extend([number] * len(columns))
        return Layout(intercept, tuple(coded), tuple(names), tuple(assign))

    def factor(self, variable: Variable) -> Factor:
        """A variable as a factor with the levels that occur; of truth values both are levels."""
        factor = self.factors.get(variable.label)
        if factor is None:
            value = self.values[variable.label]
            factor, used = as_factor(value, variable.name), None
            if isinstance(value, Factor):
                factor, used = drop_unused(factor)
            if len(factor.levels) < 2:
                only = f" ({factor.levels[0]!r})" if len(factor.levels) else ""
                raise DesignError(
                    f"the factor {variable.name!r} has one level only{only} in the rows that are used, so it has no "
                    "effect to estimate; leave it out of the model."
                )
            self.factors[variable.label] = factor
            self.used[variable.label] = used
        return factor

    def coded(self, variable: Variable, full: bool, contrasts: Mapping[str, Contrast] | None) -> Coded:
        """Code a variable, once for each way of coding."""
        value = self.values[variable.label]
        given = None if contrasts is None else contrasts.get(variable.label)
        key = (variable.label, full, given is not None)
        coded = self._coded.get(key)
        if coded is None:
            if isinstance(value, Numeric):
                coded = Coded(variable.name, variable.label, value.suffixes or ("",))
                self._coded[(variable.label, not full, given is not None)] = coded
            else:
                coded = self._coded_factor(variable, full, given)
            self._coded[key] = coded
        return coded

    def _coded_factor(self, variable: Variable, full: bool, given: Contrast | None) -> Coded:
        factor = self.factor(variable)
        name = self.names.get(variable.label, variable.name)
        if full:
            basis, suffixes = full_columns(factor.levels.tolist())
            return Coded(name, variable.label, suffixes, basis)
        contrast = given or factor.contrast or self.rules.default(factor.ordered)
        basis, suffixes = contrast_columns(contrast, factor.levels.tolist(), name, self.used[variable.label])
        stated = contrast is not factor.contrast and not is_usual(contrast, factor.ordered)
        return Coded(name, variable.label, suffixes, basis, contrast_words(contrast), stated)

    def codes_polynomials(self, label: str) -> bool:
        """Whether a factor got polynomials for no other reason than that it is ordered,
        and its levels are not the equally spaced numbers that polynomials are made for.
        """
        factor = self.values[label]
        return (
            isinstance(factor, Factor)
            and factor.ordered
            and factor.contrast is None
            and self.rules.ordered == "poly"
            and (label, False, False) in self._coded
            and not _equally_spaced(factor.levels.tolist())
        )

    def array(self, label: str) -> NDArray[Any]:
        """Numbers, or codes of the levels that occur."""
        factor = self.factors.get(label)
        if factor is not None:
            return factor.codes
        value = self.values[label]
        assert isinstance(value, Numeric)
        return value.values


def _equally_spaced(levels: list[str]) -> bool:
    try:
        steps = np.diff([float(level) for level in levels])
    except ValueError:
        return False
    return bool(np.allclose(steps, steps[:1], rtol=1e-6))


def full_codings(terms: Sequence[Term], intercept: bool, is_factor: Callable[[Variable], bool]) -> list[set[str]]:
    """For every term, the variables that are coded by an indicator of every level.

    R's rule: in a term, a factor is coded by contrasts if what is left of the term without it is
    contained in an earlier term (or is nothing). Without an intercept, the first factor of the
    first term that has one gets indicators.
    """
    out: list[set[str]] = []
    earlier: list[frozenset[str]] = []
    waiting = not intercept
    for term in terms:
        members = frozenset(v.label for v in term.variables)
        full: set[str] = set()
        for variable in term.variables:
            if not is_factor(variable):
                continue
            rest = members - {variable.label}
            if rest and not any(rest <= other for other in earlier):
                full.add(variable.label)
            if waiting:
                full.add(variable.label)
                waiting = False
        out.append(full)
        earlier.append(members)
    return out


def fill(layout: Layout, arrays: Mapping[str, NDArray[Any]], n: int) -> Floats:
    """Make a model matrix.

    Parameters
    ----------
    layout : Layout
    arrays : mapping
        By label: numbers of shape (n,) or (n, k), or codes of levels; -1 is missing and becomes
        NaN.
    n : int
        Number of rows.

    Returns
    -------
    ndarray of shape (n, columns)
        In Fortran order.
    """
    try:
        out = np.empty((n, len(layout.names)), order="F")
    except MemoryError:
        size = 8 * n * len(layout.names) / GIGABYTE
        raise MemoryLimitError(
            f"{len(layout.names)} columns for {n} rows take {size:.2g} GB of memory, which is not free. Use fewer "
            "levels, or a random effect for groups."
        ) from None
    at = 0
    if layout.intercept:
        out[:, 0] = 1.0
        at = 1
    single: dict[tuple[int, int], Floats] = {}
    for term in layout.terms:
        if len(term) == 1:
            coded = term[0]
            for j in range(len(coded.suffixes)):
                column = out[:, at]
                _write(coded, j, arrays[coded.label], column)
                single[id(coded), j] = column
                at += 1
            continue
        at = _multiply(term, arrays, out, at, single)
    return out


def _multiply(
    term: tuple[Coded, ...],
    arrays: Mapping[str, NDArray[Any]],
    out: Floats,
    at: int,
    single: dict[tuple[int, int], Floats],
) -> int:
    """Write the products of an interaction.

    Columns of its variables that are in the matrix already are read from there.
    """
    sizes = [len(coded.suffixes) for coded in term]
    for number in range(int(np.prod(sizes))):
        column = out[:, at]
        rest = number
        for place, (coded, size) in enumerate(zip(term, sizes, strict=True)):
            rest, j = divmod(rest, size)
            factor = single.get((id(coded), j))
            if factor is None:
                factor = np.empty(len(out))
                _write(coded, j, arrays[coded.label], factor)
                single[id(coded), j] = factor
            if place == 0:
                column[:] = factor
            else:
                column *= factor
        at += 1
    return at


def _write(coded: Coded, j: int, values: NDArray[Any], column: Floats) -> None:
    """Write one column of a variable."""
    if coded.basis is None:
        column[:] = values if values.ndim == 1 else values[:, j]
        return
    # The entry after the last is that of the code -1.
    np.take(np.append(coded.basis[:, j], np.nan), values, out=column, mode="wrap")
