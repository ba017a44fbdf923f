"""Priors of a model: what was asked for, in the order and names of the core."""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.errors import ArgumentTypeError, DesignError, OptionError
from ranef.fit.order import TermOrder
from ranef.priors import (
    LKJ,
    OF_COVARIANCE,
    OF_EFFECTS,
    OF_NUMBERS,
    Density,
    Gamma,
    HalfT,
    InverseGamma,
    InverseWishart,
    Normal,
    StudentT,
    Wishart,
)

if TYPE_CHECKING:
    from ranef.families.family import Family

Floats = NDArray[np.float64]
Priors = tuple[tuple[str, Density], ...]

KEYS = "fixef, fixef:NAME, cov, cov:GROUP, zi, disp, shape, resid, and thresholds, nominal, scale of clmm"

#: Keys of coefficients, which may be anywhere on the line.
OF_COEFFICIENTS = ("fixef", "zi", "thresholds", "nominal", "scale")

#: What keys that a model does not have are of.
NOT_THERE = {
    "zi": "zero part",
    "thresholds": "thresholds",
    "nominal": "nominal effects",
    "scale": "effects on the scale",
}


@dataclass(frozen=True, slots=True, eq=False)
class NamedCoefficients:
    """Coefficients of a model of several linear predictors, one after the other in the core.

    Attributes
    ----------
    names : tuple of str
    first : int
        Number of the first among all coefficients.
    x : (n, k) array or None
        Their columns; None where they have no unit to scale by.
    logarithm : bool
        Whether one alone is the logarithm of a positive parameter.
    """

    names: tuple[str, ...]
    first: int
    x: Floats | None = None
    logarithm: bool = False


@dataclass(frozen=True, slots=True)
class CoreNumber:
    """A density of one number, as the core takes it."""

    name: str
    numbers: list[float]
    of: str = "itself"


@dataclass(frozen=True, slots=True)
class CoreTerm:
    """A prior of a random term, as the core takes it."""

    factor: int
    term: int
    law: CoreNumber
    matrix: list[float] | None
    relative: bool


@dataclass(frozen=True, slots=True)
class CoreEffects:
    """A prior of fixed effects, as the core takes it."""

    columns: list[int]
    mean: list[float]
    each: list[CoreNumber]
    matrix: list[float] | None
    df: float | None
    relative: bool


@dataclass(frozen=True, slots=True)
class CorePrior:
    """All priors of a model, as the core takes them."""

    terms: list[CoreTerm]
    effects: list[CoreEffects]
    numbers: list[tuple[int, CoreNumber]]


def read_prior(prior: object) -> Priors:
    """Check the argument ``prior``: pairs of a key and a density."""
    if prior is None:
        return ()
    if isinstance(prior, tuple):  # as it was read before
        return prior
    if not isinstance(prior, Mapping):
        raise ArgumentTypeError(
            f"prior must be a dict such as {{'fixef': priors.Normal(sd=2.5)}}, not {type(prior).__name__}."
        )
    out: list[tuple[str, Density]] = []
    for key, value in prior.items():
        head, _, name = str(key).partition(":")
        known = (*OF_COEFFICIENTS, "cov", "disp", "shape", "resid")
        if head not in known or (name and head not in ("fixef", "cov")):
            raise OptionError(f"prior has no key {key!r}; keys are {KEYS}.")
        for density in value if isinstance(value, list | tuple) else (value,):
            of_coefficients = head in OF_COEFFICIENTS
            allowed = OF_EFFECTS if of_coefficients else OF_COVARIANCE if head == "cov" else OF_NUMBERS
            if not isinstance(density, Density):
                raise ArgumentTypeError(
                    f"prior[{key!r}] must be a density of ranef.priors such as "
                    f"priors.{'Normal(sd=2.5)' if of_coefficients else 'Gamma()'}, not {density!r}."
                )
            if not isinstance(density, allowed):
                raise OptionError(
                    f"prior[{key!r}]: {type(density).__name__} is no density of that; these are: "
                    f"{', '.join(c.__name__ for c in allowed)}."
                )
            out.append((str(key), density))
    return tuple(out)


