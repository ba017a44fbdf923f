"""Models that data cannot tell apart from their residuals, and structures that cannot be fitted."""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from ranef.design.level_columns import MANY_LEVELS
from ranef.design.memory import GIGABYTE, available_memory
from ranef.design.record import RandomTerm
from ranef.design.structures import kind_of
from ranef.errors import DesignError, MemoryLimitError
from ranef.formula.random import RandomExpr
from ranef.formula.terms import Term, Variable
from ranef.formula.vocabulary import NUGGET

Model = Literal["lmm", "glmm", "drawn", "ordinal"]

#: With fewer columns than this nothing is checked: they are few for any machine and for any data.
FEW_COLUMNS = 100

#: Levels of a factor from which on a fixed effect for each of them is refused.
MOST_LEVELS = 5000

#: Share of the free memory that a matrix of fixed effects may take; a fit needs as much again for
#: its work.
SHARE_OF_MEMORY = 0.4

#: Matrices of the order of the fixed effects, and of products of random effects with them, that
#: the core holds at once.
SQUARES = 5
PRODUCTS = 5

#: What to do.
USE_LESS = "Use fewer levels, or a random effect for groups."

BESIDE_INTERCEPT = (
    " beside an intercept of their own. As every level has an effect already, the variance of that intercept cannot "
    "be told apart from what the levels share"
)


