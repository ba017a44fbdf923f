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
        Restricted log-likelihood of a REML fit, log-likelihood of an ML fit; without the priors.
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


def criteria(fit: MixedFit, penalized: bool = False) -> Criteria:
    """Compute the criteria of a fit; those of information are NaN where the likelihood was not
    maximised, unless ``penalized``.
    """
    k, n, deviance = fit.npar, fit.nobs, fit.deviance
    if fit.why_no_likelihood is not None and not penalized:
        return Criteria(-deviance / 2, math.nan, math.nan, math.nan, n - k)
    aic = deviance + 2 * k
    return Criteria(
        llf=-deviance / 2,
        aic=aic,
        bic=deviance + k * math.log(n),
        aicc=aic + 2 * k * (k + 1) / (n - k - 1) if n > k + 1 else math.nan,
        df_resid=n - k,
    )
