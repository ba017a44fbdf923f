"""Residuals by simulation:
where each observation lies among responses drawn from the fitted model, between 0 and 1.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.leverage import LARGEST_HAT
from ranef.diagnostics.rotation import rotated
from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.rows import padded, row_index
from ranef.estimates.simulate import random_generator, simulated_responses
from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: Fewest simulations.
FEWEST = 20

#: Responses this close to each other are equal.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class ResidualTest:
    """One test of simulated residuals.

    Attributes
    ----------
    name : str
    statistic : float
    p_value : float
    meaning : str
        What the statistic is.
    """

    name: str
    statistic: float
    p_value: float
    meaning: str

    def __repr__(self) -> str:
        return f"{self.name:<11}{self.statistic:>9.4g}  p = {self.p_value:<7.3g} {self.meaning}"


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedResiduals:
    """Simulated residuals of a fit and tests of them.

    If the model is correct each residual is uniform between 0 and 1; without rotation those of the
    same group are correlated, so that the tests of uniformity and of outliers, which presume
    independence, then reject too often.

    Attributes
    ----------
    values : (n,) array
        One for each row used.
    index : pandas Index
        Labels that go with ``residuals``.
    n_simulations : int
    re : {"new", "conditional"}
    rotated : bool
    uniformity, dispersion, outliers : ResidualTest
        Kolmogorov and Smirnov's distance from the uniform distribution; variance of the deviations
        from the expected response over its mean in the simulations (two-sided p by simulation);
        number of observations outside all simulations (exact binomial p).
    """

    values: Floats
    index: "pd.Index"
    n_simulations: int
    re: str
    rotated: bool
    uniformity: ResidualTest
    dispersion: ResidualTest
    outliers: ResidualTest
    _padded: Floats

    @property
    def residuals(self) -> "pd.Series[float]":
        """The residuals as a Series, rows as in ``fittedvalues``."""
        import pandas as pd

        return pd.Series(self._padded, index=self.index, name="simulated_residual")

    def to_frame(self) -> "pd.DataFrame":
        """Return the tests.

        Returns
        -------
        DataFrame
            Rows ``uniformity, dispersion, outliers``, columns ``statistic, p_value, meaning``.
        """
        import pandas as pd

        tests = (self.uniformity, self.dispersion, self.outliers)
        rows = [(t.statistic, t.p_value, t.meaning) for t in tests]
        return pd.DataFrame(
            rows, index=pd.Index([t.name for t in tests], name="test"), columns=["statistic", "p_value", "meaning"]
        )

    def __repr__(self) -> str:
        kind = "rotated, " if self.rotated else ""
        head = f"Simulated residuals of {len(self.values):,} rows ({kind}{self.n_simulations} simulations)"
        tests = (self.uniformity, self.dispersion, self.outliers)
        return "\n".join([head, *(f"  {t!r}" for t in tests)])


def simulated_residuals(
    fit: MixedFit,
    n: int = 250,
    re: Literal["new", "conditional"] = "new",
    rotate: bool | None = None,
    rng: object = None,
) -> SimulatedResiduals:
    """Compare every observation with responses drawn from the fit.

    Parameters
    ----------
    fit : MixedFit
    n : int
        Number of simulations, at least 20.
    re : {"new", "conditional"}
        Draw random effects anew, or keep their conditional modes; residuals of a linear model are
        then enlarged by ``1 / sqrt(1 - h)`` with h the hat value, because the modes were fitted to
        them.
    rotate : bool, optional
        Whether to rotate responses and simulations to independence first, in a linear model. By
        default yes for ``re="new"``; with conditional modes the model holds the rows to be
        independent already.
    rng : int, Generator or None
    """
    if rotate is not None and not isinstance(rotate, bool | np.bool_):
        raise ArgumentTypeError(f"rotate must be True, False or None, not {rotate!r}.")
    if rotate and not fit.normal_responses:
        raise OptionError(
            "rotate=True is for linear models: only normal responses are independent once they are rotated to be "
            "uncorrelated. Leave rotate out."
        )
    generator = random_generator(rng)
    if isinstance(n, int) and not isinstance(n, bool) and n < FEWEST:
        raise OptionError(f"n must be at least {FEWEST}, so that residuals are not too coarse, not {n}.")
    draws = simulated_responses(fit, n, re, generator)
    turn = fit.normal_responses and (re == "new" if rotate is None else bool(rotate))
    if turn and re == "conditional":
        raise OptionError(
            "rotate=True goes with re='new': given the random effects the model holds the rows to be independent."
        )
    responses = np.column_stack([fit.design.y, draws])
    if fit.normal_responses:
        ranked = deviations = _deviations(fit, responses, re, turn)
        equal = ranked[:, 1:] == ranked[:, :1]
    else:
        ranked, deviations = responses, responses - draws.mean(axis=1)[:, None]
        # Proportions of the same trials differ by rounding where they are equal.
        equal = np.isclose(draws, ranked[:, :1], rtol=ROUNDING, atol=ROUNDING)
    count = draws.shape[1]
    below = np.count_nonzero((ranked[:, 1:] < ranked[:, :1]) & ~equal, axis=1)
    ties = np.count_nonzero(equal, axis=1)
    # The rank among n + 1 exchangeable values, spread evenly over its cell, is exactly uniform.
    values = (below + generator.uniform(size=len(ranked)) * (ties + 1)) / (count + 1)
    # Outside all simulations; among equal values the rank drawn above decides.
    outside = (values < 1 / (count + 1)) | (values >= count / (count + 1))
    return SimulatedResiduals(
        values=values,
        index=row_index(fit),
        n_simulations=count,
        re=re,
        rotated=turn,
        uniformity=uniformity_test(values),
        dispersion=dispersion_test(deviations[:, 0], deviations[:, 1:]),
        outliers=outliers_test(int(np.count_nonzero(outside)), len(values), count),
        _padded=padded(fit, values),
    )


def _deviations(fit: MixedFit, responses: Floats, re: str, turn: bool) -> Floats:
    """Deviations (n, m) of normal responses, of which the first is the observed one,
    from their mean, of equal spread and independent of each other.
    """
    mean = fit.fixed_part() if re == "new" else fit.means()
    deviations = responses - mean[:, None]
    if turn:
        deviations = rotated(fit, deviations)
    elif fit.design.weights is not None:
        deviations = deviations * np.sqrt(fit.design.weights)[:, None]
    if re == "conditional":
        # The modes were fitted to the response: a residual has variance sigma² (1 - h) / w, a
        # simulated one sigma² / w.
        hat = fit.hat_values()
        deviations[:, 0] /= np.sqrt(np.where(hat < LARGEST_HAT, 1.0 - hat, 1.0))
    return deviations


def uniformity_test(values: Floats) -> ResidualTest:
    """Kolmogorov and Smirnov's test of uniform residuals."""
    from scipy.stats import kstest

    found = kstest(values, "uniform")
    return ResidualTest(
        "uniformity",
        float(found.statistic),
        float(found.pvalue),
        "distance from the uniform distribution (Kolmogorov-Smirnov)",
    )


def dispersion_test(own: Floats, others: Floats) -> ResidualTest:
    """Compare the mean square of the deviations with that of the simulations,
    which are exchangeable with it if the model is correct.
    """
    observed = float(own @ own)
    simulated = np.einsum("ij,ij->j", others, others)
    above = np.count_nonzero(simulated >= observed) + 1
    below = np.count_nonzero(simulated <= observed) + 1
    p = min(1.0, 2.0 * min(above, below) / (len(simulated) + 1))
    mean = float(simulated.mean())
    return ResidualTest(
        "dispersion", observed / mean if mean > 0 else math.nan, p, "mean square deviation, observed over simulated"
    )


def outliers_test(count: int, rows: int, draws: int) -> ResidualTest:
    """A row is outside all simulations with probability 2 / (draws + 1) if the model is correct."""
    from scipy.stats import binomtest

    p = float(binomtest(count, rows, 2 / (draws + 1)).pvalue)
    return ResidualTest(
        "outliers", float(count), p, f"observations outside all simulations, {2 * rows / (draws + 1):.1f} expected"
    )
