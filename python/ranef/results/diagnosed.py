"""Diagnostics of a fitted linear model: leverage, influence, simulated residuals, and plain frames of them."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.leverage import cooks_distances, hat_values, studentized_residuals
from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.rows import row_series
from ranef.results.assessed import AssessedModel
from ranef.results.inferred import InferredModel

if TYPE_CHECKING:
    import pandas as pd

    from ranef.diagnostics.influence import Influence
    from ranef.diagnostics.simulated_residuals import SimulatedResiduals


class DiagnosedModel(InferredModel, AssessedModel):
    """Diagnostics of a linear mixed model."""

    @cached_property
    def _hat(self) -> NDArray[np.float64]:
        return hat_values(self._fit)

    def hatvalues(self) -> "pd.Series[float]":
        """Leverage of each observation on its own conditional fitted value, at the theta of the fit.

        Their sum is the effective number of parameters of the conditional fit.

        Returns
        -------
        Series
            Diagonal of the hat matrix, rows as in ``fittedvalues``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> round(float(m.hatvalues().sum()), 2)
        29.02
        """
        return row_series(self._fit, self._hat, "hat")

    def cooks_distance(self) -> "pd.Series[float]":
        """Cook's distance of each observation in the conditional fit, as lme4 defines it.

        It is the squared residual of ``rstudent()`` times ``h / (1 - h)``, divided by the number of fixed effects. The movement of the fixed effects alone is in
        ``influence().cooks_distance``.

        Returns
        -------
        Series
            Rows as in ``fittedvalues``; NaN where the hat value is one.
        """
        return row_series(self._fit, cooks_distances(self._fit, self._hat), "cooks_distance")

    def rstudent(self, *, external: bool = False) -> "pd.Series[float]":
        """Residuals divided by their standard deviation ``sigma sqrt((1 - h) / w)``.

        Parameters
        ----------
        external : bool
            False takes the sigma of the fit, as lme4 does in its ``rstudent``; True takes, for every observation, the sigma of a fit without it at the same theta.

        Returns
        -------
        Series
            Rows as in ``fittedvalues``; NaN where the hat value is one.
        """
        if not isinstance(external, bool | np.bool_):
            raise ArgumentTypeError(f"external must be True or False, not {external!r}.")
        return row_series(self._fit, studentized_residuals(self._fit, self._hat, bool(external)), "rstudent")

    def influence(
        self, by: str | None = None, *, progress: bool | Literal["tqdm"] | Callable[[int, int], object] = False
    ) -> "Influence":
        """Estimates without each observation, or without each level of a grouping factor.

        They are exact for theta held at the estimates of the whole fit, and found by downdating, without a refit; sigma is estimated again.

        Parameters
        ----------
        by : str, optional
            A grouping factor of the model, whose levels are left out with all their rows; by default single observations are.
        progress : bool, "tqdm" or callable
            For generalized models, which are fitted again without each; here there is no fit to report.

        Returns
        -------
        Influence
            A record with ``dfbeta``, ``dfbetas``, ``cooks_distance``, ``cov_ratio``, ``sigma`` and ``to_frame()``. Values are NaN where a fixed effect has no estimate
            without the rows; Cook's distances are NaN in a model without fixed effects.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.influence("Subject").cooks_distance.round(3).nlargest(2).to_dict()
        {'309': 0.149, '335': 0.129}
        """
        if progress is not False:
            raise OptionError(
                "progress= is for generalized models, which are fitted again without each level; a linear model needs no further fit. Leave progress out."
            )
        from ranef.diagnostics.influence import influence

        return influence(self._fit, by)

    def simulated_residuals(
        self, n: int = 250, *, re: Literal["new", "conditional"] = "new", rotate: bool | None = None, rng: Any = None
    ) -> "SimulatedResiduals":
        """Where each observation lies among responses simulated from the fit, between 0 and 1, with tests.

        If the model is right the residuals are uniform. As the parameters were estimated from the same data the tests reject somewhat too seldom, and the test of
        dispersion, which a free sigma makes nearly 1, says little for a linear model.

        Parameters
        ----------
        n : int
            Number of simulations, at least 20.
        re : {"new", "conditional"}
            Draw random effects anew, or keep the conditional modes of the fit; residuals are then enlarged by ``1 / sqrt(1 - h)`` with h the hat value, because
            the modes were fitted to them.
        rotate : bool, optional
            Whether to rotate responses and simulations to independence first, which the tests presume. By default yes with ``re="new"``. It takes the covariance matrix
            of all rows that the grouping factors link, at most 4,000.
        rng : int, numpy.random.Generator or None
            Seed or generator; None takes a fresh seed.

        Returns
        -------
        SimulatedResiduals
            A record with ``residuals`` (a Series, rows as in ``fittedvalues``) and the tests ``uniformity``, ``dispersion`` and ``outliers``, each with ``statistic`` and
            ``p_value``.
        """
        from ranef.diagnostics.simulated_residuals import simulated_residuals

        return simulated_residuals(self._fit, n, re, rotate, rng)

    # ---- plain frames

    def glance(self) -> "pd.DataFrame":
        """Return the fit in one row.

        Returns
        -------
        DataFrame
            Columns ``nobs, sigma, llf, aic, bic, reml_criterion, deviance, df_resid, npar, is_singular, converged``; of the two criteria that which was not
            minimised is NaN.
        """
        from ranef.presentation.tidy import glance_frame

        return glance_frame(self._fit)

    def augment(self) -> "pd.DataFrame":
        """Return the observations with what the fit says of each.

        Returns
        -------
        DataFrame
            The columns named in the formula (if the data of the fit are at hand: a saved model has none) and ``.fitted, .resid, .fixed`` (fitted value without random effects)
            ``.hat, .cooksd, .std_resid``; rows as in ``fittedvalues``.
        """
        from ranef.presentation.tidy import augment_frame

        return augment_frame(self._fit, self._request.data)
