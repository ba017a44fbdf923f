"""Tests of random effects: each is left out in turn."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ranef.design.record import Design, RandomTerm
from ranef.fit.control import FitControl
from ranef.fit.record import MixedFit
from ranef.fit.sums.fewer_terms import reductions
from ranef.inference.likelihood_ratio import Comparison, chi_square_p, mixture_note, not_sure
from ranef.inference.maximised import need_maximised
from ranef.inference.reduced import criterion_of, fit_reduced
from ranef.inference.variance_tests import ChiBarSquare, variance_mixture

FULL = "<none>"


@dataclass(frozen=True, slots=True, eq=False)
class _Reduced:
    """A model with one random effect less: its designs, and the random terms of all predictors."""

    label: str
    design: Design
    others: tuple[Design, ...] | None
    whole: tuple[RandomTerm, ...]


def _reduced(fit: MixedFit, every_part: bool) -> Iterator[_Reduced]:
    """Of the first linear predictor, then of the others, whose labels name them."""
    first = fit.design
    for r in reductions(first):
        yield _Reduced(r.label, r.design(first), None, fit.whole_random(r.random))
    if not every_part:
        return
    keys, designs = [key for key, _ in fit.other_designs], [design for _, design in fit.other_designs]
    for i, (key, own) in enumerate(zip(keys, designs, strict=True)):
        for r in reductions(own) if own.random else ():
            others = (*designs[:i], r.design(own), *designs[i + 1 :])
            yield _Reduced(f"{key}: {r.label}", first, others, fit.whole_random(first.random, others))


def compare_reductions(fit: MixedFit, control: FitControl, every_part: bool = True) -> Comparison:
    """Compare a fit with every model that has one random effect less, by the criterion of the fit.

    Parameters
    ----------
    fit : MixedFit
    control : FitControl
        For the fits of the smaller models.
    every_part : bool
        Whether random effects of the other linear predictors are left out, too.

    Returns
    -------
    Comparison
        The fit itself first; the rows after it are compared with it.
    """
    need_maximised(fit, "ranova")
    design = fit.design
    full = criterion_of(fit)
    names, models, notes = [FULL], [full], []
    statistic, df, p, p_boundary = [math.nan], [math.nan], [math.nan], [math.nan]
    mixtures: dict[tuple[ChiBarSquare, bool], list[str]] = {}
    if full.trouble:
        notes.append(f"the model {full.trouble}: the tests cannot be relied on")
    if full.singular:
        notes.append("the model is singular: an effect that has no variance in it is tested with a statistic of 0")
    whole = fit.whole_random(design.random)
    for reduced in _reduced(fit, every_part):
        model = fit_reduced(fit, reduced.design, fit.reml, control, reduced.others)
        names.append(reduced.label)
        models.append(model)
        if model.trouble:
            notes.append(f"the model without {reduced.label} {model.trouble}: its test cannot be relied on")
        change = model.objective - full.objective
        df.append(full.npar - model.npar)
        unsure = not_sure(f"{FULL} against the model without {reduced.label}", change, full, model)
        if unsure:
            notes.append(unsure)
            statistic.append(math.nan)
            p.append(math.nan)
            p_boundary.append(math.nan)
            continue
        statistic.append(max(0.0, change))
        p.append(chi_square_p(statistic[-1], df[-1]))
        mixture = variance_mixture(whole, reduced.whole)
        p_boundary.append(math.nan if mixture is None else mixture.p_value(statistic[-1]))
        if mixture is not None and mixture.at_boundary:
            mixtures.setdefault((mixture, model.singular), []).append(reduced.label)
    notes += [mixture_note(", ".join(labels), mixture, singular) for (mixture, singular), labels in mixtures.items()]
    return Comparison(
        tuple(names),
        tuple(models),
        tuple(statistic),
        tuple(df),
        tuple(p),
        tuple(p_boundary),
        fit.reml,
        fit.nobs,
        tuple(notes),
    )
