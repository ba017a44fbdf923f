"""The fitted nonlinear mixed model: what it alone has."""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.estimates import fixed_effects
from ranef.estimates.residuals import residual_values
from ranef.fit.nonlinear import NonlinearFit
from ranef.fit.nonlinear_request import NonlinearRequest
from ranef.results.model.mixed import MixedModel
from ranef.results.one_kind import LINEAR

if TYPE_CHECKING:
    import pandas as pd


class NonlinearMixedModel(MixedModel):
    """A nonlinear mixed model fitted by ``ranef.nlmer``."""

    _fit: NonlinearFit
    _request: NonlinearRequest
    _of_the_other_kind = LINEAR

    @property
    def n_quad(self) -> int:
        """Quadrature nodes for each random effect; 1 is Laplace's approximation."""
        return self._fit.n_quad

    @property
    def curve_parameters(self) -> tuple[str, ...]:
        """Names of the parameters of the curve."""
        assert self._fit.design.curve is not None
        return self._fit.design.curve.curve.parameters

    @cached_property
    def zvalues(self) -> "pd.Series[float]":
        """Fixed effects divided by their standard errors."""
        return self._named(fixed_effects.t_values(self._fit), "zvalues")

    # ---- what the chapters ask

    def _standardized(self) -> NDArray[np.float64]:
        return residual_values(self._fit, "scaled")
