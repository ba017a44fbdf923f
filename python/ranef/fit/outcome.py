"""The response of a generalized model: its support checked, and brought to one form for every
family.

A binomial response becomes a proportion with the numbers of trials as weights, whatever form it was
given in. Other responses stay as they are.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.errors import DataError
from ranef.families.family import Family

Floats = NDArray[np.float64]

Kind = Literal["binary", "counts", "proportion", "value", "category"]

#: A number this close to a whole one is taken for it: proportions are rounded when they are written
#: down.
WHOLE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """A response in the form that the fit takes.

    Attributes
    ----------
    y : (n,) array
    weights : (n,) array or None
        Numbers of trials of a binomial response (of successes and failures times their prior
        weights); prior weights of others.
    kind : {"binary", "counts", "proportion", "value"}
        How a binomial response was given: 0 and 1, successes and failures, or a proportion;
        ``"value"`` for other families.
    note : str
        What the user should know of it; mostly empty.
    repeats : (n,) array or None
        Prior weights of successes and failures.
    """

    y: Floats
    weights: Floats | None
    kind: Kind
    note: str = ""
    repeats: Floats | None = None


def outcome_of(design: Design, family: Family) -> tuple[Design, Kind]:
    """Put the response of a design into the form of its family.

    Parameters
    ----------
    design : Design
    family : Family

    Returns
    -------
    design : Design
        With ``y`` and ``weights`` as :class:`Outcome` describes them.
    kind : str
        How the response was given.

    Raises
    ------
    DataError
        When the response is outside the support of the family.
    """
    response = design.formula.response
    found = family_outcome(
        design.y, design.weights, family, "response" if response is None else response.name, design.kept
    )
    if design.response_levels is not None and family.support != "proportion":
        raise DataError(
            f"the response has the two levels {' and '.join(map(repr, design.response_levels))}, and the {family.name} "
            "family needs numbers; "
            "family='binomial' models the second level against the first."
        )
    notes = (*design.notes, found.note) if found.note else design.notes
    return replace(design.with_rows(y=found.y, weights=found.weights, repeats=found.repeats), notes=notes), found.kind


def family_outcome(
    y: Floats, weights: Floats | None, family: Family, name: str, kept: NDArray[np.int64] | None
) -> Outcome:
    """Check a response and bring it to the form of its family.

    Parameters
    ----------
    y : (n,) or (n, 2) array
    weights : (n,) array or None
    family : Family
    name : str
        Of the response, for messages.
    kept : int array or None
        Input rows of the response, for messages.
    """
    check = _Check(name, kept)
    if family.support == "proportion":
        return _binomial(y, weights, check)
    if y.ndim == 2:
        raise DataError(
            f"the response {name!r} has two columns, which are successes and failures for family='binomial'."
        )
    if family.support == "count":
        check.refuse(y < 0, y, "is negative", f"the {family.name} family is for counts 0, 1, 2, …")
        check.refuse(
            np.abs(y - np.rint(y)) > 1e-9 * np.maximum(1.0, np.abs(y)),
            y,
            "is not a whole number",
            f"the {family.name} family is for counts; model a rate as a count with offset='log(exposure)'.",
        )
    elif family.support == "positive":
        check.refuse(
            ~(y > 0),
            y,
            "is not positive",
            f"the {family.name} family is for positive numbers; zeros need another model.",
        )
    elif family.support == "nonnegative":
        check.refuse(y < 0, y, "is negative", f"the {family.name} family is for zero and positive numbers.")
    elif family.support == "unit":
        check.refuse(
            ~((y >= 0) & (y <= 1)), y, "is not between 0 and 1", f"the {family.name} family is for proportions."
        )
    elif family.support == "open_unit":
        check.refuse(
            ~((y > 0) & (y < 1)),
            y,
            "is not between 0 and 1",
            "the beta family is for proportions that are neither 0 nor 1; counts of successes are family='binomial', "
            "and families with 0 and 1 are OrderedBeta() and ZeroOneInflatedBeta(), or zi_formula for zeros alone.",
        )
    return Outcome(y, weights, "value")


def _binomial(y: Floats, weights: Floats | None, check: "_Check") -> Outcome:
    if y.ndim == 2:
        numbers = "numbers of successes are 0, 1, 2, …"
        check.refuse(y[:, 0] < 0, y[:, 0], "has a negative number of successes", numbers)
        check.refuse(
            y[:, 1] < 0,
            y[:, 1],
            "has a negative number of failures",
            (
                "there are fewer trials than successes. In cbind(successes, failures) the second column is trials - "
                "successes."
            ),
        )
        trials = y[:, 0] + y[:, 1]
        if not trials.any():
            raise DataError(f"the response {check.name!r} has no trials in any row.")
        proportion = np.divide(y[:, 0], trials, out=np.zeros(len(y)), where=trials > 0)
        counted = proportion[trials > 0]
        check.not_constant(counted)
        note = check.fractions(np.abs(y - np.rint(y)).max(axis=1) > WHOLE, "successes or failures")
        return Outcome(proportion, trials if weights is None else trials * weights, "counts", note, weights)
    check.refuse(
        (y < 0) | (y > 1),
        y,
        "is not between 0 and 1",
        (
            "a binomial response is 0 or 1, True or False, two levels, cbind(successes, failures), or a proportion "
            "with "
            "weights='trials'."
        ),
    )
    binary = bool(((y == 0) | (y == 1)).all())
    if binary:
        return Outcome(y, weights, "binary" if weights is None else "proportion")
    if weights is None:
        check.refuse(
            (y > 0) & (y < 1),
            y,
            "is a proportion",
            "give the numbers of trials as weights='trials', or use family='beta' for proportions that are not counts.",
        )
    assert weights is not None
    successes = y * weights
    note = check.fractions(
        np.abs(successes - np.rint(successes)) > WHOLE * np.maximum(1.0, weights),
        "successes (the proportion times the weights, which are numbers of trials)",
    )
    return Outcome(y, weights, "proportion", note)


class _Check:
    """Refuses rows, naming the first."""

    def __init__(self, name: str, kept: NDArray[np.int64] | None):
        self.name, self.kept = name, kept

    def refuse(self, bad: NDArray[np.bool_], values: Floats, what: str, advice: str) -> None:
        rows = np.flatnonzero(bad)
        if not len(rows):
            return
        row = int(rows[0] if self.kept is None else self.kept[rows[0]])
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        raise DataError(f"the response {self.name!r} {what} in row {row}{more} ({values[rows[0]]:g}): {advice}")

    def fractions(self, odd: NDArray[np.bool_], what: str) -> str:
        """A note on numbers that should be whole, as those of rounded proportions are not; empty if
        all are.
        """
        rows = np.flatnonzero(odd)
        if not len(rows):
            return ""
        row = int(rows[0] if self.kept is None else self.kept[rows[0]])
        return (
            f"the response {self.name!r} has {what} that are not whole numbers in row {row}"
            f"{f' and {len(rows) - 1} more' if len(rows) > 1 else ''}. The likelihood takes them as they are; for "
            "proportions that are not counts use family='beta'"
        )

    def not_constant(self, y: Floats) -> None:
        if len(y) and y.min() == y.max() and y[0] in (0.0, 1.0):
            all_same = "successes" if y[0] == 1.0 else "failures"
            raise DataError(f"the response {self.name!r} has only {all_same}, so there is nothing to model.")
