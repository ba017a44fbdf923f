"""Comparison of fitted models."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from ranef.api.caller_names import named_models
from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.progress import part_of, reported
from ranef.inference.bootstrap.arguments import checked_count
from ranef.inference.likelihood_ratio import Comparison, compare_models
from ranef.inference.reduced import comparison_control
from ranef.known_arguments import known_arguments
from ranef.results.model.mixed import MixedModel

if TYPE_CHECKING:
    import pandas as pd


@known_arguments
def anova(
    *models: MixedModel,
    names: Sequence[str] | None = None,
    refit: bool = True,
    test: Literal["chisq", "pb"] = "chisq",
    n: int = 1000,
    rng: Any = None,
    progress: bool | Literal["tqdm"] | Callable[[int, int], object] = False,
    penalized: bool = False,
) -> "pd.DataFrame":
    """Compare models of the same data by likelihood-ratio tests.

    The models are put in the order of their numbers of parameters, and each is tested against the
    one before it. REML fits are refitted by ML first, since REML criteria of models with different
    fixed effects cannot be compared; the table's notes say so.

    Where two neighbours have the same fixed effects and the larger one has more variances, the
    hypothesis that those are zero lies at the edge of what is possible, and the chi-square gives a
    p-value that is too large: about twice what it should be for one variance. The column
    ``p_value_boundary`` has the p-value by the mixture of chi-squares that is right there, and a
    note names the mixture.

    Parameters
    ----------
    *models : LinearMixedModel or GeneralizedLinearMixedModel
        Two or more, of one kind.
    names : sequence of str, optional
        Labels of the rows; by default the names of the variables that hold the models where
        ``anova`` is called, or ``m1, m2, …`` in the order given if some model has none.
    refit : bool
        False compares REML criteria of REML fits as they are, which is refused when their fixed
        effects differ.
    test : {"chisq", "pb"}
        ``"pb"`` takes the p-values from a parametric bootstrap of each statistic, as
        ``model.pb_lrt`` does, which is exact up to the number of replicates with few groups and at
        the boundary of variances.
    n : int
        Number of replicates of each bootstrap.
    rng : int, numpy.random.Generator or None
        Seed or generator of the bootstraps; None takes a fresh seed.
    progress : bool, "tqdm" or callable
        As in ``model.pb_lrt``, for all bootstraps together.
    penalized : bool
        Whether models with priors are compared, by the criteria with these; they are refused
        otherwise, as their likelihoods were not maximised.

    Returns
    -------
    DataFrame
        Columns ``npar, aic, bic, llf, deviance, chisq, df, p_value`` and, when variances are
        tested, ``p_value_boundary``. It prints with a heading and its notes, which are
        ``attrs["heading"]`` and ``attrs["notes"]``.

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
    'intercepts, slopes were refitted by ML for the comparison, instead of REML'
    >>> anova(intercepts, slopes, test="pb", n=200, rng=1)["p_value"].round(4).tolist()
    [nan, 0.005]
    """
    for model in models:
        if not isinstance(model, MixedModel):
            raise ArgumentTypeError(
                f"anova compares models fitted by lmer or glmer, not {type(model).__name__}."
                + (" Give the models of a list one by one: anova(*models)." if isinstance(model, list | tuple) else "")
            )
    if len(models) < 2:
        raise OptionError(
            "anova needs at least two models to compare; the terms of one model m are tested by m.anova(), m.drop1() "
            "and m.ranova()."
        )
    if test not in ("chisq", "pb"):
        raise OptionError(f"test must be 'chisq' or 'pb', not {test!r}.")
    if test == "pb" and not refit:
        raise OptionError("the bootstrap compares likelihoods of ML fits: leave out refit=False with test='pb'.")
    labels = named_models(names, models)
    controls = [comparison_control(m._request.control) for m in models]
    comparison = compare_models([m._fit for m in models], labels, controls, refit, bool(penalized))
    if test == "pb":
        comparison = _bootstrapped(comparison, dict(zip(labels, models, strict=True)), n, rng, progress)
    from ranef.presentation.anova_table import likelihood_ratio_table

    families = [f"{m._fit.family.label(math.nan)}, {m._fit.family.link}" for m in models]
    shown = len(set(families)) > 1
    texts = [f"{_described(m)}; {f}" if shown else _described(m) for m, f in zip(models, families, strict=True)]
    formulas = dict(zip(labels, texts, strict=True))
    return likelihood_ratio_table(comparison, [formulas[n] for n in comparison.names])


def _bootstrapped(comparison: Comparison, models: dict[str, MixedModel], n: int, rng: Any, progress: Any) -> Comparison:
    """The comparison with p-values by parametric bootstrap, each model against the one before."""
    n = checked_count(n)
    ordered = []
    for name in comparison.names:
        model = models[name]
        if not isinstance(model, MixedModel):
            raise OptionError(
                f"test='pb' is for models that can be drawn from, and {name} is not one; use test='chisq'."
            )
        ordered.append(model)
    p = [math.nan]
    notes = [note for note in comparison.notes if "p_value_boundary" not in note]
    seeds = []
    with reported(progress) as show:
        for i in range(1, len(ordered)):
            part = part_of(show, (i - 1) * n, (len(ordered) - 1) * n) or False
            found = ordered[i].pb_lrt(ordered[i - 1], n, rng=rng, progress=part)
            p.append(found.p_value)
            seeds.append(str(found.seed))
            notes += [f"{comparison.names[i]}: {note}" for note in found.notes if "refitted by ML" not in note]
    notes.append(f"p-values are by parametric bootstrap, {n} replicates, seed {', '.join(dict.fromkeys(seeds))}")
    return replace(comparison, p_value=tuple(p), p_boundary=(math.nan,) * len(p), notes=tuple(notes))


def _described(m: MixedModel) -> str:
    """The formula, with what other arguments gave: the covariance of the rows, other formulas."""
    parts = [(p.name, p.formula) for p in m._fit.part_effects()]
    residual = m._fit.design.residual
    if residual is not None and not m._fit.is_of_visits:
        parts += [("correlation", residual.expr.correlation_code), ("variance", residual.expr.variance_code)]
    return "; ".join([m.formula, *(f"{name} {text}" for name, text in parts if text is not None)])
