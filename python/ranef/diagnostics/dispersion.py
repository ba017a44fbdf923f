"""Tests of two ways in which counts and proportions differ from their model:
more spread, more zeros.
"""

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.chance import two_sided
from ranef.errors import OptionError
from ranef.estimates.residuals import residual_values
from ranef.estimates.simulate import simulated_responses
from ranef.fit.record import MixedFit
from ranef.fit.refits.modes import modes_of

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: A p-value below this is called a departure from the model in words.
_UNUSUAL = 0.05


@dataclass(frozen=True, slots=True)
class DispersionTest:
    """Spread of the Pearson residuals.

    Attributes
    ----------
    ratio : float
        Sum of squares over degrees of freedom; above 1 is overdispersion.
    chisq : float
        The sum of squares.
    df : int
        Observations minus parameters.
    p_chisq : float
        Chance of a larger sum by the chi-square distribution.
    p_value : float
        Two-sided, by simulation from the fit, with random effects drawn anew and their modes found
        again.
    n_simulations : int
    """

    ratio: float
    chisq: float
    df: int
    p_chisq: float
    p_value: float
    n_simulations: int

    def __str__(self) -> str:
        return "\n".join(self._sentences())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return "".join(f"<p>{escape(sentence)}</p>" for sentence in self._sentences())

    def _sentences(self) -> list[str]:
        over = self.ratio > 1
        found = (
            f"The responses vary {'more' if over else 'less'} than the model allows "
            f"({'over' if over else 'under'}dispersion)."
            if _unusual(self.p_value, self.n_simulations)
            else "That is within what simulations from the model show: no sign of over- or underdispersion."
        )
        return [
            f"Dispersion ratio {self.ratio:.3g}: squared Pearson residuals of {self.chisq:.4g} on {self.df} degrees of "
            "freedom.",
            f"p = {self.p_value:.3g} (two-sided, {self.n_simulations} simulations); p = {self.p_chisq:.3g} for a "
            "larger sum by the chi-square distribution.",
            found,
        ]

    def to_frame(self) -> "pd.DataFrame":
        """Return the test in one row."""
        import pandas as pd

        return pd.DataFrame(
            [[self.ratio, self.chisq, self.df, self.p_chisq, self.p_value]],
            columns=["ratio", "chisq", "df", "p_chisq", "p_value"],
        )


@dataclass(frozen=True, slots=True)
class ZeroInflationTest:
    """Number of zeros.

    Attributes
    ----------
    observed : int
    expected : float
        Mean number in the simulations.
    ratio : float
        Observed over expected; above 1 there are more zeros than the model has.
    p_value : float
        Two-sided, by simulation.
    n_simulations : int
    """

    observed: int
    expected: float
    ratio: float
    p_value: float
    n_simulations: int

    def __str__(self) -> str:
        return "\n".join(self._sentences())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return "".join(f"<p>{escape(sentence)}</p>" for sentence in self._sentences())

    def _sentences(self) -> list[str]:
        unusual = _unusual(self.p_value, self.n_simulations)
        few = "more" if self.observed > self.expected else "fewer"
        return [
            f"{self.observed} zeros, {self.expected:.4g} expected: ratio {self.ratio:.3g}.",
            f"p = {self.p_value:.3g} (two-sided, {self.n_simulations} simulations).",
            f"The data have {few} zeros than the model." if unusual else "The model accounts for the number of zeros.",
        ]

    def to_frame(self) -> "pd.DataFrame":
        """Return the test in one row."""
        import pandas as pd

        return pd.DataFrame(
            [[self.observed, self.expected, self.ratio, self.p_value]],
            columns=["observed", "expected", "ratio", "p_value"],
        )


def _unusual(p: float, n: int) -> bool:
    """Whether a departure from the model is called one:
    by its p-value, or because no simulation of few lies further out.
    """
    return p < _UNUSUAL or p <= 2.0 / (n + 1)


def dispersion_test(fit: MixedFit, n: int, rng: object) -> DispersionTest:
    """Compare the sum of squared Pearson residuals
    with its degrees of freedom and with simulations.

    Parameters
    ----------
    fit : MixedFit
    n : int
        Number of simulations.
    rng : int, Generator or None
    """
    if fit.why_no_overdispersion is not None:
        raise OptionError(fit.why_no_overdispersion)
    chisq, df = float(np.sum(residual_values(fit, "scaled") ** 2)), fit.nobs - fit.npar
    own, simulated = pearson_sums(fit, n, rng)
    return DispersionTest(
        chisq / df if df > 0 else math.nan, chisq, df, _upper_tail(chisq, df), two_sided(own, simulated), int(n)
    )


def pearson_sums(fit: MixedFit, n: int, rng: object) -> tuple[float, Floats]:
    """Sum of squared Pearson residuals of the data, and (n,) of simulated responses.

    Random effects are drawn anew and their modes found again for each simulated response, since
    modes that were fitted to a response take up a part of its variation: with a random effect for
    each observation most of it.
    """
    draws = simulated_responses(fit, n, "new", rng)
    simulated = [pearson_sum(fit, y, modes_of(fit, y).fitted) for y in draws.T]
    return enlarged_sum(fit), np.array(simulated)


def enlarged_sum(fit: MixedFit) -> float:
    """Sum of squared Pearson residuals of the data, enlarged by what the fixed effects took, as
    these are held for simulated responses.
    """
    return float(np.sum(residual_values(fit, "scaled") ** 2)) * fit.nobs / max(fit.nobs - len(fit.beta), 1)


def pearson_sum(fit: MixedFit, y: Floats, fitted: tuple[Floats, ...]) -> float:
    """Sum of squared Pearson residuals of a response (n,) at its own linear predictors (n,)."""
    mu, variance = fit.moments_with(fitted)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.sum(np.where(y == mu, 0.0, (y - mu) ** 2 / variance)))


def zero_inflation_test(fit: MixedFit, n: int, rng: object) -> ZeroInflationTest:
    """Compare the number of zeros with simulations in which the random effects are drawn anew.

    Parameters
    ----------
    fit : MixedFit
    n : int
        Number of simulations.
    rng : int, Generator or None
    """
    if fit.family.support not in ("count", "proportion"):
        raise OptionError(f"responses of the {fit.family.name} family are never zero, so there are no zeros to count.")
    observed, simulated = zero_counts(fit, n, rng)
    expected = float(simulated.mean())
    ratio = observed / expected if expected else math.inf if observed else 1.0
    return ZeroInflationTest(observed, expected, ratio, two_sided(observed, simulated), int(n))


def zero_counts(fit: MixedFit, n: int, rng: object) -> tuple[int, Floats]:
    """Number of zeros in the data,
    and (n,) in simulated responses with random effects drawn anew.
    """
    simulated = np.count_nonzero(simulated_responses(fit, n, "new", rng) == 0, axis=0)
    return int(np.count_nonzero(fit.design.y == 0)), simulated.astype(np.float64)


def _upper_tail(chisq: float, df: int) -> float:
    from scipy.special import gammaincc

    return float(gammaincc(df / 2, chisq / 2)) if df > 0 else math.nan
