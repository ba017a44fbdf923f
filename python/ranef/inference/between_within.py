"""Between-within degrees of freedom of models for repeated measures, by the rule of R's mmrm.

A column that is constant within every subject is between subjects, with the subjects less the
intercept and the number of such columns as its degrees of freedom; others, and the intercept, are
within, with the rows less the subjects and the number of those columns. A contrast has the
smallest of the columns that it involves. SAS has other rules: with TYPE=UN all effects are between.
"""

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]

#: Share of a contrast's largest coefficient below which a column is not in it.
NOTHING = 1e-10


def between_within_df(fit: MixedFit, rows: Floats) -> Floats:
    """Degrees of freedom (k,) of contrasts (k, p)."""
    columns = column_df(fit)
    used = np.abs(rows) > NOTHING * np.abs(rows).max(axis=1, keepdims=True)
    return np.where(used.any(axis=1), np.where(used, columns, np.inf).min(axis=1), np.nan)


def column_df(fit: MixedFit) -> Floats:
    """Degrees of freedom (p,) of the fixed effects."""
    residual = fit.design.residual
    if residual is None:
        raise OptionError("between-within degrees of freedom are for models of repeated measures, as of mmrm().")
    x, subject = fit.x, residual.subject
    order = np.argsort(subject, kind="stable")
    changes = np.diff(subject[order]) == 0
    moved = (np.diff(x[order], axis=0) != 0) & changes[:, np.newaxis]
    intercept = np.array([name == "(Intercept)" for name in fit.x_names])
    between = ~moved.any(axis=0) & ~intercept
    subjects = len(np.unique(subject))
    df_between = subjects - int(intercept.any()) - int(between.sum())
    df_within = fit.nobs - subjects - int((~between & ~intercept).sum())
    return np.where(between, float(df_between), float(df_within))
