"""Sample against normal quantiles."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


#: Tails of every ordered value beyond a band that holds all values of 99 of 100 normal samples, by
#: their number; by simulation, 8,000 samples for each number, and the line through the quartiles
#: estimated from the sample.
_NUMBERS = (10, 15, 20, 30, 50, 100, 200, 1000, 10_000)
_TAILS = (5.1e-11, 1.1e-8, 5.1e-8, 1.2e-6, 3.5e-6, 1.3e-5, 2.2e-5, 2.0e-5, 1.4e-5)


#: With more values than this, limits are computed for so many of each half of the ranks, more
#: densely towards the ends, and interpolated between them (to 1e-5 of a standard deviation).
_ALL, _SOME = 5000, 1000


def tail_of_all(n: int) -> float:
    """Tail beyond the band of each of n ordered values so that it holds all of them in 99 of 100
    normal samples.
    """
    return float(np.exp(np.interp(np.log(n), np.log(_NUMBERS), np.log(_TAILS))))


def normal_quantiles(values: Floats, level: float | None = 0.95) -> "pd.DataFrame":
    """Pair sorted values with the normal quantiles of their ranks, as R's ``qqnorm`` does.

    Parameters
    ----------
    values : (n,) array
        NaN are left out.
    level : float or None
        Level of the pointwise band; None makes the band that holds all values of 99 of 100 normal
        samples.

    Returns
    -------
    DataFrame
        Sorted by value, index the position in ``values``; columns ``theoretical``, ``sample``,
        ``line`` (through the quartiles, as R's ``qqline``) and ``lower, upper``: where an ordered
        value of a normal sample around the line lies with the probability ``level`` (from the beta
        distribution of ordered uniforms).
    """
    import pandas as pd
    from scipy.special import ndtri

    known = np.flatnonzero(~np.isnan(values))
    n = len(known)
    if n < 3:
        raise OptionError(f"a picture of quantiles needs at least 3 values, and there are {n}.")
    order = known[np.argsort(values[known], kind="stable")]
    sample = values[order]
    ranks = np.arange(1, n + 1)
    shift = 0.375 if n <= 10 else 0.5
    theoretical = ndtri((ranks - shift) / (n + 1 - 2 * shift))
    low, high = np.quantile(sample, [0.25, 0.75])
    slope = (high - low) / (2 * ndtri(0.75))
    centre = (low + high) / 2
    tail = tail_of_all(n) if level is None else (1 - level) / 2
    # By symmetry the upper limit of a rank is minus the lower one of the rank as far from the end.
    below = _lower_limits(ranks, theoretical, tail)
    limits = [centre + slope * below, centre - slope * below[::-1]]
    return pd.DataFrame(
        {
            "theoretical": theoretical,
            "sample": sample,
            "line": centre + slope * theoretical,
            "lower": limits[0],
            "upper": limits[1],
        },
        index=pd.Index(order, name="row"),
    )


def _lower_limits(ranks: "NDArray[np.int64]", theoretical: Floats, tail: float) -> Floats:
    """Values of which ordered values of a normal sample are below with a probability."""
    from scipy.special import betaincinv, ndtri

    n = len(ranks)
    if n <= _ALL:
        return np.asarray(ndtri(betaincinv(ranks, n + 1 - ranks, tail)))
    half = np.unique(np.geomspace(1, n // 2, _SOME).round().astype(np.int64))
    some = np.unique(np.concatenate([half, n + 1 - half]))
    distance = ndtri(betaincinv(some, n + 1 - some, tail)) - theoretical[some - 1]
    return np.asarray(theoretical + np.interp(theoretical, theoretical[some - 1], distance))
