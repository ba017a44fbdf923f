"""The arguments ``correlation`` and ``variance``, which several verbs have."""

from typing import Any

from ranef.formula.residual import ResidualExpr, parse_residual


class RowStructureRequest:
    """What requests with a covariance structure of the rows have in common."""

    __slots__ = ()

    correlation: Any
    variance: Any

    def _hold_structure_as_text(self) -> None:
        """Read both, and keep them as text, which files can hold."""
        expr = self.residual
        if expr is not None:
            object.__setattr__(self, "correlation", expr.correlation_code)
            object.__setattr__(self, "variance", expr.variance_code)

    @property
    def residual(self) -> ResidualExpr | None:
        """Covariance structure of the rows given the random effects."""
        return parse_residual(self.correlation, self.variance)

    def _names_in_structure(self) -> tuple[str, ...]:
        residual = self.residual
        return () if residual is None else residual.names
