"""Rates: means for one unit of exposure, where a logarithm links the mean to an offset."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.encoder import ARRAY
from ranef.fit.record import MixedFit
from ranef.formula.parser import parse_expression
from ranef.formula.syntax import Call, Name

Floats = NDArray[np.float64]

#: The unit of an exposure that is not one column.
UNKNOWN_UNIT = "unit of exposure"


@dataclass(frozen=True, slots=True, eq=False)
class Exposure:
    """What the counts of a model are for: its offset is the logarithm of this.

    Attributes
    ----------
    values : (n,) array
        Of the rows of the fit.
    unit : str
        ``"area"`` of ``offset(log(area))``; ``"unit of exposure"`` where the offset is not the
        logarithm of one column.
    """

    values: Floats
    unit: str

    def of(self, fit: MixedFit, rows: dict[str, Any], offset: Floats | None) -> Floats:
        """The exposure of new rows, given by columns and the offset that these cannot give."""
        found = fit.design.encoder.new_rows(rows, random="none", offset=offset).offset
        assert found is not None
        return np.exp(found)


def exposure_of(fit: MixedFit) -> Exposure | None:
    """The exposure of a model; None where it has no offset, or another link than the logarithm."""
    design = fit.design
    if fit.family.link != "log" or design.offset is None or np.ptp(design.offset) == 0:
        return None
    encoder = design.encoder
    expressions = [v.expr for v in design.formula.offsets]
    if encoder.offset is not None and encoder.offset != ARRAY:
        expressions.append(parse_expression(encoder.offset))
    single = len(expressions) == 1 and encoder.offset != ARRAY
    unit = _logged(expressions[0]) if single else None
    return Exposure(np.exp(design.offset), UNKNOWN_UNIT if unit is None else unit)


def _logged(expression: object) -> str | None:
    """The column whose logarithm is the offset."""
    if isinstance(expression, Call) and expression.function in ("offset", "log") and len(expression.arguments) == 1:
        inner = expression.arguments[0].value
        if expression.function == "offset":
            return _logged(inner)
        return inner.name if isinstance(inner, Name) else None
    return None
