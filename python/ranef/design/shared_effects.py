"""Random terms whose variances cannot be told apart,
because their effects are the same columns of the same groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import RandomTerm

Floats = NDArray[np.float64]

#: What is left of a column that others determine, as a share of it.
ROUNDING = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class SharedEffects:
    """A random term, and others with effects that it has already.

    Attributes
    ----------
    base : int
        The position in the formula of the term with all effects.
    others : tuple of int
        Those of the terms whose effects are among them.
    maps : tuple of (k, m) arrays
        For each of these its columns as combinations of the k columns of the first.
    """

    base: int
    others: tuple[int, ...]
    maps: tuple[Floats, ...]


def shared_effects(random: Sequence[RandomTerm]) -> tuple[SharedEffects, ...]:
    """Find the terms whose effects another term on the same partition of the rows has.

    Parameters
    ----------
    random : sequence of RandomTerm
        In the order of the formula.
    """
    found: dict[int, list[tuple[int, Floats]]] = {}
    taken: set[int] = set()
    by_size = sorted(range(len(random)), key=lambda i: -len(random[i].names))
    for place, i in enumerate(by_size):
        if i in taken:
            continue
        for j in by_size[place + 1 :]:
            if j in taken or not same_partition(random[i], random[j]):
                continue
            combine = _combination(random[i], random[j])
            if combine is not None:
                found.setdefault(i, []).append((j, combine))
                taken.add(j)
    return tuple(SharedEffects(i, tuple(j for j, _ in pairs), tuple(c for _, c in pairs)) for i, pairs in found.items())


def same_partition(a: RandomTerm, b: RandomTerm) -> bool:
    """Whether two terms put the same rows together, whatever the levels are called."""
    if a.has_members or b.has_members:
        return False
    if a.codes is b.codes:
        return True
    if len(a.levels) != len(b.levels):
        return False
    other = np.zeros(len(a.levels), dtype=b.codes.dtype)
    other[a.codes] = b.codes
    return bool((other[a.codes] == b.codes).all())


def _combination(base: RandomTerm, other: RandomTerm) -> Floats | None:
    """The columns of a term as combinations of those of another that can have their covariance.

    None if they are not.
    """
    if any(t.structure not in ("unstructured", "diagonal") for t in (base, other)):
        return None
    sizes = [np.sqrt(np.einsum("ij,ij->j", t.z, t.z)) for t in (base, other)]
    if any((s == 0).any() for s in sizes):
        return None
    z, target = base.z / sizes[0], other.z / sizes[1]
    combine = np.asarray(np.linalg.lstsq(z, target, rcond=None)[0], dtype=np.float64)
    left = target - z @ combine
    if np.sqrt(np.einsum("ij,ij->j", left, left)).max() > ROUNDING:
        return None
    combine[np.abs(combine) < ROUNDING] = 0.0
    independent = base.structure == "diagonal" and len(base.names) > 1
    if independent and (
        np.any(np.count_nonzero(combine, axis=0) != 1) or (other.structure != "diagonal" and len(other.names) > 1)
    ):
        return None
    return np.asarray(combine * sizes[1] / sizes[0][:, None])


def shared_effects_notes(random: Sequence[RandomTerm]) -> tuple[str, ...]:
    """What the user should know of them."""
    out = []
    for shared in shared_effects(random):
        base = random[shared.base]
        for j in shared.others:
            other = random[j]
            if base.split and other.split:  # the parts of one double bar have a note of their own
                continue
            if base.group == other.group and base.names == other.names:
                what = f"the random-effects term ({base.text}) occurs twice, so its two variances cannot be told apart"
            elif base.group == other.group:
                what = (
                    f"the effects of ({other.text}) are among those of ({base.text}), so that their variances cannot "
                    "be told apart"
                )
            else:
                what = (
                    f"the grouping factors {base.group} and {other.group} are the same partition of the rows, so that "
                    f"the variances of ({base.text}) and ({other.text}) cannot be told apart"
                )
            out.append(
                f"{what}: only their sum is determined, of which each is given an equal part. Leave one of them out"
            )
    return tuple(out)
