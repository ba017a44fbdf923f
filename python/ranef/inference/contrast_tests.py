"""Tests of contrasts that a user writes."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.intervals import checked_level
from ranef.inference.contrasts import Contrasts, parse_contrasts
from ranef.inference.distributions import checked_alternative, interval_ends, p_values
from ranef.inference.fixed_effect_tests import FixedEffectTests, JointTest, SingleTests
from ranef.options import Ddf

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ContrastTests:
    """Tests of contrasts: each by itself, or all together.

    Attributes
    ----------
    contrasts : Contrasts
    single : SingleTests or None
    joint : JointTest or None
        One of the two.
    limits : tuple of (k,) arrays, or None
        Of the intervals of single contrasts.
    notes : tuple of str
    """

    contrasts: Contrasts
    single: SingleTests | None
    joint: JointTest | None
    limits: tuple[Floats, Floats] | None
    notes: tuple[str, ...]

    def to_pandas(self) -> "pd.DataFrame":
        """Frame with a row for each contrast, or one for the joint test."""
        import pandas as pd

        labels = self.contrasts.labels
        if self.single is not None and self.limits is not None:
            s = self.single
            columns = {
                "estimate": s.estimate,
                "std_error": s.std_error,
                "df": s.df,
                "statistic": s.statistic,
                "p_value": s.p_value,
            }
            columns |= {"lower": self.limits[0], "upper": self.limits[1]}
            frame = pd.DataFrame(columns, index=pd.Index(labels, dtype=object))
        else:
            assert self.joint is not None
            j = self.joint
            values = {"num_df": [float(j.num_df)], "den_df": [j.den_df], "f_value": [j.f_value], "p_value": [j.p_value]}
            frame = pd.DataFrame(values, index=pd.Index([", ".join(labels)], dtype=object))
        frame.attrs = {"notes": self.notes}
        return frame


def contrast_tests(
    tests: FixedEffectTests,
    L: Any,
    rhs: Any,
    ddf: Ddf,
    joint: object,
    level: object,
    alternative: object = "two-sided",
) -> ContrastTests:
    """Read contrasts and test them.

    Parameters
    ----------
    tests : FixedEffectTests
    L : str, mapping, array, or sequence of these
    rhs : float, array or None
    ddf : {"satterthwaite", "kenward-roger", "residual", "none"}
    joint : bool or None
        None: when there are several, unless the alternative is one-sided.
    level : float
    alternative : {"two-sided", "greater", "less"}
        Of single tests.

    Returns
    -------
    ContrastTests
    """
    if joint is not None and not isinstance(joint, bool | np.bool_):
        raise ArgumentTypeError(f"joint must be True, False or None, not {joint!r}.")
    level = checked_level(level)
    side = checked_alternative(alternative)
    if side != "two-sided":
        if joint:
            raise OptionError(f"a joint test has no sides: give joint=False with alternative={side!r}.")
        joint = False
    contrasts = parse_contrasts(L, tests.fit.x_names)
    if rhs is not None:
        contrasts = Contrasts(contrasts.rows, _right_side(rhs, contrasts), contrasts.labels)
    notes = tests.notes(ddf)
    if len(contrasts.rows) > 1 if joint is None else joint:
        found = tests.joint(contrasts.rows, contrasts.values, ddf)
        if np.isnan(found.p_value):
            notes = (
                *notes,
                "the method gives no denominator degrees of freedom for this test, so that there is no p-value.",
            )
        return ContrastTests(contrasts, None, found, None, notes)
    single = tests.single(contrasts.rows, contrasts.values, ddf)
    if side != "two-sided":
        single = replace(single, p_value=p_values(single.statistic, single.df, side))
        notes = (*notes, f"p-values are of the alternative that the contrast is {side} than the value tested.")
    limits = interval_ends(single.estimate, single.std_error, single.df, level, side)
    return ContrastTests(contrasts, single, None, limits, notes)


def _right_side(rhs: Any, contrasts: Contrasts) -> Floats:
    if np.any(contrasts.values != 0.0):
        raise OptionError("the text of L has values on its right side already; leave rhs out.")
    try:
        values = np.array(rhs, dtype=np.float64)
        out = np.broadcast_to(values, contrasts.values.shape).astype(np.float64)
    except (TypeError, ValueError):
        raise OptionError(
            f"rhs must be a number, or one number for each of the {len(contrasts.rows)} contrasts, not {rhs!r}."
        ) from None
    if not np.isfinite(out).all():
        raise OptionError("rhs must be finite.")
    return out
