"""Covariance structures of rows as functions: what ``correlation=`` and ``variance=`` of `lmer` and
`gls` take in the place of text.

``ar1("time", "id")`` is ``"ar1(time | id)"``, ``power("fitted")`` is ``"power(fitted)"``. Variables
are names of columns or expressions in columns; several coordinates are a list of them.
"""

from collections.abc import Sequence
from typing import Literal

from ranef.formula.residual import CorrelationExpr, VarianceExpr, parse_correlation, parse_variance

Position = str | Sequence[str]
Metric = Literal["euclidean", "manhattan", "maximum"]


def _correlation(name: str, position: Position | None, block: str | None, **options: object) -> CorrelationExpr:
    left = "1" if position is None else position if isinstance(position, str) else " + ".join(position)
    given = [f"{k}={v!r}" if k == "metric" else f"{k}={v}" for k, v in options.items() if v is not None]
    return parse_correlation(f"{name}({', '.join([f'{left} | {block or 1}', *given])})")


def _variance(name: str, of: str, by: str | None = None) -> VarianceExpr:
    (out,) = parse_variance(f"{name}({of}{f', by={by}' if by else ''})")
    return out


def ar1(
    position: str | None = None, block: str | None = None, *, hom: bool = True, by: str | None = None
) -> CorrelationExpr:
    """Autoregression of order one over whole-number positions; None is the order of the rows."""
    return _correlation("ar1", position, block, hom=hom, by=by)


def arma(
    position: str | None = None, block: str | None = None, *, p: int = 1, q: int = 0, by: str | None = None
) -> CorrelationExpr:
    """Autoregressive moving average of orders p and q."""
    return _correlation("arma", position, block, p=p, q=q, by=by)


def car1(position: str, block: str | None = None, *, by: str | None = None) -> CorrelationExpr:
    """Autoregression in continuous time."""
    return _correlation("car1", position, block, by=by)


def compound_symmetry(
    block: str, position: str | None = None, *, hom: bool = True, by: str | None = None
) -> CorrelationExpr:
    """One correlation for all pairs of rows of a block; ``hom=False`` needs positions."""
    return _correlation("cs", position, block, hom=hom, by=by)


def unstructured(position: str, block: str, *, hom: bool = False, by: str | None = None) -> CorrelationExpr:
    """Any correlations of the positions, and their variances unless ``hom=True``."""
    return _correlation("us", position, block, hom=hom, by=by)


def toeplitz(position: str, block: str | None = None, *, hom: bool = True, by: str | None = None) -> CorrelationExpr:
    """A correlation for each distance of whole-number positions."""
    return _correlation("toep", position, block, hom=hom, by=by)


def antedependence(position: str, block: str, *, hom: bool = True, by: str | None = None) -> CorrelationExpr:
    """A correlation for each pair of neighbouring positions."""
    return _correlation("ad", position, block, hom=hom, by=by)


def exponential_distance(
    position: Position,
    block: str | None = None,
    *,
    nugget: bool = False,
    metric: Metric = "euclidean",
    by: str | None = None,
) -> CorrelationExpr:
    """Correlation exp(-distance / range)."""
    return _correlation("exp", position, block, nugget=nugget, metric=metric, by=by)


def gaussian_distance(
    position: Position,
    block: str | None = None,
    *,
    nugget: bool = False,
    metric: Metric = "euclidean",
    by: str | None = None,
) -> CorrelationExpr:
    """Correlation exp(-(distance / range)^2)."""
    return _correlation("gau", position, block, nugget=nugget, metric=metric, by=by)


def by_group(group: str) -> VarianceExpr:
    """A variance for each group."""
    return _variance("by_group", group)


def power(of: str = "fitted", *, by: str | None = None) -> VarianceExpr:
    """Standard deviations proportional to abs(of)^d."""
    return _variance("power", of, by)


def exponential(of: str = "fitted", *, by: str | None = None) -> VarianceExpr:
    """Standard deviations proportional to exp(d of)."""
    return _variance("exponential", of, by)


def const_power(of: str = "fitted", *, by: str | None = None) -> VarianceExpr:
    """Standard deviations proportional to c + abs(of)^d."""
    return _variance("const_power", of, by)


def fixed(of: str) -> VarianceExpr:
    """Variances proportional to a column."""
    return _variance("fixed", of)
