"""What the diagnostic panel shows: six frames, each with a sentence."""

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.check_distribution import SIMULATIONS, distribution_part
from ranef.diagnostics.check_effects import effects_part
from ranef.diagnostics.check_part import CheckPart
from ranef.diagnostics.check_residuals import influence_part, residual_parts
from ranef.diagnostics.check_simulations import accuracy_part, simulation_parts
from ranef.estimates.simulate import simulated_responses
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]


def check(fit: MixedFit, rng: object = None, hat: Floats | None = None) -> tuple[CheckPart, ...]:
    """Compute the diagnostic panel.

    Parameters
    ----------
    fit : MixedFit
    rng : int, Generator or None
        For the simulated responses.
    hat : (n,) array, optional
        Hat values of a linear model, where they are known already.
    """
    if not fit.normal_responses:
        return *simulation_parts(fit, rng), effects_part(fit), accuracy_part(fit)
    parts = residual_parts(fit, fit.hat_values() if hat is None else hat)
    draws = simulated_responses(fit, SIMULATIONS, "new", rng)
    return *parts, effects_part(fit), influence_part(fit), distribution_part(fit, draws)
