"""The summary record of a fitted model, and the parts that other presentations share with it."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import DataError, OptionError
from ranef.estimates.criteria import criteria
from ranef.estimates.fixed_effects import correlation, correlations
from ranef.estimates.residuals import residual_values
from ranef.estimates.varcorr import varcorr
from ranef.fit.prior import prior_texts
from ranef.fit.record import MixedFit
from ranef.fit.request import ModelRequest
from ranef.inference.fixed_effect_tests import FixedEffectTests
from ranef.inference.part_coefficients import part_coefficients
from ranef.inference.ratios import RatioScale, asked_ratios
from ranef.options import Ddf
from ranef.presentation.coding_text import coding_text
from ranef.presentation.coefficients import CoefficientTable
from ranef.presentation.numbers import format_number
from ranef.presentation.random_effects import variance_blocks
from ranef.presentation.rows_used import rows_used
from ranef.presentation.summary import Criteria, ModelCall, Summary
from ranef.presentation.titles import model_title
from ranef.presentation.verdict import verdict
from ranef.presentation.visit_covariance import visit_covariance

Floats = NDArray[np.float64]

#: More parameters of a covariance structure than these are counted, not listed.
MOST_LISTED = 12

#: Significant digits of the parameters of a covariance structure.
STRUCTURE_DIGITS = 4

QUARTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


def summary_of(
    fit: MixedFit,
    request: ModelRequest,
    tests: FixedEffectTests,
    ddf: Ddf,
    width: int | None = None,
    exponentiate: object = False,
) -> Summary:
    """Gather what the summary of a fit shows.

    Parameters
    ----------
    fit : MixedFit
    request : ModelRequest
        What the user asked for.
    tests : FixedEffectTests
        Tests of the fixed effects of this fit.
    ddf : {"satterthwaite", "kenward-roger", "residual", "none"}
        Method of the degrees of freedom. With "none" a linear model has no tests; those of other
        models are normal.
    width : int, optional
        Width of the lines of the text; None is that of the terminal.
    exponentiate : bool
        Whether fixed effects are shown as ratios.

    Returns
    -------
    Summary
    """
    ratios = asked_ratios(exponentiate, fit)
    corr = correlation(fit) if type(tests) is FixedEffectTests else correlations(tests.covariance(ddf))
    notes = tests.notes(ddf) if ratios is None else (*tests.notes(ddf), ratios.note)
    return _record(fit, request, _coefficients(fit, tests, ddf, ratios), _quantiles(fit), corr, ddf, notes, width)


def sketch_of(fit: MixedFit, request: ModelRequest) -> Summary:
    """Gather only what the short text of a fit shows."""
    table = CoefficientTable(names=fit.x_names, columns=("Estimate",), values=fit.beta[:, np.newaxis])
    return _record(fit, request, table, None, None, "none", ())


def _coefficients(
    fit: MixedFit, tests: FixedEffectTests, ddf: Ddf, ratios: RatioScale | None = None
) -> CoefficientTable:
    """The fixed effects with their tests: z, or t with degrees of freedom if there are any."""
    found = tests.coefficients(ddf)
    if ratios is None:
        columns = {"Estimate": found.estimate, "Std. Error": found.std_error}
    else:
        error = ratios.std_error(found.estimate, found.std_error)
        columns = {ratios.head: ratios.of(found.estimate), "Std. Error": error}
    reference = tests.reference(ddf)
    if reference == "z":
        columns |= {"z value": found.statistic, "Pr(>|z|)": found.p_value}
    elif reference == "untested":
        columns |= {"t value": found.statistic}
    else:
        columns |= {"df": found.df, "t value": found.statistic, "Pr(>|t|)": found.p_value}
    return CoefficientTable(fit.x_names, tuple(columns), np.column_stack(list(columns.values())))


def _quantiles(fit: MixedFit) -> Floats | None:
    """Quartiles of the scaled residuals.

    None for a user's own family without a variance function, in a model without rows, and where
    thresholds cross, so that categories have no probabilities.
    """
    if fit.design.sums is not None:
        return None
    try:
        residuals = residual_values(fit, "scaled")
    except (OptionError, DataError):
        return None
    # R's type 7: linear between order statistics
    if not np.isfinite(residuals).all():
        return np.asarray(np.quantile(residuals, QUARTILES))
    at = np.asarray(QUARTILES) * (len(residuals) - 1)
    below, above = np.floor(at).astype(np.intp), np.ceil(at).astype(np.intp)
    ordered = np.partition(residuals, [*below.tolist(), *above.tolist()])
    out: Floats = ordered[below] + (at - below) * (ordered[above] - ordered[below])
    return out


def _record(
    fit: MixedFit,
    request: ModelRequest,
    table: CoefficientTable,
    quantiles: Floats | None,
    corr: Floats | None,
    ddf: Ddf,
    test_notes: tuple[str, ...],
    width: int | None = None,
) -> Summary:
    measures = criteria(fit)
    ml_deviance, reml_deviance = fit.both_criteria or (None, None)
    return Summary(
        title=model_title(fit.title, estimation(fit), ddf),
        call=model_call(fit, request),
        criteria=Criteria(
            reml=fit.reml,
            objective=fit.deviance,
            aic=measures.aic,
            bic=measures.bic,
            log_lik=measures.llf,
            df_resid=measures.df_resid,
            ml_deviance=ml_deviance,
            reml_deviance=reml_deviance,
        ),
        residual_quantiles=quantiles,
        random=variance_blocks(varcorr(fit)),
        sigma=fit.residual_sd,
        n_obs=fit.nobs,
        rows_used=rows_used(fit),
        groups=tuple({t.group: t.n_groups for t in fit.terms}.items()),
        fixed=table,
        correlation=corr,
        verdict=verdict(
            fit.convergence.status, fit.convergence.evaluations, fit.convergence.boundary, fit.convergence.limits
        ),
        notes=(*fit_notes(fit), *test_notes),
        family=_family_text(fit) if fit.family_shown else None,
        visits=visit_covariance(fit),
        parts=part_tables(fit, ddf),
        fixed_heading=fit.fixed_heading,
        width=width,
    )


def _family_text(fit: MixedFit) -> str:
    """Family with dispersion or parameters of its shape, and the link."""
    shape = ", ".join(f"{k} = {format_number(v, STRUCTURE_DIGITS)}" for k, v in fit.family_params.items())
    return f"{fit.family.label(fit.spread)}{f'({shape})' if shape else ''}  ( {fit.family.link} )"


def part_tables(fit: MixedFit, ddf: Ddf) -> tuple[tuple[str, CoefficientTable], ...]:
    """The effects of other linear predictors than the first, with their headings."""
    out = []
    for part in fit.part_effects():
        if not part.names:  # random effects only
            continue
        found = part_coefficients(part, ddf)
        columns, letter = {"Estimate": found.estimate, "Std. Error": found.std_error}, "z"
        if np.isfinite(found.df).all():
            columns, letter = {**columns, "df": found.df}, "t"
        columns[f"{letter} value"] = found.statistic
        if part.tested:
            columns[f"Pr(>|{letter}|)"] = found.p_value
        table = CoefficientTable(part.names, tuple(columns), np.column_stack(list(columns.values())))
        out.append((part.heading, table))
    return tuple(out)


def estimation(fit: MixedFit) -> str:
    """The criterion that was minimised, as the title has it."""
    if fit.reml:
        return "REML"
    if fit.integral_exact:
        return "maximum likelihood"
    if fit.n_quad == 1:
        return "maximum likelihood (Laplace Approximation)"
    return f"maximum likelihood (Adaptive Gauss-Hermite Quadrature, nAGQ = {fit.n_quad})"


def model_call(fit: MixedFit, request: ModelRequest) -> ModelCall:
    """Write the arguments of a call as texts."""
    return ModelCall(
        formula=fit.code,
        data=data_name(request.data),
        weights=_argument(request.weights),
        offset=_argument(request.offset),
        subset=_argument(request.subset),
        control=None if not request.control else ", ".join(f"{k} = {v!r}" for k, v in request.control.items()),
        coding=coding_text(fit),
        **fit.part_formulas,
        **structure_texts(fit),
    )


def structure_texts(fit: MixedFit) -> dict[str, str | None]:
    """The covariance structure of the rows, and its parameters, but for visits, which have a block
    of their own; those of random terms beyond their standard deviations.
    """
    rows = fit.design.residual
    if fit.is_of_visits:
        return {}
    values = dict(fit.structure_parameters)
    if any(not s.core.is_free for s in fit.order.spans):
        for key, block in varcorr(fit).items():
            values.update({f"{key} {n}": v for n, v in block.parameters.items() if not n.startswith("sd")})
    if len(values) > MOST_LISTED:
        listed = f"{len(values)} parameters (structure and varcorr list them)"
    else:
        listed = ", ".join(f"{name} = {format_number(value, STRUCTURE_DIGITS)}" for name, value in values.items())
    if rows is None:
        return {"structure": listed or None}
    return {
        "correlation": rows.expr.correlation_code,
        "variance": rows.expr.variance_code,
        "structure": listed or None,
    }


def data_name(data: Any) -> str | None:
    """Name of the data, where they have one:
    bundled data sets carry theirs, files have their file name.
    """
    if isinstance(data, str | os.PathLike):
        return os.path.basename(os.fspath(data))
    attributes = getattr(data, "attrs", None)
    name = attributes.get("name") if isinstance(attributes, dict) else None
    return name if isinstance(name, str) else None


def _argument(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else "(given as values)"


def beside_the_likelihood(fit: MixedFit) -> tuple[str, ...]:
    """Priors and sampling weights in words."""
    out = []
    if fit.design.priors:
        out.append(
            f"priors: {prior_texts(fit.design.priors)}; their log density {fit.log_prior:.3f} is not part of the "
            f"log-likelihood, and the criterion that was minimised is {fit.objective:.4f}."
        )
    held = fit.design.sampling
    if held is not None:
        weighed = [g for g, w in held.levels.items() if bool((w != 1.0).any())]
        scaled = "" if held.scaling == "none" else f", scaled by {held.scaling!r}"
        of = " and ".join(["rows", *(f"levels of {g}" for g in weighed)])
        if held.top is None:
            errors = "standard errors are those of the model, as crossed factors leave no independent clusters"
        else:
            count = next(t.n_groups for t in fit.integrated[1].random if t.group == held.top)
            errors = f"standard errors are robust ({count} clusters of {held.top}), their tests with "
            errors += f"{fit.cluster_df:.0f} degrees of freedom"
        out.append(f"sampling weights of {of}{scaled}: a pseudo-likelihood; {errors}.")
    return tuple(out)


def fit_notes(fit: MixedFit) -> tuple[str, ...]:
    """What the verdict leaves out: dropped columns, the likelihood's error, notes on the design."""
    notes = fit.design.notes if fit.sampling_note is None else (fit.sampling_note, *fit.design.notes)
    notes = (*beside_the_likelihood(fit), *notes)
    if not fit.dropped:
        return notes
    dropped = f"dropped from the fixed effects, as columns before determine them: {', '.join(fit.dropped)}."
    return (dropped, *notes)
