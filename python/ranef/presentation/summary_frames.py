"""The numbers of a summary as data frames."""

from typing import TYPE_CHECKING

import numpy as np

from ranef.presentation.summary_text import QUANTILE_NAMES

if TYPE_CHECKING:
    import pandas as pd

    from ranef.presentation.summary import Summary

_HEADINGS = {"Std. Error": "std_error", "df": "df"}


def summary_frames(summary: "Summary") -> "dict[str, pd.DataFrame]":
    """Return the frames by name, in the order of the printed summary.

    ``criteria`` (one row), ``residuals`` (one row), ``random_effects`` (group, name1, name2,
    variance, sd; rows with two names hold covariance and correlation), ``groups`` (levels),
    ``fixed_effects`` (estimate, std_error, and df, statistic, p_value where there are tests),
    ``zero-inflation_model``, ``dispersion_model`` and their like where there are other predictors,
    ``threshold_coefficients``, ``nominal_effects``, ``scale_effects`` of ordered categories,
    ``visits`` of a model for repeated measures (a covariance matrix, one for each group),
    ``correlation`` (full matrix).
    """
    import pandas as pd

    frames = {"criteria": pd.DataFrame([_criteria(summary)])}
    if summary.residual_quantiles is not None:
        frames["residuals"] = pd.DataFrame([np.asarray(summary.residual_quantiles)], columns=list(QUANTILE_NAMES))
    frames["random_effects"] = pd.DataFrame(_variances(summary), columns=["group", "name1", "name2", "variance", "sd"])
    frames["groups"] = pd.DataFrame({"levels": dict(summary.groups)})
    names = list(summary.fixed.names)
    headings = ["estimate", *(_heading(c) for c in summary.fixed.columns[1:])]
    frames["fixed_effects"] = pd.DataFrame(np.array(summary.fixed.values), index=names, columns=headings)
    for heading, table in summary.parts:
        columns = ["estimate", *(_heading(c) for c in table.columns[1:])]
        key = heading.split(" (")[0].lower().replace(" ", "_")
        frames[key] = pd.DataFrame(np.array(table.values), index=list(table.names), columns=columns)
    if summary.visits is not None:
        for label, visits, matrix in summary.visits.groups:
            frames[f"visits.{label}" if label else "visits"] = pd.DataFrame(matrix, list(visits), list(visits))
    if summary.correlation is not None:
        frames["correlation"] = pd.DataFrame(np.array(summary.correlation), index=names, columns=names)
    return frames


def _heading(column: str) -> str:
    if column.startswith("Pr("):
        return "p_value"
    return _HEADINGS.get(column, "statistic")


def _criteria(summary: "Summary") -> dict[str, float | int | None]:
    c = summary.criteria
    values: dict[str, float | int | None] = {"objective": c.objective, "aic": c.aic, "bic": c.bic, "llf": c.log_lik}
    if c.ml_deviance is not None and c.reml_deviance is not None:
        values |= {"ml_deviance": c.ml_deviance, "reml_criterion": c.reml_deviance}
    return values | {"nobs": summary.n_obs, "df_resid": c.df_resid}


def _variances(summary: "Summary") -> list[tuple[str, str | None, str | None, float, float]]:
    rows: list[tuple[str, str | None, str | None, float, float]] = []
    for block in summary.random:
        sd = [float(s) for s in block.sd]
        rows += [(block.group, name, None, s * s, s) for name, s in zip(block.names, sd, strict=True)]
        if block.corr is not None:
            pairs = [(i, j) for i in range(len(sd)) for j in range(i + 1, len(sd))]
            for i, j in pairs:
                r = float(block.corr[j, i])
                rows.append((block.group, block.names[i], block.names[j], r * sd[i] * sd[j], r))
    if summary.sigma is not None:
        rows.append(("Residual", None, None, summary.sigma**2, summary.sigma))
    return rows
