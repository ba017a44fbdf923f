"""A generalized fit as plain frames: itself in one row, its observations, its Wald tests."""

from typing import TYPE_CHECKING, Any

from ranef.errors import OptionError
from ranef.estimates.criteria import criteria
from ranef.estimates.fitted import population_values
from ranef.estimates.glmm_values import glmm_residuals
from ranef.fit.glmm_record import GlmmFit
from ranef.inference.contrast_tests import ContrastTests
from ranef.inference.wald_terms import WaldTests
from ranef.presentation.test_table import TestTable, test_table
from ranef.presentation.tidy import beside_data

if TYPE_CHECKING:
    import pandas as pd


def glmm_glance(fit: GlmmFit) -> "pd.DataFrame":
    """Return the fit in one row."""
    import pandas as pd

    c = criteria(fit)
    row = {
        "nobs": fit.nobs,
        "sigma": fit.sigma,
        "dispersion": fit.dispersion,
        "llf": c.llf,
        "aic": c.aic,
        "bic": c.bic,
        "deviance": fit.objective,
        "df_resid": c.df_resid,
        "npar": fit.npar,
        "is_singular": fit.singular,
        "converged": fit.convergence.ok,
    }
    return pd.DataFrame([row])


def glmm_augment(fit: GlmmFit, data: Any) -> "pd.DataFrame":
    """Return the observations with what the fit says of each.

    Parameters
    ----------
    fit : GlmmFit
    data : frame or AbsentData
        The data of the fit, of which the columns named in the formula are shown.
    """
    own = {
        ".fitted": fit.mu,
        ".eta": fit.eta,
        ".fixed": population_values(fit),
        ".resid": glmm_residuals(fit, "response"),
    }
    for name, kind in ((".pearson", "pearson"), (".deviance", "deviance")):
        try:
            own[name] = glmm_residuals(fit, kind)
        except OptionError:  # a family of the user's own need not have them
            continue
    return beside_data(fit, data, own)


def wald_table(tests: WaldTests, formula: str) -> TestTable:
    """The table of ``anova``: columns ``chisq, df, p_value``."""
    import pandas as pd

    frame = pd.DataFrame(
        {"chisq": tests.chisq, "df": tests.df, "p_value": tests.p_value}, index=pd.Index(tests.labels, dtype=object)
    )
    return test_table(frame, f"{tests.heading}\nModel: {formula}", tests.notes)


def contrast_frame(found: ContrastTests) -> "pd.DataFrame":
    """Tests of contrasts: a joint test is a chi-square here, with columns ``chisq, df, p_value``."""
    import pandas as pd

    if found.joint is None:
        return found.to_pandas()
    j = found.joint
    frame = pd.DataFrame(
        {"chisq": [j.wald * j.num_df], "df": [float(j.num_df)], "p_value": [j.p_value]},
        index=pd.Index([", ".join(found.contrasts.labels)], dtype=object),
    )
    frame.attrs = {"notes": found.notes}
    return frame
