"""Joint tests of the terms of the fixed effects by means on the reference grid."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.fit.record import MixedFit
from ranef.formula.syntax import names_in
from ranef.inference.fixed_effect_tests import FixedEffectTests, JointTest
from ranef.inference.marginal_means.averages import marginal_means
from ranef.inference.marginal_means.estimands import Estimands, joint_test
from ranef.inference.marginal_means.grid import ReferenceGrid
from ranef.inference.marginal_means.specs import Specs
from ranef.options import Ddf

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TermJointTests:
    """F tests of terms, in each group.

    Attributes
    ----------
    rows : tuple of (str, tuple, JointTest)
        The term, the labels of the group, and the test.
    by : tuple of str
    notes : tuple of str
    """

    rows: tuple[tuple[str, tuple[Any, ...], JointTest], ...]
    by: tuple[str, ...]
    notes: tuple[str, ...]


def joint_tests(
    fit: MixedFit, tests: FixedEffectTests, ddf: Ddf, grid: ReferenceGrid, by: tuple[str, ...]
) -> TermJointTests:
    """Test interaction contrasts of the variables of each term,
    averaged over all others with equal weights.

    Parameters
    ----------
    fit : MixedFit
    tests : FixedEffectTests
    ddf : {"satterthwaite", "kenward-roger", "residual", "none"}
    grid : ReferenceGrid
        With two values for each covariate.
    by : tuple of str
        Variables in whose combinations the tests are made.
    """
    found: list[tuple[str, tuple[Any, ...], JointTest]] = []
    partial: list[str] = []
    absent: list[str] = []
    for names in _terms(fit, grid, by):
        label = ":".join(names)
        means = marginal_means(fit, grid, Specs(names, by, None), "equal")
        for key, members in means.groups(by):
            contrasts = _interaction(means, names, members, grid)
            test, _, part = joint_test(contrasts, np.arange(len(contrasts.x)), tests, ddf)
            if test is None:
                absent.append(label)
                continue
            if part:
                partial.append(label)
            found.append((label, key, test))
    notes = list(tests.notes(ddf))
    if partial:
        notes.append(f"tested as far as the data determine it: {', '.join(dict.fromkeys(partial))}.")
    if absent:
        notes.append(f"not tested, as the data do not determine it: {', '.join(dict.fromkeys(absent))}.")
    order = {key: i for i, key in enumerate(dict.fromkeys(key for _, key, _ in found))}
    found.sort(key=lambda row: order[row[1]])
    return TermJointTests(tuple(found), by, tuple(notes))


def _terms(fit: MixedFit, grid: ReferenceGrid, by: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Sets of variables that the model has terms of,
    without those of the groups, from few to many.
    """
    sets: dict[frozenset[str], tuple[str, ...]] = {}
    for term in fit.design.formula.fixed:
        names = tuple(dict.fromkeys(n for v in term.variables for n in names_in(v.expr) if n in grid.names))
        own = tuple(n for n in names if n not in by and len(grid.values_of(n)) > 1)
        own += tuple(c for n in own for c in grid.nesting.get(n, ()) if c not in own and c not in by)
        if own:
            sets.setdefault(frozenset(own), own)
    return sorted(sets.values(), key=len)


def _interaction(means: Estimands, names: Sequence[str], members: Any, grid: ReferenceGrid) -> Estimands:
    """Products of differences between neighbouring levels.

    Within each level of a factor in which another of the term is nested.
    """
    containers = [n for n in names if any(n in grid.nesting.get(m, ()) for m in names)]
    crossed = [n for n in names if n not in containers]
    rows: list[Floats] = []
    offsets: list[Floats] = []
    blocks: dict[tuple[Any, ...], list[int]] = {}
    for i in members.tolist():
        blocks.setdefault(tuple(means.labels[c][i] for c in containers), []).append(i)
    for block in blocks.values():
        coefficients: Floats = np.ones((1, 1))
        for name in crossed:
            levels = len({means.labels[name][i] for i in block})
            coefficients = np.asarray(np.kron(np.diff(np.eye(levels), axis=0), coefficients), dtype=np.float64)
        if coefficients.shape[1] != len(block):
            continue
        rows.append(coefficients @ means.x[block])
        offsets.append(coefficients @ means.offset[block])
    width = means.x.shape[1]
    return replace(
        means,
        x=np.concatenate(rows) if rows else np.empty((0, width)),
        offset=np.concatenate(offsets) if offsets else np.empty(0),
    )
