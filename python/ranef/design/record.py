"""What a formula and data become: names and codings, the arrays of the rows, and those of new rows.

Names and rows are apart: a model made of sums has no rows, and whatever needs them says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from ranef.design.known_matrix import LevelRelation
from ranef.design.level_columns import LevelColumns, written_out
from ranef.design.membership import Membership, Places
from ranef.design.model_sums import ModelSums, no_rows
from ranef.design.parts import DesignPart
from ranef.design.structures import kind_of
from ranef.errors import DesignError
from ranef.formula.formula import Formula
from ranef.formula.shared_levels import KnownExpr

if TYPE_CHECKING:
    from ranef.design.curve_rows import CurveRows
    from ranef.design.encoder import Encoder
    from ranef.design.residual import ResidualRows
    from ranef.design.sampling import SamplingWeights
    from ranef.formula.syntax import Expr
    from ranef.priors import Density

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TermRows:
    """The rows of one random-effects term.

    Attributes
    ----------
    codes : int32 ndarray of shape (n,) or None
        Level of every row. Terms on the same grouping factor share the array. None where rows have
        several.
    z : ndarray of shape (n, k)
        The columns of the k effects, in Fortran order. The array may be shared with another term or
        with the fixed effects: never write into it.
    members : Membership or None
        The independent effects that every row has a part of, where that is not the one of its
        level.
    """

    codes: NDArray[np.int32] | None
    z: Floats
    members: Membership | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RandomTerm:
    """One random-effects term.

    Attributes
    ----------
    group : str
        The grouping factor as lme4 names it, for example ``dept:service``.
    factors : tuple of str
        Its variables, more than one for an interaction.
    levels : ndarray of str objects
        Labels of the levels that occur; those of an interaction are joined by ``:`` and ordered
        with the last factor varying fastest.
    names : tuple of str
        Names of the k effects.
    structure : str
        Covariance structure, one of `ranef.design.structures.STRUCTURES`.
    text : str
        For example ``Days | Subject``.
    labels : tuple of str
        For each of the k effects, the label of the formula's term that it belongs to;
        ``(Intercept)`` for the intercept.
    rows : TermRows or None
        None in a model without rows; ``codes`` and ``z`` are those of the rows, or an error.
    split : bool
        Whether the term is a part of a double bar.
    relation : LevelRelation or None
        How the effects of the levels are made of independent ones, where a matrix relates them.
    """

    group: str
    factors: tuple[str, ...]
    levels: NDArray[np.object_]
    names: tuple[str, ...]
    structure: str
    text: str
    labels: tuple[str, ...]
    rows: TermRows | None
    split: bool = False
    relation: LevelRelation | None = None

    @property
    def codes(self) -> NDArray[np.int32]:
        """Level (n,) of every row.

        Raises
        ------
        DesignError
            When rows have several.
        """
        if self._own_rows.codes is None:
            raise DesignError(f"rows belong to several levels of {self.group}, and this needs one level for each row.")
        return self._own_rows.codes

    @property
    def places(self) -> Places:
        """The independent effects of every row: one level each, or members."""
        members = self._own_rows.members
        return self.codes if members is None else members

    @property
    def has_members(self) -> bool:
        """Whether rows have parts of several independent effects."""
        return self.rows is not None and self.rows.members is not None

    @property
    def written(self) -> str:
        """The term as it stands in a formula."""
        bar = self.text if "|" in self.text else f"{self.text} | {self.group}"
        known = self.relation
        return kind_of(self.structure).call.format(bar) if known is None else KnownExpr(known.name).call(bar)

    @property
    def has_one_level(self) -> bool:
        """Whether every row has one level."""
        return self.rows is None or self.rows.codes is not None

    @property
    def n_columns(self) -> int:
        """Number of levels with independent effects."""
        return len(self.levels) if self.relation is None else self.relation.n_columns

    @property
    def n_groups(self) -> int:
        """Number of levels that rows have."""
        return len(self.levels) if self.relation is None else self.relation.n_recorded

    @property
    def factor_key(self) -> str:
        """What terms on the same independent effects have in common."""
        return self.group if self.relation is None else f"{self.group} | {self.relation.name}"

    def reported(self, values: Floats) -> Floats:
        """Effects (levels, k) from independent ones."""
        return values if self.relation is None else self.relation.reported(values)

    @property
    def z(self) -> Floats:
        """Columns (n, k) of the effects."""
        return self._own_rows.z

    def with_z(self, z: Floats) -> TermRows:
        """The rows with other columns (n, m) of effects."""
        return replace(self._own_rows, z=z)

    @property
    def _own_rows(self) -> TermRows:
        if self.rows is None:
            raise no_rows()
        return self.rows


def random_shape(random: "Sequence[RandomTerm]") -> tuple[tuple[int, int, str], ...]:
    """Levels, effects and structure of random terms."""
    return tuple((len(t.levels), len(t.names), t.structure) for t in random)


@dataclass(frozen=True, slots=True, eq=False)
class ModelRows:
    """The rows of a model, but for those of its random terms.

    Attributes
    ----------
    y : ndarray of shape (n,)
        Response; of shape (n, 2) for ``cbind(successes, failures)``.
    x : ndarray of shape (n, p), or LevelColumns
        Fixed effects, in Fortran order; dependent columns are not removed here. Never write into
        it. Not written out where most columns are the levels of one factor.
    weights : ndarray of shape (n,) or None
        Prior weights, all positive; of successes and failures their number, times prior weights.
    offset : ndarray of shape (n,) or None
        Sum of all offsets.
    n_input : int
        Number of rows of the data.
    kept : int64 ndarray or None
        Numbers of the rows that are used, None if all are.
    row_index : pandas Index or None
        Labels of all input rows, None unless the data were a pandas frame.
    missing : bool ndarray or None
        Of all input rows, those dropped because a value is missing (and not by `subset`); None if
        there are none.
    missing_counts : tuple of (str, int)
        In how many of them each variable is missing, in the order of the formula.
    repeats : ndarray of shape (n,) or None
        Prior weights of successes and failures by themselves; None where there are none.
    """

    y: Floats
    x: Floats | LevelColumns
    weights: Floats | None
    offset: Floats | None
    n_input: int
    kept: NDArray[np.int64] | None = None
    row_index: Any = None
    missing: NDArray[np.bool_] | None = None
    missing_counts: tuple[tuple[str, int], ...] = ()
    repeats: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """A model in names, codings and arrays.

    Attributes
    ----------
    formula : Formula
        With ``.`` written out.
    x_names : tuple of str
        Names of the p columns of the fixed effects.
    x_assign : tuple of int
        For every column, the term it belongs to: 0 is the intercept, i is ``fixed_terms[i - 1]``.
    fixed_terms : tuple of str
        Labels of the fixed terms in R's order.
    random : tuple of RandomTerm
        In the order of the formula.
    encoder : Encoder
        Makes the same columns of new rows.
    rows : ModelRows or None
        None in a model without rows; the properties below are those of the rows, or an error.
    notes : tuple of str
        What the user should know.
    na_action : {"omit", "exclude", "error"}
    response_levels : tuple of str or None
        The two levels of a response that was a factor or text; the second counts as success.
    sums : ModelSums or None
        What a linear model without rows is made of.
    residual : ResidualRows or None
        Covariance structure of the rows; None where they are independent given the random effects.
    priors : tuple of (str, Density)
        Terms of the criterion beside the likelihood, by what they are of.
    sampling : SamplingWeights or None
        How often rows and levels count.
    curve : CurveRows or None
        The curve of a nonlinear model, of which the arrays are those of its linearised form.
    parts : tuple of DesignPart
        Columns of linear predictors beside the first.
    """

    formula: Formula
    x_names: tuple[str, ...]
    x_assign: tuple[int, ...]
    fixed_terms: tuple[str, ...]
    random: tuple[RandomTerm, ...]
    encoder: "Encoder"
    rows: ModelRows | None
    notes: tuple[str, ...] = ()
    na_action: str = "omit"
    response_levels: tuple[str, ...] | None = None
    sums: ModelSums | None = None
    residual: "ResidualRows | None" = None
    priors: "tuple[tuple[str, Density], ...]" = ()
    sampling: "SamplingWeights | None" = None
    curve: "CurveRows | None" = None
    parts: tuple[DesignPart, ...] = ()

    @property
    def own_rows(self) -> ModelRows:
        """The rows.

        Raises
        ------
        DataError
            When the model has none.
        """
        if self.rows is None:
            raise no_rows()
        return self.rows

    @property
    def y(self) -> Floats:
        """Response (n,), or (n, 2)."""
        return self.own_rows.y

    @property
    def x(self) -> Floats:
        """Columns (n, p) of the fixed effects, written out where they are not."""
        return written_out(self.own_rows.x)

    @property
    def columns(self) -> Floats | LevelColumns:
        """The columns of the fixed effects as they are kept."""
        return self.own_rows.x

    @property
    def weights(self) -> Floats | None:
        """Prior weights (n,), or None."""
        return self.own_rows.weights

    @property
    def repeats(self) -> Floats | None:
        """Prior weights (n,) of successes and failures by themselves, or None."""
        return self.own_rows.repeats

    @property
    def trials(self) -> Floats | None:
        """Numbers of trials (n,) where the weights have them; None where there are no weights."""
        return self.weights if self.weights is None or self.repeats is None else self.weights / self.repeats

    @property
    def offset(self) -> Floats | None:
        """Sum of all offsets (n,), or None."""
        return self.own_rows.offset

    @property
    def n_used(self) -> int:
        """Number of rows that are used."""
        return len(self.y) if self.sums is None else self.sums.n_used

    @property
    def n_input(self) -> int:
        """Number of rows of the data."""
        return self.own_rows.n_input if self.sums is None else self.sums.n_input

    @property
    def n_missing(self) -> int:
        """Number of rows that were left out because a value is missing."""
        if self.sums is not None:
            return self.sums.n_missing
        return 0 if self.missing is None else int(np.count_nonzero(self.missing))

    @property
    def missing_counts(self) -> tuple[tuple[str, int], ...]:
        """In how many of these each variable is missing."""
        return self.own_rows.missing_counts if self.sums is None else self.sums.missing_counts

    @property
    def kept(self) -> NDArray[np.int64] | None:
        """Numbers of the rows that are used, None if all are."""
        return self.own_rows.kept

    @property
    def row_index(self) -> Any:
        """Labels of all input rows, None unless the data were a pandas frame."""
        return self.own_rows.row_index

    @property
    def missing(self) -> NDArray[np.bool_] | None:
        """Of all input rows, those dropped because a value is missing; None if there are none."""
        return self.own_rows.missing

    @property
    def covariates(self) -> "tuple[Expr, ...]":
        """Expressions that a curve depends on beside its parameters."""
        return () if self.curve is None else tuple(self.curve.curve.covariates)

    @property
    def part_columns(self) -> tuple[Floats, ...]:
        """Columns (n, k) of the parts."""
        return tuple(part.x for part in self.parts)

    def beside_random(self, rows: NDArray[np.intp], copies: NDArray[np.intp] | None = None) -> dict[str, Any]:
        """Fields of the design that hold arrays of rows beside the random terms and `ModelRows`, of
        some of the rows; ``copies`` numbers those of groups that are drawn several times.
        """
        given = (rows,) if copies is None else (rows, copies)
        return {
            "residual": None if self.residual is None else self.residual.take(*given),
            "curve": None if self.curve is None else self.curve.take(rows),
            "parts": tuple(replace(p, x=np.ascontiguousarray(p.x[rows])) for p in self.parts),
        }

    def with_rows(self, **changes: Any) -> Self:
        """The same model with other arrays: fields of `ModelRows`."""
        return replace(self, rows=replace(self.own_rows, **changes))


Elsewhere = tuple[NDArray[np.intp], Floats]
"""Numbers (r,) of rows at places that the fit has no effect of, and these places (r, d)."""


@dataclass(frozen=True, slots=True, eq=False)
class NewRandom:
    """One random-effects term for new rows.

    Attributes
    ----------
    term : int
        Its position in `Design.random`.
    codes : int32 ndarray of shape (m,) or Membership
        Level of the fit; -1 where the level is new or missing.
    z : ndarray of shape (m, k)
    extended : int32 ndarray of shape (m,) or Membership
        The codes with new levels numbered on from those of the fit; -1 where the level is missing.
    unseen : tuple of str
        Labels that the fit has not seen.
    n_missing : int
        Number of rows whose level is missing.
    elsewhere : Elsewhere or None
        Of a term at positions, rows at other ones; ``z`` is zero there.
    """

    term: int
    codes: Places
    z: Floats
    extended: Places
    unseen: tuple[str, ...] = ()
    n_missing: int = 0
    elsewhere: Elsewhere | None = None


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
        Rows in which a value (other than the level of a grouping factor) is missing; None if there
        are none.
    row_index : pandas Index or None
    y : ndarray or None
        The response, if it was asked for.
    weights : ndarray of shape (m,) or None
        Prior weights, if they were asked for and the fit has them.
    parts : tuple of (m, k) arrays
        Columns of linear predictors beside the first.
    """

    x: Floats
    offset: Floats | None
    random: tuple[NewRandom, ...]
    missing: NDArray[np.bool_] | None
    row_index: Any
    y: Floats | None = None
    weights: Floats | None = None
    parts: tuple[Floats, ...] = ()
