"""Fits of smaller models to the rows of a fit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ranef.design.record import Design
from ranef.fit.control import FitControl, parse_control
from ranef.fit.iterative.sampled import SampledLikelihood, why_not_iterative
from ranef.fit.order import order_terms
from ranef.fit.record import MixedFit
from ranef.fit.refits.again import fit_again


@dataclass(frozen=True, slots=True)
class Criterion:
    """What a comparison needs of one model.

    Attributes
    ----------
    npar : int
    objective : float
        REML criterion or -2 log-likelihood.
    trouble : str
        What is wrong with the fit, empty if nothing is.
    singular : bool
    criterion_se : float
        Standard error of the objective by sampling; 0 where it is computed.
    sampled : SampledLikelihood or None
    term_keys : tuple of str
        What the random terms are called.
    """

    npar: int
    objective: float
    trouble: str = ""
    singular: bool = False
    criterion_se: float = 0.0
    sampled: SampledLikelihood | None = None
    term_keys: tuple[str, ...] = ()


def comparison_control(control: Mapping[str, object] | None) -> FitControl:
    """Options for the fits of other models: the user's, or a higher limit than usual, because a
    model without a needed term can be slow to fit.
    """
    return FitControl(max_evaluations=5000) if control is None else parse_control(control)


def criterion_of(fit: MixedFit) -> Criterion:
    """The criterion that a fit minimised."""
    trouble = "" if fit.convergence.ok else f"did not converge ({fit.convergence.status.value})"
    sampled = fit.sampled_likelihood
    return Criterion(
        fit.npar, fit.objective, trouble, fit.singular, fit.criterion_se, sampled, tuple(map(str, fit.term_keys))
    )


def refit_by(fit: MixedFit, reml: bool, control: FitControl) -> MixedFit:
    """The same model by another criterion; the fit itself if it is that one."""
    if fit.reml == reml:
        return fit
    return fit_again(fit, fit.design, reml=reml, warm=True, control=control, order=fit.order)


def fit_reduced(
    fit: MixedFit, design: Design, reml: bool, control: FitControl, others: tuple[Design, ...] | None = None
) -> Criterion:
    """Fit the model of another design that is otherwise like a fit: of the same family, by the same
    likelihood. The design may have no random terms; ``others`` are designs of the other linear
    predictors, by default those of the fit.
    """
    order = order_terms(design.random)
    if control.solver == "iterative" and why_not_iterative(design) is not None:
        control = replace(control, solver="auto")
    return criterion_of(fit_again(fit, design, reml=reml, control=control, order=order, others=others))
