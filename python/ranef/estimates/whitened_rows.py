"""The rows of a model with a covariance structure, multiplied by the inverse of the lower Cholesky
factor of their covariance: a mixed model whose rows are independent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.residual import ResidualRows
from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    from scipy.sparse import csc_array, csr_array

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class WhitenedRows:
    """Rows by blocks, in a block by position.

    Attributes
    ----------
    order : (n,) array
        The row of the fit of each.
    x : (n, p) array
    z : sparse (n, q) array or None
        Of the spherical random effects; None without any.
    system : SuperLU or None
        Factors of ``z'z + I``.
    phi : (p, p) array
        Covariance of the fixed effects divided by sigma².
    """

    order: Places
    x: Floats
    z: "csc_array | None"
    system: Any
    phi: Floats

    def residuals(self, y: Floats) -> Floats:
        """Conditional residuals (n, m) of whitened responses (n, m) divided by sigma."""
        if self.z is None:
            out: Floats = y - self.x @ (self.phi @ (self.x.T @ y))
            return out
        half = self.z.T @ y
        inner = y - self.z @ self.system.solve(np.ascontiguousarray(half))
        rest = y - self.x @ (self.phi @ (self.x.T @ inner))
        out = rest - self.z @ self.system.solve(np.ascontiguousarray(self.z.T @ rest))
        return out

    def drawn_residuals(self, generator: np.random.Generator, m: int) -> Floats:
        """Residuals (n, m) of responses from the model, the covariance parameters known."""
        y = generator.standard_normal((len(self.x), m))
        if self.z is not None:
            y = y + self.z @ generator.standard_normal((self.z.shape[1], m))
        return self.residuals(y)


def whitened_rows(fit: MixedFit) -> WhitenedRows:
    """The rows of a fit with a covariance structure of its rows."""
    from scipy.sparse import csc_array, eye_array, vstack
    from scipy.sparse.linalg import splu

    rows = fit.design.residual
    assert rows is not None
    z = spherical_rows(fit, tuple(t.codes for t in fit.terms), tuple(t.z for t in fit.terms)) if fit.terms else None
    phi = np.asarray(fit.vcov / fit.sigma**2)
    if rows.expr.correlation is None:
        scale = fit.sigma / np.sqrt(fit.observation_variance())
        order: Places = np.arange(len(scale))
        x, wz = fit.x * scale[:, None], None if z is None else csc_array(z.multiply(scale[:, None]))
    else:
        found = list(block_roots(fit, rows))
        order = np.concatenate([at for at, _ in found])
        inverses = [(at, np.linalg.inv(root)) for at, root in found]
        x = np.concatenate([inverse @ fit.x[at] for at, inverse in inverses])
        wz = None if z is None else csc_array(vstack([csc_array(inverse) @ z[at] for at, inverse in inverses]))
    system = None if wz is None else splu(csc_array(wz.T @ wz + eye_array(wz.shape[1])))
    return WhitenedRows(order, x, wz, system, phi)


def blocks_of(rows: ResidualRows) -> dict[int, Places]:
    """Rows of every block; none where rows are not correlated."""
    if rows.expr.correlation is None:
        return {}
    order = np.argsort(rows.subject, kind="stable")
    starts = np.searchsorted(rows.subject[order], np.arange(int(rows.subject.max()) + 2))
    return {i: order[a:b] for i, (a, b) in enumerate(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True))}


def block_roots(fit: MixedFit, rows: ResidualRows) -> Iterator[tuple[Places, Floats]]:
    """Rows of every block by position, and the lower Cholesky factor of their covariance divided by
    sigma².
    """
    for block in blocks_of(rows).values():
        at = block[np.lexsort(rows.position[block].T[::-1])]
        covariates = [(np.ascontiguousarray(v.x[at]), np.ascontiguousarray(v.codes[at])) for v in rows.variances]
        r = fit.position_covariance(np.ascontiguousarray(rows.position[at]), int(rows.group[at[0]]), covariates)
        scale = np.sqrt(fit.weights[at]) * fit.sigma
        root: Floats = np.linalg.cholesky(r / np.outer(scale, scale)).astype(np.float64)
        yield at, root


def spherical_rows(fit: MixedFit, codes: tuple[Any, ...], z: tuple[Floats, ...]) -> "csr_array":
    """Sparse rows (m, q) by which the spherical random effects of all terms enter, levels of a term
    together; levels that the fit has not seen have none.
    """
    from scipy.sparse import csr_array, hstack

    parts = []
    for code, columns, factor, b in zip(codes, z, fit.relative_factors, fit.b, strict=True):
        levels, k = b.shape
        known = np.flatnonzero(code >= 0)
        where = code[known][:, None] * k + np.arange(k)
        index = (np.repeat(known, k), where.reshape(-1))
        parts.append(csr_array(((columns[known] @ factor).reshape(-1), index), shape=(len(code), levels * k)))
    return csr_array(hstack(parts))
