"""New responses drawn from a fitted model."""

import numbers
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.membership import level_count, one_level, take, without_level
from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.between_positions import LeftBetween, left_between
from ranef.estimates.correlated_rows import new_row_roots
from ranef.estimates.curve_prediction import new_points
from ranef.estimates.prediction_rows import Rows, new_rows
from ranef.fit.random_part import random_part
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]

RE_KINDS = ("new", "conditional")

#: How far numbers of trials may be from whole ones.
WHOLE = 1e-6


def random_generator(rng: object) -> np.random.Generator:
    """Take a seed, a ``numpy.random.Generator``
    or None (a fresh seed from the operating system).
    """
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None or isinstance(rng, np.random.SeedSequence | np.random.BitGenerator):
        return np.random.default_rng(rng)
    if isinstance(rng, bool) or not isinstance(rng, numbers.Integral):
        raise ArgumentTypeError(
            f"rng must be a whole number, a numpy.random.Generator or None, not {type(rng).__name__}."
        )
    if rng < 0:
        raise OptionError(f"rng must not be negative when it is a seed, not {rng}.")
    return np.random.default_rng(int(rng))


def check_draws(n: object, re: object) -> None:
    """Check the number of draws and what is done with the random effects."""
    if isinstance(n, bool) or not isinstance(n, numbers.Integral):
        raise ArgumentTypeError(f"n must be a whole number, not {n!r}.")
    if n < 1:
        raise OptionError(f"n must be at least 1, not {n}.")
    if not isinstance(re, str):
        raise ArgumentTypeError(f"re must be 'new' or 'conditional', not {re!r}.")
    if re not in RE_KINDS:
        raise OptionError(f"re must be 'new' or 'conditional', not {re!r}.")


def simulated_responses(fit: MixedFit, n: int, re: str, rng: object) -> Floats:
    """Draw responses from the model at its estimates, in the form that the fit keeps:
    of a binomial model proportions.

    Parameters
    ----------
    fit : MixedFit
    n : int
        Number of draws.
    re : {"new", "conditional"}
        Draw random effects anew for every response, or keep their conditional modes.
    rng : int, Generator or None

    Returns
    -------
    (rows, n) array
        Residual variances of a linear model are sigma² divided by the prior weights.
    """
    check_draws(n, re)
    _check_trials(fit, fit.trials)
    generator = random_generator(rng)
    fixed = tuple(p.fixed_part() for p in fit.predictors)
    out = np.empty((fit.nobs, int(n)), order="F")
    # One draw after the other: draw number i is the same whatever n is.
    for i in range(int(n)):
        if re == "new":
            out[:, i] = fit.draw_with(generator, fixed, fit.drawn_effects(generator))
        else:
            out[:, i] = fit.draw_at(generator, None)
    return out


def _check_trials(fit: MixedFit, weights: Floats) -> None:
    if fit.family.support == "proportion" and np.any(np.abs(weights - np.rint(weights)) > WHOLE):
        raise OptionError("the numbers of trials (the weights) are not whole, so that no responses can be drawn.")