def check_names(names: Sequence[str], where: str) -> None:
    """See that no two columns of a matrix have the same name,
    by which a coefficient could not be found.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DesignError(
                f"two columns of {where} are called {name!r}; rename the column of the data, or the level of a factor, "
                "that makes the second one."
            )
        seen.add(name)


def why_text(name: str, levels: Sequence[str]) -> str:
    """A sentence on a column of text that was meant to be numbers; empty where it was not."""
    words = [level for level in levels if not _is_number(level)]
    if 0 < len(words) <= 2 < len(levels) - len(words):
        return (
            f"It holds numbers but for {' and '.join(map(repr, words))}: if these are missing values, make it "
            f"pandas.to_numeric(data[{name!r}], errors='coerce')."
        )
    if not words:
        return f"Its texts are numbers: make it pandas.to_numeric(data[{name!r}])."
    if all(_is_number(level.replace(".", "").replace(",", ".")) for level in levels):
        return (
            f"Its texts are numbers with decimal commas: make it pandas.to_numeric(data[{name!r}].str.replace('.', '')"
            ".str.replace(',', '.')), or read the file with decimal=','."
        )
    return ""


def numbers_as_text(name: str, levels: Sequence[str]) -> tuple[str, ...]:
    """Say that a column is text because of one or two words among its numbers,
    such as another program's sign for missing values.
    """
    words = [level for level in levels if not _is_number(level)]
    if not 0 < len(words) <= 2 or len(levels) - len(words) < 5:
        return ()
    return (
        f"the column {name} holds numbers but for {' and '.join(map(repr, words))}, which makes it text, so that it is "
        f"a factor with {len(levels)} levels here. If these are missing values, make them so and the column numeric, "
        "for example by pandas.to_numeric(..., errors='coerce')",
    )


def constant_effects(term: RandomTerm) -> tuple[str, ...]:
    """Name random slopes over a column that does not vary: they are random intercepts once more."""
    if len(term.names) < 2 or "(Intercept)" not in term.names:
        return ()
    z = term.z
    flat = [n for j, n in enumerate(term.names) if n != "(Intercept)" and z[0, j] == z[-1, j] and not np.ptp(z[:, j])]
    if not flat:
        return ()
    names = ", ".join(flat)
    return (
        f"{names} {'does' if len(flat) == 1 else 'do'} not vary in the rows used, so that the random slopes over "
        f"{'it' if len(flat) == 1 else 'them'} in ({term.text}) cannot be told from the random intercepts; leave "
        f"{'it' if len(flat) == 1 else 'them'} out there",
    )


#: How many sets of levels that look alike are named.
MOST_NAMED = 3


def similar_levels(name: str, levels: Sequence[str]) -> tuple[str, ...]:
    """Name levels that differ by upper and lower case or by surrounding blanks only, which are
    mostly one level typed in two ways.
    """
    folded = [level.strip().casefold() for level in levels]
    if len(set(folded)) == len(levels):
        return ()
    alike: dict[str, list[str]] = {}
    for level, form in zip(levels, folded, strict=True):
        alike.setdefault(form, []).append(level)
    found = [" and ".join(map(repr, same)) for same in alike.values() if len(same) > 1]
    more = f", and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    return (
        f"levels of {name} differ by case or surrounding blanks only and are taken as different: "
        f"{', '.join(found[:MOST_NAMED])}{more}. If they are the same, make them one, in pandas by "
        f"data[{name!r}].str.strip().str.lower()",
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def check_structure(bar: RandomExpr, has_factor: bool) -> None:
    """See that the covariance structure of a term can be fitted."""
    if kind_of(bar.structure).needs_indicators and bar.intercept and has_factor:
        raise DesignError(
            f"the effects of ({bar.text}) are an intercept and differences from it, which do not have one correlation; "
            "write 0 + before the factor, so that every level has an effect of its own."
        )


def check_members(bar: RandomExpr, model: Model, correlated: bool) -> None:
    """See that a term whose rows have parts of several independent effects can be fitted."""
    what = f"mm() in ({bar.text})" if bar.known is None else bar.known.call(bar.text)
    if model not in ("lmm", "glmm"):
        raise DesignError(f"{what} is for models of one linear predictor: lmer() and glmer() fit it.")
    if correlated:
        raise DesignError(
            f"{what} is for rows that are independent given the random effects; leave out correlation= and variance=."
        )


def refuse_members(terms: Sequence[RandomTerm], models: str) -> None:
    """See that every row has one level of each factor, for models that need it."""
    for term in terms:
        if term.has_members:
            raise DesignError(
                f"{term.written} gives a row parts of several effects, which {models} do not take; lmer() and glmer() "
                "with one linear predictor do."
            )


def check_fixed_columns(terms: Sequence[Term], width: Callable[[Variable], int], n: int, model: Model = "lmm") -> None:
    """See that the matrix of the fixed effects is not too large, before it is made.

    Parameters
    ----------
    terms : sequence of Term
    width : callable
        Number of columns of a variable.
    n : int
        Number of rows.
    model : {"lmm", "glmm", "drawn"}
        The columns of a linear model are not written out where most of them are levels.

    Raises
    ------
    DesignError
        When a factor has nearly as many levels as there are rows, or thousands, or when the matrix
        does not fit into the free memory.
    """
    widths = [math.prod(width(v) for v in t.variables) for t in terms]
    columns = 1 + sum(widths)
    if columns < FEW_COLUMNS:
        return
    for term, found in zip(terms, widths, strict=True):
        if len(term.variables) == 1 and found + 1 >= min(n, MOST_LEVELS):
            raise DesignError(
                f"the factor {term.label!r} has {found + 1} levels for {n} rows, a fixed effect for each of them. "
                f"If these are groups drawn from a larger population, they are a grouping factor: (1 | {term.label}). "
                "If they identify rows, leave the column out."
            )
    widest = max(widths)
    largest = terms[widths.index(widest)]
    as_levels = model == "lmm" and widest >= MANY_LEVELS and len(largest.variables) == 1
    room = available_memory()
    needed = 8 * max(n * (columns - widest if as_levels else columns), SQUARES * columns**2)
    if room is not None and needed > SHARE_OF_MEMORY * room:
        raise MemoryLimitError(
            f"the fixed effects would have {columns} columns, {widest} of them for {largest.label}: "
            f"{needed / GIGABYTE:.2g} GB for {n} rows, of {room / GIGABYTE:.2g} GB that are free. {USE_LESS}"
        )


def check_written_out(columns: int, n: int) -> None:
    """See that a matrix of fixed effects that has to be written out fits into the free memory."""
    room, needed = available_memory(), 8 * n * columns
    if room is not None and needed > SHARE_OF_MEMORY * room:
        raise MemoryLimitError(
            f"the {columns} columns of the fixed effects take {needed / GIGABYTE:.2g} GB for {n} rows, of "
            f"{room / GIGABYTE:.2g} GB that are free. {USE_LESS} In a linear model the levels of one factor with "
            "treatment contrasts take next to nothing."
        )


def check_core_memory(p: int, effects: int, dense: bool) -> None:
    """See that what the core makes of many fixed effects fits into the free memory.

    Parameters
    ----------
    p : int
        Number of fixed effects.
    effects : int
        Number of random effects.
    dense : bool
        Whether each of them has a product with every fixed effect.
    """
    squares, products = 8 * SQUARES * p**2, 8 * PRODUCTS * effects * p if dense else 0
    room = available_memory()
    if room is not None and squares + products > room:
        what, size = (
            (f"the products of {effects} random effects with {p} fixed effects", products)
            if products > squares
            else (f"the covariance of {p} fixed effects and what it is made of", squares)
        )
        raise MemoryLimitError(
            f"the model does not fit into memory: {what} would take {size / GIGABYTE:.2g} GB, of "
            f"{room / GIGABYTE:.2g} GB that are free. {USE_LESS}"
        )


def _has_one_row_a_position(term: RandomTerm) -> bool:
    """Whether no level has two rows of one effect."""
    places = term.codes.astype(np.int64) * len(term.names) + np.argmax(term.z, axis=1)
    return len(np.unique(places)) == len(places)


def check_random_term(term: RandomTerm, n: int, model: Model) -> None:
    """See that a term has at least two levels, and fewer than there are observations.

    One level is enough where effects of one variance are correlated by their distance, as in one
    series or one field. In a linear model, random effects as many as the observations cannot be
    told apart from the residuals, but for structures whose parameters are fewer than their
    covariances. In a generalised one they can (an effect for each observation models
    overdispersion), but more than that cannot be estimated either. A model that is drawn from only
    may have any number.
    """
    if model == "drawn":
        return
    levels, k = len(term.levels), len(term.names)
    kind = kind_of(term.structure)
    apart = kind.apart_from is not None and k >= kind.apart_from
    # one series or one field says how effects with one variance are correlated, whatever their mean
    if levels < 2 and not (apart and kind.homogeneous):
        only = f" ({term.levels[0]!r})" if levels else ""
        raise DesignError(
            f"the grouping factor {term.group!r} has one level only{only}, so a variance between its levels cannot be "
            "estimated; leave it out."
        )
    if term.has_members:  # which are not those of single rows
        return
    if model == "lmm" and NUGGET in term.structure.split(":") and _has_one_row_a_position(term):
        raise DesignError(
            f"the nugget of {term.written} is what rows at one position share, and every position of a level has one "
            "row: it cannot be told apart from the residual. Leave out nugget=True; the residual is that nugget."
        )
    linear = model == "lmm"
    if apart:
        return
    if linear and levels >= n:
        raise DesignError(
            f"the grouping factor {term.group!r} has {levels} levels for {n} observations: with one observation in "
            "each level, its effects cannot be told apart from the residuals."
        )
    effects = levels * k
    if effects > n or (linear and effects == n):
        raise DesignError(
            f"the term ({term.text}) has {effects} random effects ({levels} levels × {k}) for {n} observations; they "
            "cannot be told apart from the residuals. Use fewer effects, such as an intercept only."
        )
