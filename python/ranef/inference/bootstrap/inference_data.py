"""Replicates of estimates as ArviZ's InferenceData,
where ArviZ's summaries and pictures look for draws.

ArviZ (extra ``interop``) is imported when a function is called.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from ranef.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    from ranef.inference.bootstrap.result import Bootstrap

Variables = dict[str, Any]

WHAT = "replicates of estimates; not draws from a posterior distribution"


def require_arviz() -> Any:
    """Import ArviZ, or say how to install it."""
    import importlib

    try:
        return importlib.import_module("arviz")
    except ModuleNotFoundError as problem:
        if problem.name != "arviz":  # installed, but something that it needs is not: its own message says what
            raise
        raise MissingExtraError(
            "exports to ArviZ need arviz, which is not installed. Install it with: pip install 'ranef[interop]'"
        ) from None


def inference_data(
    variables: Variables, stats: Variables, left_out: int, coords: Any, dims: Any, **attributes: Any
) -> Any:
    """One chain of m replicates in the groups ``posterior`` and ``sample_stats``.

    Parameters
    ----------
    variables, stats : dict
        Arrays with the m replicates along their first axis.
    left_out : int
        Number of replicates without estimates, which are not in the arrays.
    coords, dims : dict or None
        Labels, and the names of the axes after the first, as ArviZ takes them.
    **attributes
        What else is known, as numbers and text.
    """
    arviz = require_arviz()
    if not len(next(iter(variables.values()))):
        raise DataError("no replicate has estimates.")
    return arviz.from_dict(
        posterior={name: np.asarray(values)[None] for name, values in variables.items()},
        sample_stats={name: np.asarray(values)[None] for name, values in stats.items()} or None,
        coords=coords,
        dims=dims,
        posterior_attrs={"content": WHAT, "n_left_out": left_out, "inference_library": "ranef", **attributes},
        # One chain of many replicates is not a mistake here.
        save_warmup=False,
    )


#: Variables, the axis of each, and the kind of quantity it holds.
AXES = {
    "fixef": "term",
    "sd": "effect",
    "cor": "pair",
    "sigma": None,
    "structure": "parameter",
    "statistic": "quantity",
}


def bootstrap_data(replicates: "Bootstrap") -> Any:
    """The replicates of a bootstrap: ``fixef``, ``sd``, ``cor``, ``sigma`` and ``structure``, or
    ``statistic``.
    """
    kept = replicates.status == "converged"
    columns: dict[str, list[int]] = {}
    labels: dict[str, list[str]] = {}
    for j, q in enumerate(replicates.quantities):
        kind = {"fixed": "fixef", "ran_pars": q.name.partition("_")[0]}.get(q.effect, q.effect)
        columns.setdefault(kind, []).append(j)
        labels.setdefault(kind, []).append(q.name if q.effect != "ran_pars" else q.name.partition("_")[2])
    values = replicates.values[kept]
    variables = {k: values[:, at[0]] if AXES.get(k) is None else values[:, at] for k, at in columns.items()}
    stats: Variables = {"singular": replicates.singular[kept], "replicate": replicates.number[kept]}
    if np.isfinite(replicates.objective[kept]).all():
        stats["objective"] = replicates.objective[kept]
    return inference_data(
        variables,
        stats,
        replicates.n_failed,
        {axis: labels[k] for k in variables if (axis := AXES.get(k)) is not None},
        {k: [axis] for k in variables if (axis := AXES.get(k)) is not None},
        bootstrap=replicates.type,
        random_effects=replicates.re,
        seed=str(replicates.seed),
        n_asked=replicates.n,
        n_singular=replicates.n_singular,
        n_with_undefined=int(np.count_nonzero(np.isnan(values).any(axis=1))),
    )
