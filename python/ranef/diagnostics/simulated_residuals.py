"""Residuals by simulation: where each observation lies among responses drawn from the fitted model, between 0 and 1."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.leverage import LARGEST_HAT, hat_values
from ranef.diagnostics.rotation import rotated
from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.rows import padded, row_index
from ranef.estimates.simulate import random_generator, simulated_responses
from ranef.fit.linear import LmmFit

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

FEWEST = 20


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


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedResiduals:
    """Simulated residuals of a fit and tests of them.

    If the model is correct each residual is uniform between 0 and 1; without rotation those of the same group are correlated, so that the tests of uniformity and of
    outliers, which presume independence, then reject too often.

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
        Kolmogorov and Smirnov's distance from the uniform distribution; variance of the deviations from the expected response over its mean in the simulations
        (two-sided p by simulation); number of observations outside all simulations (exact binomial p).
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
        return self.to_frame().to_string()


def simulated_residuals(
    fit: LmmFit, n: int = 250, re: Literal["new", "conditional"] = "new", rotate: bool | None = None, rng: object = None
) -> SimulatedResiduals:
    """Compare every observation with responses drawn from the fit.

    Parameters
    ----------
    fit : LmmFit
    n : int
        Number of simulations, at least 20.
    re : {"new", "conditional"}
        Draw random effects anew, or keep their conditional modes; residuals are then enlarged by ``1 / sqrt(1 - h)`` with h the hat value, because the modes
        were fitted to them.
    rotate : bool, optional
        Whether to rotate responses and simulations to independence first. By default yes for ``re="new"``; with conditional modes the model holds the rows to
        be independent already.
    rng : int, Generator or None
    """
    if rotate is not None and not isinstance(rotate, bool | np.bool_):
        raise ArgumentTypeError(f"rotate must be True, False or None, not {rotate!r}.")
    generator = random_generator(rng)
    if isinstance(n, int) and not isinstance(n, bool) and n < FEWEST:
        raise OptionError(f"n must be at least {FEWEST}, so that residuals are not too coarse, not {n}.")
    draws = simulated_responses(fit, n, re, generator)
    turn = re == "new" if rotate is None else bool(rotate)
    if turn and re == "conditional":
        raise OptionError(
            "rotate=True goes with re='new': given the random effects the model holds the rows to be independent."
        )
    mean = fit.fixed_part() if re == "new" else fit.means()
    deviations = np.column_stack([fit.design.y, draws]) - mean[:, None]
    if turn:
        deviations = rotated(fit, deviations)
    elif fit.design.weights is not None:
        deviations = deviations * np.sqrt(fit.design.weights)[:, None]
    if re == "conditional":
        # The random effects were fitted to the same responses: a residual has variance sigma² (1 - h) / w, a simulated deviation sigma² / w.
        hat = hat_values(fit)
        deviations[:, 0] /= np.sqrt(np.where(hat < LARGEST_HAT, 1.0 - hat, 1.0))
    own, others = deviations[:, :1], deviations[:, 1:]
    below = np.count_nonzero(others < own, axis=1)
    ties = np.count_nonzero(others == own, axis=1)
    # The rank among n + 1 exchangeable values, spread evenly over its cell, is exactly uniform.
    values = (below + generator.uniform(size=len(own)) * (ties + 1)) / (others.shape[1] + 1)
    return SimulatedResiduals(
        values=values,
        index=row_index(fit),
        n_simulations=others.shape[1],
        re=re,
        rotated=turn,
        uniformity=uniformity_test(values),
        dispersion=dispersion_test(own[:, 0], others),
        outliers=outliers_test(
            int(np.count_nonzero((below == 0) | (below + ties == others.shape[1]))), len(own), others.shape[1]
        ),
        _padded=padded(fit, values),
    )


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
    """Compare the mean square of the deviations with that of the simulations, which are exchangeable with it if the model is correct."""
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
