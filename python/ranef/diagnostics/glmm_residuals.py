"""Residuals by simulation of a generalized model: ranks among simulated responses, ties broken at random."""

from typing import Literal

import numpy as np

from ranef.diagnostics.simulated_residuals import (
    FEWEST,
    SimulatedResiduals,
    dispersion_test,
    outliers_test,
    uniformity_test,
)
from ranef.errors import OptionError
from ranef.estimates.rows import padded, row_index
from ranef.estimates.simulate import random_generator, simulated_responses
from ranef.fit.generalized import GlmmFit


def simulated_glmm_residuals(
    fit: GlmmFit, n: int = 250, re: Literal["new", "conditional"] = "new", rng: object = None
) -> SimulatedResiduals:
    """Compare every observation with responses drawn from the fit.

    Parameters
    ----------
    fit : GlmmFit
    n : int
        Number of simulations, at least 20.
    re : {"new", "conditional"}
        Draw random effects anew, or keep their conditional modes.
    rng : int, Generator or None
    """
    generator = random_generator(rng)
    if isinstance(n, int) and not isinstance(n, bool) and n < FEWEST:
        raise OptionError(f"n must be at least {FEWEST}, so that residuals are not too coarse, not {n}.")
    draws = simulated_responses(fit, n, re, generator)
    own = fit.design.y[:, None]
    # Proportions of the same trials differ by rounding where they are equal.
    equal = np.isclose(draws, own, rtol=1e-12, atol=1e-12)
    below = np.count_nonzero((draws < own) & ~equal, axis=1)
    ties = np.count_nonzero(equal, axis=1)
    values = (below + generator.uniform(size=len(own)) * (ties + 1)) / (draws.shape[1] + 1)
    mean = draws.mean(axis=1)
    # A row is an outlier when it lies outside all simulations; with ties that is decided by the rank drawn above.
    extreme = (values < 1 / (draws.shape[1] + 1)) | (values >= draws.shape[1] / (draws.shape[1] + 1))
    return SimulatedResiduals(
        values=values,
        index=row_index(fit),
        n_simulations=draws.shape[1],
        re=re,
        rotated=False,
        uniformity=uniformity_test(values),
        dispersion=dispersion_test(fit.design.y - mean, draws - mean[:, None]),
        outliers=outliers_test(int(np.count_nonzero(extreme)), len(own), draws.shape[1]),
        _padded=padded(fit, values),
    )