def responses_at(fit: MixedFit, newdata: Any, n: int, re: str, rng: object, offset: object) -> tuple[Floats, Any]:
    """Draw responses for new rows.

    Parameters
    ----------
    fit : MixedFit
    newdata : frame
        Levels of grouping factors may be new: their random effects are drawn.
    n : int
    re : {"new", "conditional"}
        ``"conditional"`` keeps the conditional modes of the levels of the fit.
    rng : int, Generator or None
    offset : str or array, optional
        That of the new rows, where it cannot be computed from them.

    Returns
    -------
    values : (rows, n) array
        NaN in rows with a missing value. Rows have the prior weights that a column or an expression
        gives them, else 1.
    index : pandas Index
    """
    check_draws(n, re)
    if fit.why_no_new_responses is not None:
        raise OptionError(fit.why_no_new_responses)
    if fit.columns_are_slopes:
        return _responses_on_curve(fit, newdata, int(n), re, rng)
    made = []
    for p in fit.predictors:
        masks = tuple(np.ones(len(t.names), bool) for t in p.terms)
        made.append(new_rows(p, newdata, masks, True, p is fit, offset if p is fit else None, new_positions=True))
    (rows, index), m = made[0], len(made[0][0].x)
    used = np.ones(m, bool)
    for own, _ in made:
        used &= True if own.missing is None else ~own.missing
        for codes in own.extended:
            used &= ~without_level(codes)
    fixed = [_fixed(p, own, m)[used] for p, (own, _) in zip(fit.predictors, made, strict=True)]
    weights = (np.ones(m) if rows.weights is None else rows.weights)[used]
    _check_trials(fit, weights)
    terms = [[(take(codes, used), z[used]) for codes, z in zip(r.extended, r.z, strict=True)] for r, _ in made]
    counts = [
        [max(len(b), level_count(codes)) for (codes, _), b in zip(own, p.b, strict=True)]
        for own, p in zip(terms, fit.predictors, strict=True)
    ]
    elsewhere = [_elsewhere(p, own) for p, (own, _) in zip(fit.predictors, made, strict=True)]
    parts = tuple(x[used] for x in rows.parts)
    around = _correlated_draws(fit, newdata, used, fixed[0], rows.weights)
    generator = random_generator(rng)
    out = np.full((m, int(n)), np.nan, order="F")
    for i in range(int(n)):
        etas = []
        drawn = fit.drawn_effects(generator, counts)
        for p, eta, own_terms, effects, left in zip(fit.predictors, fixed, terms, drawn, elsewhere, strict=True):
            for (codes, z), b, known in zip(own_terms, effects, p.b, strict=True):
                if re == "conditional":
                    b[: len(known)] = known
                eta = eta + random_part(codes, z, b)
            for of_term in left:
                eta = eta + of_term.draw(generator)[used]
            etas.append(eta)
        if around is None:
            out[used, i] = fit.draw_linear(generator, tuple(etas), weights, parts)
        else:
            out[used, i] = around(generator, etas[0])
    return out, index


def _elsewhere(p: MixedFit, rows: Rows) -> list[LeftBetween]:
    """What terms at positions have at places that the fit has no effect of."""
    found = []
    for span, levels, at in zip(p.order.spans, rows.extended, rows.elsewhere, strict=True):
        if at is not None:
            found.append(left_between(p, span, *at, one_level(levels)))
    return found


def _correlated_draws(
    fit: MixedFit, newdata: Any, used: NDArray[np.bool_], fixed: Floats, weights: Floats | None
) -> Callable[[np.random.Generator, Floats], Floats] | None:
    """How new rows (m,) that are correlated are drawn around their linear predictor (m,), NaN where
    their place among the others is missing; None where rows are independent.
    """
    if fit.design.residual is None:
        return None
    whole = np.full(len(used), np.nan)
    whole[used] = fixed
    known, blocks = new_row_roots(fit, newdata, used, whole, weights)
    place = np.cumsum(used) - 1
    unknown = ~known[used]

    def draw(generator: np.random.Generator, eta: Floats) -> Floats:
        out = eta.copy()
        for at, root in blocks:
            out[place[at]] += root @ generator.standard_normal(len(at))
        out[unknown] = np.nan
        return out

    return draw


def _fixed(p: MixedFit, rows: Rows, m: int) -> Floats:
    """The linear predictor (m,) without random effects."""
    if p.held is not None:
        return np.full(m, p.held)
    fixed = rows.x @ p.beta
    return fixed if rows.offset is None else fixed + rows.offset


def _responses_on_curve(fit: MixedFit, newdata: Any, n: int, re: str, rng: object) -> tuple[Floats, Any]:
    masks = tuple(np.ones(len(t.names), bool) for t in fit.terms)
    points, index = new_points(fit, newdata, masks, True, True)
    m = len(points.curve.x)
    used = np.ones(m, bool) if points.missing is None else ~points.missing
    for codes in points.extended:
        used &= ~without_level(codes)
    there = points.only(used)
    weights = np.ones(int(used.sum())) if there.weights is None else there.weights
    generator = random_generator(rng)
    out = np.full((m, n), np.nan, order="F")
    for i in range(n):
        effects = []
        for codes, factor, b in zip(there.extended, fit.relative_factors, fit.b, strict=True):
            levels = max(len(b), level_count(codes))
            drawn = generator.standard_normal((levels, factor.shape[0])) @ (factor.T * fit.random_scale)
            if re == "conditional":
                drawn[: len(b)] = b
            effects.append(drawn)
        out[used, i] = fit.draw(generator, there.values(fit, there.extended, effects)[0], weights)
    return out, index


def response_as_given(fit: MixedFit, values: Floats) -> Floats:
    """Responses (n,) or (n, m) as a user gave them:
    numbers of successes where the formula has successes and failures.
    """
    if fit.response_kind != "counts":
        return values
    trials = fit.trials if values.ndim == 1 else fit.trials[:, None]
    return np.rint(values * trials)
