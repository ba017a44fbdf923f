"""Arguments that all resampling has in common."""

import numbers
from collections.abc import Callable

import numpy as np

from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.simulate import random_generator
from ranef.families.custom import CustomFamily
from ranef.fit.record import MixedFit
from ranef.status import FitStatus

Counter = Callable[[int, int], object]

#: Most replicates of one run.
MOST = 100_000_000

TYPES = ("parametric", "residual", "cases")


def checked_count(n: object, name: str = "n", least: int = 1) -> int:
    """A number of replicates."""
    if isinstance(n, bool) or not isinstance(n, numbers.Integral):
        raise ArgumentTypeError(f"{name} must be a whole number, not {n!r}.")
    count = int(n)
    if count < least:
        raise OptionError(f"{name} must be at least {least}, not {count}.")
    if count > MOST:
        raise OptionError(f"{name} must be at most {MOST}, not {count}.")
    return count


def seed_of(rng: object) -> int:
    """A seed of 64 bits: a whole number as it is (modulo 2^64),
    else one drawn from the generator, or from the operating system.
    """
    if isinstance(rng, numbers.Integral) and not isinstance(rng, bool):
        if int(rng) < 0:
            raise OptionError(f"rng must not be negative when it is a seed, not {rng}.")
        return int(rng) % 2**64
    return int(random_generator(rng).integers(0, 2**64, dtype=np.uint64))


def checked_type(type: object) -> str:
    """One of the kinds of bootstrap."""
    if not isinstance(type, str):
        raise ArgumentTypeError(f"type must be one of {', '.join(map(repr, TYPES))}, not {type!r}.")
    if type not in TYPES:
        raise OptionError(f"type must be one of {', '.join(map(repr, TYPES))}, not {type!r}.")
    return type


#: Fewest groups from which samples of groups can be drawn: with m groups there are (2m - 1)! / (m!
#: (m - 1)!) different ones, 126 for 5.
FEWEST_GROUPS = 5


def resampled_factor(fit: MixedFit, by: object, what: str) -> int:
    """The core's number of the grouping factor whose groups are taken as wholes.

    By default the one within whose groups all levels of the others lie.
    """
    factors = {t.group: s.factor for t, s in zip(fit.terms, fit.order.spans, strict=True)}
    if by is None:
        found = next((g for g in reversed(factors) if contains_all(fit, g)), None)
        if found is None:
            raise OptionError(
                f"the grouping factors {', '.join(map(repr, factors))} are crossed, so that no factor's groups are "
                f"independent of each other: say with by= which one's groups {what}. The levels of the others are then "
                "held fixed."
            )
        return factors[found]
    if not isinstance(by, str):
        raise ArgumentTypeError(f"by must be the name of a grouping factor, not {by!r}.")
    if by not in factors:
        raise OptionError(
            f"by must be one of the model's grouping factors, {', '.join(map(repr, factors))}, not {by!r}."
        )
    return factors[by]


def contains_all(fit: MixedFit, group: str) -> bool:
    """Whether every level of every other grouping factor lies within one level of this one."""
    codes = {t.group: t.codes for t in fit.terms}
    own = codes[group]
    return all(
        len(np.unique(c.astype(np.int64) * (int(own.max()) + 1) + own)) == int(c.max()) + 1 for c in codes.values()
    )


def check_groups(fit: MixedFit, factor: int) -> None:
    """Refuse to draw groups from too few."""
    term = next(t for t, s in zip(fit.terms, fit.order.spans, strict=True) if s.factor == factor)
    if len(term.levels) < FEWEST_GROUPS:
        raise OptionError(
            f"type='cases' draws whole groups, and {term.group} has {len(term.levels)}; at least {FEWEST_GROUPS} are "
            "needed for samples of them to say anything. Use type='parametric' or 'residual'."
        )


def check_drawable(fit: MixedFit, type: str) -> None:
    """Refuse kinds of bootstrap that a model does not have."""
    if type == "residual" and not fit.fixed_effects_profiled:
        raise OptionError(
            "type='residual' is for linear models: responses of a family are not a mean plus a residual that another "
            "row could have. Use 'parametric' or 'cases'."
        )
    if type == "cases" and any(t.has_members for t in fit.terms):
        raise OptionError(
            "type='cases' draws whole groups, which mm() and known() make depend on each other; use type='parametric' "
            "or 'residual'."
        )
    if fit.n_quad != 0 and fit.convergence.status is FitStatus.SEPARATION:
        raise OptionError(
            "some fixed effects have no finite estimate (see m.convergence), so that there is no model to draw from. "
            "Leave out what separates the responses."
        )
    if type == "parametric" and fit.family.support == "proportion":
        trials = fit.trials
        if np.any(np.abs(trials - np.rint(trials)) > 1e-6):
            raise OptionError("the numbers of trials (the weights) are not whole, so that no responses can be drawn.")


def is_drawn_in_python(fit: MixedFit, type: str) -> bool:
    """Whether the core has no random numbers of the family: one of Python functions."""
    return type == "parametric" and isinstance(fit.family, CustomFamily)
