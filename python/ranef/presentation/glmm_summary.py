"""The summary record of a generalized linear mixed model."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.estimates.criteria import criteria
from ranef.estimates.fixed_effects import correlations
from ranef.estimates.glmm_values import glmm_residuals
from ranef.estimates.varcorr import varcorr
from ranef.fit.glmm_record import GlmmFit
from ranef.fit.glmm_request import GlmmRequest
from ranef.inference.fixed_effect_tests import FixedEffectTests
from ranef.presentation.coefficients import CoefficientTable
from ranef.presentation.lmm_summary import QUARTILES, fit_notes, model_call, variance_blocks
from ranef.presentation.summary import Criteria, Summary
from ranef.presentation.titles import glmm_title
from ranef.presentation.verdict import verdict

Floats = NDArray[np.float64]


def glmm_summary(fit: GlmmFit, request: GlmmRequest, tests: FixedEffectTests) -> Summary:
    """Gather what the summary of a fit shows.

    Parameters
    ----------
    fit : GlmmFit
    request : GlmmRequest
        What the user asked for.
    tests : FixedEffectTests
        Tests of the fixed effects of this fit.

    Returns
    -------
    Summary
    """
    found = tests.coefficients("none")
    values = np.column_stack([found.estimate, found.std_error, found.statistic, found.p_value])
    table = CoefficientTable(fit.x_names, ("Estimate", "Std. Error", "z value", "Pr(>|z|)"), values)
    corr = correlations(tests.covariance("none"))
    return _record(fit, request, table, _quantiles(fit), corr, tests.notes("none"))


def glmm_sketch(fit: GlmmFit, request: GlmmRequest) -> Summary:
    """Gather only what the short text of a fit shows."""
    table = CoefficientTable(names=fit.x_names, columns=("Estimate",), values=fit.beta[:, np.newaxis])
    return _record(fit, request, table, None, None, ())


def _quantiles(fit: GlmmFit) -> Floats | None:
    try:
        residuals = glmm_residuals(fit, "scaled")
    except OptionError:  # a family of the user's own without a variance function
        return None
    # NumPy's default interpolation is R's type 7.
    return np.asarray(np.quantile(residuals, QUARTILES))


def _record(
    fit: GlmmFit,
    request: GlmmRequest,
    table: CoefficientTable,
    quantiles: Floats | None,
    corr: Any,
    test_notes: tuple[str, ...],
) -> Summary:
    title, model_class = glmm_title(fit.n_quad)
    measures = criteria(fit)
    return Summary(
        title=title,
        model_class=model_class,
        call=model_call(fit, request),
        criteria=Criteria(
            reml=False,
            objective=fit.objective,
            aic=measures.aic,
            bic=measures.bic,
            log_lik=measures.llf,
            df_resid=measures.df_resid,
        ),
        residual_quantiles=quantiles,
        random=variance_blocks(varcorr(fit)),
        sigma=fit.residual_sd,
        n_obs=fit.nobs,
        groups=tuple({t.group: len(t.levels) for t in fit.terms}.items()),
        fixed=table,
        correlation=corr,
        verdict=verdict(fit.convergence.status, fit.convergence.evaluations, fit.convergence.boundary),
        notes=(*fit_notes(fit), *test_notes),
        family=f"{fit.family.label(fit.dispersion)}  ( {fit.family.link} )",
    )
