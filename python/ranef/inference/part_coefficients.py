"""Wald tests of the effects of linear predictors beside the first, such as thresholds."""

import numpy as np

from ranef.fit.part_effects import PartEffects
from ranef.inference.distributions import t_tails
from ranef.inference.fixed_effect_tests import SingleTests
from ranef.options import Ddf


def part_coefficients(part: PartEffects, ddf: Ddf = "clusters") -> SingleTests:
    """Test every effect of a part against zero.

    Parameters
    ----------
    part : PartEffects
    ddf : {"clusters", "none"}
        With ``"none"`` tests are normal also where the part has degrees of freedom.

    Returns
    -------
    SingleTests
        p-values too where zero is no value that one would test (``part.tested``).
    """
    std_error = np.sqrt(np.diagonal(part.covariance))
    statistic = part.estimates / std_error
    df = np.full_like(statistic, np.inf if ddf == "none" else part.df)
    return SingleTests(part.estimates, std_error, df, statistic, t_tails(statistic, df))
