"""The response on the diagnostic panel beside simulated responses."""

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.chance import largest_chance
from ranef.diagnostics.check_part import CheckPart
from ranef.diagnostics.check_sentences import distribution_sentence
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]

#: Points at which shares of rows are compared, with as many rows between neighbours, and the shares
#: of the rows between which they lie.
POINTS, RANGE = 60, (0.01, 0.99)


def distribution_part(fit: MixedFit, draws: Floats) -> CheckPart:
    """Compare the distribution of the response with those of simulated ones.

    Parameters
    ----------
    fit : MixedFit
    draws : (n, m) array
        Simulated responses.
    """
    import pandas as pd

    y = fit.design.y
    points = np.unique(np.quantile(y, np.linspace(*RANGE, POINTS)))
    shares = np.stack([_shares(values, points) for values in (y, *draws.T)])
    # The data are one of the responses from a correct model: all have the same part in the mean.
    expected = shares.mean(axis=0)
    least = np.sqrt(np.maximum(expected * (1 - expected), 1.0 / len(y)) / len(y)) / 2
    spread = np.maximum(shares.std(axis=0), least)
    farthest = np.max(np.abs(shares - expected) / spread, axis=1)
    p, critical = largest_chance(float(farthest[0]), farthest[1:])
    frame = pd.DataFrame(
        {
            "y": points,
            "observed": shares[0],
            "lower": np.maximum(expected - critical * spread, 0.0),
            "upper": np.minimum(expected + critical * spread, 1.0),
        }
    )
    formula = fit.design.formula
    response = "the response" if formula.response is None else formula.response.name
    at = int(np.argmax(np.abs(shares[0] - expected) / spread))
    size = float(np.max(np.abs(shares[0] - expected)))
    sentence = distribution_sentence(size, float(points[at]), draws.shape[1], response, p)
    return CheckPart("distribution", "Observed and simulated responses", response, frame, sentence)


def _shares(values: Floats, points: Floats) -> Floats:
    """Shares of the rows up to each point."""
    counts = np.bincount(np.searchsorted(points, values), minlength=len(points) + 1)
    return np.asarray(np.cumsum(counts)[: len(points)] / len(values))
