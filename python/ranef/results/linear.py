"""The fitted linear mixed model: what it alone has."""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.leverage import cooks_distances, studentized_residuals
from ranef.estimates import fixed_effects
from ranef.estimates.rows import row_series
from ranef.fit.linear import LmmFit
from ranef.fit.request import LmmRequest
from ranef.results.model.mixed import MixedModel
from ranef.results.one_kind import GENERALIZED

if TYPE_CHECKING:
    import pandas as pd


class LinearMixedModel(MixedModel):
    """A linear mixed model fitted by ``ranef.lmer``."""

    _fit: LmmFit
    _request: LmmRequest
    _of_the_other_kind = GENERALIZED

    @property
    def reml_criterion(self) -> float:
        """The REML criterion at the estimates, whichever criterion was minimised."""
        return self._fit.reml_criterion

    @cached_property
    def tvalues(self) -> "pd.Series[float]":
        """Fixed effects divided by their standard errors."""
        return self._named(fixed_effects.t_values(self._fit), "tvalues")

    def cooks_distance(self) -> "pd.Series[float]":
        """Cook's distance of each observation in the conditional fit, as lme4 defines it.

        It is the squared residual of ``rstudent()`` times ``h / (1 - h)``, divided by the number of
        fixed effects. The movement of the fixed effects alone is in ``influence().cooks_distance``.

        Returns
        -------
        Series
            Rows as in ``fittedvalues``; NaN where the hat value is one.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.cooks_distance().head(2).round(4).tolist()
        [0.005, 0.0402]
        """
        return row_series(self._fit, cooks_distances(self._fit, self._hat), "cooks_distance")

    # ---- what the chapters ask

    def _standardized(self) -> NDArray[np.float64]:
        return studentized_residuals(self._fit, self._hat)
