"""Marginal means of a fitted model, their trends and joint tests."""

from typing import TYPE_CHECKING, Any, Literal, Self

from ranef.errors import OptionError
from ranef.estimates.intervals import normal_multiplier
from ranef.inference.fixed_effect_tests import FixedEffectTests
from ranef.inference.marginal_means.adjustments import checked_adjust
from ranef.inference.marginal_means.averages import marginal_means, trends
from ranef.inference.marginal_means.categories import category_means, checked_mode, over_categories
from ranef.inference.marginal_means.estimands import Estimands
from ranef.inference.marginal_means.grid import ReferenceGrid, reference_grid
from ranef.inference.marginal_means.specs import Specs, parse_specs
from ranef.inference.marginal_means.whole_response import whole_means
from ranef.options import Ddf
from ranef.results.means import MarginalMeans
from ranef.results.model.tests import TestsChapter

if TYPE_CHECKING:
    import pandas as pd


class MarginalMeansChapter(TestsChapter):
    """Marginal means of a mixed model."""

    def _grid(self, at: Any, cov_reduce: Any, cov_keep: int, data: Any, whole: bool = False) -> ReferenceGrid:
        offset = None if isinstance(self._request.offset, str) else self._request.offset
        source = self._request.data if data is None else data
        return reference_grid(self._fit, source, offset, at, cov_reduce, cov_keep, whole)

    def _of_component(self, component: str, cov: Any = None) -> Self:
        """The model as one of a linear predictor alone."""
        if cov is not None:
            raise OptionError("cov= is for means of the first linear predictor: leave it out with component=.")
        fit = self._fit.predictor(component)
        made = self.__class__(fit, self._request)
        # the design of another predictor has no sampling weights
        made.__dict__["_tests"] = FixedEffectTests(fit, cluster_df=self._fit.cluster_df)
        return made

    def _specs(self, specs: Any, by: Any, grid: ReferenceGrid) -> Specs:
        random = tuple(dict.fromkeys(f for t in self._fit.terms for f in (*t.factors, t.group)))
        return parse_specs(specs, by, self._fit, grid, random)

    def reference_grid(
        self, *, at: dict[str, Any] | None = None, cov_reduce: Any = "mean", cov_keep: int = 2, data: Any = None
    ) -> "pd.DataFrame":
        """The grid of predictors on which marginal means are computed.

        Parameters
        ----------
        at, cov_reduce, cov_keep, data
            As in ``emmeans``.

        Returns
        -------
        DataFrame
            The variables, ``estimate`` (with random effects of zero, of a generalized model on the
            scale of the link; NaN where it is not estimable) and ``frequency`` (rows of the data
            with these levels of the factors); ``attrs["nesting"]`` has the factors that are nested
            in others.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("angle ~ recipe + temp + (1 | recipe:replicate)", load_dataset("cake"))
        >>> m.reference_grid().round(2)
          recipe   temp  estimate  frequency
        0      A  200.0     33.12       90.0
        1      B  200.0     31.64       90.0
        2      C  200.0     31.60       90.0
        """
        from ranef.presentation.means_text import grid_frame

        return grid_frame(self._fit, self._grid(at, cov_reduce, cov_keep, data))

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
        mode: str | None = None,
        component: str | None = None,
        bias_correct: bool = False,
        sigma: float | None = None,
        cov_reduce: Any = "mean",
        cov_keep: int = 2,
        cov: Any = None,
        cluster: Any = None,
        data: Any = None,
    ) -> MarginalMeans:
        """Marginal means: linear predictors on a grid of the predictors, averaged over those that
        were not asked for.

        For a generalized model the average is taken on the scale of the link and then transformed:
        with ``type="response"`` means are those of a typical group. Its tests and intervals are
        normal.

        The grid has all levels of the factors, and the mean of each covariate (of the variable,
        also where the formula has a function of it). A factor nested in others is averaged within
        them. Random effects are zero.

        Parameters
        ----------
        specs : str or list of str
            The variables whose combinations have means: ``"a"``, ``["a", "b"]``, or a formula: ``"~
            a * b | c"``, in groups by ``c``, or ``"pairwise ~ a"``, with contrasts in
            ``.contrasts``. ``"~ 1"`` asks for the overall mean.
        by : str or list of str, optional
            Variables whose combinations make groups.
        at : dict, optional
            Values of covariates, or levels of factors, in the grid. Of an offset in the formula,
            too: it is taken at the mean of its variables, one given as an array at its mean.
        weights : {"equal", "proportional", "outer", "cells", "flat"}
            Weights of the combinations of levels that are averaged over: all the same; by their
            frequency in the data; by the product of the frequencies of each factor; by the
            frequency within each cell; or the same for all that occur in the cell.
        level : float
            Level of the intervals.
        ddf : {"satterthwaite", "kenward-roger", "between-within", "residual", "none"}, optional
            Method of the degrees of freedom, the model's own by default; generalized models have
            ``"none"`` and, with sampling weights or ``cov=``, ``"clusters"``.
        adjust : str, optional
            Adjustment of the intervals for several means (``"bonferroni"``, ``"sidak"``, ``"mvt"``
            or ``"scheffe"``), or of the contrasts that the formula asks for.
        type : {"link", "response"}
            ``"response"`` undoes the link, or a transformation on the left of the model's formula:
            standard errors are by the delta method, limits are transformed, differences become
            ratios after logarithms and odds ratios after logits.
        mode : str, optional
            For ordered categories (``clmm``), as in emmeans: ``"latent"`` (the default: location on
            the latent scale minus the mean of the thresholds), ``"prob"`` (a row for each
            category), ``"cum_prob"`` and ``"exc_prob"`` (probabilities up to each threshold, and
            beyond it), ``"linear.predictor"`` (threshold minus location), ``"mean_class"`` (mean
            category, numbered from 1) or ``"scale"`` (log scale).
        component : {"cond", "zi", "disp", "response"}, optional
            Of models with a zero part or a dispersion formula: which linear predictor the means are
            of (``type="response"`` gives probabilities of zero, and dispersions), the conditional
            one by default. ``"response"`` is the mean of the response, zeros included, on a grid of
            the variables of all predictors, averaged as it is, with standard errors by the delta
            method over all of them.
        bias_correct : bool
            Whether means on the scale of the response are means of the response, over all groups,
            by a second-order correction, and not transformed means, those of the typical group.
            Where the random effects of a generalized model are large ``predict(re="marginal")``,
            which integrates, is to be preferred.
        sigma : float, optional
            Standard deviation for that correction; by default of all random effects and, of a
            linear model, the residual together, averaged over the observations.
        cov_reduce : str, callable, bool or dict
            What stands for a covariate: ``"mean"``, ``"median"``, ``"range"``, a function of the
            column, False for all its values; or a dict of these by name.
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
        >>> from ranef import glmer, lmer, load_dataset
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
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = glmer(formula, load_dataset("cbpp"), family="binomial")
        >>> print(g.emmeans("period", type="response"))
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
        whole = component == "response"
        if component not in (None, "cond", "response"):
            part = self._of_component(component, cov)
            return part.emmeans(
                specs, by=by, at=at, weights=weights, level=level, ddf=ddf, adjust=adjust, type=type, mode=mode,
                bias_correct=bias_correct, sigma=sigma, cov_reduce=cov_reduce, cov_keep=cov_keep, cov=cov,
                cluster=cluster, data=data,
            )  # fmt: skip
        if whole and not self._fit.mean_of_predictors:
            self._fit.predictor("response")  # refused in a sentence
        grid = self._grid(at, cov_reduce, cov_keep, data, whole)
        if self._fit.probability_types:
            if type != "link":
                raise OptionError("type is for models of a mean; of ordered categories choose mode='prob' or another.")
            which = checked_mode("latent" if mode is None else mode)
            grid, per = over_categories(self._fit, grid, which)
            found = self._specs(specs, by, grid)
            tests = self._tests_with(cov, cluster)
            means = category_means(tests, grid, found, weights, which, per)
            return self._means(means, found, level, ddf, adjust, cov, cluster)
        if mode is not None:
            raise OptionError("mode is for ordered categories, as of clmm(); type='response' undoes a link.")
        found = self._specs(specs, by, grid)
        if whole:
            if bias_correct or cov is not None:
                raise OptionError("bias_correct and cov are for means of one linear predictor.")
            means = whole_means(self._fit, grid, found, weights)
            return self._means(means, found, level, ddf, adjust, None, None)
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
        means = MarginalMeans(estimands, tests, self._ddf_with(ddf, cov, tests), float(level), own, "link")
        if specs.method is not None:
            contrasts = means.contrast(specs.method, adjust=adjust)
            means = MarginalMeans(estimands, tests, means.ddf, means.level, own, "link", contrasts)
        return means

    def emtrends(
        self,
        specs: Any,
        var: str,
        *,
        max_degree: int = 1,
        by: str | list[str] | None = None,
        at: dict[str, Any] | None = None,
        weights: Literal["equal", "proportional", "outer", "cells", "flat"] = "equal",
        level: float = 0.95,
        ddf: Ddf | None = None,
        adjust: str | None = None,
        cov_reduce: Any = "mean",
        cov_keep: int = 2,
        component: str | None = None,
        cov: Any = None,
        cluster: Any = None,
        data: Any = None,
    ) -> MarginalMeans:
        """Marginal slopes of a covariate, of a generalized model on the scale of the link.

        Parameters
        ----------
        specs : str or list of str
            As in ``emmeans``.
        var : str
            The covariate; the slope is that of the variable, also where the formula has functions
            of it.
        max_degree : int
            Highest degree, up to 4. Above 1 the table has the coefficients of the local polynomial,
            in groups by ``degree``: that of the square is half the second derivative.
        component : {"cond", "zi", "disp"}, optional
            The linear predictor that slopes are of, as in ``emmeans``.
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
        if component not in (None, "cond"):
            part = self._of_component(component, cov)
            return part.emtrends(
                specs, var, max_degree=max_degree, by=by, at=at, weights=weights, level=level, ddf=ddf, adjust=adjust,
                cov_reduce=cov_reduce, cov_keep=cov_keep, cov=cov, cluster=cluster, data=data,
            )  # fmt: skip
        grid = self._grid(at, cov_reduce, cov_keep, data)
        found = self._specs(specs, by, grid)
        slopes = trends(self._fit, grid, found, weights, var, max_degree)
        return self._means(slopes, found, level, ddf, adjust, cov, cluster)

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
        """Test each term on the reference grid, with covariates at their means: by F, of a
        generalized model by a Wald chi-square.

        The tests of factors are those of ``anova(type=3)`` in a model without covariates. Where a
        factor interacts with a covariate, its test here is at the mean of the covariate and there
        at zero.

        Parameters
        ----------
        by : str or list of str, optional
            Factors in whose levels the other terms are tested.
        at, ddf, cov, cluster, data
            As in ``emmeans``.

        Returns
        -------
        DataFrame
            The term (and the groups) and ``num_df, den_df, f_value, p_value``, of a generalized
            model ``chisq, df, p_value``.

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
        from ranef.inference.marginal_means.joint import joint_tests
        from ranef.inference.marginal_means.variables import mean_and_beside
        from ranef.presentation.anova_table import joint_tests_table

        grid = self._grid(at, mean_and_beside, 2, data)
        groups = self._specs("~ 1", by, grid).by if by is not None else ()
        tests = self._tests_with(cov, cluster)
        method = self._ddf_with(ddf, cov, tests)
        return joint_tests_table(joint_tests(self._fit, tests, method, grid, groups), tests.reference(method))
