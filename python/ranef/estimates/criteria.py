"""Log-likelihood and information criteria of a fit."""

import math
from dataclasses import dataclass

from ranef.fit.record import MixedFit


@dataclass(frozen=True, slots=True)
class Criteria:
    """Criteria at the estimates, as lme4 counts them.

    Attributes
    ----------
    llf : float
        Restricted log-likelihood of a REML fit, log-likelihood of an ML fit.
    aic, bic, aicc : float
        With ``npar`` parameters, sigma among them; BIC with the number of observations. ``aicc`` is
        NaN where ``nobs <= npar + 1``.
    df_resid : int
        ``nobs - npar``.
    """

    llf: float
    aic: float
    bic: float
    aicc: float
    df_resid: int


def criteria(fit: MixedFit) -> Criteria:
    """Compute the criteria of a fit."""
    k, n, deviance = fit.npar, fit.nobs, fit.objective
    aic = deviance + 2 * k
    return Criteria(
        llf=-deviance / 2,
        aic=aic,
        bic=deviance + k * math.log(n),
        aicc=aic + 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else math.nan,
        df_resid=n - k,
    )
