"""The fitted linear mixed model: what it alone has."""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.leverage import cooks_distances, studentized_residuals
from ranef.estimates import fixed_effects
from ranef.estimates.information_criteria import Convention, information_criteria, subjects_read
from ranef.estimates.residual_covariance import residual_covariances, structure_series
from ranef.fit.linear import LmmFit
from ranef.fit.request import LmmRequest
from ranef.results.model.mixed import MixedModel
from ranef.results.one_kind import GENERALIZED

if TYPE_CHECKING:
    import pandas as pd


class LinearMixedModel(MixedModel):
    """A linear mixed model fitted by ``ranef.lmer``."""

    _fit: LmmFit
    _request: LmmRequest
    _of_the_other_kind = GENERALIZED

    @property
    def reml_criterion(self) -> float:
        """The REML criterion at the estimates, whichever criterion was minimised."""
        return self._fit.reml_criterion

    @cached_property
    def tvalues(self) -> "pd.Series[float]":
        """Fixed effects divided by their standard errors."""
        return self._named(self._fit.beta / self._standard_errors(), "tvalues")

    @cached_property
    def residual_cov(self) -> "pd.DataFrame | dict[str, pd.DataFrame]":
        """Covariance matrix of the rows of a subject at its visits, or other positions, given the
        random effects; where groups have their own, a dict of them by group. Empty where rows are
        independent.
        """
        import pandas as pd

        found = residual_covariances(self._fit)
        frames = {g: pd.DataFrame(c, pd.Index(names), pd.Index(names)) for g, (names, c) in found.items()}
        return frames.get("", pd.DataFrame()) if len(frames) < 2 and set(frames) <= {""} else frames

    @cached_property
    def structure(self) -> "pd.Series[float]":
        """Parameters of the covariance structure of the rows by name; empty without one."""
        return structure_series(self._fit)

    def information_criteria(self, convention: Convention = "ranef", penalized: bool = False) -> "pd.Series[float]":
        """Information criteria as another program counts parameters and observations.

        Parameters
        ----------
        convention : {"ranef", "sas", "mmrm"}
            ``"ranef"``: all parameters and rows, as ``aic`` and ``bic``. ``"sas"``: covariance
            parameters under REML, fixed effects too under ML, and in BIC the subjects that were
            read, also those without a row that was used. ``"mmrm"``: covariance parameters alone,
            and the subjects that were used.
        penalized : bool
            Whether they are wanted of a fit with priors, whose likelihood was not maximised.

        Returns
        -------
        Series
            ``objective, aic, aicc, bic``; the objective is the criterion that was minimised.

        Examples
        --------
        >>> from ranef import load_dataset, mmrm
        >>> m = mmrm("distance ~ Sex * factor(age) + us(age | Subject)", load_dataset("orthodont"))
        >>> m.information_criteria("sas").round(2).to_dict()
        {'objective': 414.03, 'aic': 434.03, 'aicc': 436.51, 'bic': 446.99}
        """
        import pandas as pd

        found = information_criteria(
            self._fit, convention, lambda: subjects_read(self._fit, self._request.data), penalized
        )
        return pd.Series(found, name="information_criteria")

    def cooks_distance(self) -> "pd.Series[float]":
        """Cook's distance of each observation in the conditional fit, as lme4 defines it.

        It is the squared residual of ``rstudent()`` times ``h / (1 - h)``, divided by the number of
        fixed effects. The movement of the fixed effects alone is in ``influence().cooks_distance``.

        Returns
        -------
        Series
            Rows as in ``fittedvalues``; NaN where the hat value is one.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> m.cooks_distance().head(2).round(4).tolist()
        [0.005, 0.0402]
        """
        return self._row_series(lambda fit: cooks_distances(fit, self._hat_of(fit)), "cooks_distance")

    # ---- what the chapters ask

    def _standard_errors(self) -> NDArray[np.float64]:
        if self._request.tests_give_errors:
            return self._tests.coefficients(self.ddf).std_error
        return fixed_effects.standard_errors(self._fit)

    def _standardized(self) -> NDArray[np.float64]:
        return studentized_residuals(self._fit, self._hat)
