"""Fitted models by plain values, for JSON."""

import math
from functools import partial
from typing import TYPE_CHECKING, Any

from ranef import __version__

if TYPE_CHECKING:
    import pandas as pd

    from ranef.options import Ddf
    from ranef.presentation.summary import Summary
    from ranef.results.generalized import GeneralizedLinearMixedModel
    from ranef.results.linear import LinearMixedModel
    from ranef.results.model.mixed import MixedModel


def document_of(model: "MixedModel", ddf: "Ddf | None" = None) -> dict[str, Any]:
    """Describe a fitted model of any kind; ``ddf`` is for the tests of a linear one."""
    described: Any = generalized_document if model._fit.asymptotic_tests else partial(model_document, ddf=ddf)
    found: dict[str, Any] = described(model)
    return found


def generalized_document(model: "GeneralizedLinearMixedModel") -> dict[str, Any]:
    """Describe a fitted generalized model by plain values,
    under the names that the Python interface has for them; NaN becomes null.
    """
    summary = model.summary()
    document = {
        **_head(summary),
        "family": model.family.name,
        "link": model.family.link,
        "n_quad": model.n_quad,
        **_counts(model),
        "objective": model.objective,
        **_criteria(model),
        "fixef": model.fixef.to_dict(),
        "bse": model.bse.to_dict(),
        "zvalues": model.zvalues.to_dict(),
        "pvalues": model.pvalues.to_dict(),
        **_components(model),
        **_covariances(model),
        "dispersion": model.dispersion,
        "convergence": _ending(model),
        "notes": list(summary.notes),
    }
    return plain_values(document)


def _components(model: "MixedModel") -> dict[str, Any]:
    """Effects of parts, such as zeros and thresholds, and parameters of the shape, if any."""
    out: dict[str, Any] = {}
    for part in model._fit.part_effects():
        own = model.component(part.name)
        out[part.name] = {
            "fixef": own.fixef.to_dict(),
            "bse": own.bse.to_dict(),
            "zvalues": own.zvalues.to_dict(),
            "pvalues": own.pvalues.to_dict(),
        }
    shape = dict(model._fit.family_params)
    return {**({"components": out} if out else {}), **({"family_params": shape} if shape else {})}


def _head(summary: "Summary") -> dict[str, Any]:
    return {
        "ranef": __version__,
        "formula": summary.call.formula,
        "data": summary.call.data,
        "rows_used": summary.rows_used,
        "coding": summary.call.coding,
    }


def _counts(model: "MixedModel") -> dict[str, Any]:
    from ranef.presentation.rows_used import n_missing

    missing = {"n_missing": n_missing(model._fit), "missing": dict(model._fit.design.missing_counts)}
    return {"nobs": model.nobs, **missing, "npar": model.npar, "df_resid": model.df_resid, "ngroups": model.ngroups}


def _criteria(model: "MixedModel") -> dict[str, Any]:
    return {"llf": model.llf, "aic": model.aic, "bic": model.bic}


def _covariances(model: "MixedModel") -> dict[str, Any]:
    return {
        "cov_params": model.cov_params().to_numpy().tolist(),
        "varcorr": {
            key: {"names": list(b.names), "sd": b.sd.tolist(), "cov": b.cov.tolist(), "corr": b.corr.tolist()}
            for key, b in model.varcorr.items()
        },
        "sigma": model.sigma,
        "theta": model.theta.to_dict(),
    }


def _ending(model: "MixedModel") -> dict[str, Any]:
    convergence = model.convergence
    return {
        "ok": convergence.ok,
        "status": convergence.status.value,
        "explanation": convergence.status.explanation,
        "evaluations": convergence.evaluations,
        "gradient_norm": convergence.gradient_norm,
        "is_singular": model.is_singular,
        "boundary": dict(convergence.boundary),
    }


def model_document(model: "LinearMixedModel", ddf: "Ddf | None" = None) -> dict[str, Any]:
    """Describe a fitted model by plain values,
    under the names that the Python interface has for them; NaN becomes null.
    """
    summary = model.summary(ddf)
    tests = summary.tables["fixed_effects"]
    document = {
        **_head(summary),
        "method": "REML" if summary.criteria.reml else "ML",
        **_counts(model),
        "objective": model.objective,
        "reml_criterion": model.reml_criterion,
        "ml_deviance": model.ml_deviance,
        **_criteria(model),
        "fixef": model.fixef.to_dict(),
        "bse": model.bse.to_dict(),
        "tvalues": model.tvalues.to_dict(),
        "ddf": model.ddf if ddf is None else ddf,
        "df": tests["df"].to_dict() if "df" in tests else None,
        "pvalues": tests["p_value"].to_dict() if "p_value" in tests else None,
        **_covariances(model),
        "convergence": _ending(model),
        "notes": list(summary.notes),
    }
    return plain_values(document)


def plain_values(document: dict[str, Any]) -> dict[str, Any]:
    """The same document of the types that JSON has; NaN becomes None."""
    return {name: plain(value) for name, value in document.items()}


def plain(value: Any) -> Any:
    """The same value of the types that JSON has; NaN becomes None."""
    if hasattr(value, "item"):  # a number of NumPy
        value = value.item()
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def table_document(table: "pd.DataFrame", label: str = "row") -> dict[str, Any]:
    """Describe a table by plain values: its rows, and the heading and notes that it has.

    Parameters
    ----------
    table : DataFrame
    label : str
        The name that the labels of the rows get.
    """
    counted = type(table.index).__name__ == "RangeIndex" and table.index.name is None
    named = table if counted else table.reset_index(names=label)
    rows = [dict(zip(map(str, named.columns), values, strict=True)) for values in named.itertuples(index=False)]
    about = {str(k): table.attrs[k] for k in ("heading", "notes") if k in table.attrs}
    return plain_values({"ranef": __version__, **about, "rows": rows})
