"""Options of the optimiser."""

import math
import numbers
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from ranef.errors import ArgumentTypeError, OptionError

if TYPE_CHECKING:
    from pathlib import Path

    from ranef.fit.checkpoint_file import CheckpointFile


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
    solver : {"auto", "exact", "iterative"}
        How models with crossed grouping factors are solved: by an exact factor of their
        system, or by conjugate gradients with a log-determinant by random probes. ``"auto"``
        predicts memory and time: where exact evaluations would take long, the second finds the
        estimates and one or two exact ones end the search; where they do not fit into memory, or
        one takes two minutes, the second is left alone.
    probes : int
        Random probes that the iterative solver begins with; it adds more where estimates or the
        criterion ask for them.
    seed : int
        Of the probes' signs.
    memory : float or None
        Bytes that the fit, and each call of the model afterwards, may take beyond what the process
        holds when it begins, given as a number or as text such as ``"4 GiB"``. None: what the
        machine, its control groups and the limit of the address space leave.
    checkpoint : CheckpointFile or Path or None
        Where the search of the iterative solver is kept, of which rows in memory have the path
        alone; an argument of the call, not an entry of ``control``.
    """

    max_evaluations: int = 1000
    tolerance: float = 1e-12
    solver: str = "auto"
    probes: int = 8
    seed: int = 1
    memory: float | None = None
    checkpoint: "CheckpointFile | Path | None" = None


_DEFAULT = FitControl()

SOLVERS = ("auto", "exact", "iterative")

#: Probes that may be asked for: two show their spread.
_PROBES = (2, 4096)


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
    allowed = [f.name for f in fields(FitControl) if f.name != "checkpoint"]
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
    solver = control.get("solver", _DEFAULT.solver)
    if not isinstance(solver, str) or solver not in SOLVERS:
        raise OptionError(f"control['solver'] must be 'auto', 'exact' or 'iterative', not {solver!r}.")
    probes = _whole(control, "probes", _DEFAULT.probes, *_PROBES)
    return FitControl(
        int(evaluations),
        float(tolerance),
        solver,
        probes,
        _whole(control, "seed", _DEFAULT.seed, 0, 2**63),
        _bytes(control.get("memory")),
    )


#: Units of memory, of 1,000 and of 1,024.
_UNITS = {
    "": 1.0,
    "B": 1.0,
    **{f"{letter}B": 1000.0**i for i, letter in enumerate("KMGT", start=1)},
    **{f"{letter}IB": 1024.0**i for i, letter in enumerate("KMGT", start=1)},
}


def _bytes(value: object) -> float | None:
    """A number of bytes, given as such or as text with a unit."""
    if value is None:
        return None
    if isinstance(value, str):
        found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]*)\s*", value)
        unit = None if found is None else _UNITS.get(found[2].upper())
        number = math.nan if found is None or unit is None else float(found[1]) * unit
    elif isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ArgumentTypeError(f"control['memory'] must be bytes or text such as '4 GiB', not {value!r:.60}.")
    else:
        number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise OptionError(
            f"control['memory'] must be a positive number of bytes or text such as '4 GiB', not {value!r}."
        )
    return number


def _whole(control: Mapping[str, object], key: str, default: int, least: int, most: int) -> int:
    """A whole number within limits."""
    value = control.get(key, default)
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ArgumentTypeError(f"control[{key!r}] must be a whole number, not {value!r}.")
    if not least <= int(value) <= most:
        raise OptionError(f"control[{key!r}] must be between {least} and {most}, not {value!r}.")
    return int(value)


def refuse_iterative(control: FitControl, models: str) -> None:
    """Refuse the iterative solver for models that it does not know.

    Raises
    ------
    OptionError
    """
    if control.solver == "iterative":
        raise OptionError(
            f"control['solver'] 'iterative' is for lmer and for glmer with one linear predictor, not for {models}; "
            "leave it out."
        )
