"""What a fitted linear model says about itself: leverage, influence, shares of variance, simulated residuals, and plain frames of it all."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.leverage import cooks_distances, hat_values, studentized_residuals
from ranef.errors import ArgumentTypeError
from ranef.estimates.rows import row_series
from ranef.results.inferred import InferredModel

if TYPE_CHECKING:
    import pandas as pd

    from ranef.diagnostics.influence import Influence
    from ranef.diagnostics.random_pca import RandomPca
    from ranef.diagnostics.simulated_residuals import SimulatedResiduals
    from ranef.diagnostics.variance_shares import Icc, RSquared


class DiagnosedModel(InferredModel):
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

    def influence(self, by: str | None = None) -> "Influence":
        """Estimates without each observation, or without each level of a grouping factor.

        They are exact for theta held at the estimates of the whole fit, and found by downdating, without a refit; sigma is estimated again.

        Parameters
        ----------
        by : str, optional
            A grouping factor of the model, whose levels are left out with all their rows; by default single observations are.

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
        from ranef.diagnostics.influence import influence

        return influence(self._fit, by)

    def icc(self, *, by_group: bool = False) -> "Icc | pd.DataFrame":
        """Intraclass correlation: the share of the random effects in the variance.

        The variance of random slopes is the mean over the observations of ``z' S z``. Random effects on the boundary have variance 0.

        Parameters
        ----------
        by_group : bool
            Whether to return the share of every grouping factor.

        Returns
        -------
        Icc or DataFrame
            ``adjusted`` for the variance that the fixed effects leave, ``unadjusted`` for the whole variance; with ``by_group`` a frame with these columns, a row
            for each grouping factor.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> round(m.icc().adjusted, 3)
        0.722
        """
        from ranef.diagnostics.variance_shares import icc_by_group

        return icc_by_group(self._fit, by_group)

    def r2(self) -> "RSquared":
        """Nakagawa's R².

        Returns
        -------
        RSquared
            ``marginal`` (fixed effects) and ``conditional`` (fixed and random effects); never NaN, also on the boundary.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> r2 = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy")).r2()
        >>> round(r2.marginal, 3), round(r2.conditional, 3)
        (0.279, 0.799)
        """
        from ranef.diagnostics.variance_shares import r_squared

        return r_squared(self._fit)

    def repca(self) -> "RandomPca":
        """Principal components of the random effects of each grouping factor.

        Returns
        -------
        RandomPca
            Standard deviations (divided by sigma), shares of variance and loadings; ``to_frame()`` has one row for each component. A component with standard
            deviation 0 is a direction that the data do not support.
        """
        from ranef.diagnostics.random_pca import random_pca

        return random_pca(self._fit)

    def vif(self) -> "pd.DataFrame":
        """Generalised variance inflation of the fixed terms.

        Returns
        -------
        DataFrame
            A row for each term, columns ``df, gvif, gvif_root, tolerance``; ``gvif_root`` is ``gvif^(1 / 2 df)``, the inflation of a standard error.
        """
        from ranef.diagnostics.collinearity import inflation

        return inflation(self._fit)

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
