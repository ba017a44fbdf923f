"""Diagnostics of a fitted model: ICC, R², components of the random effects, collinearity,
influence, simulated residuals.
"""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.leverage import studentized_residuals
from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.control import parse_control
from ranef.fit.progress import reported
from ranef.fit.record import MixedFit
from ranef.results.model.row_source import RowSourceChapter

if TYPE_CHECKING:
    import pandas as pd

    from ranef.diagnostics.influence import Influence
    from ranef.diagnostics.random_pca import RandomPca
    from ranef.diagnostics.refit_influence import RefitInfluence
    from ranef.diagnostics.simulated_residuals import SimulatedResiduals
    from ranef.diagnostics.variance_shares import Icc, RSquared


class DiagnosticsChapter(RowSourceChapter):
    """Diagnostics of a mixed model."""

    def icc(self, *, by_group: bool = False) -> "Icc | pd.DataFrame":
        """Intraclass correlation: the share of the random effects in the variance.

        The variance of random slopes is the mean over the observations of ``z' S z``. Random
        effects on the boundary have variance 0. The variance of an observation is sigma² in a
        linear model. In a generalized one it is on the scale of the link: that of the link's latent
        variable for 0/1 responses and trials, else what the family's variance becomes on that scale
        (Nakagawa, Johnson and Schielzeth 2017). With a zero part or a dispersion formula fixed and
        random effects are those of the conditional part, and an observation has the variance of the
        whole response, zeros included, averaged over the zeros and dispersions of the rows.

        Parameters
        ----------
        by_group : bool
            Whether to return the share of every grouping factor.

        Returns
        -------
        Icc or DataFrame
            ``adjusted`` for the variance that the fixed effects leave, ``unadjusted`` for the whole
            variance; with ``by_group`` a frame with these columns, a row for each grouping factor.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> round(m.icc().adjusted, 3)
        0.722
        """
        from ranef.diagnostics.variance_shares import icc_by_group

        return icc_by_group(self._fit, by_group)

    def heritability(self) -> "pd.DataFrame":
        """The share of related effects in the variance of an observation.

        That is the variance of a term with a known matrix, ``known(1 | id, A)``, divided by the sum
        of those of all terms and of the residuals, for a level with 1 on the diagonal of the
        matrix: with a pedigree the heritability, of an animal that is not inbred, and with a
        phylogeny the phylogenetic signal. For a binary response the residual has the variance of
        the latent variable of the link (pi² / 3 with the logit, 1 with the probit link, where this
        is the heritability of the liability).

        Returns
        -------
        DataFrame
            Columns ``estimate`` and ``std_error`` (by the delta method; NaN for a variance of
            zero), a row for each such term.

        Raises
        ------
        DesignError
            When no term has a known matrix, some term has slopes, or the response has no variance
            on the scale of the random effects, as a count.

        Examples
        --------
        >>> import numpy as np, pandas as pd
        >>> from ranef import lmer, load_dataset
        >>> d, levels = load_dataset("dyestuff"), list("ABCDEF")
        >>> unrelated = pd.DataFrame(np.eye(6), index=levels, columns=levels)
        >>> m = lmer("Yield ~ 1 + known(1 | Batch, A)", d, known={"A": unrelated})
        >>> round(float(m.heritability().loc["Batch", "estimate"]), 3)
        0.418
        """
        from ranef.diagnostics.heritability import heritability

        return heritability(self._fit)

    def r2(self) -> "RSquared":
        """Nakagawa's R², of a generalized model on the scale of the link.

        Returns
        -------
        RSquared
            ``marginal`` (fixed effects) and ``conditional`` (fixed and random effects); never NaN,
            also on the boundary.

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
            Standard deviations (of a linear model divided by sigma, of a generalized one on the
            scale of the link), shares of variance and loadings; ``to_frame()`` has one row for each
            component. A component with standard deviation 0 is a direction that the data do not
            support.

        Examples
        --------
        >>> from ranef import glmer, load_dataset
        >>> ticks = load_dataset("grouseticks")
        >>> m = glmer("TICKS ~ YEAR + cHEIGHT + (YEAR | LOCATION)", ticks, family="poisson")
        >>> m.repca()["LOCATION"].proportion.round(3).tolist()
        [0.813, 0.139, 0.048]
        """
        from ranef.diagnostics.random_pca import random_pca

        return random_pca(self._fit)

    def vif(self) -> "pd.DataFrame":
        """Generalised variance inflation of the fixed terms.

        Returns
        -------
        DataFrame
            A row for each term, columns ``df, gvif, gvif_root, tolerance``; ``gvif_root`` is
            ``gvif^(1 / 2 df)``, the inflation of a standard error.

        Examples
        --------
        >>> from ranef import glmer, load_dataset
        >>> ticks = load_dataset("grouseticks")
        >>> m = glmer("TICKS ~ YEAR * cHEIGHT + (1 | BROOD)", ticks, family="poisson")
        >>> m.vif()["gvif"].round(2).tolist()
        [1.04, 3.45, 3.56]
        """
        from ranef.diagnostics.collinearity import inflation

        return inflation(self._fit)

    @cached_property
    def _hat(self) -> NDArray[np.float64]:
        return self._fit.hat_values()

    def _hat_of(self, fit: MixedFit) -> NDArray[np.float64]:
        return self._hat if fit is self._fit else fit.hat_values()

    def hatvalues(self) -> "pd.Series[float]":
        """Leverage of each observation on its own conditional fitted value, at the theta of the
        fit.

        Their sum is the effective number of parameters of the conditional fit. Those of a
        generalized model are of the last step of the fit, a weighted linear one: the variance of
        the linear predictor, by the errors of the random and the fixed effects, times the expected
        weight of the row there. With a link that is not the canonical one the variance has the
        observed curvature, so that they are approximate.

        Returns
        -------
        Series
            Diagonal of the hat matrix, rows as in ``fittedvalues``.

        Examples
        --------
        >>> from ranef import glmer, lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> round(float(m.hatvalues().sum()), 2)
        29.02
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = glmer(formula, load_dataset("cbpp"), family="binomial")
        >>> round(float(g.hatvalues().sum()), 2)
        13.29
        """
        return self._row_series(self._hat_of, "hat")

    def rstudent(self, *, external: bool = False) -> "pd.Series[float]":
        """Residuals divided by their standard deviation ``sigma sqrt((1 - h) / w)``,
        of a generalized model its Pearson residuals by ``sigma sqrt(1 - h)``.

        Parameters
        ----------
        external : bool
            False takes the sigma of the fit, as lme4 does in its ``rstudent``; True, for linear
            models, takes for every observation the sigma of a fit without it at the same theta.

        Returns
        -------
        Series
            Rows as in ``fittedvalues``; NaN where the hat value is one.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.rstudent().head(2).round(4).tolist()
        [-0.1827, -0.6272]
        """
        if not isinstance(external, bool | np.bool_):
            raise ArgumentTypeError(f"external must be True or False, not {external!r}.")
        if external and not self._fit.fixed_effects_profiled:
            raise OptionError("external=True is for linear models; influence() fits without each observation.")
        if external and self._sources is not None:
            raise OptionError("external=True needs the rows in memory: give with_data a frame.")
        return self._row_series(lambda fit: studentized_residuals(fit, self._hat_of(fit), bool(external)), "rstudent")

    def influence(
        self, by: str | None = None, *, progress: bool | Literal["tqdm"] | Callable[[int, int], object] = False
    ) -> "Influence | RefitInfluence":
        """Estimates without each observation, or without each level of a grouping factor.

        Of a linear model they are exact for theta held at the estimates of the whole fit, and found
        by downdating, without a refit; sigma is estimated again. Of a generalized one each is an
        exact fit of all parameters without the rows, started from the estimates of the whole, so
        that single observations of large data take their time. A model of sums needs no rows for
        the factor by whose levels they are kept (`ranef.scale.Statistic`), in which all others are
        nested; otherwise ``with_data`` gives them, which are read once more where they are many.

        Parameters
        ----------
        by : str, optional
            A grouping factor of the model, or the subject within which rows are correlated, whose
            levels are left out with all their rows; by default single observations are.
        progress : bool, "tqdm" or callable
            For generalized models, which are fitted again without each: True shows the number of
            fits on standard error, ``"tqdm"`` in a bar of tqdm; a function is called with it and
            the number of all.

        Returns
        -------
        Influence or RefitInfluence
            A record with ``dfbeta``, ``dfbetas``, ``cooks_distance``, ``cov_ratio``, ``sigma`` and
            ``to_frame()``; of a generalized model also ``theta``, ``theta_change``, ``dispersion``
            and ``converged``. Values are NaN where a fixed effect has no finite estimate without
            the rows; Cook's distances are NaN in a model without fixed effects.

        Examples
        --------
        >>> from ranef import glmer, lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.influence("Subject").cooks_distance.round(3).nlargest(2).to_dict()
        {'309': 0.149, '335': 0.129}
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = glmer(formula, load_dataset("cbpp"), family="binomial")
        >>> g.influence("herd").cooks_distance.round(3).nlargest(2).to_dict()
        {'11': 0.434, '1': 0.342}
        """
        fit = self._fit
        if fit.fixed_effects_profiled:
            if progress is not False:
                raise OptionError(
                    "progress= is for generalized models, which are fitted again without each level; a linear model "
                    "needs no further fit. Leave progress out."
                )
            from ranef.diagnostics.influence import influence

            read = None if self._sources is None else lambda: (part for _, part in self._batches())
            return influence(fit, by, read)
        from ranef.diagnostics.refit_influence import refit_influence

        with reported(progress, "fits") as show:
            return refit_influence(fit, by, parse_control(self._request.control), show)

    def simulated_residuals(
        self, n: int = 250, *, re: Literal["new", "conditional"] = "new", rotate: bool | None = None, rng: Any = None
    ) -> "SimulatedResiduals":
        """Where each observation lies among responses simulated from the fit, between 0 and 1, with
        tests.

        If the model is correct the residuals are uniform: those of counts and of 0/1 responses too,
        as ties are broken at random. As the parameters were estimated from the same data the tests
        reject somewhat too seldom, and the test of dispersion, which a free sigma makes nearly 1,
        says little for a linear model.

        Parameters
        ----------
        n : int
            Number of simulations, at least 20.
        re : {"new", "conditional"}
            Draw random effects anew, or keep the conditional modes of the fit; residuals of a
            linear model are then enlarged by ``1 / sqrt(1 - h)`` with h the hat value, because the
            modes were fitted to them.
        rotate : bool, optional
            For linear models: whether to rotate responses and simulations to independence first,
            which the tests presume and only normal responses can have. By default yes with
            ``re="new"``. It takes the covariance matrix of all rows that the grouping factors link,
            at most 4,000.
        rng : int, numpy.random.Generator or None
            Seed or generator; None takes a fresh seed.

        Returns
        -------
        SimulatedResiduals
            A record with ``residuals`` (a Series, rows as in ``fittedvalues``) and the tests
            ``uniformity``, ``dispersion`` and ``outliers``, each with ``statistic`` and
            ``p_value``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> simulated = m.simulated_residuals(rng=1)
        >>> len(simulated.residuals), 0 <= simulated.uniformity.p_value <= 1
        (180, True)
        """
        from ranef.diagnostics.simulated_residuals import simulated_residuals

        return simulated_residuals(self._fit, n, re, rotate, rng)
