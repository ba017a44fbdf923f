"""Tests of random effects: each is left out in turn."""

import math

from ranef.fit.control import FitControl
from ranef.fit.record import MixedFit
from ranef.fit.sums.fewer_terms import reductions
from ranef.inference.likelihood_ratio import Comparison, chi_square_p, mixture_note, not_sure
from ranef.inference.maximised import need_maximised
from ranef.inference.reduced import criterion_of, fit_reduced
from ranef.inference.variance_tests import ChiBarSquare, variance_mixture

FULL = "<none>"


def compare_reductions(fit: MixedFit, control: FitControl) -> Comparison:
    """Compare a fit with every model that has one random effect less, by the criterion of the fit.

    Parameters
    ----------
    fit : MixedFit
    control : FitControl
        For the fits of the smaller models.

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
    for reduction in reductions(design):
        model = fit_reduced(fit, reduction.design(design), fit.reml, control)
        names.append(reduction.label)
        models.append(model)
        if model.trouble:
            notes.append(f"the model without {reduction.label} {model.trouble}: its test cannot be relied on")
        change = model.objective - full.objective
        df.append(full.npar - model.npar)
        unsure = not_sure(f"{FULL} against the model without {reduction.label}", change, full, model)
        if unsure:
            notes.append(unsure)
            statistic.append(math.nan)
            p.append(math.nan)
            p_boundary.append(math.nan)
            continue
        statistic.append(max(0.0, change))
        p.append(chi_square_p(statistic[-1], df[-1]))
        mixture = variance_mixture(fit.whole_random(design.random), fit.whole_random(reduction.random))
        p_boundary.append(math.nan if mixture is None else mixture.p_value(statistic[-1]))
        if mixture is not None and mixture.at_boundary:
            mixtures.setdefault((mixture, model.singular), []).append(reduction.label)
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
