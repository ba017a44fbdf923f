"""Estimates of a fitted model: fixed effects, variances, random effects, criteria and counts."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates import fixed_effects, random_effects
from ranef.estimates.criteria import Criteria, criteria
from ranef.estimates.varcorr import VarCorr, varcorr
from ranef.families.family import Family
from ranef.inference.maximised import need_maximised
from ranef.results.component import Component
from ranef.results.model.fitted import FittedModel

if TYPE_CHECKING:
    import pandas as pd


class EstimatesChapter(FittedModel):
    """Estimates of a mixed model, labelled."""

    # ---- fixed effects

    @cached_property
    def fixef(self) -> "pd.Series[float]":
        """Fixed effects by name; columns dropped for linear dependence are not there."""
        return self._named(self._fit.beta, "fixef")

    @property
    def params(self) -> "pd.Series[float]":
        """The same object as ``fixef``; of a model with several linear predictors all parameters,
        by component and name.
        """
        found = self._fit.parameters()
        if found is None:
            return self.fixef
        import pandas as pd

        names, values, _ = found
        return pd.Series(values, index=pd.MultiIndex.from_tuples(names, names=["component", "name"]), name="params")

    @cached_property
    def bse(self) -> "pd.Series[float]":
        """Standard errors of the fixed effects: conditional on theta for a linear model, accounting
        for its estimation for a generalized one; of ``mmrm`` by its ``ddf`` and ``vcov``.
        """
        return self._named(self._standard_errors(), "bse")

    def _standard_errors(self) -> NDArray[np.float64]:
        return fixed_effects.standard_errors(self._fit)

    def corr_params(self) -> "pd.DataFrame":
        """Correlation matrix of the estimates of the fixed effects.

        Returns
        -------
        DataFrame
            p × p.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.corr_params().round(3).loc["(Intercept)", "Days"].item()
        -0.138
        """
        return self._square(fixed_effects.correlation(self._fit))

    # ---- covariance parameters and random effects

    @cached_property
    def varcorr(self) -> VarCorr:
        """Variances and correlations of the random effects: a mapping from grouping factor to a
        block with ``names, sd, cov, corr``.
        """
        from ranef.presentation.variance_table import VarCorr as Printed

        return Printed.of(varcorr(self._fit))

    @property
    def sigma(self) -> float:
        """Residual standard deviation; 1 for families without one."""
        return self._fit.sigma

    @property
    def dispersion(self) -> float:
        """The extra parameter of the family: ``sigma`` of the normal, Gamma and inverse Gaussian
        family, the size of the negative binomial, the precision of beta; else NaN.
        """
        return self._fit.spread

    @property
    def family(self) -> Family:
        """The family with its link; the normal one with the identity link for a linear model."""
        return self._fit.family

    @cached_property
    def theta(self) -> "pd.Series[float]":
        """Relative covariance parameters in lme4's order, named as lme4 names them."""
        import pandas as pd

        return pd.Series(self._fit.theta, index=pd.Index(self._fit.theta_names), name="theta", copy=True)

    def component(self, name: str) -> Component:
        """The effects of a linear predictor beside the first.

        Parameters
        ----------
        name : str
            ``"zi"``, effects on the logit of the probability of (extra) zeros; ``"disp"``, effects
            on the logarithm of the dispersion; ``"shape"``, the parameters of the shape of the
            family as they are estimated, or one of them by its name.
            Of a model of ``clmm``: ``"nominal"``, effects that are added to the thresholds and
            named ``"1|2.x"``; ``"scale"``, effects on the logarithm of the scale;
            ``"thresholds"``, the threshold parameters.

        Returns
        -------
        Component
            With ``fixef``, ``bse``, ``zvalues``, ``pvalues``, ``cov_params()``, ``conf_int()``,
            ``linear_predictor`` of the rows used, and ``varcorr`` and ``ranef()`` of its own random
            effects.

        Examples
        --------
        >>> from ranef import clmm, load_dataset
        >>> m = clmm("rating ~ temp + (1 | judge)", load_dataset("wine"), scale="~ temp")
        >>> m.component("scale").fixef.index.tolist()
        ['temp[T.warm]']
        """
        parts = {p.name: p for p in self._fit.part_effects()}
        shape = self._fit.shape_effects()
        if shape is not None:
            parts["shape"] = shape
        if name not in parts:
            has = f"its components are {', '.join(map(repr, parts))}" if parts else "it has one linear predictor"
            raise OptionError(f"the model has no component {name!r}: {has}.")
        return Component(parts[name])

    @overload
    def ranef(self, condvar: Literal[False] = False) -> "dict[str, pd.DataFrame]": ...
    @overload
    def ranef(self, condvar: Literal[True]) -> "dict[str, tuple[pd.DataFrame, NDArray[np.float64]]]": ...
    def ranef(self, condvar: bool = False) -> Any:
        """Conditional modes of the random effects.

        Parameters
        ----------
        condvar : bool
            Whether to add their covariance given the data, theta and the fixed effects (so the
            uncertainty of the fixed effects is not in it).

        Returns
        -------
        dict
            For each grouping factor a DataFrame (levels × effects, the effects of all terms on the
            factor side by side); with ``condvar=True`` a pair of that frame and an array (levels ×
            k × k). Of a model that was fitted by the iterative solver the covariances rest on
            probes: ``frame.attrs["condvar_error"]`` is their relative standard error.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.ranef()["Subject"].loc["308"].round(2).tolist()
        [2.26, 9.2]
        >>> frame, covariances = m.ranef(condvar=True)["Subject"]
        >>> covariances.shape
        (18, 2, 2)
        """
        if not isinstance(condvar, bool | np.bool_):
            raise ArgumentTypeError(f"condvar must be True or False, not {condvar!r}.")
        effects = random_effects.random_effects(self._fit)
        frames = {g.group: self._levels_frame(g) for g in effects}
        from ranef.presentation.level_frames import random_effects_frames

        if not condvar:
            return random_effects_frames(frames)
        covariances, error = random_effects.covariances_and_error(self._fit)
        for g, e in zip(effects, error or (), strict=False):
            frames[g.group].attrs["condvar_error"] = e
        return random_effects_frames(
            {name: (frame, c) for (name, frame), c in zip(frames.items(), covariances, strict=True)}
        )

    def coef(self) -> "dict[str, pd.DataFrame]":
        """Coefficients of every level: fixed plus random effects.

        Returns
        -------
        dict
            For each grouping factor a DataFrame (levels × coefficients).

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.coef()["Subject"].loc["308"].round(2).tolist()
        [253.66, 19.67]
        """
        from ranef.presentation.level_frames import coefficient_frames

        found = random_effects.level_coefficients(self._fit)
        return coefficient_frames({g.group: self._levels_frame(g) for g in found})

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
        """Log-likelihood; the restricted one for a REML fit. Priors are not part of it."""
        return self._criteria.llf

    @property
    def log_prior(self) -> float:
        """Log density of the priors at the estimates; 0 without.

        The criterion that was minimised is ``-2 * (llf + log_prior)``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset, priors
        >>> d = load_dataset("Dyestuff2")
        >>> m = lmer("Yield ~ 1 + (1 | Batch)", d, prior={"cov": priors.Gamma(relative=True)})
        >>> round(m.objective, 4), bool(abs(m.objective + 2 * (m.llf + m.log_prior)) < 1e-9)
        (166.1407, True)
        """
        return self._fit.log_prior

    def _criterion(self, name: str) -> float:
        need_maximised(self._fit, name)
        found: float = getattr(self._criteria, name)
        return found

    @property
    def ml_deviance(self) -> float:
        """-2 log-likelihood at the estimates: of a linear model whichever criterion was minimised,
        of a generalized one by the approximation that the fit has maximised.
        """
        both = self._fit.both_criteria
        return self._fit.deviance if both is None else both[0]

    @property
    def aic(self) -> float:
        """Akaike's criterion, from ``llf`` and ``npar``."""
        return self._criterion("aic")

    @property
    def bic(self) -> float:
        """Schwarz's criterion, from ``llf``, ``npar`` and ``nobs``."""
        return self._criterion("bic")

    @property
    def aicc(self) -> float:
        """Akaike's criterion corrected for small samples."""
        return self._criterion("aicc")

    @property
    def npar(self) -> int:
        """Number of estimated parameters: fixed effects, covariance parameters and sigma or another
        dispersion.
        """
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
        return {t.group: t.n_groups for t in self._fit.terms}

    @staticmethod
    def _levels_frame(g: random_effects.GroupEffects) -> "pd.DataFrame":
        import pandas as pd

        return pd.DataFrame(g.values, pd.Index(g.levels, name=g.group), pd.Index(g.names), copy=True)
