"""Prior densities of parameters: what ``prior=`` of `lmer`, `glmer` and `clmm` takes.

A prior adds -2 log p to the criterion, so that estimates are posterior modes. Keys of the dict are
``"fixef"`` (every fixed effect, the intercept too), ``"fixef:x"`` (one, named as in ``m.fixef``),
``"cov"`` (every random term), ``"cov:g"`` (those of one grouping factor), ``"disp"`` or ``"shape"``
(the extra parameter of a family) and ``"resid"`` (the residual standard deviation of `lmer`). With
several linear predictors ``"zi"``, ``"disp"`` and ``"shape"`` are their coefficients, of `clmm`
``"thresholds"``, ``"nominal"`` and ``"scale"``.

Examples
--------
>>> from ranef import glmer, load_dataset, priors
>>> cbpp = load_dataset("cbpp")
>>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
>>> m = glmer(formula, cbpp, family="binomial", prior={"fixef": priors.Normal(sd=3)})
>>> round(m.log_prior, 3)
-8.434
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ranef.errors import ArgumentTypeError, OptionError

#: A matrix as its rows, which files can hold.
Matrix = tuple[tuple[float, ...], ...]
On = Literal["sd", "var"]


def _number(who: object, name: str, value: Any, least: float = -math.inf, strict: bool = True) -> float:
    """A finite number above a bound (infinite only where `least` is zero and the caller allows)."""
    kind = type(who).__name__
    try:
        out = float(value)
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"priors.{kind}: {name} must be a number, not {value!r}.") from None
    if math.isnan(out) or out < least or (strict and out == least):
        bound = "" if least == -math.inf else f" {'above' if strict else 'of at least'} {least:g}"
        raise OptionError(f"priors.{kind}: {name} must be a number{bound}, not {value!r}.")
    return out


def _numbers(who: object, name: str, value: Any, least: float = -math.inf) -> float | tuple[float, ...]:
    """One number, or one for each fixed effect."""
    if isinstance(value, str) or not hasattr(value, "__len__"):
        return _number(who, name, value, least)
    return tuple(_number(who, name, v, least) for v in value)


def _matrix(who: object, name: str, value: Any) -> Matrix:
    """A symmetric matrix, or its diagonal."""
    import numpy as np

    kind = type(who).__name__
    try:
        m = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"priors.{kind}: {name} must be a matrix of numbers, not {value!r}.") from None
    if m.ndim == 0:
        m = m.reshape(1, 1)
    if m.ndim == 1:
        m = np.diag(m)
    if m.ndim != 2 or m.shape[0] != m.shape[1] or not np.isfinite(m).all() or not np.allclose(m, m.T):
        raise OptionError(f"priors.{kind}: {name} must be a symmetric matrix of finite numbers, or its diagonal.")
    if np.linalg.eigvalsh(m)[0] <= 0:
        raise OptionError(f"priors.{kind}: {name} must be positive definite.")
    return tuple(tuple(float(v) for v in row) for row in m)


def _on(who: object, value: object) -> On:
    if value not in ("sd", "var"):
        raise OptionError(f"priors.{type(who).__name__}: on must be 'sd' or 'var', not {value!r}.")
    return value


@dataclass(frozen=True, kw_only=True)
class Density:
    """A prior density.

    Attributes
    ----------
    relative : bool
        Of linear models, whether the density is that of the parameter divided by sigma (blme's
        ``common.scale``).
    """

    relative: bool = False

    def __str__(self) -> str:
        given = [
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value!r}"
            for name, value in self._shown().items()
        ]
        return f"{type(self).__name__}({', '.join(given)})"

    def _shown(self) -> dict[str, Any]:
        from dataclasses import fields

        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Normal(Density):
    """Normal density of fixed effects.

    Parameters
    ----------
    mean : float or sequence
        One for all, or one for each fixed effect.
    sd : float or sequence, optional
        Standard deviation, the same for all or one for each.
    cov : array, optional
        Covariance matrix of all fixed effects, or its diagonal, in place of ``sd``.
    autoscale : bool
        Whether ``sd`` is that of the effect of one standard deviation of a column; the intercept's
        is as given.
    relative : bool
        See `Density`.

    Examples
    --------
    >>> from ranef import priors
    >>> str(priors.Normal(sd=2.5))
    'Normal(sd=2.5)'
    """

    mean: float | tuple[float, ...] | Sequence[float] = 0.0
    sd: float | tuple[float, ...] | Sequence[float] | None = None
    cov: Any = None
    autoscale: bool = False

    def __post_init__(self) -> None:
        if (self.sd is None) == (self.cov is None):
            raise OptionError("priors.Normal needs sd=, or cov= in its place.")
        self._set(mean=_numbers(self, "mean", self.mean))
        if self.sd is not None:
            self._set(sd=_numbers(self, "sd", self.sd, 0.0))
        else:
            self._set(cov=_matrix(self, "cov", self.cov))
            if self.autoscale:
                raise OptionError("priors.Normal: autoscale is for sd=, which it multiplies; not for cov=.")


@dataclass(frozen=True)
class StudentT(Density):
    """Student's t density of fixed effects.

    Parameters
    ----------
    df : float
        Degrees of freedom.
    mean : float or sequence
    scale : float or sequence
        Scale of each effect, as standard deviations are (as in brms); with ``joint=True`` the
        diagonal of the scale matrix, as variances are, or that matrix (as in blme).
    joint : bool
        Whether the effects have one multivariate density, not one each.
    autoscale : bool
        As in `Normal`.
    """

    df: float = 3.0
    mean: float | tuple[float, ...] | Sequence[float] = 0.0
    scale: Any = 2.5
    joint: bool = False
    autoscale: bool = False

    def __post_init__(self) -> None:
        self._set(df=_number(self, "df", self.df, 0.0), mean=_numbers(self, "mean", self.mean))
        if self.joint and hasattr(self.scale, "__len__"):
            self._set(scale=_matrix(self, "scale", self.scale))
        else:
            self._set(scale=_numbers(self, "scale", self.scale, 0.0))
        if self.joint and self.autoscale:
            raise OptionError("priors.StudentT: autoscale is for independent effects, not for joint=True.")


@dataclass(frozen=True)
class Gamma(Density):
    """Gamma density of standard deviations (or variances); with ``rate=0`` the improper power.

    Parameters
    ----------
    shape : float
        At least 1; above 1 the density is zero at zero.
    rate : float
    on : {"sd", "var"}
        Whether of standard deviations or of variances.
    """

    shape: float = 2.5
    rate: float = 0.0
    on: On = "sd"

    def __post_init__(self) -> None:
        shape = _number(self, "shape", self.shape, 1.0, strict=False)
        self._set(shape=shape, rate=_number(self, "rate", self.rate, 0.0, strict=False), on=_on(self, self.on))


@dataclass(frozen=True)
class InverseGamma(Density):
    """Inverse gamma density of standard deviations (or variances)."""

    shape: float
    scale: float
    on: On = "sd"

    def __post_init__(self) -> None:
        shape, scale = _number(self, "shape", self.shape, 0.0), _number(self, "scale", self.scale, 0.0)
        self._set(shape=shape, scale=scale, on=_on(self, self.on))


@dataclass(frozen=True)
class HalfT(Density):
    """Student's t folded at zero, of standard deviations; ``df=math.inf`` is the half-normal."""

    df: float = 3.0
    scale: float = 2.5

    def __post_init__(self) -> None:
        self._set(df=_number(self, "df", self.df, 0.0), scale=_number(self, "scale", self.scale, 0.0))


