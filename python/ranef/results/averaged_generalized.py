"""Marginal means of a fitted generalized model, their trends and joint tests."""

from typing import TYPE_CHECKING, Any, Literal

from ranef.errors import OptionError
from ranef.estimates.intervals import normal_multiplier
from ranef.inference.marginal_means.adjustments import checked_adjust
from ranef.inference.marginal_means.averages import marginal_means, trends
from ranef.inference.marginal_means.estimands import Estimands
from ranef.inference.marginal_means.specs import Specs
from ranef.options import Ddf, normal_ddf
from ranef.results.inferred_generalized import InferredGeneralizedModel
from ranef.results.means import MarginalMeans
from ranef.results.reference_grids import ReferenceGridModel

if TYPE_CHECKING:
    import pandas as pd


class AveragedGeneralizedModel(InferredGeneralizedModel, ReferenceGridModel):
    """Marginal means of a generalized linear mixed model."""

    def emmeans(
        self,
        specs: Any,
        *,
        by: str | list[str] | None = None,
        at: dict[str, Any] | None = None,
        weights: Literal["equal", "proportional", "outer", "cells", "flat"] = "equal",
        level: float = 0.95,
        ddf: Ddf | None = None,
        adjust: str | None = None,
        type: Literal["link", "response"] = "link",
        bias_correct: bool = False,
        sigma: float | None = None,
        cov_reduce: Any = "mean",
        cov_keep: int = 2,
        cov: Any = None,
        cluster: Any = None,
        data: Any = None,
    ) -> MarginalMeans:
        """Marginal means: linear predictors on a grid of the predictors, averaged over those that were not asked for.

        The average is taken on the scale of the link, with random effects of zero, and then transformed: with ``type="response"`` means are those of a typical group.
        Tests and intervals are normal.

        Parameters
        ----------
        specs : str or list of str
            The variables whose combinations have means: ``"a"``, ``["a", "b"]``, or a formula: ``"~ a * b | c"``, in groups by ``c``, or ``"pairwise ~ a"``, with contrasts
            in ``.contrasts``. ``"~ 1"`` asks for the overall mean.
        by : str or list of str, optional
            Variables whose combinations make groups.
        at : dict, optional
            Values of covariates, or levels of factors, in the grid. Of an offset in the formula, too: it is taken at the mean of its variables, one given as an array
            at its mean.
        weights : {"equal", "proportional", "outer", "cells", "flat"}
            Weights of the combinations of levels that are averaged over: all the same; by their frequency in the rows of the data; by the product of the frequencies of
            each factor; by the frequency within each cell; or the same for all that occur in the cell.
        level : float
            Level of the intervals.
        ddf : {"none"}, optional
            For linear models: tests of generalized models are normal.
        adjust : str, optional
            Adjustment of the intervals for several means (``"bonferroni"``, ``"sidak"``, ``"mvt"`` or ``"scheffe"``), or of the contrasts that the formula asks for.
        type : {"link", "response"}
            ``"response"`` undoes the link: standard errors are by the delta method, limits are transformed, differences become ratios after the log link and odds
            ratios after the logit.
        bias_correct : bool
            Whether means on the scale of the response are those over all groups, by a second-order correction, and not those of the typical group. Where the random
            effects are large ``predict(re="marginal")``, which integrates, is to be preferred.
        sigma : float, optional
            Standard deviation for that correction; by default of all random effects together, averaged over the observations.
        cov_reduce : str, callable, bool or dict
            What stands for a covariate: ``"mean"``, ``"median"``, ``"range"``, a function of the column, False for all its values; or a dict of these by name.
        cov_keep : int
            Covariates with so many different values or fewer are taken as factors.
        cov, cluster : optional
            A cluster-robust covariance, as in ``cov_params``.
        data : frame, optional
            The data of the fit, for a model that was loaded without them.

        Returns
        -------
        MarginalMeans

        Examples
        --------
        >>> from ranef import glmer, load_dataset
        >>> m = glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", load_dataset("cbpp"), family="binomial")
        >>> print(m.emmeans("period", type="response"))
         period   prob     SE  df asymp.LCL asymp.UCL
         1      0.1980 0.0369 Inf    0.1354     0.280
         2      0.0839 0.0238 Inf    0.0475     0.144
         3      0.0740 0.0226 Inf    0.0401     0.132
         4      0.0484 0.0198 Inf    0.0214     0.106
        <BLANKLINE>
        Degrees-of-freedom method: asymptotic
        Confidence level used: 0.95
        Intervals are back-transformed from the logit scale
        """
        normal_multiplier(level)
        grid = self._grid(at, cov_reduce, cov_keep, data)
        found = self._specs(specs, by, grid)
        means = marginal_means(self._fit, grid, found, weights)
        if type not in ("link", "response"):
            raise OptionError(f"type must be 'link' or 'response', not {type!r}.")
        return self._means(means, found, level, ddf, adjust, cov, cluster)._as_type(type, bias_correct, sigma)

    def _means(
        self,
        estimands: Estimands,
        specs: Specs,
        level: float,
        ddf: Ddf | None,
        adjust: str | None,
        cov: Any,
        cluster: Any,
    ) -> MarginalMeans:
        method = normal_ddf(ddf)
        checked = checked_adjust(adjust, "none")
        tests = self._tests_with(cov, cluster)
        own = checked if specs.method is None else "none"
        means = MarginalMeans(estimands, tests, method, float(level), own, "link")
        if specs.method is None:
            return means
        contrasts = means.contrast(specs.method, adjust=adjust)
        return MarginalMeans(estimands, tests, method, float(level), own, "link", contrasts)

    def emtrends(
        self,
        specs: Any,
        var: str,
        *,
        by: str | list[str] | None = None,
        at: dict[str, Any] | None = None,
        weights: Literal["equal", "proportional", "outer", "cells", "flat"] = "equal",
        level: float = 0.95,
        ddf: Ddf | None = None,
        adjust: str | None = None,
        cov_reduce: Any = "mean",
        cov_keep: int = 2,
        cov: Any = None,
        cluster: Any = None,
        data: Any = None,
    ) -> MarginalMeans:
        """Marginal slopes of a covariate, on the scale of the link.

        Parameters
        ----------
        specs : str or list of str
            As in ``emmeans``.
        var : str
            The covariate; the slope is that of the variable, also where the formula has functions of it.
        by, at, weights, level, ddf, adjust, cov_reduce, cov_keep, cov, cluster, data
            As in ``emmeans``.

        Returns
        -------
        MarginalMeans

        Examples
        --------
        >>> from ranef import glmer, load_dataset
        >>> m = glmer("TICKS ~ YEAR * cHEIGHT + (1 | BROOD)", load_dataset("grouseticks"), family="poisson")
        >>> m.emtrends("YEAR", "cHEIGHT").to_frame()[["YEAR", "estimate", "std_error"]].round(4)
          YEAR  estimate  std_error
        ...
        """
        normal_multiplier(level)
        grid = self._grid(at, cov_reduce, cov_keep, data)
        found = self._specs(specs, by, grid)
        return self._means(trends(self._fit, grid, found, weights, var), found, level, ddf, adjust, cov, cluster)

    def joint_tests(
        self,
        by: str | list[str] | None = None,
        *,
        at: dict[str, Any] | None = None,
        ddf: Ddf | None = None,
        cov: Any = None,
        cluster: Any = None,
        data: Any = None,
    ) -> "pd.DataFrame":
        """Test each term by a Wald chi-square on the reference grid, with covariates at their means.

        The tests of factors are those of ``anova(type=3)`` in a model without covariates. Where a factor interacts with a covariate, its test here is at the mean
        of the covariate and there at zero.

        Parameters
        ----------
        by : str or list of str, optional
            Factors in whose levels the other terms are tested.
        at, ddf, cov, cluster, data
            As in ``emmeans``.

        Returns
        -------
        DataFrame
            The term (and the groups) and ``chisq, df, p_value``.

        Examples
        --------
        >>> from ranef import glmer, load_dataset
        >>> m = glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", load_dataset("cbpp"), family="binomial")
        >>> m.joint_tests().loc["period", ["chisq", "df"]].round(2).tolist()
        [24.95, 3.0]
        """
        from ranef.inference.marginal_means.joint import joint_tests, mean_and_beside
        from ranef.presentation.anova_table import joint_tests_table

        grid = self._grid(at, mean_and_beside, 2, data)
        groups = self._specs("~ 1", by, grid).by if by is not None else ()
        found = joint_tests(self._fit, self._tests_with(cov, cluster), normal_ddf(ddf), grid, groups)
        return joint_tests_table(found, normal=True)
