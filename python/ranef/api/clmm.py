"""Cumulative link mixed models of ordered categories."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ranef.fit.approximation import choose_n_quad
from ranef.fit.ordinal.request import OrdinalRequest
from ranef.fit.progress import Progress
from ranef.known_arguments import known_arguments
from ranef.results.ordinal import CumulativeLinkMixedModel


@known_arguments
def clmm(
    formula: str,
    data: Any,
    *,
    link: Literal["logit", "probit", "cloglog", "loglog", "cauchit"] = "logit",
    threshold: Literal["flexible", "equidistant", "symmetric", "symmetric2"] = "flexible",
    nominal: str | None = None,
    scale: str | None = None,
    n_quad: int | Literal["auto"] | None = None,
    nAGQ: int | Literal["auto"] | None = None,
    weights: Any = None,
    offset: Any = None,
    subset: Any = None,
    na_action: Literal["omit", "exclude", "error"] = "omit",
    contrasts: Mapping[str, Any] | None = None,
    start: Sequence[float] | Mapping[str, Any] | None = None,
    prior: Mapping[str, Any] | None = None,
    sampling_weights: Mapping[str, Any] | None = None,
    weight_scaling: Literal["none", "size", "effective", "gk"] = "none",
    weights_are: Literal["conditional", "unconditional"] = "conditional",
    strata: Any = None,
    control: Mapping[str, Any] | None = None,
    progress: Progress = False,
    n_threads: int | None = None,
) -> CumulativeLinkMixedModel:
    """Fit a cumulative link mixed model of ordered categories, as ``clmm`` of R's ordinal.

    ``P(Y <= k) = F((threshold_k - eta) / scale)``, where ``eta`` has the effects of the formula and
    the random effects: a positive effect goes with higher categories.

    Parameters
    ----------
    formula : str
        The model in lme4's notation, such as ``"rating ~ temp + contact + (1 | judge)"``, with any
        number of random terms. The thresholds take the place of an intercept. The response is an
        ordered factor; whole numbers are taken in their order and a factor that is not ordered in
        that of its levels.
    data : frame, dict or path
        As in `glmer`.
    link : {"logit", "probit", "cloglog", "loglog", "cauchit"}
        Distribution F of the latent variable: logistic (proportional odds), normal, ``1 - exp(-
        exp(t))`` (proportional hazards), ``exp(-exp(-t))``, or Cauchy's.
    threshold : {"flexible", "equidistant", "symmetric", "symmetric2"}
        Thresholds are free, at equal distances, symmetric about a centre, or about zero.
    nominal : str, optional
        A formula such as ``"~ contact"`` of effects that differ from threshold to threshold, for
        which odds are not proportional. They are added to the thresholds, so that their sign is
        that of lower categories.
    scale : str, optional
        A formula of effects on the logarithm of the scale of the latent variable, such as ``"~ temp
        + (1 | judge)"``. Its random effects are correlated with those of the location where both
        share a name, as ``(1 |p| judge)``.
    n_quad : int or "auto", optional
        Nodes of adaptive Gauss-Hermite quadrature for each random effect, for one grouping factor
        with up to three of them or two nested ones with one each; 1, the default, is Laplace's
        approximation. ``"auto"`` raises their number as in `glmer`.
    nAGQ : int or "auto", optional
        R's name of ``n_quad``.
    weights : str or array, optional
        Factors of the rows' log-likelihoods, such as how often a row occurs.
    prior : dict, optional
        Prior densities (`ranef.priors`) of ``"fixef"`` (effects on the location), ``"fixef:x"``,
        ``"thresholds"`` (their parameters), ``"nominal"``, ``"scale"``, ``"cov"``, ``"cov:judge"``
        or ``"cov:scale:judge"``; where categories separate ``{"fixef": priors.Normal(sd=2.5)}``.
        The estimates are posterior modes.
    sampling_weights, weight_scaling, weights_are, strata
        Weights of a survey for rows and levels of grouping factors, as in `glmer`; standard errors
        are robust.
    offset, subset, na_action, contrasts, start, control, progress, n_threads
        As in `glmer`.

    Returns
    -------
    CumulativeLinkMixedModel

    Raises
    ------
    RanefError
        One of its subclasses, for input that cannot be used; the message names what to do.

    Warns
    -----
    RanefWarning
        At most once: columns dropped for linear dependence, random effects without variance, no
        convergence.

    Examples
    --------
    >>> from ranef import clmm, load_dataset
    >>> m = clmm("rating ~ temp + contact + (1 | judge)", load_dataset("wine"))
    >>> round(m.llf, 4)
    -81.5654
    >>> m.thresholds.round(3).to_dict()
    {'1|2': -1.624, '2|3': 1.513, '3|4': 4.229, '4|5': 6.089}
    """
    request = OrdinalRequest(
        formula=formula,
        data=data,
        link=link,
        threshold=threshold,
        nominal=nominal,
        scale=scale,
        n_quad=choose_n_quad(n_quad, nAGQ, with_auto=True),
        weights=weights,
        offset=offset,
        subset=subset,
        na_action=na_action,
        contrasts=contrasts,
        start=start,
        prior=prior,
        sampling_weights=sampling_weights,
        weight_scaling=weight_scaling,
        weights_are=weights_are,
        strata=strata,
        control=control,
        progress=progress,
        n_threads=n_threads,
    )
    return CumulativeLinkMixedModel(request.fitted(), request)
