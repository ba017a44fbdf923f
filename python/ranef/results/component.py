"""A part of a model beside its conditional one: the effects of another linear predictor."""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.fit.part_effects import PartEffects
from ranef.inference.fixed_effect_tests import SingleTests
from ranef.inference.part_coefficients import part_coefficients

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from ranef.estimates.varcorr import VarCorrBlock
    from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]


class Component:
    """Effects of a linear predictor beside the first, made by ``component`` of a model."""

    __slots__ = ("_part",)

    def __init__(self, part: PartEffects):
        self._part = part

    @property
    def linear_predictor(self) -> Floats:
        """The linear predictor (n,) of the rows used; for thresholds (n, m) those of every row."""
        return self._part.predictor()

    @property
    def formula(self) -> str | None:
        """The formula as it was given."""
        return self._part.formula

    def _named(self, values: Floats, name: str) -> "pd.Series[float]":
        import pandas as pd

        return pd.Series(values, index=pd.Index(self._part.names), name=name, copy=True)

    @property
    def _tests(self) -> SingleTests:
        return part_coefficients(self._part)

    @property
    def fixef(self) -> "pd.Series[float]":
        """Effects by name."""
        return self._named(self._part.estimates, "fixef")

    @property
    def bse(self) -> "pd.Series[float]":
        """Standard errors, with the estimation of all parameters accounted for."""
        return self._named(self._tests.std_error, "bse")

    @property
    def zvalues(self) -> "pd.Series[float]":
        """Effects divided by their standard errors."""
        return self._named(self._tests.statistic, "zvalues")

    @property
    def pvalues(self) -> "pd.Series[float]":
        """Two-sided p-values of the z tests; of t tests with sampling weights."""
        return self._named(self._tests.p_value, "pvalues")

    @property
    def varcorr(self) -> "Mapping[str, VarCorrBlock]":
        """Covariances of its own random effects, by grouping factor; an error where it has none."""
        from ranef.estimates.varcorr import VarCorr, varcorr
        from ranef.presentation.variance_table import VarCorr as Printed

        return Printed.of(VarCorr({**varcorr(self._record)}, None))

    def ranef(self) -> "dict[str, pd.DataFrame]":
        """Conditional modes of its own random effects.

        Returns
        -------
        dict
            For each grouping factor a DataFrame (levels × effects).

        Examples
        --------
        >>> from ranef import clmm, load_dataset
        >>> m = clmm("resp ~ Gender + (1 | id)", load_dataset("VerbAgg"), scale="~ (1 | id)")
        >>> m.component("scale").ranef()["id"].shape
        (316, 1)
        """
        import pandas as pd

        from ranef.estimates.random_effects import random_effects
        from ranef.presentation.level_frames import random_effects_frames

        found = random_effects(self._record)
        frames = {
            g.group: pd.DataFrame(g.values, pd.Index(g.levels, name=g.group), pd.Index(g.names), copy=True)
            for g in found
        }
        return random_effects_frames(frames)

    @property
    def _record(self) -> "MixedFit":
        record = self._part.record
        if record is None or not record.terms:
            raise OptionError(f"the component {self._part.name!r} has no random effects.")
        return record

    def cov_params(self) -> "pd.DataFrame":
        """Covariance matrix (k × k) of the effects.

        Returns
        -------
        DataFrame

        Examples
        --------
        >>> from ranef import clmm, load_dataset
        >>> m = clmm("rating ~ temp + (1 | judge)", load_dataset("wine"), scale="~ temp")
        >>> m.component("scale").cov_params().shape
        (1, 1)
        """
        import pandas as pd

        names = pd.Index(self._part.names)
        return pd.DataFrame(self._part.covariance, index=names, columns=names, copy=True)

    def conf_int(self, level: float = 0.95) -> "pd.DataFrame":
        """Wald intervals of the effects.

        Parameters
        ----------
        level : float

        Returns
        -------
        DataFrame
            Columns ``lower, upper``.

        Examples
        --------
        >>> from ranef import clmm, load_dataset
        >>> m = clmm("rating ~ temp + (1 | judge)", load_dataset("wine"), nominal="~ contact")
        >>> m.component("nominal").conf_int().shape
        (4, 2)
        """
        import pandas as pd

        from ranef.estimates.intervals import normal_multiplier
        from ranef.inference.distributions import t_multiplier

        normal_multiplier(level)  # checks it
        half = t_multiplier(level, self._tests.df) * self._tests.std_error
        return pd.DataFrame(
            {"lower": self._part.estimates - half, "upper": self._part.estimates + half},
            index=pd.Index(self._part.names),
        )

    def __repr__(self) -> str:
        import pandas as pd

        letter = "t" if math.isfinite(self._part.df) else "z"
        columns = {"Estimate": self.fixef, "Std. Error": self.bse}
        table = pd.DataFrame({**columns, f"{letter} value": self.zvalues, f"Pr(>|{letter}|)": self.pvalues})
        head = f"{self._part.name}: {self.formula}" if self.formula else self._part.name
        return f"{head}\n{table.to_string()}"
