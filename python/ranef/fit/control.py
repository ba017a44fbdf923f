"""Options of the optimiser."""

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, fields

from ranef.errors import ArgumentTypeError, OptionError


@dataclass(frozen=True, slots=True)
class FitControl:
    """Options of the optimiser, given as ``control={...}``.

    Attributes
    ----------
    max_evaluations : int
        Limit on evaluations of the criterion with its gradient.
    tolerance : float
        The fit stops when the criterion can be lowered by less than this, judged by the Newton
        decrement.
    """

    max_evaluations: int = 1000
    tolerance: float = 1e-12


_DEFAULT = FitControl()


def parse_control(control: Mapping[str, object] | None) -> FitControl:
    """Check the ``control`` argument.

    Raises
    ------
    ArgumentTypeError
        When it is not a dict, or an entry has the wrong type.
    OptionError
        When a key is unknown (all keys are listed) or a value out of range.
    """
    if control is None:
        return _DEFAULT
    if not isinstance(control, Mapping):
        raise ArgumentTypeError(
            f"control must be a dict such as {{'max_evaluations': 1000}}, not {type(control).__name__}."
        )
    allowed = [f.name for f in fields(FitControl)]
    unknown = [str(k) for k in control if k not in allowed]
    if unknown:
        raise OptionError(
            f"control has no option {', '.join(map(repr, unknown))}; the options are {', '.join(allowed)}."
        )
    evaluations = control.get("max_evaluations", _DEFAULT.max_evaluations)
    if isinstance(evaluations, bool) or not isinstance(evaluations, numbers.Integral):
        raise ArgumentTypeError(f"control['max_evaluations'] must be a whole number, not {evaluations!r}.")
    if evaluations < 1:
        raise OptionError(f"control['max_evaluations'] must be at least 1, not {evaluations!r}.")
    tolerance = control.get("tolerance", _DEFAULT.tolerance)
    if isinstance(tolerance, bool) or not isinstance(tolerance, numbers.Real):
        raise ArgumentTypeError(f"control['tolerance'] must be a number, not {tolerance!r}.")
    if not (math.isfinite(tolerance) and float(tolerance) > 0):
        raise OptionError(f"control['tolerance'] must be a positive number, not {tolerance!r}.")
    return FitControl(int(evaluations), float(tolerance))