def core_prior(
    design: Design,
    order: TermOrder,
    family: "Family | None",
    others: Mapping[str, NamedCoefficients] | None = None,
) -> CorePrior | None:
    """The priors of a design as the core takes them; None without any.

    Parameters
    ----------
    design : Design
    order : TermOrder
    family : Family or None
        None for a linear model, and for one of several linear predictors.
    others : dict, optional
        Of a model of several linear predictors the coefficients beside those of the first, by the
        keys of their priors.
    """
    if not design.priors:
        return None
    terms: list[CoreTerm] = []
    effects: list[CoreEffects] = []
    numbers: list[tuple[int, CoreNumber]] = []
    # of several priors of one fixed effect that of its name counts
    named = {key.partition(":")[2] for key, _ in design.priors if key.startswith("fixef:")}
    groups = {key.partition(":")[2] for key, _ in design.priors if key.startswith("cov:")}
    linear = family is None and others is None
    for key, density in design.priors:
        head, _, name = key.partition(":")
        if density.relative and not linear:
            raise OptionError(f"prior[{key!r}]: relative=True is for lmer, whose parameters have the unit of sigma.")
        if head == "fixef":
            own = NamedCoefficients(design.x_names, 0, design.x)
            effects.append(_of_effects(own, key, name, density, named, linear))
        elif head == "cov":
            found = [f for f in design.random if name in ("", f.group) and (name or f.group not in groups)]
            if name and not found:
                raise OptionError(_no_name(key, name, [t.group for t in design.random], "grouping factor"))
            for factor, members in enumerate(order.factors):
                for place, i in enumerate(members):
                    if any(design.random[i] is f for f in found):
                        terms += _of_term(key, density, factor, place, len(design.random[i].names))
        elif others is not None:
            effects.append(_of_others(others.get(key), key, density))
        else:
            numbers.append((0, number_prior(key, head, density, family)))
    return CorePrior(terms, effects, numbers)


def _no_name(key: str, name: str, known: list[str], what: str) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"prior[{key!r}]: the model has no {what} {name!r}; it has {', '.join(dict.fromkeys(known))}.{hint}"


def _of_others(held: NamedCoefficients | None, key: str, density: Density) -> CoreEffects:
    """Of coefficients of another linear predictor than the first."""
    if held is None:
        raise OptionError(f"prior[{key!r}]: the model has no {NOT_THERE.get(key, 'extra parameter')}.")
    if not held.names:
        raise OptionError(f"prior[{key!r}]: what it is of is held at a value.")
    if isinstance(density, Normal | StudentT):
        return _of_effects(held, key, "", density, set(), False)
    if not held.logarithm:
        raise OptionError(
            f"prior[{key!r}]: {type(density).__name__} is the density of one positive parameter, and there are the "
            f"coefficients {', '.join(held.names)}, which take priors.Normal or priors.StudentT."
        )
    return CoreEffects([held.first], [0.0], [of_logarithm(_law(density))], None, None, False)


def _of_effects(
    held: NamedCoefficients, key: str, name: str, density: Density, named: set[str], linear: bool
) -> CoreEffects:
    names = list(held.names)
    if name and name not in names:
        raise OptionError(_no_name(key, name, names, "fixed effect"))
    columns = [names.index(name)] if name else [j for j, n in enumerate(names) if n not in named]
    places = [held.first + j for j in columns]
    if not names:
        raise OptionError(f"prior[{key!r}]: the model has no fixed effects.")
    assert isinstance(density, Normal | StudentT)
    if linear and isinstance(density, StudentT):
        raise OptionError(
            f"prior[{key!r}]: a t density of fixed effects is for glmer; lmer, which eliminates them, takes "
            "priors.Normal."
        )
    count = 1 if name else len(names)

    def spread(value: Any, what: str) -> list[float]:
        if not isinstance(value, tuple):
            return [float(value)] * len(columns)
        if len(value) != count:
            raise OptionError(f"prior[{key!r}]: {what} has {len(value)} values for {count} {_counted(key, count)}.")
        return [float(value[0 if name else j]) for j in columns]

    def part(matrix: Any, what: str) -> list[float]:
        m = np.asarray(matrix, dtype=np.float64)
        if len(m) != count:
            raise OptionError(
                f"prior[{key!r}]: {what} is of order {len(m)} for {count} {_counted(key, count)} "
                f"({', '.join([name] if name else names)})."
            )
        rows = [0] if name else columns
        return [float(v) for v in m[np.ix_(rows, rows)].ravel()]

    mean = spread(density.mean, "mean")
    unit = _units(held.x, columns) if density.autoscale and held.x is not None else [1.0] * len(columns)
    if isinstance(density, Normal):
        if density.cov is not None:
            matrix = part(density.cov, "cov")
        else:
            sds = [s / u for s, u in zip(spread(density.sd, "sd"), unit, strict=True)]
            matrix = [float(v) for v in np.diag(np.square(sds)).ravel()]
        return CoreEffects(places, mean, [], matrix, None, density.relative)
    if density.joint:
        scale = density.scale
        is_matrix = isinstance(scale, tuple) and isinstance(scale[0], tuple)
        matrix = part(scale, "scale") if is_matrix else np.diag(spread(scale, "scale")).ravel().tolist()
        return CoreEffects(places, mean, [], matrix, density.df, False)
    scales = [s / u for s, u in zip(spread(density.scale, "scale"), unit, strict=True)]
    each = [CoreNumber("t", [density.df, 0.0, s]) for s in scales]
    return CoreEffects(places, mean, each, None, None, False)


