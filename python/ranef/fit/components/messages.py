"""What the user should know of models with several linear predictors: what lies at its limit, and
what has no finite estimate.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.families.family import Family
from ranef.status import FitStatus

Floats = NDArray[np.float64]

#: What is below the logit of 1e-6 in every row is no zero inflation.
NO_EXTRA_ZEROS = -13.8
#: Logits of a zero part that only coefficients without a finite estimate reach, and the share of
#: them that a column must have to be named.
RUNAWAY, SHARE = 8.0, 0.25
#: log 1e6: the variance beyond the mean's is then no more than a rounding error of the counts.
LIMIT = 13.8
#: log phi of the generalized Poisson distribution below which it is no distribution, and about
#: which it is Poisson's.
UNDER, SAME = -1e-3, 1e-3
#: log phi of the Conway-Maxwell-Poisson distribution from which it is the geometric distribution.
SPREAD = 9.0
#: Logit of power - 1, log degrees of freedom (few and many), slant, and log of a mean.
POWER, FEW, MANY, SLANT, NO_MEAN = 7.0, 0.0, 6.9, 30.0, -8.0
GEOMETRIC = (
    "the counts are more overdispersed than the Conway-Maxwell-Poisson distribution can be: phi has no finite "
    "estimate, and the fit is that of the geometric distribution. Use family='nbinom2' or zi_formula."
)
TOO_MANY_TERMS = (
    "the counts are so large and so overdispersed that the Conway-Maxwell-Poisson distribution cannot be normalised "
    "in a bearable number of terms: use family='nbinom2'."
)
#: Families with a limit of their dispersion: its sign there, what the fit is that of, and what is
#: not found.
SIMPLER = {
    "nbinom2": (1.0, "poisson", "overdispersion"),
    "nbinom1": (-1.0, "poisson", "overdispersion"),
    "betabinomial": (1.0, "binomial", "overdispersion"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One linear predictor as it was estimated.

    Attributes
    ----------
    eta : (n,) array
    x : (n, p) array
    beta : (p,) array
    names : tuple of str
        Of the columns in use.
    is_free : bool
        Whether it has columns, so that it is not held.
    """

    eta: Floats
    x: Floats
    beta: Floats
    names: tuple[str, ...]

    @property
    def is_free(self) -> bool:
        """Whether it has columns, so that it is not held."""
        return len(self.names) > 0


