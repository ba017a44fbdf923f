"""What the diagnostic panel shows: six frames, each with a sentence."""

from ranef.diagnostics.check_distribution import SIMULATIONS, distribution_part
from ranef.diagnostics.check_effects import effects_part
from ranef.diagnostics.check_part import CheckPart
from ranef.diagnostics.check_residuals import influence_part, residual_parts
from ranef.diagnostics.check_simulations import accuracy_part, simulation_parts
from ranef.estimates.simulate import simulated_responses
from ranef.fit.record import MixedFit


def check(fit: MixedFit, rng: object = None) -> tuple[CheckPart, ...]:
    """Compute the diagnostic panel.

    Parameters
    ----------
    fit : MixedFit
    rng : int, Generator or None
        For the simulated responses.
    """
    if not fit.normal_responses:
        return *simulation_parts(fit, rng), effects_part(fit), accuracy_part(fit)
    parts = residual_parts(fit)
    draws = simulated_responses(fit, SIMULATIONS, "new", rng)
    return *parts, effects_part(fit), influence_part(fit), distribution_part(fit, draws)
