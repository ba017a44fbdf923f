"""Comparison of fitted models."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ranef.errors import ArgumentTypeError, OptionError
from ranef.inference.lrt import compare_models
from ranef.inference.reduced import comparison_control
from ranef.results.base import MixedModel

if TYPE_CHECKING:
    import pandas as pd


def anova(*models: MixedModel, names: Sequence[str] | None = None, refit: bool = True) -> "pd.DataFrame":
    """Compare models of the same data by likelihood-ratio tests.

    The models are put in the order of their numbers of parameters, and each is tested against the one before it. REML fits are refitted by ML first, since REML
    criteria of models with different fixed effects cannot be compared; the table's notes say so.

    Where two neighbours have the same fixed effects and the larger one has more variances, the hypothesis that those are zero lies at the edge of what is possible,
    and the chi-square gives a p-value that is too large: about twice what it should be for one variance. The column ``p_value_boundary`` has the p-value by the
    mixture of chi-squares that is right there, and a note names the mixture.

    Parameters
    ----------
    *models : LinearMixedModel or GeneralizedLinearMixedModel
        Two or more, of one kind.
    names : sequence of str, optional
        Labels of the rows; ``m1, m2, …`` in the order given by default.
    refit : bool
        False compares REML criteria of REML fits as they are, which is refused when their fixed effects differ.

    Returns
    -------
    DataFrame
        Columns ``npar, aic, bic, llf, deviance, chisq, df, p_value`` and, when variances are tested, ``p_value_boundary``. It prints with a heading and its notes,
        which are ``attrs["heading"]`` and ``attrs["notes"]``.

    Raises
    ------
    DataError
        When the models were not fitted to the same rows, response and weights.

    Examples
    --------
    >>> from ranef import anova, lmer, load_dataset
    >>> sleep = load_dataset("sleepstudy")
    >>> intercepts = lmer("Reaction ~ Days + (1 | Subject)", sleep)
    >>> slopes = lmer("Reaction ~ Days + (Days | Subject)", sleep)
    >>> table = anova(intercepts, slopes)
    >>> table["chisq"].round(3).tolist()
    [nan, 42.139]
    >>> table.attrs["notes"][0]
    'm1, m2 were refitted by ML for the comparison, instead of REML'
    """
    for model in models:
        if not isinstance(model, MixedModel):
            raise ArgumentTypeError(f"anova compares models fitted by lmer or glmer, not {type(model).__name__}.")
    if len(models) < 2:
        raise OptionError(
            "anova needs at least two models to compare; the terms of one model m are tested by m.anova(), m.drop1() and m.ranova()."
        )
    labels = [f"m{i + 1}" for i in range(len(models))] if names is None else list(names)
    if (
        isinstance(names, str)
        or len(labels) != len(models)
        or not all(isinstance(n, str) for n in labels)
        or len(set(labels)) < len(labels)
    ):
        raise OptionError(f"names must be {len(models)} different texts, one for each model, not {names!r}.")
    controls = [comparison_control(m._request.control) for m in models]
    comparison = compare_models([m._fit for m in models], labels, controls, refit)
    from ranef.presentation.test_table import likelihood_ratio_table

    formulas = dict(zip(labels, (m.formula for m in models), strict=True))
    return likelihood_ratio_table(comparison, [formulas[n] for n in comparison.names])
