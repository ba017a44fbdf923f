"""Why a likelihood has no maximum for finite parameters, from where its search ended."""

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.families.cumulative import Cumulative
from ranef.families.family import Family
from ranef.status import FitStatus

Floats = NDArray[np.float64]

#: Residual standard deviation, as a share of the mean, that only a response fitted exactly leaves.
EXACT = 1e-6

#: Precision of the beta family, and size of the negative binomial, that have no end.
ENDLESS = 1e8

#: Share of the typical linear predictor below which one is at the edge of the link's range.
EDGE = 0.05

_NEGATIVE_BINOMIAL = "Negative Binomial"

#: Links whose linear predictor must be positive where means are.
POSITIVE_LINKS = ("identity", "inverse", "inverse_squared")

#: Standard deviation of random effects, and typical linear predictor, in logits and their like,
#: that only estimates without end give.
RUNAWAY = 20.0

#: Orders of magnitude of a positive response that no family is for.
WIDEST = 30


def no_optimum(design: Design, family: Family, dispersion: float, eta: Floats, mu: Floats, sds: Floats) -> str | None:
    """Say why the search could not end at an optimum, None where no reason is seen.

    Parameters
    ----------
    design : Design
        Its response in the form of the family.
    family : Family
    dispersion : float
        The family's extra parameter, NaN without one.
    eta, mu : (n,) arrays
        Linear predictors and means where the search ended.
    sds : (m,) array
        Standard deviations of the random effects.
    """
    return (
        _jumps(family)
        or _own_levels(design, family)
        or _of_both_signs(design, family)
        or _too_wide(design, family)
        or _at_the_edge(design, family, eta)
        or _groups_apart(design, family, eta, sds)
        or _poisson_limit(family, dispersion)
    )


def exact_fit(family: Family, dispersion: float, mu: Floats) -> str | None:
    """Say that the search went towards a residual variance of zero, None where it did not.

    Parameters
    ----------
    family : Family
    dispersion : float
        The family's extra parameter, NaN without one.
    mu : (n,) array
        Means where the search ended.
    """
    size = {
        "gaussian": float(np.abs(mu).mean()),
        "Gamma": 1.0,
        "inverse.gaussian": 1.0 / float(np.sqrt(np.abs(mu).mean())),
    }.get(family.name)
    if family.name == "beta" and dispersion > ENDLESS:
        where = f"its precision is {dispersion:.1g}"
    elif size is not None and family.fixed_dispersion is None and dispersion < EXACT * size:
        where = f"sigma is {dispersion:.1g}"
    else:
        return None
    return f"{FitStatus.EXACT.explanation} Here {where}."


def _jumps(family: Family) -> str | None:
    if not isinstance(family, Cumulative) or family.link != "cauchit":
        return None
    return (
        "With the Cauchy link the random effect of a level can have several modes, and the approximated likelihood "
        "jumps where another one becomes the highest, so that a search can end at such a place. The links logit and "
        "probit have one mode."
    )


def _own_levels(design: Design, family: Family) -> str | None:
    own = next((t.group for t in design.random if len(t.levels) == len(design.y)), None)
    if own is None or not family.scaled or family.fixed_dispersion is not None:
        return None
    return (
        f"Every row has a level of {own!r} of its own, whose random effect cannot be told from the residual: the "
        "likelihood grows without end as the residual variance goes to zero. Leave the term out."
    )


def _of_both_signs(design: Design, family: Family) -> str | None:
    y = design.y
    if family.name != "gaussian" or family.link == "identity" or not (y.min() <= 0 < y.max()):
        return None
    has = "has positive means only" if family.link == "log" else "has no means near zero"
    return (
        f"The {family.link} link {has}, and the response has values of both signs: the likelihood need not have a "
        "maximum. The identity link (lmer) has means of either sign."
    )


def _too_wide(design: Design, family: Family) -> str | None:
    if family.support != "positive":
        return None
    orders = float(np.log10(design.y.max()) - np.log10(design.y.min()))
    if orders < WIDEST:
        return None
    return (
        f"The response spans {orders:.0f} orders of magnitude, more than the arithmetic of its likelihood holds: "
        "values next to zero are often zeros in truth, which the "
        f"{family.name} family does not have. Model zeros apart, or the logarithm of the response by lmer."
    )


def _at_the_edge(design: Design, family: Family, eta: Floats) -> str | None:
    if family.link not in POSITIVE_LINKS or family.support not in ("count", "positive"):
        return None
    row = int(np.argmin(eta))
    if eta[row] > EDGE * float(np.mean(np.abs(eta))):
        return None
    name = family.kernel if family.name == _NEGATIVE_BINOMIAL else family.name
    given = int(row if design.kept is None else design.kept[row])
    return (
        f"With the {family.link} link a mean is positive only where the linear predictor is, and the search ended at "
        f"the edge of that range (row {given}: {eta[row]:.2g}), "
        f"where the likelihood has no smooth maximum. family='{name}(log)' has no such edge."
    )


def _groups_apart(design: Design, family: Family, eta: Floats, sds: Floats) -> str | None:
    if family.support != "proportion":
        return None
    y = design.y
    if ((y > 0) & (y < 1)).any():
        return None
    for term in design.random:
        n = len(term.levels)
        successes = np.bincount(term.codes, weights=y, minlength=n)
        rows = np.bincount(term.codes, minlength=n)
        if ((successes == 0) | (successes == rows)).all():
            single = bool((rows == 1).all())
            why = "has one row" if single else "has only successes or only failures"
            return (
                f"Every level of {term.group!r} {why}, so that the data do not bound the standard deviation of its "
                "random effects: the likelihood is flat, or rises, as "
                "it grows. Leave the term out."
            )
    if float(sds.max(initial=0.0)) > RUNAWAY:
        return (
            f"The standard deviation of random effects has grown to {sds.max():.2g}: most levels have only successes "
            "or only failures, and the data do not bound it. "
            "Leave out random effects, or pool levels."
        )
    typical = float(np.median(np.abs(eta)))
    if typical > RUNAWAY or (family.link == "cauchit" and typical > RUNAWAY / 2):
        return (
            f"The linear predictors have grown to {typical:.2g}: the likelihood with the {family.link} link hardly "
            "changes, or rises, as fixed effects and standard deviations "
            "grow together, which too few successes or failures do not prevent. family='binomial(logit)' has tails "
            "that bound the estimates sooner."
        )
    return None


def _poisson_limit(family: Family, dispersion: float) -> str | None:
    if (
        family.name != _NEGATIVE_BINOMIAL
        or family.kernel != "nbinom2"
        or family.fixed_dispersion is not None
        or not dispersion > ENDLESS
    ):
        return None
    return (
        "The counts vary no more than Poisson counts do: the size of the negative binomial distribution grows without "
        "end. family='poisson' is its limit."
    )
