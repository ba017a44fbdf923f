"""Replicates of any statistic:
responses are drawn, and models fitted, one after the other in Python.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError, RanefWarning
from ranef.fit.control import FitControl
from ranef.fit.record import MixedFit
from ranef.inference.bootstrap.arguments import Counter, check_drawable, check_groups, checked_type, resampled_factor
from ranef.inference.bootstrap.draw import Draws, check_re
from ranef.inference.bootstrap.one_by_one import drawn_design, fitted, generator_of
from ranef.inference.bootstrap.pools import pools
from ranef.inference.bootstrap.quantities import Quantity

Floats = NDArray[np.float64]
Statistic = Callable[[Any], object]


def statistic_values(value: object) -> tuple[tuple[str, ...], Floats]:
    """Names and numbers of what a statistic returned: a number, an array, a dict or a Series."""
    names: tuple[str, ...] | None = None
    if value is None:
        raise ArgumentTypeError(
            "statistic returned None: end it with return and a number, an array, a dict or a Series."
        )
    if isinstance(value, Mapping):
        names, value = tuple(str(k) for k in value), list(value.values())
    elif (index := getattr(value, "index", None)) is not None and not callable(index):
        names, value = tuple(str(k) for k in index), value.to_numpy()  # type: ignore[attr-defined]
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentTypeError(
            f"statistic must return a number, an array, a dict or a Series of numbers, not {type(value).__name__}."
        ) from None
    if names is None:
        if array.ndim == 0:
            names = ("statistic",)
        else:
            names = tuple(f"statistic[{', '.join(map(str, i))}]" for i in np.ndindex(array.shape))
    flat = array.reshape(-1)
    if not len(flat):
        raise OptionError("statistic returned no value.")
    if len(flat) != len(names) or len(set(names)) < len(names):
        raise OptionError("statistic must return one number for each of its names, which must differ.")
    return names, flat


def draw_statistic(
    fit: MixedFit,
    statistic: Statistic,
    make_model: Callable[[Any], Any],
    observed: object,
    n: int,
    type: str,
    re: str,
    by: object,
    seed: int,
    control: FitControl,
    n_threads: int,
    progress: Counter | None,
) -> tuple[Draws, tuple[Quantity, ...], Floats]:
    """Draw replicates of a statistic.

    Replicate i is drawn by NumPy's generator seeded with (seed, i), so that it does not depend on
    the number of replicates; it is not the replicate that the core draws for the same seed.

    Parameters
    ----------
    statistic : callable
        Of a fitted model.
    make_model : callable
        Makes the model that the statistic sees of a fit.
    observed
        What the statistic says of the model itself.

    Returns
    -------
    Draws
    tuple of Quantity
    (K,) array
        The observed statistic.
    """
    checked_type(type)
    check_re(re, type)
    if by is not None:
        resampled_factor(fit, by, "are drawn")  # checks it
    names, values_observed = statistic_values(observed)
    check_drawable(fit, type)
    drawn = pools(fit) if type == "residual" else None
    group = ""
    if type == "cases":
        factor = resampled_factor(fit, by, "are drawn")
        check_groups(fit, factor)
        group = next(t.group for t, s in zip(fit.terms, fit.order.spans, strict=True) if s.factor == factor)
    values = np.full((n, len(names)), np.nan)
    status = np.full(n, "converged", dtype="<U20")
    singular = np.zeros(n, dtype=bool)
    errors: list[str] = []
    finished = 0
    interrupted = False
    try:
        for i in range(n):
            try:
                design = drawn_design(fit, type, re, group, drawn, generator_of(seed, i))
            except OptionError:
                if finished == 0:  # nothing can be drawn at all
                    raise
                status[i] = "no_response"
                finished = i + 1
                continue
            new = fitted(fit, design, control, n_threads)
            if isinstance(new, str):
                status[i] = new
            else:
                singular[i] = new.singular
                failed = len(errors)
                found = _value(statistic, make_model(new), errors)
                if len(errors) > failed:
                    status[i] = "statistic_failed"
                else:
                    values[i] = _checked(found, names, i)
            finished = i + 1
            if progress is not None:
                progress(finished, n)
    except KeyboardInterrupt:
        interrupted = True
    empty = np.empty((finished, 0))
    draws = Draws(
        number=np.arange(finished, dtype=np.int64),
        status=status[:finished],
        singular=singular[:finished],
        values=values[:finished],
        std_error=empty,
        theta=empty,
        objective=np.full(finished, np.nan),
        interrupted=interrupted,
        first_error=errors[0] if errors else None,
    )
    return draws, tuple(Quantity(n, "statistic", None, n) for n in names), values_observed


def _value(statistic: Statistic, model: Any, errors: list[str]) -> object:
    """What a statistic says of the model of a replicate; None if it raised an error, which is added
    to the errors.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RanefWarning)  # of models that it fits to every replicate
            return statistic(model)
    except Exception as e:  # whatever a user's function raises is a failed replicate, counted and reported
        errors.append(f"{e.__class__.__name__}: {e}")
        return None


def _checked(value: object, names: tuple[str, ...], i: int) -> Floats:
    """The numbers of a statistic of replicate i, which are to be those it has for the model."""
    found, numbers = statistic_values(value)
    if found != names:
        raise OptionError(
            f"statistic returned {len(names)} {'value' if len(names) == 1 else 'values'} ({_short(names)}) for the "
            f"model and {len(found)} ({_short(found)}) for replicate {i}; it must return the same ones each time."
        )
    return numbers


def _short(names: tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
