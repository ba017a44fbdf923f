"""Fits that a search of the core alone would not give."""

from ranef.design.shared_effects import shared_effects
from ranef.fit.linear import LmmFit
from ranef.fit.record import MixedFit
from ranef.fit.unidentified import unidentified_effects


def has_conventions(fit: MixedFit) -> bool:
    """Whether a search of the core alone, which knows independent rows, would give another fit:
    some variances are what they are by convention, or rows have a covariance structure.
    """
    if not isinstance(fit, LmmFit) or fit.design.sums is not None:
        return False
    if fit.design.residual is not None or fit.design.priors or fit.design.sampling is not None:
        return True
    if shared_effects(fit.design.random):
        return True
    return fit.reml and bool(unidentified_effects(fit.design, fit.kept))
