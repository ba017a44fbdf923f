"""Diagnostics that all kinds of mixed models have: shares of variance, components of the random effects, collinearity."""

from typing import TYPE_CHECKING

from ranef.results.base import MixedModel

if TYPE_CHECKING:
    import pandas as pd

    from ranef.diagnostics.random_pca import RandomPca
    from ranef.diagnostics.variance_shares import Icc, RSquared


class AssessedModel(MixedModel):
    """Diagnostics of the random and the fixed part of a mixed model."""

    def icc(self, *, by_group: bool = False) -> "Icc | pd.DataFrame":
        """Intraclass correlation: the share of the random effects in the variance.

        The variance of random slopes is the mean over the observations of ``z' S z``. Random effects on the boundary have variance 0. The variance of an observation is
        sigma² in a linear model. In a generalized one it is on the scale of the link: that of the link's latent variable for 0/1 responses and trials, else what the
        family's variance becomes on that scale (Nakagawa, Johnson and Schielzeth 2017).

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
        """Nakagawa's R², of a generalized model on the scale of the link.

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
            Standard deviations (of a linear model divided by sigma, of a generalized one on the scale of the link), shares of variance and loadings; ``to_frame()`` has
            one row for each component. A component with standard deviation 0 is a direction that the data do not support.

        Examples
        --------
        >>> from ranef import glmer, load_dataset
        >>> m = glmer("TICKS ~ YEAR + cHEIGHT + (YEAR | LOCATION)", load_dataset("grouseticks"), family="poisson")
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
            A row for each term, columns ``df, gvif, gvif_root, tolerance``; ``gvif_root`` is ``gvif^(1 / 2 df)``, the inflation of a standard error.

        Examples
        --------
        >>> from ranef import glmer, load_dataset
        >>> m = glmer("TICKS ~ YEAR * cHEIGHT + (1 | BROOD)", load_dataset("grouseticks"), family="poisson")
        >>> m.vif()["gvif"].round(2).tolist()
        [1.04, 3.45, 3.56]
        """
        from ranef.diagnostics.collinearity import inflation

        return inflation(self._fit)
