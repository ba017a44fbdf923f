"""The summary record of a linear mixed model: the only place of presentation that knows a fit."""

import os
from typing import Any

import numpy as np

from ranef.estimates.criteria import criteria
from ranef.estimates.fitted import residual_values
from ranef.estimates.fixed_effects import correlation, correlations
from ranef.estimates.varcorr import VarCorr, varcorr
from ranef.fit.record import LmmFit
from ranef.fit.request import LmmRequest
from ranef.inference.fixed_effect_tests import FixedEffectTests
from ranef.options import Ddf
from ranef.presentation.coefficients import CoefficientTable
from ranef.presentation.random_effects import VarianceBlock
from ranef.presentation.summary import Criteria, ModelCall, Summary
from ranef.presentation.titles import lmm_title
from ranef.presentation.verdict import verdict

QUARTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


def lmm_summary(fit: LmmFit, request: LmmRequest, tests: FixedEffectTests, ddf: Ddf) -> Summary:
    """Gather what the summary of a fit shows.

    Parameters
    ----------
    fit : LmmFit
    request : LmmRequest
        What the user asked for.
    tests : FixedEffectTests
        Tests of the fixed effects of this fit.
    ddf : {"satterthwaite", "kenward-roger", "residual", "none"}
        Method of the degrees of freedom; without one there are no tests.

    Returns
    -------
    Summary
    """
    # NumPy's default interpolation is R's type 7.
    quantiles = np.quantile(residual_values(fit, "scaled"), QUARTILES)
    notes = tests.notes(ddf)
    corr = correlation(fit) if type(tests) is FixedEffectTests else correlations(tests.covariance(ddf))
    return _record(fit, request, _coefficients(fit, tests, ddf), quantiles, corr, ddf, notes)


def _coefficients(fit: LmmFit, tests: FixedEffectTests, ddf: Ddf) -> CoefficientTable:
    """The fixed effects, with their t tests if they have degrees of freedom."""
    found = tests.coefficients(ddf)
    if ddf == "none":
        values = [found.estimate, found.std_error, found.statistic]
        return CoefficientTable(fit.x_names, ("Estimate", "Std. Error", "t value"), np.column_stack(values))
    values = [found.estimate, found.std_error, found.df, found.statistic, found.p_value]
    return CoefficientTable(
        fit.x_names, ("Estimate", "Std. Error", "df", "t value", "Pr(>|t|)"), np.column_stack(values)
    )


def lmm_sketch(fit: LmmFit, request: LmmRequest) -> Summary:
    """Gather only what the short text of a fit shows."""
    table = CoefficientTable(names=fit.x_names, columns=("Estimate",), values=fit.beta[:, np.newaxis])
    return _record(fit, request, table, None, None, "none", ())


def _record(
    fit: LmmFit,
    request: LmmRequest,
    table: CoefficientTable,
    quantiles: "np.ndarray[Any, np.dtype[np.float64]] | None",
    corr: "np.ndarray[Any, np.dtype[np.float64]] | None",
    ddf: Ddf,
    test_notes: tuple[str, ...],
) -> Summary:
    title, model_class = lmm_title(fit.reml, ddf)
    measures = criteria(fit)
    return Summary(
        title=title,
        model_class=model_class,
        call=model_call(fit, request),
        criteria=Criteria(
            reml=fit.reml,
            objective=fit.objective,
            aic=measures.aic,
            bic=measures.bic,
            log_lik=measures.llf,
            df_resid=measures.df_resid,
            ml_deviance=fit.ml_deviance,
            reml_deviance=fit.reml_criterion,
        ),
        residual_quantiles=quantiles,
        random=variance_blocks(varcorr(fit)),
        sigma=fit.sigma,
        n_obs=fit.nobs,
        groups=tuple({t.group: len(t.levels) for t in fit.terms}.items()),
        fixed=table,
        correlation=corr,
        verdict=verdict(fit.convergence.status, fit.convergence.evaluations, fit.convergence.boundary),
        notes=(*_notes(fit), *test_notes),
    )


def variance_blocks(components: VarCorr) -> tuple[VarianceBlock, ...]:
    """Turn the variances and correlations of a fit into what is printed of them."""
    return tuple(
        VarianceBlock(key, block.names, block.sd, None if block.diagonal or len(block.names) == 1 else block.corr)
        for key, block in components.items()
    )


def model_call(fit: LmmFit, request: LmmRequest) -> ModelCall:
    """Write the arguments of a call as texts."""
    return ModelCall(
        formula=str(fit.design.formula),
        data=data_name(request.data),
        weights=_argument(request.weights),
        offset=_argument(request.offset),
        subset=_argument(request.subset),
        control=None if not request.control else ", ".join(f"{k} = {v!r}" for k, v in request.control.items()),
    )


def data_name(data: Any) -> str | None:
    """Name of the data, where they have one: bundled data sets carry theirs, files have their file name."""
    if isinstance(data, str | os.PathLike):
        return os.path.basename(os.fspath(data))
    attributes = getattr(data, "attrs", None)
    name = attributes.get("name") if isinstance(attributes, dict) else None
    return name if isinstance(name, str) else None


def _argument(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return value
    name = getattr(value, "name", None)
    return name if isinstance(name, str) else "(given as values)"


def _notes(fit: LmmFit) -> tuple[str, ...]:
    """What the verdict does not say."""
    if not fit.dropped:
        return fit.design.notes
    dropped = f"dropped from the fixed effects, as columns before determine them: {', '.join(fit.dropped)}."
    return (dropped, *fit.design.notes)
