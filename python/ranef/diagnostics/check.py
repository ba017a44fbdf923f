"""What the diagnostic panel shows: frames, each with a sentence."""

from ranef.diagnostics.check_absent import absent_part
from ranef.diagnostics.check_accuracy import accuracy_part
from ranef.diagnostics.check_bend import bend_part
from ranef.diagnostics.check_correlation import autocorrelation_part, normalized_spread_part, semivariogram_part
from ranef.diagnostics.check_distribution import distribution_part
from ranef.diagnostics.check_effects import effects_part, every_effect
from ranef.diagnostics.check_part import CheckPart
from ranef.diagnostics.check_residuals import influence_part, shape_part, spread_part
from ranef.diagnostics.check_simulations import simulation_parts
from ranef.diagnostics.leverage import studentized_residuals
from ranef.diagnostics.row_correlation import normalized_rows
from ranef.estimates.simulate import random_generator, simulated_responses
from ranef.fit.record import MixedFit

#: Simulated responses of a linear model, fewer where there are so many rows that they take long.
SIMULATIONS, FEWEST, MOST_NUMBERS = 99, 39, 4_000_000

#: Random effects that are drawn where there are no rows.
MOST_EFFECTS = 5


def check(fit: MixedFit, rng: object = None) -> tuple[CheckPart, ...]:
    """Compute the diagnostic panel.

    Parameters
    ----------
    fit : MixedFit
    rng : int, Generator or None
        For the simulated responses.
    """
    if fit.design.sums is not None:
        return *every_effect(fit)[:MOST_EFFECTS], absent_part()
    if fit.design.residual is not None:
        return correlated_parts(fit, rng)
    if not fit.normal_responses:
        made: dict[str, CheckPart | None] = dict(
            zip(("uniform", "spread", "values", "effects"), simulation_parts(fit, rng), strict=True)
        )
        if "bend" in fit.check_panels:
            made["bend"] = bend_part(fit)
        if "accuracy" in fit.check_panels:
            made["accuracy"] = accuracy_part(fit)
        found = [made[name] for name in fit.check_panels]
        return tuple(part for part in found if part is not None)
    hat = fit.hat_values()
    standard = studentized_residuals(fit, hat)
    draws = simulated_responses(fit, max(FEWEST, min(SIMULATIONS, MOST_NUMBERS // max(fit.nobs, 1))), "new", rng)
    if fit.columns_are_slopes:
        # bends and deletions are those of linear models
        return spread_part(fit, hat, standard), shape_part(standard), effects_part(fit), distribution_part(fit, draws)
    return (
        bend_part(fit),
        spread_part(fit, hat, standard),
        shape_part(standard),
        effects_part(fit),
        influence_part(fit),
        distribution_part(fit, draws),
    )


def correlated_parts(fit: MixedFit, rng: object) -> tuple[CheckPart, ...]:
    """The panel of a model with a covariance structure of its rows, of normalized residuals.

    Curves and deletions are for rows that are independent given the random effects.
    """
    rows = fit.design.residual
    assert rows is not None
    generator = random_generator(rng)
    at = normalized_rows(fit, generator)
    draws = simulated_responses(fit, max(FEWEST, min(SIMULATIONS, MOST_NUMBERS // max(fit.nobs, 1))), "new", generator)
    correlation = None
    if rows.expr.correlation is not None:
        correlation = (autocorrelation_part(fit, at), semivariogram_part(fit, at))
    parts = (
        *(p for p in correlation or () if p is not None),
        normalized_spread_part(fit, at),
        shape_part(at.own),
        effects_part(fit) if fit.terms else None,
        distribution_part(fit, draws),
    )
    return tuple(p for p in parts if p is not None)
