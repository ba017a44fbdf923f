"""Rows that come in batches and are kept, in few bytes each, for the iterative solver."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.errors import DataError, RanefError
from ranef.fit.control import FitControl
from ranef.fit.linear import LmmFit, finished, fit_sampled
from ranef.fit.order import TermOrder
from ranef.fit.progress import Report
from ranef.fit.system import crossed_rows_of
from ranef.fit.threads import threads_of_fit
from ranef.results.linear import LinearMixedModel
from ranef.scale.statistic import Statistic
from ranef.scale.summed_model import fit_summed


class KeptRows(Statistic):
    """Takes rows as a `Statistic` does, and keeps of each row the levels of its grouping factors
    and what of its effects is not constant.

    Parameters
    ----------
    recipe : Recipe
    """

    def _empty(self, by_level: int | None) -> Any:
        return crossed_rows_of(self.recipe.design, self._order)

    def _design(self) -> tuple[Design, TermOrder]:
        design = self.recipe.design
        assert design.sums is not None
        return replace(design, sums=replace(design.sums, products=tuple(self._core.products()))), self._order

    def _model(self, *arguments: Any, **options: Any) -> LinearMixedModel:
        return fit_summed(*arguments, **options, fitted=self._fitted)

    def _fitted(
        self,
        design: Design,
        reml: bool,
        start: NDArray[np.float64] | None,
        control: FitControl,
        show: Report | None,
        n_threads: int,
        order: TermOrder,
    ) -> LmmFit:
        threads = threads_of_fit(self.n, n_threads)
        try:
            system = self._core.system(threads)
        except ValueError as problem:
            if isinstance(problem, RanefError):
                raise
            raise DataError(
                f"the model cannot be set up from rows in batches: {problem}. Data in memory may do, or leave out what "
                "is nearly a combination of other effects."
            ) from None
        return fit_sampled(design, order, reml, start, control, (show, threads, n_threads), system)


@dataclass(frozen=True, slots=True)
class _Both:
    """What the core keeps of rows, and their sums."""

    rows: Any
    sums: Any

    def update(self, *rows: Any) -> None:
        """Add rows to both."""
        self.rows.update(*rows)
        self.sums.update(*rows)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rows, name)


class RowsAndSums(KeptRows):
    """Keeps rows for the iterative solver, and their sums for an exact finish.

    Parameters
    ----------
    recipe : Recipe
    """

    def _empty(self, by_level: int | None) -> Any:
        self._sums = Statistic(self.recipe)
        return _Both(super()._empty(by_level), self._sums._core)

    def _fitted(
        self,
        design: Design,
        reml: bool,
        start: NDArray[np.float64] | None,
        control: FitControl,
        show: Report | None,
        n_threads: int,
        order: TermOrder,
    ) -> LmmFit:
        near = super()._fitted(design, reml, start, control, show, n_threads, order)
        summed, order = self._sums._design()
        assert design.sums is not None
        assert summed.sums is not None
        sums = replace(design.sums, shape=summed.sums.shape, values=summed.sums.values)
        return finished(near, replace(summed, sums=sums), order, control, show, n_threads)
