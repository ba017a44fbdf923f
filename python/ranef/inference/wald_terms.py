"""Wald tests of the fixed terms of models without degrees of freedom of their own: chi-squares, or
F with those of clusters.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.fit.record import MixedFit
from ranef.inference.distributions import f_tail
from ranef.inference.fixed_effect_tests import FixedEffectTests
from ranef.inference.term_contrasts import fixed_terms, term_contrasts, type_of_tests
from ranef.options import Ddf

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class WaldTests:
    """Tests of terms.

    Attributes
    ----------
    labels : tuple of str
    chisq, df, p_value : tuple of float
    den_df : float
        Infinite of chi-squares, else F is ``chisq / df``.
    heading : str
    notes : tuple of str
    """

    labels: tuple[str, ...]
    chisq: tuple[float, ...]
    df: tuple[float, ...]
    p_value: tuple[float, ...]
    den_df: float
    heading: str
    notes: tuple[str, ...]


def wald_term_tests(fit: MixedFit, tests: FixedEffectTests, kind: object, ddf: Ddf) -> WaldTests:
    """Test every term by a Wald chi-square or F.

    Parameters
    ----------
    fit : MixedFit
    tests : FixedEffectTests
        Of the same fit.
    kind : {2, 3}
        2: each term after all others that do not contain it, as R's ``car`` has it: what the
        chi-square of the term with those that contain it exceeds the chi-square of the latter by.
        3: each term averaged over the levels of the factors with which it interacts.
    ddf : {"clusters", "none"}
    """
    kind = type_of_tests(kind)
    if isinstance(kind, bool) or not isinstance(kind, int | np.integer) or kind not in (2, 3):
        raise OptionError(f"type must be 2 or 3 for a generalized model, whose tests are Wald tests, not {kind!r}.")
    found = _type_2(fit, tests.covariance(ddf)) if kind == 2 else _type_3(fit, tests, ddf)
    den_df, test = math.inf, "chi-square tests"
    if ddf == "clusters":
        assert tests.cluster_df is not None  # one of the choices only then
        den_df, test = tests.cluster_df, "F tests"
    absent = [label for label, _, df in found if not df]
    found = [entry for entry in found if entry[2]]
    notes = tests.notes(ddf)
    if absent:
        notes = (f"not tested, as their columns were dropped: {', '.join(absent)}", *notes)
    return WaldTests(
        tuple(label for label, _, _ in found),
        tuple(chisq for _, chisq, _ in found),
        tuple(float(df) for _, _, df in found),
        tuple(f_tail(chisq / df, df, den_df) for _, chisq, df in found),
        den_df,
        f"Type {'I' * int(kind)} Wald {test} of fixed effects",
        notes,
    )


def _type_2(fit: MixedFit, covariance: Floats) -> list[tuple[str, float, int]]:
    terms = fixed_terms(fit)
    # For the tests of type II it matters only whether a term has all variables of another, numeric
    # or not.
    members = [frozenset(v.label for v in t.variables) for t in fit.design.formula.fixed]
    out = []
    for i, label in enumerate(terms.labels):
        above = [terms.columns[j] for j in range(len(terms.labels)) if members[i] < members[j]]
        relatives = np.concatenate([*above, np.empty(0, dtype=np.intp)]).astype(np.intp)
        own = terms.columns[i]
        chisq = (
            _wald(fit, np.concatenate([own, relatives]), covariance) - _wald(fit, relatives, covariance)
            if len(own)
            else 0.0
        )
        out.append((label, max(chisq, 0.0), len(own)))
    return out


def _wald(fit: MixedFit, columns: NDArray[np.intp], covariance: Floats) -> float:
    """Chi-square of the hypothesis that these coefficients are zero."""
    if not len(columns):
        return 0.0
    beta = fit.beta[columns]
    return float(beta @ np.linalg.solve(covariance[np.ix_(columns, columns)], beta))


def _type_3(fit: MixedFit, tests: FixedEffectTests, ddf: Ddf) -> list[tuple[str, float, int]]:
    out = []
    for label, rows in term_contrasts(fit, 3):
        if not len(rows):
            out.append((label, 0.0, 0))
            continue
        test = tests.joint(rows, None, ddf)
        out.append((label, test.wald * test.num_df, int(test.num_df)))
    return out
