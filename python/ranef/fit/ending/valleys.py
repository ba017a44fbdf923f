"""The valleys of a criterion: the optima that a search met, and what they say of fixed effects."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.fit.order import TermOrder, relative_factor

Floats = NDArray[np.float64]

#: Estimates of a fixed effect in two valleys differ where they are this many standard errors (of
#: the larger) apart.
APART = 2.0
#: A valley this much higher has a likelihood that is e^-20 of the lowest: what it says of the fixed
#: effects is no rival.
RIVAL = 40.0


@dataclass(frozen=True, slots=True, eq=False)
class Valley:
    """An optimum of the criterion.

    Attributes
    ----------
    criterion : float
        The REML criterion, or -2 log-likelihood, there.
    theta : (m,) array
        Covariance parameters there, in lme4's order.
    fixef : (p,) array
        Fixed effects there.
    """

    criterion: float
    theta: Floats
    fixef: Floats

    def __repr__(self) -> str:
        theta, fixef = (", ".join(f"{v:.4g}" for v in values.tolist()) for values in (self.theta, self.fixef))
        return f"Valley of criterion {self.criterion:.4f} (theta: {theta}; fixed effects: {fixef})"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Valley)
            and self.criterion == other.criterion
            and np.array_equal(self.theta, other.theta)
            and np.array_equal(self.fixef, other.fixef)
        )

    def __hash__(self) -> int:
        return hash((self.criterion, self.theta.tobytes(), self.fixef.tobytes()))


@dataclass(frozen=True, slots=True)
class Search:
    """What a search for the lowest valley did.

    Attributes
    ----------
    runs : int
        Local fits made, each from another start.
    looks : int
        Evaluations of the criterion alone, by which the starts were chosen and other valleys looked
        for.
    complete : bool
        Whether every direction of the random effects was looked along, from no variance to a very
        large one; the search stops before where that would take long beside the fit.
    moved_on : bool
        Whether the first local fit ended in a higher valley.
    alone : bool
        Whether there are no random effects to look along.
    beyond : float
        How much lower the criterion was where a descent from another start ended without an
        optimum; 0 where none did.
    """

    runs: int = 1
    looks: int = 0
    complete: bool = False
    moved_on: bool = False
    alone: bool = False
    beyond: float = 0.0


def stories(
    valleys: Sequence[Valley],
    std_errors: Callable[[Valley], Floats],
    design: Design,
    order: TermOrder,
    names: Sequence[str],
) -> tuple[str, ...]:
    """Say of which fixed effects two valleys tell different stories.

    Parameters
    ----------
    valleys : sequence of Valley
        The lowest first.
    std_errors : callable
        Standard errors (p,) of the fixed effects in a valley; a ValueError where there are none.
    design : Design
    order : TermOrder
    names : sequence of str
        The p fixed effects.

    Returns
    -------
    tuple of str
        One sentence at most for each valley that is not hopelessly higher: the fixed effect that
        differs most, and what to do.
    """
    out = []
    lowest = valleys[0]
    for other in valleys[1:]:
        if other.criterion - lowest.criterion > RIVAL:
            continue
        try:
            errors = np.maximum(std_errors(lowest), std_errors(other))
        except ValueError:  # the core finds no modes, or no factor, at theta as it is given
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = np.abs(lowest.fixef - other.fixef) / errors
        distance[[n == "(Intercept)" for n in names]] = 0.0
        if not len(distance) or not np.nanmax(distance, initial=0.0) > APART:
            continue
        j = int(np.nanargmax(distance))
        out.append(_story(lowest, other, j, names[j], design, order))
    return tuple(out)


def _story(lowest: Valley, other: Valley, j: int, name: str, design: Design, order: TermOrder) -> str:
    group = _group_that_differs(lowest.theta, other.theta, design, order)
    higher = other.criterion - lowest.criterion
    text = (
        f"{name} is {lowest.fixef[j]:.4g} here and {other.fixef[j]:.4g} in another valley of the criterion, "
        f"{higher:.2g} higher, as happens where its slope "
        f"between the groups of {group} differs from that within them: the variance of {group} decides which of the "
        "two counts."
    )
    if name not in design.formula.names:
        return (
            f"{text} Split the covariate into its group mean and the deviation from it, and give each a slope of its "
            "own."
        )
    return (
        f"{text} Split it into group mean and deviation, d['{name}_between'] = "
        f"d.groupby('{group}')['{name}'].transform('mean') and "
        f"d['{name}_within'] = d['{name}'] - d['{name}_between'], and give each a slope of its own: "
        f"{split_formula(design.formula.text, name)}"
    )


def split_formula(text: str, name: str) -> str:
    """A formula with a covariate replaced by its group mean and the deviation from it; in random
    terms by the deviation alone.

    Parameters
    ----------
    text : str
    name : str
        The covariate.

    Returns
    -------
    str

    Examples
    --------
    >>> split_formula("y ~ x * z + (1 + x | g)", "x")
    'y ~ (x_within + x_between) * z + (1 + x_within | g)'
    >>> split_formula("y ~ x + (1 | g)", "x")
    'y ~ x_within + x_between + (1 | g)'
    """
    word = re.compile(rf"(?<![\w.]){re.escape(name)}(?![\w.])")
    parts = re.split(r"(\([^()]*\|[^()]*\))", text)
    alone = re.compile(rf"(?<=[~+])\s*{re.escape(name)}\s*(?=[+]|$)")
    for i, part in enumerate(parts):
        if "|" in part:
            parts[i] = word.sub(f"{name}_within", part)
            continue
        both = f"{name}_within + {name}_between"
        part = alone.sub(lambda m, both=both: m.group().replace(name, both), part)
        parts[i] = re.sub(rf"(?<![\w.]){re.escape(name)}(?![\w.])", f"({both})", part)
    return "".join(parts)


def _group_that_differs(a: Floats, b: Floats, design: Design, order: TermOrder) -> str:
    """The grouping factor whose standard deviations differ most between two thetas."""
    best, found = -1.0, ""
    for span in order.spans:
        sizes = [math.sqrt(float((relative_factor(span, t) ** 2).sum())) for t in (a, b)]
        ratio = abs(math.log((max(sizes) + 1e-3) / (min(sizes) + 1e-3)))
        if ratio > best:
            best, found = ratio, design.random[span.formula].group
    return found
