"""Influence and tests of random effects of a fitted generalized model, by fits of other models."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from ranef.fit.control import parse_control
from ranef.fit.progress import reported
from ranef.results.assessed import AssessedModel
from ranef.results.averaged_generalized import AveragedGeneralizedModel

if TYPE_CHECKING:
    import pandas as pd

    from ranef.diagnostics.glmm_influence import RefitInfluence


class RefittedGeneralizedModel(AveragedGeneralizedModel, AssessedModel):
    """Influence and tests of random effects of a generalized linear mixed model."""

    def influence(
        self, by: str | None = None, *, progress: bool | Literal["tqdm"] | Callable[[int, int], object] = False
    ) -> "RefitInfluence":
        """Estimates without each observation, or without each level of a grouping factor.

        Each is an exact fit of all parameters without the rows, started from the estimates of the whole. It takes a fit for every observation or level, so that single
        observations of large data take their time.

        Parameters
        ----------
        by : str, optional
            A grouping factor of the model, whose levels are left out with all their rows; by default single observations are.
        progress : bool, "tqdm" or callable
            True shows the number of fits on standard error, ``"tqdm"`` in a bar of tqdm; a function is called with it and the number of all.

        Returns
        -------
        RefitInfluence
            A record with ``dfbeta``, ``dfbetas``, ``cooks_distance``, ``cov_ratio``, ``theta``, ``theta_change``, ``sigma``, ``dispersion``, ``converged`` and ``to_frame()``.
            Values are NaN where a fixed effect has no finite estimate without the rows.

        Examples
        --------
        >>> from ranef import glmer, load_dataset
        >>> m = glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", load_dataset("cbpp"), family="binomial")
        >>> m.influence("herd").cooks_distance.round(3).nlargest(2).to_dict()
        {'11': 0.434, '1': 0.342}
        """
        from ranef.diagnostics.glmm_influence import refit_influence

        with reported(progress, "fits") as show:
            return refit_influence(self._fit, by, parse_control(self._request.control), show)

    def ranova(self) -> "pd.DataFrame":
        """Test the random effects by likelihood ratios, leaving out one at a time.

        ``(1 | g)`` is left out, ``(x | g)`` becomes ``(1 | g)``, and ``(x + z | g)`` loses ``x`` and ``z`` in turn. Where no random effect is left the model is compared
        with the generalized linear model.

        Returns
        -------
        DataFrame
            Columns ``npar, llf, aic, chisq, df, p_value, p_value_boundary``; the first row is the model itself. ``p_value`` is that of the chi-square and too large,
            because a variance cannot be negative; ``p_value_boundary`` is that of the mixture of chi-squares which the notes name.

        Examples
        --------
        >>> from ranef import glmer, load_dataset
        >>> m = glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", load_dataset("cbpp"), family="binomial")
        >>> m.ranova().loc["(1 | herd)", ["chisq", "df"]].round(2).tolist()
        [14.01, 1.0]
        """
        from ranef.inference.ranova import compare_reductions
        from ranef.inference.reduced import comparison_control
        from ranef.presentation.anova_table import random_effects_table

        return random_effects_table(
            compare_reductions(self._fit, comparison_control(self._request.control)), self.formula
        )
