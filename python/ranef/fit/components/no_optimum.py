"""Why the search for a model of several linear predictors ended without an optimum, from where it
ended, and whether an optimum is one of Laplace's approximation alone.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ranef.families.family import Family
from ranef.fit.components.messages import Part, separated_zero_part

Floats = NDArray[np.float64]

#: Variance of a random effect given the data, in that without them, which only a level with several
#: modes has: where rows are log-concave it is below 1.
SEVERAL_MODES = 1.2
#: A scale in units of the spread of the responses that only rows leave that are fitted exactly.
NO_SCALE = 1e-4
#: Logit of a zero part from which it is nearly separated.
NEARLY = 4.0
#: Families whose log density is not concave in the linear predictor, and the nearest one where it
#: is.
HEAVY = {"t": "gaussian", "skewnormal": "gaussian", "genpois": "nbinom2"}
#: What predictors are called.
NAMES = {"cond": "conditional model", "zi": "zero part", "disp": "dispersion"}


def why_no_optimum(
    family: Family, zero: str, parts: Mapping[str, Part], y: Floats, widest: Sequence[tuple[str, str, float]]
) -> str | None:
    """Say why there is no optimum, None where no reason is seen.

    Parameters
    ----------
    family : Family
    zero : str
        What becomes of zero, as the core calls it.
    parts : dict
        The linear predictors where the search ended.
    y : (n,) array
    widest : sequence of (str, str, float)
        For every random term the key of its predictor, its grouping factor, and the largest
        variance of one of its effects given the data, in that without them; infinite where there is
        no mode.
    """
    vanishing = _no_scale(family, parts, y)
    nearly = separated_zero_part(parts["zi"], y, zero, NEARLY) if "zi" in parts else None
    key, group, ratio = max(widest, key=lambda w: w[2], default=("", "", 0.0))
    modes = None
    # where nothing else is seen, such rows are the reason at hand
    likely = not (vanishing or nearly) and may_have_several_modes(family, zero, {w[0] for w in widest})
    if group and (ratio > SEVERAL_MODES or likely):
        modes = (
            f"Random effects of {group!r} in the {NAMES.get(key, key)} can have several modes given the data, as the "
            f"{_what(family, zero, key)} is not log-concave: Laplace's approximation falls without end where two modes "
            f"meet, and has no optimum there. {_remedy(family, key)}"
        )
        if not ratio > SEVERAL_MODES:
            modes += " That is the likely reason: it was not seen where the search ended."
    said = [s for s in (vanishing, nearly, modes) if s]
    return " ".join(said) or None


def may_have_several_modes(family: Family, zero: str, random: Collection[str]) -> bool:
    """Whether random effects in these predictors can have several modes given the data."""
    return zero == "inflated" or family.kernel in HEAVY or "disp" in random


def doubtful_integral(family: Family, zero: str, widest: Sequence[tuple[str, str, float]]) -> str | None:
    """What is said of an optimum at which random effects are wider given the data than without
    them, None where they are not; the arguments are those of `why_no_optimum`.
    """
    key, group, ratio = max(widest, key=lambda w: w[2], default=("", "", 0.0))
    if not ratio > SEVERAL_MODES:
        return None
    return (
        f"random effects of {group!r} in the {NAMES.get(key, key)} are wider given the data of some level than without "
        f"them (variance times {ratio:.3g}), as the {_what(family, zero, key)} is not log-concave: Laplace's "
        "approximation is poor there and can have optima that the likelihood has not. Compare with n_quad=25, where "
        "there is one grouping factor, or leave out these random effects."
    )


def lower_without_optimum(beyond: float) -> str | None:
    """What is said of an optimum where a descent from another start ended lower and without one.

    Parameters
    ----------
    beyond : float
        How much lower; 0 where there was none.
    """
    if not beyond > 0.0:
        return None
    return (
        f"a descent from another start ended {beyond:.2g} lower and at no optimum, as happens where two modes of the "
        "random effects meet and the approximated criterion falls without end. The estimates are those of the lowest "
        "optimum that was found. Compare with n_quad=25, where there is one grouping factor, or leave out random "
        "effects with few rows a level."
    )


def _no_scale(family: Family, parts: Mapping[str, Part], y: Floats) -> str | None:
    disp = parts.get("disp")
    if disp is None or family.support != "real":
        return None
    least = float(np.exp(disp.eta.min()))
    if least > NO_SCALE * float(y.std()):
        return None
    return (
        f"The scale of the {family.name} family goes to zero in some rows (it is {least:.1g} at the end), which the "
        "model reproduces exactly: the likelihood grows without end. Leave out random effects of the dispersion, or "
        "those that have hardly more rows than levels."
    )


def _what(family: Family, zero: str, key: str) -> str:
    if key == "disp":
        return "likelihood of the dispersion"
    if zero == "inflated" and family.kernel not in HEAVY:
        return "likelihood of zeros that come from two sources"
    return f"density of the {family.name} family"


def _remedy(family: Family, key: str) -> str:
    other = HEAVY.get(family.kernel)
    away = f"Leave these random effects out of the {NAMES.get(key, key)}"
    if key == "cond" and other is not None:
        return f"{away}, or use family={other!r}."
    return f"{away}; with one grouping factor n_quad=25 integrates over the modes."
