"""What a user is told of a fit: warnings, and why there are no estimates."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.families.family import Family
from ranef.fit.ending.convergence import Convergence
from ranef.fit.ending.exact import BY_FIXED_EFFECTS, fixed_effects_reproduce
from ranef.fit.ending.no_fit import NO_FIT
from ranef.status import FitStatus

if TYPE_CHECKING:
    from ranef.fit.refits.refit import Refits

NOT_FINITE = (
    "the criterion is not finite: the fixed effects fit the response exactly, or the response or the weights have "
    "extreme values."
)


def not_finite(design: Design) -> str:
    """Why a linear model has no estimates."""
    return BY_FIXED_EFFECTS if design.sums is None and fixed_effects_reproduce(design) else NOT_FINITE


#: What is said beside a variance of zero, of models that take priors.
_OFF_ZERO = " (A prior that keeps variances off zero is prior={'cov': priors.Wishart()}.)"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What goes beyond the status of a fit.

    Attributes
    ----------
    apart : tuple of str
        Fixed effects that separate the responses.
    flat : tuple of str
        Fixed effects along which the likelihood is almost flat.
    reason : str or None
        Why there is no optimum.
    profiled : bool
        Whether standard errors hold theta, for want of second derivatives.
    endless : tuple of str
        Nominal effects without a finite estimate, beside others that have one.
    """

    apart: tuple[str, ...] = ()
    flat: tuple[str, ...] = ()
    reason: str | None = None
    profiled: bool = False
    endless: tuple[str, ...] = ()


NO_TROUBLE = Trouble()


def fit_messages(
    design: Design, dropped: tuple[str, ...], convergence: Convergence, trouble: Trouble = NO_TROUBLE
) -> tuple[str, ...]:
    """What the user should be warned of, in order of weight."""
    out = []
    if trouble.flat:
        out.append(
            f"the likelihood is almost flat in {', '.join(trouble.flat)}: the data hardly bound what is estimated "
            "there, although no combination of the fixed effects separates the responses. Look at the standard errors "
            "before the estimates."
        )
    if trouble.apart:
        many = len(trouble.apart) > 1
        out.append(
            f"the fixed effects separate the responses: {', '.join(trouble.apart)} {'have' if many else 'has'} no "
            f"finite estimate. {FitStatus.SEPARATION.explanation}"
        )
    elif trouble.endless:
        many = len(trouble.endless) > 1
        out.append(
            f"{', '.join(trouble.endless)} {'have' if many else 'has'} no finite estimate: the likelihood rises for "
            "ever as categories become certain in some rows. All else has converged, but these numbers and their "
            "standard errors mean nothing; leave the term out of nominal=, or join categories."
        )
    elif not convergence.ok:
        reason = trouble.reason or convergence.status.explanation
        out.append(f"the fit did not converge ({convergence.status.value}). {reason}")
    if dropped:
        many = len(dropped) > 1
        out.append(
            f"the fixed effects are linearly dependent: {'columns' if many else 'column'} {', '.join(dropped)} "
            f"{'were' if many else 'was'} dropped because the columns before {'them' if many else 'it'} determine "
            f"{'them' if many else 'it'}."
        )
    if convergence.boundary:
        where = ", ".join(
            f"{k} ({d} {'direction' if d == 1 else 'directions'})" for k, d in convergence.boundary.items()
        )
        out.append(
            f"singular fit: random effects without variance in {where}. The data do not support all random terms; see "
            f"is_singular and varcorr.{'' if any(t.has_members for t in design.random) else _OFF_ZERO}"
        )
    out.extend(design.notes)
    if trouble.profiled and not trouble.apart and not trouble.reason:
        out.append(
            "the second derivatives of the criterion at the estimates are not positive definite: the standard errors "
            "take the covariance parameters as known."
        )
    return tuple(out)


def likelihood_not_finite(family: Family) -> str:
    """Why a generalized model has no estimates when its search cannot begin."""
    return (
        f"the likelihood is not finite at the starting values: the means cannot be those of the {family.name} family "
        f"with the {family.link} link, or the response, the offset or the weights have extreme values. Another link "
        "(such as 'log') has means for every linear predictor; start= gives other starting values."
    )


def modes_not_found(family: Family) -> str:
    """Why a generalized model has no estimates although its search ended."""
    return (
        "the fit ended where the modes of the random effects cannot be found again: the likelihood of the "
        f"{family.name} family with the {family.link} link has several modes there, or none. Another link (such as "
        "'log') or fewer random effects make a smoother likelihood; start= gives other starting values."
    )


def refit_messages(refits: "Refits") -> tuple[str, ...]:
    """Name the responses that have no estimates, and those whose estimates are not those of the
    optimum.
    """
    without = ~np.isfinite(refits.objective)

    def named(which: NDArray[np.bool_]) -> str:
        places = np.flatnonzero(which)
        shown = ", ".join(repr(refits.response_names[i]) for i in places[:10])
        return shown if len(places) <= 10 else f"{shown} and {len(places) - 10} more"

    messages = []
    for why in dict.fromkeys(refits.status[without].tolist()):
        reason = NOT_FINITE if why == NO_FIT["non_finite"] else f"{why}."
        named_here = named(without & (refits.status == why))
        messages.append(f"no estimates, NaN is given, for response {named_here}: {reason}")
    for status in FitStatus:
        found = ~without & (refits.status == status.value)
        if not status.ok and found.any():
            messages.append(
                f"the fit did not converge ({status.value}) for response {named(found)}. {status.explanation}"
            )
    return tuple(messages)
