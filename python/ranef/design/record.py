"""What a formula and data become: the arrays that the fit takes, and those of new rows."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.formula.formula import Formula

if TYPE_CHECKING:
    from ranef.design.encoder import Encoder

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RandomTerm:
    """One random-effects term.

    Attributes
    ----------
    group : str
        The grouping factor as lme4 names it, for example ``dept:service``.
    factors : tuple of str
        Its variables, more than one for an interaction.
    codes : int32 ndarray of shape (n,)
        Level of every row. Terms on the same grouping factor share the array.
    levels : ndarray of str objects
        Labels of the levels that occur; those of an interaction are joined by ``:`` and ordered with the last factor varying fastest.
    names : tuple of str
        Names of the k effects.
    z : ndarray of shape (n, k)
        Their columns, in Fortran order. The array may be shared with another term or with the fixed effects: never write into it.
    structure : {"unstructured", "diagonal"}
        Covariance structure.
    text : str
        For example ``Days | Subject``.
    labels : tuple of str
        For each of the k effects, the label of the formula's term that it belongs to; ``(Intercept)`` for the intercept.
    split : bool
        Whether the term is a part of a double bar.
    """

    group: str
    factors: tuple[str, ...]
    codes: NDArray[np.int32]
    levels: NDArray[np.object_]
    names: tuple[str, ...]
    z: Floats
    structure: str
    text: str
    labels: tuple[str, ...]
    split: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """A model in arrays.

    Attributes
    ----------
    formula : Formula
        With ``.`` written out.
    y : ndarray of shape (n,)
        Response; of shape (n, 2) for ``cbind(successes, failures)``.
    x : ndarray of shape (n, p)
        Fixed effects, in Fortran order; dependent columns are not removed here. Never write into it.
    x_names : tuple of str
    x_assign : tuple of int
        For every column, the term it belongs to: 0 is the intercept, i is ``fixed_terms[i - 1]``.
    fixed_terms : tuple of str
        Labels of the fixed terms in R's order.
    random : tuple of RandomTerm
        In the order of the formula.
    weights : ndarray of shape (n,) or None
        Prior weights, all positive.
    offset : ndarray of shape (n,) or None
        Sum of all offsets.
    n_input : int
        Number of rows of the data.
    kept : int64 ndarray or None
        Numbers of the rows that are used, None if all are.
    row_index : pandas Index or None
        Labels of all input rows, None unless the data were a pandas frame.
    encoder : Encoder
        Makes the same columns of new rows.
    notes : tuple of str
        What the user should know.
    na_action : {"omit", "exclude", "error"}
    response_levels : tuple of str or None
        The two levels of a response that was a factor or text; the second counts as success.
    missing : bool ndarray or None
        Of all input rows, those dropped because a value is missing (and not by `subset`); None if there are none.
    """

    formula: Formula
    y: Floats
    x: Floats
    x_names: tuple[str, ...]
    x_assign: tuple[int, ...]
    fixed_terms: tuple[str, ...]
    random: tuple[RandomTerm, ...]
    weights: Floats | None
    offset: Floats | None
    n_input: int
    kept: NDArray[np.int64] | None
    row_index: Any
    encoder: "Encoder"
    notes: tuple[str, ...] = ()
    na_action: str = "omit"
    response_levels: tuple[str, ...] | None = None
    missing: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class NewRandom:
    """One random-effects term for new rows.

    Attributes
    ----------
    term : int
        Its position in `Design.random`.
    codes : int32 ndarray of shape (m,)
        Level of the fit; -1 where the level is new or missing.
    z : ndarray of shape (m, k)
    unseen : tuple of str
        Labels that the fit has not seen.
    n_missing : int
        Number of rows whose level is missing.
    """

    term: int
    codes: NDArray[np.int32]
    z: Floats
    unseen: tuple[str, ...] = ()
    n_missing: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class NewRows:
    """New data in the columns of a fit.

    Attributes
    ----------
    x : ndarray of shape (m, p)
        All columns of `Design.x`; NaN in rows with a missing value.
    offset : ndarray of shape (m,) or None
    random : tuple of NewRandom
        The terms that were asked for, in the order of `Design.random`.
    missing : bool ndarray of shape (m,) or None
        Rows in which a value (other than the level of a grouping factor) is missing; None if there are none.
    row_index : pandas Index or None
    y : ndarray or None
        The response, if it was asked for.
    weights : ndarray of shape (m,) or None
        Prior weights, if they were asked for and the fit has them.
    """

    x: Floats
    offset: Floats | None
    random: tuple[NewRandom, ...]
    missing: NDArray[np.bool_] | None
    row_index: Any
    y: Floats | None = None
    weights: Floats | None = None
