"""Clusters of rows for a robust covariance:
what the user names, and the estimators that go by their number.
"""

from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from ranef.data.table import Table
from ranef.design.values import as_factor, from_column, missing_rows
from ranef.errors import ArgumentTypeError, DataError, OptionError
from ranef.fit.record import MixedFit
from ranef.fit.sums.absent_data import AbsentData

Ints = NDArray[np.intp]

Correction = Literal["CR0", "CR1", "CR1p", "CR1S", "CR2", "CR3"]


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """A partition of the rows of a fit.

    Attributes
    ----------
    name : str
    codes : (n,) array
    count : int
    independent : bool
        Whether the model has no random effects that rows of different clusters share.
    """

    name: str
    codes: Ints
    count: int
    independent: bool


def checked_correction(cov: object) -> Correction:
    """Check the name of an estimator."""
    names = get_args(Correction)
    if not isinstance(cov, str):
        raise ArgumentTypeError(f"cov must be one of {', '.join(map(repr, names))} or None, not {cov!r}.")
    if cov not in names:
        raise OptionError(f"cov must be one of {', '.join(map(repr, names))} or None, not {cov!r}.")
    return cast(Correction, cov)


def clusters_of(fit: MixedFit, name: str, codes: NDArray[Any]) -> Clusters:
    """Number the clusters of rows, and see whether random effects cut across them."""
    _, numbers = np.unique(codes, return_inverse=True)
    numbers = numbers.reshape(-1).astype(np.intp)
    count = int(numbers.max()) + 1 if len(numbers) else 0
    if count < 2:
        raise OptionError(
            f"cluster {name!r} has {count} cluster only; a robust covariance needs at least two, and better forty."
        )
    independent = True
    for term in fit.terms:
        if term.has_members:
            raise OptionError(
                f"rows have parts of several effects of {term.group!r}, so that no clusters are independent; robust "
                "covariances are for models without mm() and known()."
            )
        home = np.full(len(term.levels), -1, dtype=np.intp)
        home[term.codes] = numbers
        independent = independent and bool((home[term.codes] == numbers).all())
    return Clusters(name, numbers, count, independent)


def shared_groups(fit: MixedFit, clusters: Clusters) -> list[str]:
    """Grouping factors with levels that have rows in several clusters, in quotes."""
    out = []
    for term in fit.terms:
        pairs = term.codes.astype(np.int64) * clusters.count + clusters.codes
        if len(np.unique(pairs)) > len(np.unique(term.codes)):
            out.append(repr(term.group))
    return list(dict.fromkeys(out))


def sample_factor(correction: Correction, g: int, n: int, p: int) -> float:
    """What CR1 and its kin multiply by, with ``g`` clusters, ``n`` rows and ``p`` fixed effects."""
    if correction == "CR1":
        return g / (g - 1)
    if correction == "CR1S":
        return g * (n - 1) / ((g - 1) * (n - p))
    if correction == "CR1p":
        if g <= p:
            raise OptionError(
                f"CR1p divides by the number of clusters ({g}) less that of fixed effects ({p}); take CR1."
            )
        return g / (g - p)
    return 1.0


def no_more_clusters(count: int, p: int) -> str:
    """What is said where a robust covariance is singular."""
    return (
        f"there are no more clusters ({count}) than fixed effects ({p}): the robust covariance is singular, and joint "
        "tests of many contrasts are not possible."
    )


def find_clusters(fit: MixedFit, data: Any, cluster: object) -> Clusters:
    """Read the clusters of the rows of a fit."""
    if cluster is None:
        groups = list(dict.fromkeys(t.group for t in fit.terms))
        raise OptionError(
            f"cov= needs cluster=: one of the grouping factors {', '.join(map(repr, groups))}, another column of the "
            "data, or an array with one label a row."
        )
    if isinstance(cluster, str):
        for term in fit.terms:
            if term.group == cluster:
                return clusters_of(fit, cluster, term.codes)
        if isinstance(data, AbsentData):
            raise DataError(
                f"{cluster!r} is no grouping factor of the model, and {data.reason}; give cluster as an array."
            )
        value = from_column(Table.from_data(data).column(cluster))
        return clusters_of(fit, cluster, _used(fit, as_factor(value, cluster).codes, missing_rows(value), cluster))
    if isinstance(cluster, bytes | bool | int | float) or not hasattr(cluster, "__len__"):
        raise ArgumentTypeError(f"cluster must be the name of a column or an array, not {cluster!r}.")
    labels = np.asarray(cluster)
    if labels.ndim != 1 or len(labels) not in (fit.design.n_input, fit.nobs):
        raise OptionError(
            f"cluster has the shape {labels.shape}; it needs one label for each of the {fit.design.n_input} rows of "
            "the data."
        )
    name = getattr(cluster, "name", None)
    import pandas as pd

    codes = pd.factorize(labels)[0]
    return clusters_of(fit, name if isinstance(name, str) else "cluster", _used(fit, codes, codes < 0, "cluster"))


def _used(fit: MixedFit, codes: NDArray[Any], missing: Any, name: str) -> NDArray[Any]:
    """Codes in the rows that the fit used."""
    kept = fit.design.kept
    if kept is not None and len(codes) == fit.design.n_input:
        codes = codes[kept]
        missing = None if missing is None else missing[kept]
    if missing is not None and np.any(missing):
        raise DataError(f"cluster {name!r} is missing in {int(np.sum(missing))} of the rows that the fit uses.")
    return codes
