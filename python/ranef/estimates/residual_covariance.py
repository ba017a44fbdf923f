"""Covariance matrices of the positions of correlated rows: the visits of a subject."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: Times that a matrix is written out for.
MOST = 200


def residual_covariances(fit: MixedFit) -> dict[str, tuple[list[Any], Floats]]:
    """For every group with its own parameters the labels of the positions and their covariance;
    none where rows are independent given the random effects.

    Positions are the levels of a factor, or the numbers that occur.
    """
    rows = fit.design.residual
    if rows is not None and rows.variances:
        raise OptionError(
            "the variances of the rows depend on covariates, so that positions have no matrix of their own; the "
            "parameters are in structure."
        )
    return _matrices(fit)


def structure_series(fit: MixedFit) -> "pd.Series[float]":
    """Natural parameters of the structure of the rows by name; empty without one."""
    import pandas as pd

    found = fit.structure_parameters
    index = pd.Index(list(found), dtype=object)
    return pd.Series(list(found.values()), index=index, name="structure", dtype=float)


def residual_correlations(fit: MixedFit) -> "list[pd.DataFrame]":
    """For every group with its own parameters the correlations of the positions as a frame, with
    attributes ``group`` and ``sd`` (None where it depends on covariates).
    """
    import pandas as pd

    rows = fit.design.residual
    if rows is None or rows.expr.correlation is None:
        raise OptionError("the rows of this model are independent given the random effects: there is no correlation.")
    out = []
    for group, (labels, covariance) in _matrices(fit).items():
        sd = np.sqrt(np.diagonal(covariance))
        frame = pd.DataFrame(covariance / np.outer(sd, sd), pd.Index(labels), pd.Index(labels))
        frame.attrs.update(group=group, sd=None if rows.variances else sd.tolist())
        out.append(frame)
    return out


def _matrices(fit: MixedFit) -> dict[str, tuple[list[Any], Floats]]:
    """Covariances where covariates are 1, which correlations do not depend on."""
    rows = fit.design.residual
    if rows is None:
        return {}
    if rows.position.shape[1] > 1:
        raise OptionError("positions of several coordinates have no matrix; the parameters are in structure.")
    first = rows.coordinates[0] if rows.coordinates else None
    if first is None or first.levels is None:
        at = np.unique(rows.position)
        labels: list[Any] = at.tolist()
    else:
        at = np.arange(len(first.levels), dtype=np.float64)
        labels = first.levels.tolist()
    if len(at) > MOST:
        raise OptionError(f"there are {len(at):,} positions, too many for a matrix; the parameters are in structure.")
    groups = rows.group_levels.tolist()
    places = np.ascontiguousarray(at[:, np.newaxis])
    one = [(np.ones(len(at)), np.zeros(len(at))) for _ in rows.variances]
    return {str(g): (labels, fit.position_covariance(places, i, one)) for i, g in enumerate(groups)}