def _counted(key: str, count: int) -> str:
    word = "fixed effect" if key.startswith("fixef") else "coefficient"
    return word if count == 1 else f"{word}s"


def _units(x: Floats, columns: list[int]) -> list[float]:
    """Standard deviations of columns; 1 of a constant one."""
    sd = np.std(x[:, columns], axis=0, ddof=1)
    return [float(s) if s > 0 else 1.0 for s in sd]


def _of_term(key: str, density: Density, factor: int, term: int, k: int) -> list[CoreTerm]:
    def made(law: CoreNumber, matrix: Any = None) -> list[CoreTerm]:
        flat = None
        if matrix is not None:
            m = np.asarray(matrix, dtype=np.float64)
            if len(m) == 1 and k > 1:
                m = m[0, 0] * np.eye(k)
            if len(m) != k:
                raise OptionError(f"prior[{key!r}]: scale is of order {len(m)} for {k} effects.")
            flat = [float(v) for v in m.ravel()]
        return [CoreTerm(factor, term, law, flat, density.relative)]

    if isinstance(density, Wishart):
        df = k + 2.5 if density.df is None else density.df
        if df <= k - 1:
            raise OptionError(f"prior[{key!r}]: df must be above {k - 1} for {k} effects.")
        return made(CoreNumber("wishart", [df]), density.scale)
    if isinstance(density, InverseWishart):
        if density.df <= k - 1:
            raise OptionError(f"prior[{key!r}]: df must be above {k - 1} for {k} effects.")
        return made(CoreNumber("inverse_wishart", [density.df]), density.scale)
    if isinstance(density, LKJ):
        return made(CoreNumber("lkj", [density.eta])) if k > 1 else []
    return made(_law(density))


def _law(density: Density) -> CoreNumber:
    if isinstance(density, Gamma):
        return CoreNumber("gamma", [density.shape, density.rate], "square" if density.on == "var" else "itself")
    if isinstance(density, InverseGamma):
        of = "square" if density.on == "var" else "itself"
        return CoreNumber("inverse_gamma", [density.shape, density.scale], of)
    assert isinstance(density, HalfT)
    return CoreNumber("half_t", [density.df, density.scale])


def of_logarithm(law: CoreNumber) -> CoreNumber:
    """The density of a number as one of its logarithm, without a Jacobian."""
    return CoreNumber(law.name, law.numbers, {"log": "itself", "itself": "exp", "square": "exp_square"}[law.of])


def number_prior(key: str, head: str, density: Density, family: "Family | None") -> CoreNumber:
    """The density of one number, of its logarithm where it has all numbers as values."""
    if family is None and head != "resid":
        raise OptionError(f"prior[{key!r}]: a linear model has 'resid', its residual standard deviation.")
    if family is not None:
        if family.dispersion_name is None or head not in ("disp", "shape"):
            what = NOT_THERE.get(head, "extra parameter")
            raise OptionError(f"prior[{key!r}]: the {family.name} model has no {what}.")
        if family.fixed_dispersion is not None:
            raise OptionError(f"prior[{key!r}]: the {family.dispersion_name} is held at a value.")
    if isinstance(density, Normal | StudentT):
        # of its logarithm, the intercept of its predictor
        scale = density.sd if isinstance(density, Normal) else density.scale
        if not isinstance(density.mean, float) or not isinstance(scale, float):
            raise OptionError(f"prior[{key!r}] is of one number, the logarithm of the parameter: give one mean and sd.")
        if isinstance(density, Normal):
            return CoreNumber("normal", [density.mean, scale], "log")
        return CoreNumber("t", [density.df, density.mean, scale], "log")
    return _law(density)


def see_that_priors_fit(
    design: Design, kept: Sequence[int], n_quad: int = 1, others: Mapping[str, NamedCoefficients] | None = None
) -> None:
    """Refuse priors of what the model does not have; ``kept`` are the coefficients in use."""
    if not design.priors:
        return
    if n_quad == 0:
        raise OptionError("priors need Laplace's approximation or quadrature; leave out n_quad=0.")
    blocks = {"fixef": NamedCoefficients(design.x_names, 0), **(others or {})}
    for key in {key.partition(":")[0] for key, _ in design.priors} & set(blocks):
        held = blocks[key]
        dropped = [n for j, n in enumerate(held.names) if held.first + j not in kept]
        if dropped:
            what = "fixed effects" if key == "fixef" else "coefficients"
            raise DesignError(
                f"{what} that others determine ({', '.join(dropped)}) cannot have a prior: leave them out of the "
                "formula."
            )


def prior_texts(priors: Priors) -> str:
    """Priors in a line of a summary."""
    return "; ".join(f"{key} ~ {density}" for key, density in priors)


def log_prior(objective: float, unpenalised: float) -> float:
    """Log density of the priors from both criteria."""
    return -0.5 * (objective - unpenalised) if math.isfinite(unpenalised) else math.nan
