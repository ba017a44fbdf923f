"""Fits that a search of the core alone would not give."""

from ranef.design.shared_effects import shared_effects
from ranef.fit.ending.unidentified import unidentified_effects
from ranef.fit.linear import LmmFit
from ranef.fit.record import MixedFit


def has_conventions(fit: MixedFit) -> bool:
    """Whether a search of the core alone, which knows independent rows, would give another fit:
    some variances are what they are by convention, rows have a covariance structure, or a curve.
    """
    if not isinstance(fit, LmmFit) or fit.design.sums is not None:
        return False
    d = fit.design
    if d.residual is not None or d.priors or d.sampling is not None or d.curve is not None:
        return True
    if shared_effects(fit.design.random):
        return True
    return fit.reml and bool(unidentified_effects(fit.design, fit.kept))
