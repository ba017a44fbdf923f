"""The fitted nonlinear mixed model: what it alone has."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.estimates import fixed_effects
from ranef.estimates.residual_covariance import structure_series
from ranef.estimates.residuals import residual_values
from ranef.fit.nonlinear.record import NonlinearFit, parameter_view
from ranef.fit.nonlinear.request import NonlinearRequest
from ranef.results.model.mixed import MixedModel
from ranef.results.one_kind import LINEAR

if TYPE_CHECKING:
    import pandas as pd

    from ranef.results.means import MarginalMeans


class NonlinearMixedModel(MixedModel):
    """A nonlinear mixed model fitted by ``ranef.nlmer``."""

    _fit: NonlinearFit
    _request: NonlinearRequest
    _of_the_other_kind = LINEAR

    @property
    def formula(self) -> str:
        """The formula, and formulas of parameters."""
        return self._fit.code

    @property
    def n_quad(self) -> int:
        """Quadrature nodes for each random effect; 1 is Laplace's approximation."""
        return self._fit.n_quad

    @property
    def curve_parameters(self) -> tuple[str, ...]:
        """Names of the parameters of the curve."""
        return self._fit.curve_parameters

    @cached_property
    def zvalues(self) -> "pd.Series[float]":
        """Fixed effects divided by their standard errors."""
        return self._named(fixed_effects.t_values(self._fit), "zvalues")

    @cached_property
    def structure(self) -> "pd.Series[float]":
        """Parameters of the variance function and of the correlation of the rows, by name; empty
        without them.
        """
        return structure_series(self._fit)

    def emmeans(self, specs: Any, *, param: str | None = None, **options: Any) -> "MarginalMeans":
        """Estimated marginal means of a parameter of the curve.

        Parameters
        ----------
        specs : str, list of str or formula
            Factors of the parameter's formula.
        param : str, optional
            The parameter; by default the only one whose formula has fixed effects of variables.
        **options
            As for linear models.

        Returns
        -------
        MarginalMeans

        Examples
        --------
        >>> from ranef import load_dataset, nlmer
        >>> orange = load_dataset("Orange")
        >>> orange["tall"] = orange["Tree"].astype(int) > 3
        >>> curve = "circumference ~ SSlogis(age, Asym, xmid, scal)"
        >>> m = nlmer(curve, orange, params={"Asym": "~ tall + (1 | Tree)"})
        >>> m.emmeans("tall", param="Asym").to_frame()["estimate"].round(0).tolist()
        [180.0, 210.0]
        """
        return MixedModel.emmeans(self._of_parameter(param), specs, **options)

    def emtrends(self, specs: Any, var: str, *, param: str | None = None, **options: Any) -> "MarginalMeans":
        """Slopes of a parameter of the curve in a variable.

        Parameters
        ----------
        specs : str, list of str or formula
            Factors of the parameter's formula.
        var : str
            A numeric variable of it.
        param : str, optional
            The parameter, as for `emmeans`.
        **options
            As for linear models.

        Returns
        -------
        MarginalMeans

        Examples
        --------
        >>> from ranef import load_dataset, nlmer
        >>> theoph = load_dataset("Theoph")
        >>> theoph["late"] = theoph["Subject"].astype(int) > 6
        >>> curve = "conc ~ SSfol(Dose, Time, lKe, lKa, lCl)"
        >>> effects = {"lKa": "~ 1 + (1 | Subject)", "lCl": "~ late + Wt + (1 | Subject)"}
        >>> m = nlmer(curve, theoph, params=effects)
        >>> len(m.emtrends("late", "Wt", param="lCl").to_frame())
        2
        """
        return MixedModel.emtrends(self._of_parameter(param), specs, var, **options)

    def _of_parameter(self, name: str | None) -> "NonlinearMixedModel":
        """The model as one of a parameter alone."""
        names = self.curve_parameters
        if name is None:
            varied = self._fit.varied_parameters
            if len(varied) != 1:
                raise OptionError(
                    f"param names the parameter of the curve, one of {', '.join(varied or names)}: param={names[0]!r}."
                )
            name = varied[0]
        if name not in names:
            raise OptionError(f"param must be one of the parameters {', '.join(names)}, not {name!r}.")
        return NonlinearMixedModel(cast(NonlinearFit, parameter_view(self._fit, name)), self._request)

    # ---- what the chapters ask

    def _standardized(self) -> NDArray[np.float64]:
        return residual_values(self._fit, "scaled")
