"""Likelihood-ratio test of nested models by parametric bootstrap:
the statistic is compared with those of responses drawn from the smaller model.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.families.custom import CustomFamily
from ranef.fit.control import FitControl
from ranef.fit.record import MixedFit
from ranef.inference.bootstrap.arguments import Counter, check_drawable
from ranef.inference.bootstrap.draw import FAILURES
from ranef.inference.bootstrap.nested import nested_replicates
from ranef.inference.likelihood_ratio import check_same_data, chi_square_p
from ranef.inference.maximised import need_maximised
from ranef.inference.reduced import refit_by
from ranef.inference.variance_tests import columns_within

if TYPE_CHECKING:
    import pandas as pd

    from ranef import _core

Floats = NDArray[np.float64]

#: Statistics that differ by less than this are equal: the fits stop somewhere.
TIE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class BootstrapLrt:
    """A likelihood-ratio test by parametric bootstrap. Made by ``model.pb_lrt``.

    Attributes
    ----------
    statistic : float
        Twice the difference of the log-likelihoods (maximum likelihood).
    df : int
        Difference in parameters.
    reference : (m,) array
        The statistic in the m replicates drawn from the smaller model; NaN where a fit failed.
    n : int
        Number of replicates asked for.
    seed : int
    notes : tuple of str
    """

    statistic: float
    df: int
    reference: Floats
    n: int
    seed: int
    notes: tuple[str, ...]

    @property
    def n_failed(self) -> int:
        """Number of replicates in which a fit failed."""
        return int(np.isnan(self.reference).sum())

    @property
    def p_value(self) -> float:
        """``(1 + r) / (1 + n)``, where r of n replicates have a statistic at least
        as large (Davison and Hinkley 1997, section 4.2).
        """
        return bootstrap_p(self.statistic, self.reference)

    def to_frame(self) -> "pd.DataFrame":
        """Return the test, and others that use only moments of the replicates.

        Returns
        -------
        DataFrame
            Columns ``statistic, df, den_df, p_value``. Rows: ``bootstrap`` (``p_value``); ``chisq``
            (the likelihood-ratio test without a bootstrap); ``bartlett`` (the statistic divided by
            the mean of the replicates over df, as chi-square); ``gamma`` (a gamma distribution with
            the mean and variance of the replicates); ``f`` (statistic over df as F, the denominator
            degrees of freedom from the mean of the replicates), as in Halekoh and Højsgaard (2014).
        """
        import pandas as pd

        rows = reference_tests(self.statistic, self.df, self.reference)
        frame = pd.DataFrame(
            [r[1:] for r in rows],
            index=pd.Index([r[0] for r in rows], name="test"),
            columns=["statistic", "df", "den_df", "p_value"],
        )
        if self.notes:
            frame.attrs["notes"] = self.notes
        return frame

    def __repr__(self) -> str:
        head = (
            f"Likelihood-ratio test by parametric bootstrap: {len(self.reference)} replicates, {self.n_failed} failed, "
            f"seed {self.seed}"
        )
        table = self.to_frame().to_string(float_format=lambda v: f"{v:.5g}", na_rep="")
        return "\n".join([head, table, *self.notes])


def bootstrap_p(statistic: float, reference: Floats) -> float:
    """The chance of a statistic at least as large,
    the observed one counted among the replicates.
    """
    own = reference[~np.isnan(reference)]
    return (1 + int(np.count_nonzero(own >= statistic - TIE))) / (1 + len(own))


def reference_tests(statistic: float, df: int, reference: Floats) -> list[tuple[str, float, float, float, float]]:
    """Name, statistic, df, denominator df and p-value
    of the tests that replicates of a statistic give.
    """
    from scipy.stats import f as f_distribution
    from scipy.stats import gamma

    own = reference[~np.isnan(reference)]
    mean, variance = float(own.mean()), float(own.var(ddof=1)) if len(own) > 1 else math.nan
    nan = math.nan
    rows = [
        ("bootstrap", statistic, nan, nan, bootstrap_p(statistic, reference)),
        ("chisq", statistic, float(df), nan, chi_square_p(statistic, df)),
    ]
    if not (mean > 0 and variance > 0):
        return rows
    corrected = statistic * df / mean
    rows.append(("bartlett", corrected, float(df), nan, chi_square_p(corrected, df)))
    p_gamma = float(gamma.sf(statistic, mean**2 / variance, scale=variance / mean))
    rows.append(("gamma", statistic, nan, nan, p_gamma))
    ratio = mean / df
    if ratio > 1:  # the mean of F is d / (d - 2)
        den_df = 2 * ratio / (ratio - 1)
        rows.append(("f", statistic / df, float(df), den_df, float(f_distribution.sf(statistic / df, df, den_df))))
    return rows


def bootstrap_lrt(
    larger: MixedFit,
    smaller: MixedFit,
    n: int,
    seed: int,
    control: FitControl,
    n_threads: int,
    progress: Counter | None,
    names: tuple[str, str] = ("the model", "the smaller model"),
) -> BootstrapLrt:
    """Compare two nested fits of one kind.

    Parameters
    ----------
    larger, smaller : MixedFit
        REML fits are refitted by maximum likelihood. Families and approximations of the likelihood
        must be the same.
    n : int
    seed : int
    control : FitControl
    n_threads : int
    progress : callable or None
    names : tuple of str
        For messages.

    Raises
    ------
    DataError
        When the models are not of the same data.
    OptionError
        When they are not nested, or their likelihoods cannot be compared.
    """
    for name, fit in zip(names, (larger, smaller), strict=True):
        need_maximised(fit, f"the likelihood ratio of {name}")
    check_same_data([larger, smaller], list(names))
    _check_same_likelihood(larger, smaller, names)
    if larger.npar <= smaller.npar:
        raise OptionError(
            f"{names[0]} has {larger.npar} parameters and {names[1]} {smaller.npar}: a test of nested models needs "
            "more in the first."
        )
    if not columns_within(smaller.x, larger.x):
        raise OptionError(
            f"the models are not nested: the fixed effects of {names[1]} are not among those of {names[0]}."
        )
    check_drawable(smaller, "parametric")
    notes = []
    changed = [name for name, f in zip(names, (larger, smaller), strict=True) if f.reml]
    if changed:
        notes.append(
            f"{' and '.join(changed)} {'was' if len(changed) == 1 else 'were'} refitted by ML, instead of REML"
        )
    big, small = refit_by(larger, False, control), refit_by(smaller, False, control)
    for name, f in zip(names, (big, small), strict=True):
        if not f.convergence.ok:
            notes.append(f"{name} did not converge ({f.convergence.status.value}): the test cannot be relied on")
    out = nested_replicates(small, big, small, [], n, seed, control, n_threads, progress)
    return compared(small.objective - big.objective, larger.npar - smaller.npar, out, n, seed, notes, names)


def _check_same_likelihood(larger: MixedFit, smaller: MixedFit, names: tuple[str, str]) -> None:
    for name, f in zip(names, (larger, smaller), strict=True):
        if isinstance(f.family, CustomFamily):
            raise OptionError(
                f"{name} has a family of Python functions, of which the core has no random numbers: pb_lrt is for the "
                "families of the package."
            )
    a, b = larger.family, smaller.family
    if (a.name, a.link, a.kernel, a.fixed_dispersion) != (b.name, b.link, b.kernel, b.fixed_dispersion):
        raise OptionError(f"pb_lrt compares models of one family and link: {names[0]} has {a}, {names[1]} {b}.")
    if (larger.n_quad, larger.curvature) != (smaller.n_quad, smaller.curvature):
        raise OptionError(
            f"the likelihoods were approximated differently (n_quad={larger.n_quad} and {smaller.n_quad}, curvature "
            f"{larger.curvature!r} and {smaller.curvature!r}); fit both the same way."
        )


def compared(
    statistic: float,
    df: int,
    out: "list[_core.Replicates]",
    n: int,
    seed: int,
    notes: list[str],
    names: tuple[str, str],
) -> BootstrapLrt:
    """A statistic beside those of the replicates,
    of which the core's first member is the larger model.
    """
    ours, theirs = out
    failed = np.array([s != "converged" for s in ours.status]) | np.array([s != "converged" for s in theirs.status])
    reference = np.maximum(theirs.objective - ours.objective, 0.0)
    reference[failed] = np.nan
    if statistic < -TIE:
        notes.append(f"{names[0]} fits worse than {names[1]}, so they are not nested; the statistic was set to 0")
    if failed.all():
        raise OptionError("all replicates failed: there is nothing to compare the statistic with.")
    if failed.any():
        why = sorted({s for m in (ours, theirs) for s in m.status if s != "converged"})
        notes.append(
            f"{int(failed.sum())} of {len(failed)} replicates failed and are left out: a fit "
            f"{' or '.join(FAILURES.get(w, w) for w in why)}"
        )
    if ours.interrupted:
        notes.append(f"the bootstrap was interrupted: {len(failed)} of {n} replicates were finished and are used")
    return BootstrapLrt(max(0.0, statistic), df, reference, n, seed, tuple(notes))
