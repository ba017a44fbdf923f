"""The response on the diagnostic panel beside simulated responses."""

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.check_part import CheckPart
from ranef.diagnostics.check_sentences import distribution_sentence
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]

#: Simulated responses drawn.
SIMULATIONS = 49

_POINTS = 100


def distribution_part(fit: MixedFit, draws: Floats) -> CheckPart:
    """Compare the distribution of the response with those of simulated ones.

    Parameters
    ----------
    fit : MixedFit
    draws : (n, m) array
        Simulated responses, of which the first 49 are shown.
    """
    import pandas as pd

    simulated = np.sort(draws[:, :SIMULATIONS], axis=0)
    y = np.sort(fit.design.y)
    points = np.linspace(min(y[0], np.median(simulated[0])), max(y[-1], np.median(simulated[-1])), _POINTS)
    shares = np.stack([np.searchsorted(d, points, side="right") for d in simulated.T]) / len(y)
    frame = pd.DataFrame(
        {
            "y": points,
            "observed": np.searchsorted(y, points, side="right") / len(y),
            "lower": shares.min(axis=0),
            "upper": shares.max(axis=0),
        }
    )
    formula = fit.design.formula
    response = "the response" if formula.response is None else formula.response.name
    sentence = distribution_sentence(frame, simulated.shape[1], response)
    return CheckPart("distribution", "Observed and simulated responses", response, frame, sentence)
