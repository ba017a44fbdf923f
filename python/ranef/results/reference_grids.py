"""The reference grid of a fitted model: what marginal means of all kinds of models start from."""

from typing import TYPE_CHECKING, Any

from ranef.inference.marginal_means.grid import ReferenceGrid, reference_grid
from ranef.inference.marginal_means.specs import Specs, parse_specs
from ranef.results.base import MixedModel

if TYPE_CHECKING:
    import pandas as pd


class ReferenceGridModel(MixedModel):
    """Reference grids of a mixed model."""

    def _grid(self, at: Any, cov_reduce: Any, cov_keep: int, data: Any) -> ReferenceGrid:
        offset = None if isinstance(self._request.offset, str) else self._request.offset
        source = self._request.data if data is None else data
        return reference_grid(self._fit, source, offset, at, cov_reduce, cov_keep)

    def _specs(self, specs: Any, by: Any, grid: ReferenceGrid) -> Specs:
        random = tuple(dict.fromkeys(f for t in self._fit.terms for f in (*t.factors, t.group)))
        return parse_specs(specs, by, self._fit, grid, random)

    def reference_grid(
        self, *, at: dict[str, Any] | None = None, cov_reduce: Any = "mean", cov_keep: int = 2, data: Any = None
    ) -> "pd.DataFrame":
        """The grid of predictors on which marginal means are computed.

        Parameters
        ----------
        at, cov_reduce, cov_keep, data
            As in ``emmeans``.

        Returns
        -------
        DataFrame
            The variables, ``estimate`` (with random effects of zero, of a generalized model on the scale of the link; NaN where it is not estimable) and ``frequency``
            (rows of the data with these levels of the factors); ``attrs["nesting"]`` has the factors that are nested in others.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("angle ~ recipe + temp + (1 | recipe:replicate)", load_dataset("cake"))
        >>> m.reference_grid().round(2)
          recipe   temp  estimate  frequency
        0      A  200.0     33.12       90.0
        1      B  200.0     31.64       90.0
        2      C  200.0     31.60       90.0
        """
        from ranef.presentation.means_text import grid_frame

        return grid_frame(self._fit, self._grid(at, cov_reduce, cov_keep, data))
