"""Confidence intervals of a fitted generalized model."""

from typing import TYPE_CHECKING, Any, Literal

from ranef.errors import ArgumentTypeError, OptionError
from ranef.inference.wald import wald_intervals
from ranef.results.inferred_generalized import InferredGeneralizedModel
from ranef.results.intervals import METHODS
from ranef.results.profiled import ProfiledModel
from ranef.results.resampled import ResampledModel

if TYPE_CHECKING:
    import pandas as pd


class IntervalGeneralizedModel(InferredGeneralizedModel, ResampledModel, ProfiledModel):
    """Confidence intervals and likelihood profiles of a generalized linear mixed model."""

    def conf_int(
        self,
        method: Literal["wald", "profile", "boot"] = "wald",
        level: float = 0.95,
        parm: str | list[str] | None = None,
        *,
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
            ``"wald"``: estimate plus and minus a multiple of the standard error, for fixed effects only. ``"profile"``: the values whose deviance (Laplace's
            approximation, or by quadrature where the fit is), with all other parameters estimated, is within the chi-square quantile of the minimum. ``"boot"``: quantiles
            of a parametric bootstrap; ``bootstrap`` has other kinds of both.
        level : float
        parm : str or list of str, optional
            The parameters to show, all by default: ``"sd_(Intercept)|herd"``, ``"cor_x.(Intercept)|g"``, the extra parameter of the family (``"sigma"``, ``"size"``,
            ``"precision"``) where it is estimated, names of fixed effects. For profiles also ``"theta_"`` for all of the random part and ``"beta_"`` for all fixed effects.
        cov, cluster : optional
            For Wald intervals: a cluster-robust covariance, as in ``cov_params``.
        n : int
            For the bootstrap: number of replicates.
        rng : int, numpy.random.Generator or None
            For the bootstrap: seed or generator.
        progress : bool, "tqdm" or callable
            For profiles and the bootstrap: report the curves or replicates that are finished.

        Returns
        -------
        DataFrame
            Columns ``lower, upper``: standard deviations and correlations of the random effects and the extra parameter of the family, unless Wald, then the fixed
            effects. A standard deviation may end at 0, a correlation at -1 or 1, and a limit that the data do not determine is infinite.
            ``attrs["notes"]`` says what was done and what is unusual.

        Examples
        --------
        >>> from ranef import glmer, load_dataset
        >>> m = glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", load_dataset("cbpp"), family="binomial")
        >>> m.conf_int("profile").round(3)
                             lower  upper
        sd_(Intercept)|herd  0.346  1.100
        (Intercept)         -1.901 -0.948
        period[T.2]         -1.617 -0.408
        period[T.3]         -1.801 -0.512
        period[T.4]         -2.501 -0.801
        """
        import pandas as pd

        if not isinstance(method, str):
            raise ArgumentTypeError(f"method must be one of {', '.join(map(repr, METHODS))}, not {method!r}.")
        if method not in METHODS:
            raise OptionError(f"method must be one of {', '.join(map(repr, METHODS))}, not {method!r}.")
        if method != "wald":
            for name, value in (("cov", cov), ("cluster", cluster)):
                if value is not None:
                    raise OptionError(f"{name} is for Wald intervals: method='wald'.")
        if method == "profile":
            return self._profile_intervals(level, parm, progress)
        if method == "boot":
            made = self.bootstrap(n, rng=rng, progress=progress)
            chosen, limits, notes = made.interval_limits("percentile", level, parm)
            names = tuple(made.names[j] for j in chosen)
        else:
            tests = self._tests_with(cov, cluster)
            names, limits = wald_intervals(tests, level, parm)
            notes = tests.notes("none") if cov is not None else ()
        frame = pd.DataFrame(limits, index=pd.Index(names), columns=["lower", "upper"])
        frame.attrs["notes"] = notes
        return frame
