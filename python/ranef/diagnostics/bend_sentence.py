"""The sentence on a bend: how far predictions would move, and whether chance does that."""

import numpy as np

from ranef.diagnostics.bend import Bend
from ranef.diagnostics.chance import ALPHA
from ranef.diagnostics.check_part import Finding
from ranef.diagnostics.phrases import chance_words, p_words
from ranef.fit.record import MixedFit

#: A curve that stays so close to a straight line moves predictions little: in residual standard
#: deviations, or on the scale of a logarithm, of logits and the like.
SMALL = 0.1

#: Links whose predictor is the logarithm of the mean.
LOG = "log"


def bend_sentence(fit: MixedFit, found: Bend | None) -> Finding:
    """Describe the most striking curve.

    Parameters
    ----------
    fit : MixedFit
    found : Bend or None
    """
    if not fit.convergence.ok:
        return Finding("The fit did not converge, so that it was not searched for bends.")
    if found is None:
        return Finding(
            "No covariate takes ten different values, nor do predictions from the fixed effects, unless the model has "
            "curves along it already: a bend could not be seen."
        )
    relative = found.size / _unit(fit)
    where = f"near {_axis(fit, found)} {found.at:.3g}"
    moved = _moved(fit, found)
    if found.p_value >= ALPHA:
        among = f" (the most striking of {found.looked_at} curves)" if found.looked_at > 1 else ""
        return Finding(
            f"No clear bend: a curve{_along(fit, found)}{among} {moved}; {chance_words(found.p_value)}.", found.p_value
        )
    if relative < SMALL:
        return Finding(
            f"A bend that is detectable but small: a curve{_along(fit, found)} {moved}, {where} "
            f"({p_words(found.p_value)}).",
            found.p_value,
        )
    return Finding(
        f"A bend: a curve{_along(fit, found)} {moved}, {where} ({p_words(found.p_value)}); a curved term or an "
        "interaction may be missing.",
        found.p_value,
        True,
    )


def _unit(fit: MixedFit) -> float:
    if fit.normal_responses:
        return fit.sigma
    return float(np.std(fit.linear_predictor())) if fit.identity_scale else 1.0


def _along(fit: MixedFit, found: Bend) -> str:
    if found.name is not None:
        return f" along {found.name}"
    return " along the fitted values" if fit.identity_scale else " along the linear predictor"


def _axis(fit: MixedFit, found: Bend) -> str:
    if found.name is not None:
        return f"{found.name} ="
    return "a fitted value of" if fit.identity_scale else "a linear predictor of"


def _moved(fit: MixedFit, found: Bend) -> str:
    """What the curve does to predictions."""
    if fit.normal_responses:
        return f"moves predictions by at most {found.size / fit.sigma:.2g} residual standard deviations"
    if fit.identity_scale:
        return f"moves predictions by at most {found.size:.3g}"
    if fit.family.link == LOG:
        return f"multiplies or divides predictions by at most {np.exp(found.size):.3g}"
    name = "the log-odds" if fit.family.link == "logit" else "the linear predictor"
    return f"moves {name} by at most {found.size:.2g}"
