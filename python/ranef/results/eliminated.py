"""Backward elimination from a fitted model."""

from typing import TYPE_CHECKING, Any, Literal

from ranef.options import Ddf
from ranef.results.tested import TestedModel

if TYPE_CHECKING:
    from ranef.results.step import StepResult


class EliminatedModel(TestedModel):
    """Backward elimination of the effects of a mixed model."""

    def _step_test(self, test: Any) -> str:
        """The test of fixed terms that is asked for, or the usual one of the model."""
        raise NotImplementedError

    def step(
        self,
        *,
        alpha_random: float = 0.1,
        alpha_fixed: float = 0.05,
        test: Literal["f", "chisq"] | None = None,
        ddf: Ddf | None = None,
        random: bool = True,
        fixed: bool = True,
    ) -> "StepResult":
        """Simplify the model by backward elimination: random effects first, then fixed terms, each time what has the largest p-value.

        Random effects are judged by ``p_value`` of ``ranova``, which is too large at the boundary; the default limit of 0.1 allows for it. The last random
        effect stays, whatever its p-value. Estimates and p-values of a model that was chosen by its own p-values look better than they are.

        Parameters
        ----------
        alpha_random, alpha_fixed : float
            What has a larger p-value goes.
        test : {"f", "chisq"}, optional
            For fixed terms, as in ``drop1``: by default F in a linear model. A generalized one has likelihood-ratio tests only.
        ddf : {"satterthwaite", "kenward-roger", "residual", "none"}, optional
            For F tests of linear models; by default the method of the model.
        random, fixed : bool
            Whether random effects and fixed terms may go.

        Returns
        -------
        StepResult
            A record with the tables ``random`` and ``fixed``, the final ``model`` and ``notes``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("angle ~ recipe + temp + (1 | recipe:replicate)", load_dataset("cake"))
        >>> m.step().model.formula
        'angle ~ temp + (1 | recipe:replicate)'
        """
        from ranef.inference.step import eliminate
        from ranef.presentation.anova_table import fixed_steps_table, random_steps_table
        from ranef.results.step import StepResult

        found = eliminate(
            self._fit,
            self._request,
            alpha_random,
            alpha_fixed,
            self._step_test(test),
            self._method(ddf, self._request.ddf),
            random=random,
            fixed=fixed,
        )
        model: Any = self if found.fit is self._fit else self.__class__(found.fit, found.request)
        return StepResult(random_steps_table(found.random, ()), fixed_steps_table(found.fixed, ()), model, found.notes)
