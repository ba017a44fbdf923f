"""Marginal means of a fitted linear model, their trends and joint tests."""

from typing import TYPE_CHECKING, Any, Literal

from ranef.errors import OptionError
from ranef.estimates.intervals import normal_multiplier
from ranef.inference.marginal_means.adjustments import checked_adjust
from ranef.inference.marginal_means.averages import marginal_means, trends
from ranef.inference.marginal_means.estimands import Estimands
from ranef.inference.marginal_means.specs import Specs
from ranef.options import Ddf, checked_ddf
from ranef.results.inferred import InferredModel
from ranef.results.means import MarginalMeans
from ranef.results.reference_grids import ReferenceGridModel

if TYPE_CHECKING:
    import pandas as pd


class AveragedModel(InferredModel, ReferenceGridModel):
    """Marginal means of a linear mixed model."""

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
        """Marginal means: predictions on a grid of the predictors, averaged over those that were not asked for.

        The grid has all levels of the factors, and the mean of each covariate (of the variable, also where the formula has a function of it). A factor nested in
        others is averaged within them. Random effects are zero.

        Parameters
        ----------
        specs : str or list of str
            The variables whose combinations have means: ``"a"``, ``["a", "b"]``, or a formula: ``"~ a * b | c"``, in groups by ``c``, or ``"pairwise ~ a"``, with contrasts
            in ``.contrasts``. ``"~ 1"`` asks for the overall mean.
        by : str or list of str, optional
            Variables whose combinations make groups.
        at : dict, optional
            Values of covariates, or levels of factors, in the grid.
        weights : {"equal", "proportional", "outer", "cells", "flat"}
            Weights of the combinations of levels that are averaged over: all the same; by their frequency in the data; by the product of the frequencies of each
            factor; by the frequency within each cell; or the same for all that occur in the cell.
        level : float
            Level of the intervals.
        ddf : {"satterthwaite", "kenward-roger", "residual", "none"}, optional
            Method of the degrees of freedom, the model's own by default.
        adjust : str, optional
            Adjustment of the intervals for several means (``"bonferroni"``, ``"sidak"``, ``"mvt"`` or ``"scheffe"``), or of the contrasts that the formula asks for.
        type : {"link", "response"}
            ``"response"`` undoes a transformation on the left of the model's formula.
        bias_correct : bool
            Whether means on the scale of the response are means of the response, by a second-order correction, and not transformed means.
        sigma : float, optional
            Standard deviation for that correction; by default of the residual and all random effects together, averaged over the observations.
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
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("angle ~ recipe * temperature + (1 | recipe:replicate)", load_dataset("cake"))
        >>> print(m.emmeans("pairwise ~ recipe"))
         recipe emmean   SE df lower.CL upper.CL
         A        33.1 1.74 42     29.6     36.6
         B        31.6 1.74 42     28.1     35.1
         C        31.6 1.74 42     28.1     35.1
        <BLANKLINE>
        Results are averaged over the levels of: temperature
        Degrees-of-freedom method: satterthwaite
        Confidence level used: 0.95
        ...
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
        checked = checked_adjust(adjust, "none")
        tests = self._tests_with(cov, cluster)
        own = checked if specs.method is None else "none"
        means = MarginalMeans(estimands, tests, checked_ddf(ddf, self._ddf_with(cov)), float(level), own, "link")
        if specs.method is not None:
            contrasts = means.contrast(specs.method, adjust=adjust)
            means = MarginalMeans(estimands, tests, means.ddf, means.level, own, "link", contrasts)
        return means

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
        """Marginal slopes of a covariate.

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
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("angle ~ recipe * temp + (1 | recipe:replicate)", load_dataset("cake"))
        >>> m.emtrends("recipe", "temp").to_frame()[["recipe", "estimate", "std_error"]].round(4)
          recipe  estimate  std_error
        0      A    0.1537     0.0282
        1      B    0.1646     0.0282
        2      C    0.1558     0.0282
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
        """Test each term by F on the reference grid, with covariates at their means.

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
            The term (and the groups) and ``num_df, den_df, f_value, p_value``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("angle ~ recipe * temperature + (1 | recipe:replicate)", load_dataset("cake"))
        >>> m.joint_tests().round(3)
                               num_df  den_df  f_value  p_value
        term
        recipe                    2.0    42.0    0.249    0.781
        temperature               5.0   210.0   20.520    0.000
        recipe:temperature       10.0   210.0    1.006    0.439
        """
        from ranef.inference.marginal_means.joint import joint_tests, mean_and_beside
        from ranef.presentation.anova_table import joint_tests_table

        grid = self._grid(at, mean_and_beside, 2, data)
        groups = self._specs("~ 1", by, grid).by if by is not None else ()
        method = checked_ddf(ddf, self._ddf_with(cov))
        found = joint_tests(self._fit, self._tests_with(cov, cluster), method, grid, groups)
        return joint_tests_table(found)