@dataclass(frozen=True, slots=True)
class AtLimit:
    """What is said of a fit, and the predictors whose estimates are at infinity.

    Attributes
    ----------
    messages : tuple of str
    infinite : dict
        By predictor the value of its parameter there: infinity or zero.
    named : frozenset of str
        Those and the parameters of the shape of which messages are: their coefficients are without
        an end, and that is no separation.
    apart : str or None
        The sentence on a zero part, or a mean, without finite estimates.
    """

    messages: tuple[str, ...]
    infinite: dict[str, float]
    apart: str | None
    named: frozenset[str] = frozenset()

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of it as sentences."""
        said = [m[0].upper() + m[1:] for m in self.messages]
        return tuple(dict.fromkeys([*said, *([self.apart] if self.apart else [])]))


def at_limit(family: Family, zero: str, parts: Mapping[str, Part], y: Floats, status: FitStatus) -> AtLimit:
    """What lies at a limit of the model.

    Parameters
    ----------
    family : Family
    zero : str
        What becomes of zero, as the core calls it.
    parts : dict
        The linear predictors; ``cond`` is the first.
    y : (n,) array
    status : FitStatus
    """
    said = family.held_by(y)[1]
    messages = [] if said is None else [said]
    infinite: dict[str, float] = {}
    named: set[str] = set()
    disp = parts.get("disp")
    if disp is not None and disp.is_free:
        about, value = _dispersion(family, disp)
        messages += about
        if value is not None:
            infinite["disp"] = value
    for key, part in parts.items():
        if part.is_free and key not in ("cond", "zi", "disp"):
            of_shape = _shape(key, part, y)
            messages += of_shape
            named.update([key] if of_shape else [])
    zi, apart = parts.get("zi"), None
    if zi is not None and zero == "inflated" and float(zi.eta.max()) < NO_EXTRA_ZEROS:
        messages.append(
            "the model finds no extra zeros: the probability of one is below 1e-6 in every row. Leave out zi_formula; "
            "the likelihood is the same."
        )
        infinite["zi"] = 0.0
    elif zi is not None:
        apart = separated_zero_part(zi, y, zero)
    if family.truncated:
        some = y > 0
        ones = some & (y == 1)
        if ones.any() and float(parts["cond"].eta[ones].min()) < NO_MEAN and family.link == "log":
            where = "Every count that is not zero is one" if ones.sum() == some.sum() else "Counts of some rows are one"
            apart = apart or (
                f"{where}: the mean before truncation goes to zero, and its logarithm has no finite estimate."
            )
    if apart is not None and status.ok:
        messages.append(apart[0].lower() + apart[1:])
    return AtLimit(tuple(messages), infinite, apart, frozenset(named | set(infinite)))


def _dispersion(family: Family, part: Part) -> tuple[list[str], float | None]:
    """Of dispersion: the messages, and its value where it is at infinity or zero in all rows."""
    low, high = float(part.eta.min()), float(part.eta.max())
    kernel = family.kernel
    if kernel in SIMPLER:
        sign, simple, what = SIMPLER[kernel]
        nearest = low if sign > 0 else -high
        if nearest > LIMIT:
            return [f"no {what}: the fit is that of family={simple!r}."], np.inf if sign > 0 else 0.0
    if kernel == "genpois" and low < UNDER:
        return [
            "the counts vary less than Poisson's (phi below 1), where the generalized Poisson family is not a "
            "distribution: use family='compois'."
        ], None
    if kernel == "genpois" and high < SAME:
        return ["no overdispersion: the fit is that of family='poisson'."], None
    if kernel == "compois" and low > SPREAD:
        return [GEOMETRIC], np.inf
    return [], None


def _shape(key: str, part: Part, y: Floats) -> list[str]:
    """Of a parameter of the shape."""
    value = float(part.eta[0])
    if key == "psi" and value < -POWER:
        return ["the power is at its limit 1, where the distribution is a multiple of Poisson's: use family='poisson'."]
    if key == "psi" and (value > POWER or not (y == 0).any()):
        what = "the power is at its limit 2" if value > POWER else "the response has no zeros"
        return [f"{what}, where the distribution is nearly Gamma's: use family='Gamma(log)'."]
    if key == "log_df" and value > MANY:
        return ["no heavy tails (df above 1000): family='gaussian' fits as well."]
    if key == "log_df" and value < FEW:
        return ["the tails are so heavy (df below 1) that the distribution has neither variance nor mean."]
    if key == "slant" and abs(value) > SLANT:
        side = "right" if value > 0 else "left"
        return [f"the slant is at its limit: rows are half normal, with the tail on the {side}."]
    return []


def separated_zero_part(part: Part, y: Floats, zero: str, runaway: float = RUNAWAY) -> str | None:
    """Of a zero part without finite estimates: where, and what to do.

    ``runaway`` is the logit from which it is one.
    """
    size = np.abs(part.x).max(axis=0, initial=0.0) * np.abs(part.beta)
    extreme = np.abs(part.x @ part.beta) > runaway
    if not extreme.any() or not len(size):
        return None
    share = np.abs(part.x[extreme] * part.beta).max(axis=0) / max(float(size.max()), 1e-300)
    columns = [int(j) for j in np.flatnonzero(share > SHARE) if part.names[j] != "(Intercept)"]
    named = ", ".join(part.names[j] for j in columns) or "(Intercept)"
    what = "zero-inflation" if zero == "inflated" else "hurdle"
    low = extreme & (part.eta < 0)
    rows, many = (low, "No zeros") if low.any() else (extreme, "Only zeros")
    is_so = (not (y[rows] == 0).any()) if low.any() else bool((y[rows] == 0).all())
    where = _where(part, columns, rows)
    reason = f"{many} {where}" if is_so else f"No more zeros {where} than the counts have by themselves"
    verb = "coefficients have" if len(columns) > 1 else "coefficient has"
    return f"{reason}: the {what} {verb} no finite estimate ({named}). Drop the term, or pool its levels."


def _where(part: Part, columns: list[int], rows: NDArray[np.bool_]) -> str:
    """Which rows, by the indicators that are one in all of them."""
    out = []
    for j in columns:
        own = part.x[:, j]
        if set(np.unique(own).tolist()) <= {0.0, 1.0} and own[rows].all():
            name, _, level = part.names[j].partition("[")
            out.append(f"{name} = {level.removeprefix('T.').removesuffix(']')}" if level else f"{name} = 1")
    return f"where {' and '.join(out)}" if out else "in some rows"
