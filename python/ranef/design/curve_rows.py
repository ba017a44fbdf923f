"""The rows of a nonlinear model: its curve, and the columns behind every parameter of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ranef.curves.expression import Curve
from ranef.design.encoder import Encoder
from ranef.design.evaluate import State

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CurveEncoder:
    """What was learned from the data of the fit, for new rows.

    Attributes
    ----------
    parameters : tuple of Encoder
        Of each parameter's formula.
    states : dict
        What functions in the curve learned.
    random : tuple of tuple of (int, int)
        For each random term its parts: parameter, and number of the random term in its formula.
    """

    parameters: tuple[Encoder, ...]
    states: dict[str, State]
    random: tuple[tuple[tuple[int, int], ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class CurveRows:
    """See the module.

    Attributes
    ----------
    curve : Curve
    covariates : tuple of (n,) arrays
        What the curve is computed from.
    x : (n, p) array
        Columns of the fixed effects as they enter the parameters.
    parts : tuple of int
        Parameter of every column.
    z : tuple of (n, k) arrays
        Columns of every random term, in the order of the formula.
    of : tuple of tuple of int
        Parameter of every effect.
    code : str
        The model as a formula, and formulas of parameters.
    encoder : CurveEncoder
    """

    curve: Curve
    covariates: tuple[Floats, ...]
    x: Floats
    parts: tuple[int, ...]
    z: tuple[Floats, ...]
    of: tuple[tuple[int, ...], ...]
    code: str
    encoder: CurveEncoder

    def take(self, rows: NDArray[np.intp]) -> Self:
        """Some rows, which may be repeated."""
        return replace(
            self,
            covariates=tuple(np.ascontiguousarray(c[rows]) for c in self.covariates),
            x=np.asfortranarray(self.x[rows]),
            z=tuple(np.asfortranarray(z[rows]) for z in self.z),
        )

    @property
    def n_parameters(self) -> int:
        """Number of parameters of the curve."""
        return len(self.curve.parameters)

    def fixed_parameters(self, beta: Floats) -> Floats:
        """Parameters (P, n) of the curve without random effects."""
        out = np.zeros((self.n_parameters, len(self.x)))
        for j, c in enumerate(self.parts):
            out[c] += self.x[:, j] * beta[j]
        return out

    def parameters_with(self, beta: Floats, shares: Sequence[Callable[[Floats], Floats]]) -> Floats:
        """Parameters (P, n) with random effects.

        Parameters
        ----------
        beta : (p,) array
        shares : sequence of callable
            For each random term, what a row has of it through columns (n, k).
        """
        out = self.fixed_parameters(beta)
        for z, of, share in zip(self.z, self.of, shares, strict=True):
            for c in dict.fromkeys(of):
                own = np.array([i == c for i in of])
                out[c] += share(z * own)
        return out

    def linear_columns(self, slopes: Floats) -> tuple[Floats, tuple[Floats, ...]]:
        """Columns of the fixed and of the random effects in the linearised model, from the slopes
        (P, n) of the curve in its parameters.
        """
        x = np.asfortranarray(self.x * slopes[list(self.parts)].T)
        z = tuple(np.asfortranarray(z * slopes[list(of)].T) for z, of in zip(self.z, self.of, strict=True))
        return x, z


def no_python(curve: Any) -> bool:
    """Whether a curve has functions of the user's that are not at hand."""
    return curve.steps is None and not curve.functions
