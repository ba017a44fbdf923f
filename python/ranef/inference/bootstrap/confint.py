"""Bootstrap intervals in one call."""

import numpy as np
from numpy.typing import NDArray

from ranef.fit.control import FitControl
from ranef.fit.record import MixedFit
from ranef.inference.bootstrap.arguments import Counter, checked_count, seed_of
from ranef.inference.bootstrap.draw import draw
from ranef.inference.bootstrap.quantities import observed_values, quantities
from ranef.inference.bootstrap.result import Bootstrap

Floats = NDArray[np.float64]


def bootstrap_intervals(
    fit: MixedFit,
    level: object,
    parm: object,
    n: object,
    rng: object,
    control: FitControl,
    progress: Counter | None = None,
) -> tuple[tuple[str, ...], Floats, tuple[str, ...]]:
    """Percentile intervals of the named quantities from a parametric bootstrap.

    Parameters
    ----------
    fit : MixedFit
    level : float
    parm : str or sequence of str, optional
    n : int
        Number of replicates.
    rng : int, Generator or None
    control : FitControl
    progress : callable or None

    Returns
    -------
    names : tuple of str
    limits : (rows, 2) array
    notes : tuple of str
    """
    count, seed = checked_count(n), seed_of(rng)
    drawn = draw(fit, count, "parametric", "new", None, seed, control, fit.n_threads, progress)
    made = Bootstrap.of_draws(
        drawn,
        type="parametric",
        n=count,
        seed=seed,
        re="new",
        quantities=quantities(fit),
        observed=observed_values(fit),
        theta_names=fit.theta_names,
        influence=None,
    )
    chosen, limits, notes = made.interval_limits("percentile", level, parm)
    return tuple(made.names[j] for j in chosen), limits, notes
