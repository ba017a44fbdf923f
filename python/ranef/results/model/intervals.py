"""Confidence intervals and likelihood profiles of a fitted model."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.intervals import normal_multiplier
from ranef.fit.ending.warned import warn_once
from ranef.fit.progress import reported
from ranef.inference.component_intervals import component_intervals
from ranef.inference.ratios import asked_ratios
from ranef.inference.structure_intervals import split_names, structure_intervals
from ranef.inference.wald import wald_intervals
from ranef.options import Ddf
from ranef.results.model.resampling import ResamplingChapter
from ranef.results.model.tests import TestsChapter

if TYPE_CHECKING:
    import pandas as pd

    from ranef.results.profile import Profile

METHODS = ("wald", "profile", "boot")


class IntervalsChapter(ResamplingChapter, TestsChapter):
    """Confidence intervals and likelihood profiles of a mixed model."""

    def conf_int(
        self,
        method: Literal["wald", "profile", "boot"] = "wald",
        level: float = 0.95,
        parm: str | list[str] | None = None,
        *,
        component: str | None = None,
        exponentiate: bool = False,
        ddf: Ddf | None = None,
        cov: Any = None,
        cluster: Any = None,
        n: int = 1000,
        rng: Any = None,
        progress: Any = False,
    ) -> "pd.DataFrame":
        """Confidence intervals of the parameters.

        Parameters
        ----------
        method : {"wald", "profile", "boot"}
            ``"wald"``: estimate plus and minus a multiple of the standard error, for fixed effects
            and the parameters of a covariance structure of the rows, these (and sigma where there
            are no random effects) on a scale without bounds as nlme's ``intervals`` has them.
            ``"profile"``: the values whose deviance, with all other parameters estimated, is within
            the chi-square quantile of the minimum; the likelihood is the ML one, also for a REML
            fit, and the approximation that the fit has maximised for a generalized model.
            ``"boot"``: quantiles of a parametric bootstrap; ``bootstrap`` has other kinds of both.
        level : float
        parm : str or list of str, optional
            The parameters to show, all by default: ``"sd_(Intercept)|Subject"``,
            ``"cor_Days.(Intercept)|Subject"``, ``"sigma"`` (of a generalized model its dispersion
            where it is estimated, by the name that the family has for it: ``"sigma"``, ``"size"``,
            ``"precision"``), names of fixed effects. For profiles also ``"theta_"`` for all of the
            random part and ``"beta_"`` for all fixed effects.
        component : str, optional
            Of models with several linear predictors or thresholds: the component whose intervals
            are meant, ``"zi"``, ``"disp"``, ``"thresholds"``, ``"nominal"`` or ``"scale"``, or
            ``"all"`` for those of all (rows then have two levels); the first one by default. They
            are Wald or profile intervals.
        exponentiate : bool
            Whether to show the intervals of fixed effects as those of ratios, as in ``tidy``;
            standard deviations and correlations are not changed.
        ddf : {"none", "satterthwaite", "kenward-roger", "between-within", "residual"}, optional
            For Wald intervals of linear models: normal quantiles (the default, as in lme4), or
            those of t with these degrees of freedom (and Kenward and Roger's standard errors). With
            sampling weights the default is t by the number of clusters less one, ``"clusters"``.
        cov, cluster : optional
            For Wald intervals: a cluster-robust covariance, as in ``cov_params``, with quantiles of
            t by its own degrees of freedom, of generalized models the number of clusters less one.
        n : int
            For the bootstrap: number of replicates.
        rng : int, numpy.random.Generator or None
            For the bootstrap: seed or generator.
        progress : bool, "tqdm" or callable
            For profiles and the bootstrap: report what is finished, as ``profile`` and
            ``bootstrap`` do.

        Returns
        -------
        DataFrame
            Columns ``lower, upper``: standard deviations and correlations of the random effects and
            sigma or dispersion, unless Wald, then the fixed effects. A standard deviation may end
            at 0, a correlation at -1 or 1, and a limit that the data do not determine is infinite.
            ``attrs["notes"]`` says what was done and what is unusual.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.conf_int("profile").round(3)
                                        lower    upper
        sd_(Intercept)|Subject         14.381   37.716
        cor_Days.(Intercept)|Subject   -0.481    0.685
        sd_Days|Subject                 3.801    8.753
        sigma                          22.898   28.858
        (Intercept)                   237.681  265.130
        Days                            7.359   13.576
        >>> m.conf_int(ddf="satterthwaite", parm="Days").round(3)
              lower   upper
        Days  7.206  13.729
        >>> from ranef import glmer
        >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
        >>> g = glmer(formula, load_dataset("cbpp"), family="binomial")
        >>> g.conf_int("profile", parm="theta_").round(3)
                             lower  upper
        sd_(Intercept)|herd  0.346    1.1
        """
        if component is not None and component != "cond" and method != "profile":
            for name, value in (("ddf", ddf), ("cov", cov), ("cluster", cluster)):
                if value is not None:
                    raise OptionError(f"{name} is for the fixed effects of the first component: leave out component.")
            return component_intervals(self._fit, component, method, level)
        if not isinstance(method, str):
            raise ArgumentTypeError(f"method must be one of {', '.join(map(repr, METHODS))}, not {method!r}.")
        if method not in METHODS:
            raise OptionError(f"method must be one of {', '.join(map(repr, METHODS))}, not {method!r}.")
        if method != "wald":
            for name, value in (("ddf", ddf), ("cov", cov), ("cluster", cluster)):
                if value is not None:
                    raise OptionError(f"{name} is for Wald intervals: method='wald'.")
        ratios = asked_ratios(exponentiate, self._fit)
        if method == "profile":
            frame = self._profile_intervals(level, parm, progress, component)
        else:
            frame = self._other_intervals(method, level, parm, ddf, cov, cluster, n, rng, progress)
        if ratios is not None:
            fixed = frame.index.isin(self._fit.x_names)
            frame.loc[fixed] = ratios.of(frame.loc[fixed].to_numpy())
            frame.attrs["notes"] = (*frame.attrs["notes"], ratios.note)
        return frame

    def _other_intervals(
        self,
        method: str,
        level: float,
        parm: Any,
        ddf: Ddf | None,
        cov: Any,
        cluster: Any,
        n: int,
        rng: Any,
        progress: Any,
    ) -> "pd.DataFrame":
        """Wald and bootstrap intervals."""
        import pandas as pd

        if method == "boot":
            normal_multiplier(level)
            made = self.bootstrap(n, rng=rng, progress=progress)
            chosen, limits, notes = made.interval_limits("percentile", level, parm)
            names = tuple(made.names[j] for j in chosen)
        else:
            tests = self._tests_with(cov, cluster)
            kind = self._method(ddf, "none" if cov is None else "satterthwaite", tests)
            own, parm = ([], parm) if cov is not None else split_names(self._fit, parm)
            names, limits = wald_intervals(tests, level, parm, kind)
            if own:
                names = (*own, *names)
                limits = np.concatenate([structure_intervals(self._fit, normal_multiplier(level), own), limits])
            notes = () if kind == "none" and cov is None else tests.notes(kind)
        frame = pd.DataFrame(limits, index=pd.Index(names), columns=["lower", "upper"])
        frame.attrs["notes"] = notes
        return frame

    def profile(self, parm: str | list[str] | None = None, level: float = 0.99, *, progress: Any = False) -> "Profile":
        """Profile the likelihood: for each parameter a curve of values, all others estimated anew
        at each.

        ``zeta`` is the signed root of the rise of -2 log-likelihood above its minimum; were the
        likelihood quadratic, it would be a straight line. A REML fit is fitted again by ML for
        this. For a generalized model the likelihood is the approximation that the fit has maximised
        (Laplace's, or quadrature).

        Parameters
        ----------
        parm : str or list of str, optional
            The parameters, all by default, as in ``conf_int``.
        level : float
            The curves end at the joint confidence region of this level, whose chi-square has as
            many degrees of freedom as the model has parameters.
        progress : bool, "tqdm" or callable
            True writes the number of finished curves to standard error, ``"tqdm"`` shows a bar of
            tqdm; a function is called with that number and the number of all.

        Returns
        -------
        Profile
            With ``to_frame()``, ``conf_int(level)``, ``zeta(parameter, values)`` and ``notes``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> p = m.profile(["sigma", "Days"])
        >>> p.conf_int(0.9).round(2)
               lower  upper
        sigma   23.3  28.29
        Days     7.9  13.03
        >>> p.zeta("Days", [0.0, 10.5]).round(2)
        array([ nan, 0.02])
        """
        from ranef.inference.profile import profile_curves
        from ranef.inference.reduced import comparison_control
        from ranef.results.profile import Profile

        control = comparison_control(self._request.control)
        with reported(progress, "profiles") as show:
            record = profile_curves(self._fit, parm, level, control, show)
        warn_once(record.problems)
        return Profile(record)

    def _profile_intervals(
        self, level: object, parm: object, progress: object, component: str | None
    ) -> "pd.DataFrame":
        import pandas as pd

        from ranef.inference.profile import interval_limits, profile_intervals
        from ranef.inference.reduced import comparison_control

        control = comparison_control(self._request.control)
        with reported(progress, "profiles") as show:
            record = profile_intervals(self._fit, parm, level, control, show, component)
        warn_once(record.problems)
        limits = [interval_limits(c) for c in record.curves]
        names = [c.name for c in record.curves]
        index: pd.Index = pd.Index(names)
        if component == "all":
            of = [c.component for c in record.curves]
            index = pd.MultiIndex.from_arrays([of, names], names=["component", "name"])
        frame = pd.DataFrame(limits, index=index, columns=["lower", "upper"])
        frame.attrs["notes"] = record.notes + record.problems
        return frame
