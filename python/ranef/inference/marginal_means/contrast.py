"""Contrasts of means and trends, group by group."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.labels import natural_order
from ranef.errors import ArgumentTypeError, OptionError, RanefWarning
from ranef.inference.marginal_means.contrast_families import DEFAULT_ADJUST, contrast_family
from ranef.inference.marginal_means.estimands import Estimands
from ranef.inference.marginal_means.variables import level_text

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: Sum of coefficients that counts as zero.
ZERO_SUM = 1e-10

#: Methods whose contrasts mean something in the right order of the levels only.
_BY_ORDER = ("consec", "mean_chg", "poly")

#: Sums below this share of what was summed are rounding errors.
ROUNDING = 1e-12


def contrasts_of(e: Estimands, method: Any, by: Any, ref: Any, reverse: object, exclude: Any = None) -> Estimands:
    """Form contrasts.

    Parameters
    ----------
    e : Estimands
        Means, trends or contrasts.
    method : str, mapping or array
    by : str, list of str, None, or ... for the groups of ``e``
    ref : int or str
        The control.
    reverse : bool
    exclude : int, str or list of these, optional
        Means of each group that take no part: their places from 0, or their labels.
    """
    if not isinstance(reverse, bool | np.bool_):
        raise ArgumentTypeError(f"reverse must be True or False, not {reverse!r}.")
    groups = e.by if by is ... else checked_by(by, e)
    own = [c for c in e.labels if c not in groups]
    rows: list[Floats] = []
    offsets: list[Floats] = []
    names: list[str] = []
    keys: list[tuple[Any, ...]] = []
    sizes: list[int] = []
    zero = True
    family = "custom"
    left_out = _Excluded(exclude)
    for key, members in e.groups(groups):
        labels_there = mean_labels(e, own, members)
        members, labels_there = left_out.without(members, labels_there)
        if not len(members):
            continue
        coefficients, found, family = contrast_family(method, labels_there, ref, bool(reverse))
        rows.append(combined(coefficients, e.x[members]))
        offsets.append(combined(coefficients, e.offset[members][:, np.newaxis])[:, 0])
        zero = zero and bool(np.all(np.abs(coefficients.sum(axis=1)) < ZERO_SUM))
        names += found
        keys += [key] * len(found)
        sizes += [len(members)] * len(found)
    left_out.check(mean_labels(e, own, range(len(e.x))))
    if family in _BY_ORDER and len(own) == 1:
        _check_order(own[0], e.labels[own[0]])
    if not names:
        raise OptionError("there is one mean only in each group, so there is nothing to compare.")
    labels: dict[str, tuple[Any, ...]] = {"contrast": tuple(names)}
    labels |= {c: tuple(k[j] for k in keys) for j, c in enumerate(groups)}
    scale = e.scale.of_contrasts() if e.scale is not None and zero else None
    return replace(
        e,
        labels=labels,
        by=groups,
        x=np.concatenate(rows),
        offset=np.concatenate(offsets),
        kind="contrasts",
        method=family,
        means=np.array(sizes, dtype=np.intp),
        scale=scale,
        adjust=DEFAULT_ADJUST.get(family, "none"),
    )


class _Excluded:
    """Means that take no part in contrasts."""

    def __init__(self, exclude: Any) -> None:
        given = [] if exclude is None else [exclude] if isinstance(exclude, str | int | np.integer) else exclude
        if not isinstance(given, Sequence) or not all(
            isinstance(v, str | int | np.integer) and not isinstance(v, bool) for v in given
        ):
            raise ArgumentTypeError(f"exclude must be labels of means or their places from 0, not {exclude!r}.")
        self.names = [v for v in given if isinstance(v, str)]
        self.places = [int(v) for v in given if not isinstance(v, str)]
        self.most = 0

    def without(self, members: Ints, labels: list[str]) -> tuple[Ints, list[str]]:
        """The means of a group that are left, with their labels."""
        k = len(members)
        self.most = max(self.most, k)
        out = {p % k for p in self.places if -k <= p < k} | {i for i, n in enumerate(labels) if n in self.names}
        kept = [i for i in range(k) if i not in out]
        return members[kept], [labels[i] for i in kept]

    def check(self, labels: Sequence[str]) -> None:
        """Refuse what was not found in any group."""
        unknown = [n for n in self.names if n not in labels]
        unknown += [str(p) for p in self.places if not -self.most <= p < self.most]
        if unknown:
            raise OptionError(
                f"exclude names {', '.join(map(repr, unknown))}, which is not among the means: "
                f"{', '.join(map(repr, dict.fromkeys(labels)))}."
            )


def combined(coefficients: Floats, x: Floats) -> Floats:
    """Combinations of rows.

    One that has no value matters only where its coefficient is not zero.
    """
    missing: NDArray[np.bool_] = np.asarray(np.isnan(x).any(axis=1))
    x = np.where(missing[:, np.newaxis], 0.0, x)
    out: Floats = coefficients @ x
    # What cancels leaves rounding errors, which must not be tested.
    out[np.abs(out) <= ROUNDING * (np.abs(coefficients) @ np.abs(x))] = 0.0
    out[np.any(coefficients[:, missing] != 0.0, axis=1)] = np.nan
    return out


def checked_by(by: Any, e: Estimands) -> tuple[str, ...]:
    """Check the names of the columns that make groups."""
    if by is None:
        return ()
    names = (by,) if isinstance(by, str) else by
    if not isinstance(names, list | tuple) or not all(isinstance(n, str) for n in names):
        raise ArgumentTypeError(f"by must be the name of a variable, a list of names or None, not {by!r}.")
    for name in names:
        if name not in e.labels:
            raise OptionError(
                f"by names {name!r}, which is not among the variables of these {e.kind}: "
                f"{', '.join(map(repr, e.labels))}."
            )
    return tuple(dict.fromkeys(names))


def mean_labels(e: Estimands, columns: Sequence[str], members: Any) -> list[str]:
    """Labels of means: their levels,
    with the name of the variable before levels that are numbers or truth values.
    """
    parts = []
    for name in columns:
        values = [e.labels[name][i] for i in members]
        texts = [level_text(v) for v in values]
        bare = any(isinstance(v, bool) or _is_number(t) for v, t in zip(values, texts, strict=True))
        parts.append([f"{name}{t}" for t in texts] if bare and name != "contrast" else texts)
    return [" ".join(p) for p in zip(*parts, strict=True)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_order(name: str, levels: Sequence[Any]) -> None:
    """Warn where contrasts by the order of levels meet numbers that text has put out of order."""
    there = list(dict.fromkeys(levels))
    natural = natural_order(there)
    if natural != there:
        warnings.warn(
            f"the levels of {name} are text, in alphabetical order: {', '.join(there)}; these contrasts go by that "
            f"order. If you mean {', '.join(natural)}, declare it in the data, for example by pandas.Categorical with "
            "these categories, and fit again.",
            RanefWarning,
            stacklevel=5,
        )
