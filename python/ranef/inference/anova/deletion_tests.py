"""F tests of fixed terms by leaving out one at a time, without refitting:
what the smaller model says of the coefficients is a contrast.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.fit.record import MixedFit
from ranef.fit.sums.fewer_terms import not_smaller, without_fixed_term
from ranef.inference.drop1 import parse_scope
from ranef.inference.fixed_effect_tests import FixedEffectTests, JointTest
from ranef.inference.term_contrasts import term_contrasts
from ranef.options import Ddf

Floats = NDArray[np.float64]

#: A column of X that the smaller model has up to this share is one of it.
_ROUNDING = 1e-8


@dataclass(frozen=True, slots=True)
class DeletionTests:
    """F tests of fixed terms.

    Attributes
    ----------
    names : tuple of str
    tests : tuple of JointTest
        Without numerator degrees of freedom and with NaN for a term that other terms determine.
    sigmas : tuple of float
        Residual standard deviation of the model in which each test is made.
    ddf : str
        Method of degrees of freedom.
    notes : tuple of str
    """

    names: tuple[str, ...]
    tests: tuple[JointTest, ...]
    sigmas: tuple[float, ...]
    ddf: Ddf
    notes: tuple[str, ...]


def deletion_f_tests(tests: FixedEffectTests, scope: object, ddf: Ddf) -> DeletionTests:
    """Test every fixed term that can be dropped.

    Parameters
    ----------
    tests : FixedEffectTests
    scope : None, str or sequence of str
        See `ranef.inference.drop1.parse_scope`.
    ddf : {"satterthwaite", "kenward-roger", "residual", "none"}

    Returns
    -------
    DeletionTests
    """
    fit = tests.fit
    labels = parse_scope(fit, scope)
    rows = [deletion_contrast(fit, label) for label in labels]
    nothing = JointTest(0, math.nan, math.nan, math.nan, math.nan)
    found = tuple(tests.joint(r, None, ddf) if len(r) else nothing for r in rows)
    notes = list(tests.notes(ddf)) if any(len(r) for r in rows) else []
    empty = [label for label, r in zip(labels, rows, strict=True) if not len(r)]
    if empty:
        notes.append(f"the other terms determine {', '.join(empty)}: nothing is left to test")
    notes += [odd for label in labels if (odd := not_smaller(fit.design, label))]
    if not labels:
        notes.append("the model has no fixed term but the intercept")
    return DeletionTests(labels, found, (fit.sigma,) * len(labels), ddf, tuple(notes))


def deletion_contrast(fit: MixedFit, label: str) -> Floats:
    """The contrast that is zero exactly
    where the model without a term gives the same fitted values.

    Satterthwaite's degrees of freedom of several contrasts depend on which of the equivalent ones
    are taken. As lmerTest, we take the coefficients of the term, and of an only term the rows of
    its sequential decomposition.

    Parameters
    ----------
    fit : MixedFit
    label : str

    Returns
    -------
    (rows, p) array
        No rows when the smaller model is the same one.
    """
    smaller = without_fixed_term(fit.design, label)
    number = fit.design.fixed_terms.index(label) + 1
    if not fit.dropped and len(smaller.x_names) == sum(a != number for a in fit.design.x_assign):
        if len(fit.design.fixed_terms) == 1:
            return term_contrasts(fit, 1)[0][1]
        contrast: Floats = np.eye(len(fit.beta))[np.array(fit.design.x_assign) == number]
        return contrast
    scale = np.sqrt(np.einsum("ij,ij->j", fit.x, fit.x))
    x = fit.x / scale
    sizes = np.sqrt(np.einsum("ij,ij->j", smaller.x, smaller.x))
    basis, values, _ = np.linalg.svd(smaller.x / np.where(sizes > 0, sizes, 1.0), full_matrices=False)
    q = basis[:, values > _ROUNDING * values.max(initial=0.0)]
    _, values, rows = np.linalg.svd(x - q @ (q.T @ x), full_matrices=False)
    found: Floats = rows[values > _ROUNDING] * scale
    return found
