"""Labelled access to the frozen record of a fitted mixed model."""

import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, overload

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError
from ranef.estimates import fixed_effects, random_effects
from ranef.estimates.criteria import Criteria, criteria
from ranef.estimates.varcorr import VarCorr, varcorr
from ranef.fit.convergence import Convergence
from ranef.fit.record import MixedFit
from ranef.fit.request import ModelRequest

if TYPE_CHECKING:
    import pandas as pd


class MixedModel:
    """A fitted mixed model. Made by ``ranef.lmer`` and its kin, not directly.

    Labelled results are made when first asked for and kept.
    """

    _fit: MixedFit
    _request: ModelRequest
    _of_the_other_kind: ClassVar[Mapping[str, str]] = {}

    def __init__(self, fit: MixedFit, request: ModelRequest):
        self._fit = fit
        self._request = request

    def __getstate__(self) -> tuple[MixedFit, ModelRequest]:
        return self._fit, self._request

    def __setstate__(self, state: tuple[MixedFit, ModelRequest]) -> None:
        self._fit, self._request = state

    # Type checkers are to see which members there are.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            text = f"{type(self).__name__!r} object has no attribute {name!r}"
            if reason := self._of_the_other_kind.get(name):
                text += f": {reason}"
            raise AttributeError(text, name=name, obj=self)

    # ---- fixed effects

    @cached_property
    def fixef(self) -> "pd.Series[float]":
        """Fixed effects by name; columns dropped for linear dependence are not there."""
        return self._named(self._fit.beta, "fixef")

    @property
    def params(self) -> "pd.Series[float]":
        """The same object as ``fixef``."""
        return self.fixef

    @cached_property
    def bse(self) -> "pd.Series[float]":
        """Standard errors of the fixed effects: conditional on theta for a linear model, accounting for its estimation for a generalized one."""
        return self._named(fixed_effects.standard_errors(self._fit), "bse")

    def cov_params(self) -> "pd.DataFrame":
        """Covariance matrix of the fixed effects.

        Returns
        -------
        DataFrame
            p × p.
        """
        return self._square(fixed_effects.covariance(self._fit))

    def corr_params(self) -> "pd.DataFrame":
        """Correlation matrix of the estimates of the fixed effects.

        Returns
        -------
        DataFrame
            p × p.
        """
        return self._square(fixed_effects.correlation(self._fit))

    # ---- covariance parameters and random effects

    @cached_property
    def varcorr(self) -> VarCorr:
        """Variances and correlations of the random effects: a mapping from grouping factor to a block with ``names, sd, cov, corr``."""
        return varcorr(self._fit)

    @property
    def sigma(self) -> float:
        """Residual standard deviation; 1 for families without one."""
        return self._fit.sigma

    @cached_property
    def theta(self) -> "pd.Series[float]":
        """Relative covariance parameters in lme4's order, named as lme4 names them."""
        import pandas as pd

        return pd.Series(self._fit.theta, index=pd.Index(self._fit.theta_names), name="theta")

    @overload
    def ranef(self, condvar: Literal[False] = False) -> "dict[str, pd.DataFrame]": ...
    @overload
    def ranef(self, condvar: Literal[True]) -> "dict[str, tuple[pd.DataFrame, NDArray[np.float64]]]": ...
    def ranef(self, condvar: bool = False) -> Any:
        """Conditional modes of the random effects.

        Parameters
        ----------
        condvar : bool
            Whether to add their covariance given the data, theta and the fixed effects (so the uncertainty of the fixed effects is not in it).

        Returns
        -------
        dict
            For each grouping factor a DataFrame (levels × effects, the effects of all terms on the factor side by side); with ``condvar=True`` a pair of
            that frame and an array (levels × k × k).
        """
        if not isinstance(condvar, bool | np.bool_):
            raise ArgumentTypeError(f"condvar must be True or False, not {condvar!r}.")
        effects = random_effects.random_effects(self._fit)
        frames = {g.group: self._levels_frame(g) for g in effects}
        if not condvar:
            return frames
        covariances = random_effects.conditional_covariances(self._fit)
        return {name: (frame, c) for (name, frame), c in zip(frames.items(), covariances, strict=True)}

    def coef(self) -> "dict[str, pd.DataFrame]":
        """Coefficients of every level: fixed plus random effects.

        Returns
        -------
        dict
            For each grouping factor a DataFrame (levels × coefficients).
        """
        return {g.group: self._levels_frame(g) for g in random_effects.level_coefficients(self._fit)}

    # ---- criteria and counts

    @property
    def objective(self) -> float:
        """The criterion that was minimised."""
        return self._fit.objective

    @cached_property
    def _criteria(self) -> Criteria:
        return criteria(self._fit)

    @property
    def llf(self) -> float:
        """Log-likelihood; the restricted one for a REML fit."""
        return self._criteria.llf

    @property
    def aic(self) -> float:
        """Akaike's criterion, from ``llf`` and ``npar``."""
        return self._criteria.aic

    @property
    def bic(self) -> float:
        """Schwarz's criterion, from ``llf``, ``npar`` and ``nobs``."""
        return self._criteria.bic

    @property
    def aicc(self) -> float:
        """Akaike's criterion corrected for small samples."""
        return self._criteria.aicc

    @property
    def npar(self) -> int:
        """Number of estimated parameters: fixed effects, covariance parameters and sigma or another dispersion."""
        return self._fit.npar

    @property
    def nobs(self) -> int:
        """Number of rows used."""
        return self._fit.nobs

    @property
    def df_resid(self) -> int:
        """``nobs - npar``."""
        return self._criteria.df_resid

    @property
    def ngroups(self) -> dict[str, int]:
        """Number of levels of each grouping factor."""
        return {t.group: len(t.levels) for t in self._fit.terms}

    # ---- the fit itself

    @property
    def formula(self) -> str:
        """The formula as given."""
        return self._request.formula

    @property
    def is_singular(self) -> bool:
        """Whether some random direction has exactly zero variance."""
        return self._fit.singular

    @property
    def convergence(self) -> Convergence:
        """How the optimisation ended: a record, and printed a paragraph on whether the fit can be trusted and what to try."""
        return self._fit.convergence

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a file that ``ranef.load`` reads back without refitting.

        The file is a zip archive of JSON and NumPy arrays; it holds the model's matrices but not the data frame (the path of a file of data is kept). What is
        computed from the matrices works for a loaded model as before: tests, ``drop1``, ``ranova``, ``refit``, ``predict``. ``update`` needs ``data=``, and ``step``,
        if it leaves something out, a model that has its data again: ``model.update(data=...).step()``.

        Parameters
        ----------
        path : path
            Any name; no extension is added.
        """
        if not isinstance(path, str | os.PathLike):
            raise ArgumentTypeError(f"path must be a file name, not {path!r}.")
        from ranef.fit.saved import save_fit

        save_fit(path, type(self).__name__, self._fit, self._request)

    # ---- labels

    def _named(self, values: NDArray[np.float64], name: str) -> "pd.Series[float]":
        import pandas as pd

        return pd.Series(values, index=pd.Index(self._fit.x_names), name=name)

    def _square(self, values: NDArray[np.float64]) -> "pd.DataFrame":
        import pandas as pd

        names = pd.Index(self._fit.x_names)
        return pd.DataFrame(values, index=names, columns=names)

    @staticmethod
    def _levels_frame(g: random_effects.GroupEffects) -> "pd.DataFrame":
        import pandas as pd

        return pd.DataFrame(g.values, index=pd.Index(g.levels, name=g.group), columns=pd.Index(g.names))
