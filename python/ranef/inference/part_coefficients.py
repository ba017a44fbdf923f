"""Wald tests of the effects of linear predictors beside the first, such as thresholds."""

import numpy as np

from ranef.fit.part_effects import PartEffects
from ranef.inference.distributions import t_tails
from ranef.inference.fixed_effect_tests import SingleTests


def part_coefficients(part: PartEffects) -> SingleTests:
    """Test every effect of a part against zero.

    Parameters
    ----------
    part : PartEffects

    Returns
    -------
    SingleTests
        p-values too where zero is no value that one would test (``part.tested``).
    """
    std_error = np.sqrt(np.diagonal(part.covariance))
    statistic = part.estimates / std_error
    df = np.full_like(statistic, np.inf)
    return SingleTests(part.estimates, std_error, df, statistic, t_tails(statistic, df))