@dataclass(frozen=True)
class Wishart(Density):
    """Wishart density of the covariance matrix of a random term.

    Parameters
    ----------
    df : float, optional
        Number of effects + 2.5 where not given, which keeps the matrix off singularity.
    scale : array, optional
        Scale matrix, or its diagonal; None is infinite.
    """

    df: float | None = None
    scale: Any = None

    def __post_init__(self) -> None:
        if self.df is not None:
            self._set(df=_number(self, "df", self.df, 0.0))
        if self.scale is not None:
            self._set(scale=_matrix(self, "scale", self.scale))


@dataclass(frozen=True)
class InverseWishart(Density):
    """Inverse Wishart density of the covariance matrix of a random term."""

    df: float
    scale: Any

    def __post_init__(self) -> None:
        self._set(df=_number(self, "df", self.df, 0.0), scale=_matrix(self, "scale", self.scale))


@dataclass(frozen=True)
class LKJ(Density):
    """Density of the correlation matrix of a random term, ``|R|**(eta - 1)`` (Lewandowski,
    Kurowicka and Joe 2009); ``eta`` of at least 1.
    """

    eta: float = 2.0

    def __post_init__(self) -> None:
        self._set(eta=_number(self, "eta", self.eta, 1.0, strict=False))


#: Densities by what they are of.
OF_EFFECTS = (Normal, StudentT)
OF_COVARIANCE = (Gamma, InverseGamma, HalfT, Wishart, InverseWishart, LKJ)
OF_NUMBERS = (Normal, StudentT, Gamma, InverseGamma, HalfT)

__all__ = ["LKJ", "Density", "Gamma", "HalfT", "InverseGamma", "InverseWishart", "Normal", "StudentT", "Wishart"]
