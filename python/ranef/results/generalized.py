"""The fitted generalized linear mixed model: what it alone has."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.estimates import fixed_effects
from ranef.estimates.residuals import residual_values
from ranef.fit.generalized import GlmmFit
from ranef.fit.request import GlmmRequest
from ranef.results.model.mixed import MixedModel
from ranef.results.one_kind import LINEAR

if TYPE_CHECKING:
    import pandas as pd

    from ranef.diagnostics.dispersion import DispersionTest, ZeroInflationTest


class GeneralizedLinearMixedModel(MixedModel):
    """A generalized linear mixed model fitted by ``ranef.glmer``."""

    _fit: GlmmFit
    _request: GlmmRequest
    _of_the_other_kind = LINEAR

    @property
    def n_quad(self) -> int:
        """Quadrature nodes for each random effect; 1 is Laplace's approximation."""
        return self._fit.n_quad

    @property
    def family_params(self) -> dict[str, float]:
        """Estimated parameters of the shape of the family by name, such as ``power`` or ``df``."""
        return self._fit.family_params

    @cached_property
    def zvalues(self) -> "pd.Series[float]":
        """Fixed effects divided by their standard errors."""
        return self._named(fixed_effects.t_values(self._fit), "zvalues")

    def laplace_error(self, n_quad: int = 7) -> float:
        """What quadrature would add to -2 log-likelihood at the estimates: how far Laplace's
        approximation is off.

        For one grouping factor with up to three random effects, or two nested ones with one each.
        Where the difference is more than a few tenths, or where variances are large and responses
        are 0 and 1, fit again with ``n_quad``.

        Parameters
        ----------
        n_quad : int
            Number of nodes to compare with, odd and at least 5.

        Returns
        -------
        float
            -2 log-likelihood by quadrature minus that by Laplace's approximation.

        Examples
        --------
        >>> from ranef import glmer, load_dataset
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> m = glmer(formula, load_dataset("cbpp"), family="binomial")
        >>> round(m.laplace_error(), 2)
        -0.08
        """
        from ranef.diagnostics.laplace_accuracy import laplace_error

        return laplace_error(self._fit, n_quad)

    def overdispersion(self, n: int = 250, *, rng: Any = None) -> "DispersionTest":
        """Compare the spread of the Pearson residuals with what the model says.

        The sum of their squares over the residual degrees of freedom is near 1 for a model that is
        right and has few random effects: their modes take up a part of the variation. So the
        p-value is by simulation from the fit, with random effects drawn anew and their modes found
        again for every response.

        Parameters
        ----------
        n : int
            Number of simulations.
        rng : int, numpy.random.Generator or None
            Seed or generator; None takes a fresh seed.

        Returns
        -------
        DispersionTest
            ``ratio``, ``chisq``, ``df``, ``p_chisq`` (the chi-square test), ``p_value`` (two-sided,
            by simulation).

        Examples
        --------
        >>> from ranef import glmer, load_dataset
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> m = glmer(formula, load_dataset("cbpp"), family="binomial")
        >>> test = m.overdispersion(rng=1)
        >>> round(test.ratio, 2), round(test.p_chisq, 2)
        (1.24, 0.12)
        """
        from ranef.diagnostics.dispersion import dispersion_test

        return dispersion_test(self._fit, n, rng)

    def zero_inflation(self, n: int = 250, *, rng: Any = None) -> "ZeroInflationTest":
        """Compare the number of zeros with those in responses simulated from the model.

        Parameters
        ----------
        n : int
            Number of simulations.
        rng : int, numpy.random.Generator or None
            Seed or generator; None takes a fresh seed.

        Returns
        -------
        ZeroInflationTest
            ``observed``, ``expected`` (mean of the simulations), ``ratio``, ``p_value`` (two-sided,
            by simulation).

        Examples
        --------
        >>> from ranef import glmer, load_dataset
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> m = glmer(formula, load_dataset("cbpp"), family="binomial")
        >>> m.zero_inflation(rng=1).observed
        22
        """
        from ranef.diagnostics.dispersion import zero_inflation_test

        return zero_inflation_test(self._fit, n, rng)

    # ---- what the chapters ask

    def _standardized(self) -> NDArray[np.float64]:
        return residual_values(self._fit, "scaled")
