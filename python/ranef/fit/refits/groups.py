"""The same linear model fitted to the rows of each of many groups, in one call of the core."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.errors import DesignError
from ranef.fit.control import FitControl
from ranef.fit.ending.no_fit import NO_FIT, UNIDENTIFIED
from ranef.fit.linear import LmmFit, fit_lmm
from ranef.fit.order import TermOrder
from ranef.fit.progress import Report
from ranef.fit.refits.core import Options
from ranef.fit.refits.row_subset import design_of_rows
from ranef.fit.row_arguments import core_factors
from ranef.fit.system import response_without_offset

if TYPE_CHECKING:
    from ranef._core import EachFit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class GroupFits:
    """Fits of m groups; NaN where a group has none.

    Attributes
    ----------
    objective : (m,) array
        The criterion.
    beta, se : (m, p) array
    df : (m, p) array
        Satterthwaite's degrees of freedom; NaN where they were not asked for.
    theta : (m, q) array
        In lme4's order.
    sigma : (m,) array
    singular : (m,) bool array
    nobs : (m,) int array
        Rows that are used.
    status : (m,) str object array
        How each fit ended, in one or a few words.
    """

    objective: Floats
    beta: Floats
    se: Floats
    df: Floats
    theta: Floats
    sigma: Floats
    singular: NDArray[np.bool_]
    nobs: Ints
    status: NDArray[np.object_]


@dataclass(frozen=True, slots=True, eq=False)
class GroupRows:
    """Rows put in the order of their groups.

    Attributes
    ----------
    design : Design
    order : TermOrder
    rows : (n,) int array or None
        The place of each row in the design; None where they are in order there.
    start : (m + 1,) int array
        Where the rows of each group begin, and where the last ones end.
    """

    design: Design
    order: TermOrder
    rows: Ints | None
    start: Ints

    @classmethod
    def of(cls, design: Design, order: TermOrder, groups: Ints, n_groups: int) -> "GroupRows":
        """From the number (n,) of the group of every row that is used."""
        start = np.zeros(n_groups + 1, dtype=np.int64)
        np.cumsum(np.bincount(groups, minlength=n_groups), out=start[1:])
        in_order = bool((groups[1:] >= groups[:-1]).all())
        return cls(design, order, None if in_order else np.argsort(groups, kind="stable"), start)

    def fit(
        self, reml: bool, control: FitControl, df: bool, n_threads: int, progress: Report | None
    ) -> tuple[GroupFits, list[int]]:
        """Fit the model to every group.

        Returns
        -------
        fits : GroupFits
        left : list of int
            Groups that the core leaves, whose status is `UNIDENTIFIED`: see `single`.
        """
        from ranef import _core

        design, order = self.design, self.order
        if any(t.has_members for t in design.random):
            raise DesignError("models with mm() or known() are fitted one by one, not to the rows of each group.")
        y, x = self._sorted(response_without_offset(design)), self._sorted(design.x)
        weights = None if design.weights is None else self._sorted(design.weights)
        factors = [
            (self._sorted(codes), levels, [(self._sorted(z), structure) for z, structure in terms])
            for codes, levels, terms in core_factors(design, order)
        ]
        options = Options(reml, 1, "observed", None, control.max_evaluations, control.tolerance)
        found = _core.fit_each(x, y, weights, factors, self.start, options, df, n_threads, progress)
        status = np.array(found.status, dtype=object)
        return self._fits(found, status), np.flatnonzero(status == UNIDENTIFIED).tolist()

    def _fits(self, found: "EachFit", status: NDArray[np.object_]) -> GroupFits:
        return GroupFits(
            objective=found.objective,
            beta=found.beta,
            se=found.se,
            df=found.df,
            theta=found.theta[:, self.order.theta_of_core],
            sigma=found.sigma,
            singular=found.singular,
            nobs=np.diff(self.start),
            status=np.array([NO_FIT.get(s, s) for s in status.tolist()], dtype=object),
        )

    def single(self, group: int, reml: bool, control: FitControl) -> LmmFit:
        """The fit of one group by itself, with conventions for what is not identified."""
        here = slice(self.start[group], self.start[group + 1])
        rows = np.arange(here.start, here.stop) if self.rows is None else self.rows[here]
        design = design_of_rows(self.design, rows)
        return fit_lmm(replace(design, notes=()), reml, None, control, None, 1, self.order)

    def _sorted(self, values: NDArray) -> NDArray:  # type: ignore[type-arg]
        if self.rows is not None:
            values = values[self.rows]
        return np.asfortranarray(values)
