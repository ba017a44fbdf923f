"""Responses of a model that is stated, not fitted."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ranef.estimates.rows import padded, row_index
from ranef.estimates.simulate import response_as_given, simulated_responses
from ranef.families.family import Family
from ranef.families.names import parse_family
from ranef.fit.ending.warned import warn_once
from ranef.fit.stated.parameters import Stated
from ranef.fit.stated.planned import planned_fit
from ranef.known_arguments import known_arguments

if TYPE_CHECKING:
    import pandas as pd


@known_arguments
def simulate(
    formula: str,
    newdata: Any,
    *,
    fixef: Mapping[str, float] | Sequence[float] | None = None,
    varcorr: Mapping[str, Any] | None = None,
    theta: Mapping[str, float] | Sequence[float] | None = None,
    sigma: float | None = None,
    dispersion: float | None = None,
    family: str | Family = "gaussian",
    n: int = 1,
    weights: Any = None,
    offset: Any = None,
    contrasts: Mapping[str, Any] | None = None,
    rng: Any = None,
) -> "pd.DataFrame":
    """Draw responses of a model whose parameters are stated, without a fit: to plan a study, or to
    try a method.

    Parameters
    ----------
    formula : str
        The model in lme4's notation, with or without a response, such as ``"~ x + (x | g)"``. The
        response is not read, but for the numbers of trials of ``cbind(successes, failures)``.
    newdata : frame, dict or path
        The rows, in any form that ``lmer`` takes.
    fixef : dict, Series or sequence
        Fixed effects by name, such as ``{"(Intercept)": 250, "Days": 10}``, or in the order of the
        columns of X. A call without them gives an error that lists their names.
    varcorr : dict
        Covariance of the random effects by grouping factor; a second term on ``g`` is ``"g.1"``, as
        in ``m.varcorr``, which is taken as it is. The value is a standard deviation; a dict of
        standard deviations by name of the effect, with correlations by pairs of names (zero where
        there are none), as ``{"(Intercept)": 25, "Days": 6, ("(Intercept)", "Days"): 0.1}``; a
        covariance matrix or a frame of it; or an entry of the ``varcorr`` of another model.
    theta : dict, Series or sequence
        The same as relative covariance parameters in lme4's order, by name or in order: in units of
        ``sigma`` for a linear model. Give this or ``varcorr``.
    sigma : float
        Residual standard deviation, or the scale of families that have one.
    dispersion : float
        Extra parameter of the family: the size of the negative binomial, the precision of beta.
    family : str or Family
        As in ``glmer``; ``"gaussian"`` is a linear model.
    n : int
        Number of draws.
    weights : str or array, optional
        Numbers of trials for a binomial response, which is then a proportion; for a linear model
        the residual variance of a row is sigma² divided by its weight.
    offset : str or array, optional
        A known part of the linear predictor.
    contrasts : dict, optional
        Coding of factors by column, as in ``lmer``.
    rng : int, numpy.random.Generator or None
        Seed or generator; None takes a fresh seed.

    Returns
    -------
    DataFrame
        Columns ``sim_1 … sim_n``, rows and their labels as in ``newdata``; NaN where a value is
        missing. Draws do not depend on ``n``. A response with a transformation on the left, as
        ``log(y)``, is drawn on that scale; of ``cbind(successes, failures)`` it is the successes.

    Raises
    ------
    RanefError
        One of its subclasses, for parameters that are missing or cannot be.

    Examples
    --------
    >>> import pandas as pd
    >>> from ranef import simulate
    >>> rows = pd.DataFrame({"day": [0, 1, 2] * 4, "subject": [i // 3 for i in range(12)]})
    >>> y = simulate("~ day + (day | subject)", rows, fixef=[250, 10], sigma=25, n=2, rng=1,
    ...              varcorr={"subject": {"(Intercept)": 25, "day": 6}})
    >>> y.shape
    (12, 2)
    """
    import pandas as pd

    stated = Stated(fixef, varcorr, theta, sigma, dispersion)
    fit = planned_fit(formula, newdata, parse_family(family), stated, weights, offset, contrasts, 1)
    warn_once(fit.messages)
    values = padded(fit, response_as_given(fit, simulated_responses(fit, n, "new", rng)))
    return pd.DataFrame(values, index=row_index(fit), columns=[f"sim_{i + 1}" for i in range(values.shape[1])])
