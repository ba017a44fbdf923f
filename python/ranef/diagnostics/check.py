"""What the diagnostic panel shows: six frames, each with a sentence."""

from ranef.diagnostics.check_accuracy import accuracy_part
from ranef.diagnostics.check_bend import bend_part
from ranef.diagnostics.check_distribution import distribution_part
from ranef.diagnostics.check_effects import effects_part
from ranef.diagnostics.check_part import CheckPart
from ranef.diagnostics.check_residuals import influence_part, shape_part, spread_part
from ranef.diagnostics.check_simulations import simulation_parts
from ranef.diagnostics.leverage import studentized_residuals
from ranef.errors import OptionError
from ranef.estimates.simulate import simulated_responses
from ranef.fit.record import MixedFit

#: Simulated responses of a linear model, fewer where there are so many rows that they take long.
SIMULATIONS, FEWEST, MOST_NUMBERS = 99, 39, 4_000_000


def check(fit: MixedFit, rng: object = None) -> tuple[CheckPart, ...]:
    """Compute the diagnostic panel.

    Parameters
    ----------
    fit : MixedFit
    rng : int, Generator or None
        For the simulated responses.
    """
    if fit.design.residual is not None:
        raise OptionError(
            "check() is for rows that are independent given the random effects. Here simulated_residuals() and "
            "residuals('normalized') have rows made independent."
        )
    if not fit.normal_responses:
        uniform, *others, effects = simulation_parts(fit, rng)
        return uniform, bend_part(fit), *others, effects, accuracy_part(fit)
    hat = fit.hat_values()
    standard = studentized_residuals(fit, hat)
    draws = simulated_responses(fit, max(FEWEST, min(SIMULATIONS, MOST_NUMBERS // max(fit.nobs, 1))), "new", rng)
    return (
        bend_part(fit),
        spread_part(fit, hat, standard),
        shape_part(standard),
        effects_part(fit),
        influence_part(fit),
        distribution_part(fit, draws),
    )
