"""F tests of the terms of the fixed effects."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ranef.errors import OptionError
from ranef.inference.fixed_effect_tests import FixedEffectTests, JointTest
from ranef.inference.term_contrasts import term_contrasts, type_of_tests
from ranef.options import Ddf

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class TermTests:
    """F tests of terms.

    Attributes
    ----------
    labels : tuple of str
    tests : tuple of JointTest
    sigma : float
        Residual standard deviation, in whose units sums of squares are given.
    heading : str
        What was tested and how.
    notes : tuple of str
    """

    labels: tuple[str, ...]
    tests: tuple[JointTest, ...]
    sigma: float
    heading: str
    notes: tuple[str, ...]

    def to_pandas(self) -> "pd.DataFrame":
        """Frame with columns ``sum_sq, mean_sq, num_df, den_df, f_value, p_value``."""
        import pandas as pd

        mean_sq = np.array([t.wald * self.sigma**2 for t in self.tests])
        num_df = np.array([t.num_df for t in self.tests], dtype=np.float64)
        frame = pd.DataFrame(
            {
                "sum_sq": mean_sq * num_df,
                "mean_sq": mean_sq,
                "num_df": num_df,
                "den_df": np.array([t.den_df for t in self.tests], dtype=np.float64),
                "f_value": np.array([t.f_value for t in self.tests], dtype=np.float64),
                "p_value": np.array([t.p_value for t in self.tests], dtype=np.float64),
            },
            index=pd.Index(self.labels, dtype=object),
        )
        frame.attrs = {"heading": self.heading, "notes": self.notes}
        return frame


_METHODS = {
    "satterthwaite": "with Satterthwaite's method",
    "kenward-roger": "with Kenward-Roger's method",
    "kenward-roger-linear": "with Kenward-Roger's linear method",
    "between-within": "with between-within degrees of freedom",
    "residual": "with residual degrees of freedom",
    "none": "without denominator degrees of freedom",
}


def term_tests(tests: FixedEffectTests, kind: object, ddf: Ddf) -> TermTests:
    """Test every term.

    Parameters
    ----------
    tests : FixedEffectTests
    kind : {1, 2, 3}
    ddf : {"satterthwaite", "kenward-roger", "residual", "none"}

    Returns
    -------
    TermTests
    """
    kind = type_of_tests(kind)
    if isinstance(kind, bool) or not isinstance(kind, int | np.integer) or kind not in (1, 2, 3):
        raise OptionError(
            f"type must be 1, 2 or 3, not {kind!r}."
            if isinstance(kind, str | int | float)
            else f"type must be 1, 2 or 3, not a {type(kind).__name__}; models are compared by ranef.anova(m1, m2)."
        )
    contrasts = term_contrasts(tests.fit, int(kind))
    if ddf.startswith("kenward-roger"):
        tests.covariance(ddf)  # says what a model without terms lacks, too
    shown = [(label, rows) for label, rows in contrasts if len(rows)]
    absent = [label for label, rows in contrasts if not len(rows)]
    found = tuple(tests.joint(rows, None, ddf) for _, rows in shown)
    notes = list(tests.notes(ddf)) if shown else []
    if absent:
        notes.append(f"not tested, as their columns were dropped: {', '.join(absent)}.")
    without = [label for (label, _), test in zip(shown, found, strict=True) if np.isnan(test.p_value)]
    if without:
        notes.append(
            f"the method gives no denominator degrees of freedom for {', '.join(without)}, so that there is no p-value."
        )
    heading = f"Type {'I' * int(kind)} tests of fixed effects {_METHODS[ddf]}"
    return TermTests(tuple(label for label, _ in shown), found, tests.fit.sigma, heading, tuple(notes))
