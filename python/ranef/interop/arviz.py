"""Replicates of estimates as ArviZ's InferenceData, for its summaries and pictures.

Importing this module needs arviz (extra ``interop``).
"""

from typing import Any

import numpy as np

from ranef.errors import ArgumentTypeError, DataError
from ranef.fit.refits.refit import Refits
from ranef.inference.bootstrap.inference_data import Variables, bootstrap_data, inference_data, require_arviz
from ranef.inference.bootstrap.result import Bootstrap

require_arviz()


def to_arviz(replicates: Any) -> Any:
    """Put replicates of estimates into an InferenceData, where ArviZ looks for draws:
    one chain in the group ``posterior``.

    They are not draws from a posterior distribution; the attribute ``content`` of the group says
    so. Intervals that ArviZ computes of them are percentile and shortest intervals of the
    bootstrap. Diagnostics of chains such as R-hat mean nothing here:
    ``arviz.summary(data, kind="stats")`` leaves them out.

    Parameters
    ----------
    replicates : Bootstrap, Refits or DataFrame
        What ``model.bootstrap`` or ``load_bootstrap`` returns, what ``model.refit`` of a matrix of
        responses returns, or a frame with one replicate a row and one quantity a column.

    Returns
    -------
    arviz.InferenceData
        Of a bootstrap, the variables ``fixef`` (by ``term``), ``sd`` (by ``effect``), ``cor`` (by
        ``pair``) and ``sigma``, or ``statistic`` (by ``quantity``), with ``objective``,
        ``singular`` and the number of each ``replicate`` in ``sample_stats``; of refits, the
        variables ``fixef`` (by ``term``), ``theta`` (by ``parameter``), ``sigma`` and, of a family
        that has one, ``dispersion``, with ``objective`` in ``sample_stats``; of a frame, its
        columns of numbers. Replicates without estimates are left out, and counted in the attribute
        ``n_left_out``. Correlations beside a variance of zero are NaN;
        ``arviz.summary(data, skipna=True)`` leaves them out.

    Examples
    --------
    >>> from ranef import lmer, load_dataset
    >>> from ranef.interop.arviz import to_arviz
    >>> m = lmer("Reaction ~ Days + (1 | Subject)", load_dataset("sleepstudy"))
    >>> data = to_arviz(m.bootstrap(200, rng=1))
    >>> data.posterior["fixef"].dims
    ('chain', 'draw', 'term')
    >>> data.posterior["sd"]["effect"].values.tolist()
    ['(Intercept)|Subject']
    >>> bool(abs(data.posterior["fixef"].sel(term="Days").std() / m.bse["Days"] - 1) < 0.2)
    True
    """
    if isinstance(replicates, Bootstrap):
        return bootstrap_data(replicates)
    if isinstance(replicates, Refits):
        return _of_refits(replicates)
    import pandas as pd

    if isinstance(replicates, pd.DataFrame):
        return _of_frame(replicates)
    raise ArgumentTypeError(
        "replicates must be what model.bootstrap(n) or model.refit(matrix) returns, or a pandas frame with one "
        f"replicate a row, not {type(replicates).__name__}."
    )


def _of_refits(refits: Refits) -> Any:
    kept = np.isfinite(refits.objective)
    variables: Variables = {"fixef": refits.fixef, "theta": refits.theta, "sigma": refits.sigma}
    if refits.dispersion is not refits.sigma and np.isfinite(refits.dispersion[kept]).all():
        variables["dispersion"] = refits.dispersion
    stats: Variables = {"objective": refits.objective, "converged": refits.converged}
    return inference_data(
        {name: values[kept] for name, values in variables.items()},
        {name: values[kept] for name, values in stats.items()},
        int(np.count_nonzero(~kept)),
        coords={"term": list(refits.fixef_names), "parameter": list(refits.theta_names)},
        dims={"fixef": ["term"], "theta": ["parameter"]},
    )


def _of_frame(frame: Any) -> Any:
    numbers = frame.select_dtypes("number")
    if not len(numbers.columns):
        raise DataError(
            "the frame has no columns of numbers; give one with one replicate a row and one quantity a column."
        )
    kept = np.isfinite(numbers.to_numpy(dtype=np.float64)).all(axis=1)
    variables = {str(name): numbers[name].to_numpy(dtype=np.float64)[kept] for name in numbers.columns}
    return inference_data(variables, {}, int(np.count_nonzero(~kept)), coords=None, dims=None)
