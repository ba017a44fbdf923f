"""What a regression table shows of one model, as numbers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.variance_shares import variance_parts
from ranef.errors import OptionError, RanefError
from ranef.estimates.criteria import criteria
from ranef.estimates.fixed_effects import standard_errors
from ranef.estimates.varcorr import varcorr
from ranef.fit.part_effects import PartEffects
from ranef.fit.record import MixedFit
from ranef.inference.distributions import interval_ends
from ranef.inference.fixed_effect_tests import FixedEffectTests, SingleTests
from ranef.inference.part_coefficients import part_coefficients
from ranef.inference.ratios import RatioScale, asked_ratios
from ranef.inference.wald import wald_intervals
from ranef.options import Ddf
from ranef.presentation.random_effects import VarianceBlock, variance_blocks
from ranef.presentation.rows_used import rows_used

Floats = NDArray[np.float64]

#: Statistics of a model by the name they are chosen by, with their label.
STATISTICS = {
    "nobs": "Observations",
    "groups": "Groups",
    "dispersion": "Dispersion",
    "shape": "Shape",
    "icc": "ICC",
    "r2_marginal": "R² marginal",
    "r2_conditional": "R² conditional",
    "llf": "Log-likelihood",
    "aic": "AIC",
    "bic": "BIC",
}


@dataclass(frozen=True, slots=True, eq=False)
class PartColumn:
    """Effects of one part of a model beside the first: zeros, dispersion, thresholds and the like.

    Attributes
    ----------
    name, heading : str
        By which ``component`` finds it; of its table in a summary.
    terms : tuple of str
    estimate, std_error, lower, upper : (k,) array
        As of a `ModelColumn`, never as ratios.
    tests : SingleTests or None
    p_value : (k,) array or None
        NaN where zero is no value that one would test.
    """

    name: str
    heading: str
    terms: tuple[str, ...]
    estimate: Floats
    std_error: Floats
    lower: Floats
    upper: Floats
    tests: SingleTests | None
    p_value: Floats | None


@dataclass(frozen=True, slots=True, eq=False)
class ModelColumn:
    """One model of a regression table.

    Attributes
    ----------
    name : str
    formula, response : str
    method : str
        How it was estimated: "REML", "ML", "Laplace", "quadrature, 9 nodes" or "n_quad=0".
    terms : tuple of str
        The p fixed effects.
    estimate, std_error, lower, upper : (p,) array
        Estimates with standard errors and the limits of Wald intervals, all of ratios if there are
        any.
    tests : SingleTests or None
        None when no tests were asked for.
    ddf : str or None
        Method of the degrees of freedom of the tests.
    random : tuple of VarianceBlock
    sigma : float or None
        Residual standard deviation; None for a generalized model.
    groups : tuple of (str, int)
    statistics : dict
        By the names of ``STATISTICS``, without the groups; the dispersion only where there is one.
    family : str
        Family and link of a generalized model, else empty.
    ratios : RatioScale or None
        What the ratios are, where estimates are shown as such.
    remarks : tuple of str
        Remarks on this model: missing rows, dropped columns, the boundary, no convergence.
    kind, heading : str
        What such a model is called, and the first part of it.
    parts : tuple of PartColumn
    shape : dict
        Parameters of the shape of its distribution by name.
    """

    name: str
    formula: str
    response: str
    method: str
    terms: tuple[str, ...]
    estimate: Floats
    std_error: Floats
    lower: Floats
    upper: Floats
    tests: SingleTests | None
    ddf: Ddf | None
    random: tuple[VarianceBlock, ...]
    sigma: float | None
    groups: tuple[tuple[str, int], ...]
    statistics: dict[str, float]
    remarks: tuple[str, ...]
    family: str = ""
    ratios: RatioScale | None = None
    kind: str = "linear mixed model"
    heading: str = "Fixed effects"
    parts: tuple[PartColumn, ...] = ()
    shape: Mapping[str, float] = field(default_factory=dict)

    @property
    def p_value(self) -> Floats | None:
        """The p-values (p,), None without tests."""
        return None if self.tests is None else self.tests.p_value


def _remarks(fit: MixedFit) -> tuple[str, ...]:
    """Remarks on a model of any kind."""
    remarks = []
    used = rows_used(fit)
    if used is not None:
        remarks.append(f"{used}.")
    if fit.dropped:
        remarks.append(f"{', '.join(fit.dropped)} dropped, as other columns determine it.")
    if fit.singular:
        remarks.append("some variance is zero (boundary, or singular, fit).")
    if not fit.convergence.ok:
        remarks.append(f"not converged. {fit.convergence.status.explanation}")
    return tuple(remarks)


def column_of(
    fit: MixedFit,
    tests: FixedEffectTests,
    name: str,
    level: float,
    ddf: Ddf | None,
    *,
    interval_ddf: Ddf = "none",
    exponentiate: object = False,
) -> ModelColumn:
    """Gather what a table shows of a model.

    Parameters
    ----------
    fit : MixedFit
    tests : FixedEffectTests
        Tests of this fit.
    name : str
    level : float
        Level of the intervals.
    ddf : {"satterthwaite", "kenward-roger", "residual", "none"}, optional
        Method of the degrees of freedom of tests; None leaves these out.
    interval_ddf : {"satterthwaite", "kenward-roger", "residual", "none"}
        That of intervals.
    exponentiate : bool
        Whether estimates are shown as ratios.
    """
    try:
        ratios = asked_ratios(exponentiate, fit)
    except OptionError as problem:
        raise OptionError(f"{name}: {problem}") from None
    measures, limits = criteria(fit), wald_intervals(tests, level, None, interval_ddf)[1]
    tested = None if ddf is None else tests.coefficients(ddf)
    estimate, std_error = fit.beta, standard_errors(fit) if tested is None else tested.std_error
    if ratios is not None:
        estimate, std_error, limits = ratios.of(estimate), ratios.std_error(estimate, std_error), ratios.of(limits)
    formula = fit.design.formula
    remarks = _remarks(fit)
    others = fit.part_effects()
    code = fit.code if fit.columns_are_slopes else str(formula)
    try:
        shares = _shares(fit)
    except RanefError:
        shares = (math.nan,) * 3
        remarks = (*remarks, "shares of variance are not defined for its family.")
    statistics = {
        "nobs": float(fit.nobs),
        "icc": shares[0],
        "r2_marginal": shares[1],
        "r2_conditional": shares[2],
        "llf": measures.llf,
    }
    if fit.design.sampling is None:
        statistics |= {"aic": measures.aic, "bic": measures.bic}
    else:
        remarks = (*remarks, "sampling weights; the log-likelihood is a pseudo-likelihood, which has no AIC or BIC.")
    if fit.family_shown and math.isfinite(fit.spread):
        statistics["dispersion"] = fit.spread
    return ModelColumn(
        name=name,
        formula="; ".join([code, *(f"{p.name} {p.formula}" for p in others if p.formula is not None)]),
        response="" if formula.response is None else formula.response.name,
        method=_method(fit),
        terms=fit.x_names,
        estimate=estimate,
        std_error=std_error,
        lower=limits[:, 0],
        upper=limits[:, 1],
        tests=tested,
        ddf=ddf,
        random=variance_blocks(varcorr(fit)),
        # with a family its spread is the dispersion, among the statistics
        sigma=None if fit.family_shown else fit.sigma,
        groups=tuple({t.group: t.n_groups for t in fit.terms}.items()),
        statistics=statistics,
        remarks=remarks,
        family=_family_text(fit) if fit.family_shown else "",
        ratios=ratios,
        kind=fit.title,
        heading=fit.fixed_heading,
        parts=tuple(_part(p, level, ddf, interval_ddf) for p in others if _is_shown(p)),
        shape=fit.family_params,
    )


def _family_text(fit: MixedFit) -> str:
    """With the type of a negative binomial."""
    name = fit.family.label(math.nan) if fit.family.support == "count" else fit.family.name
    return f"{name}, {fit.family.link}"


def _is_shown(part: PartEffects) -> bool:
    """Whether a part has effects; one number without a formula is among the statistics."""
    return bool(part.names) and (part.formula is not None or part.names != ("(Intercept)",))


def _part(part: PartEffects, level: float, ddf: Ddf | None, interval_ddf: Ddf) -> PartColumn:
    found = part_coefficients(part, interval_ddf)
    limits = interval_ends(found.estimate, found.std_error, found.df, level, "two-sided")
    tested = None if ddf is None else part_coefficients(part, ddf)
    p = None if tested is None else tested.p_value if part.tested else np.full(len(part.names), math.nan)
    return PartColumn(part.name, part.heading, part.names, found.estimate, found.std_error, *limits, tested, p)


def _shares(fit: MixedFit) -> tuple[float, float, float]:
    """Adjusted ICC, marginal and conditional R²."""
    parts = variance_parts(fit)
    random = sum(parts.random.values())
    total = parts.fixed + random + parts.residual
    return random / (random + parts.residual), parts.fixed / total, (parts.fixed + random) / total


def _method(fit: MixedFit) -> str:
    if fit.integral_exact:
        return "REML" if fit.reml else "ML"
    return "Laplace" if fit.n_quad == 1 else f"quadrature, {fit.n_quad} nodes" if fit.n_quad else "n_quad=0"
