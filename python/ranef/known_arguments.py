"""Answers to keyword arguments that a function does not have, as other programs spell them."""

import difflib
import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, ParamSpec, TypeVar, cast

from ranef.errors import ArgumentTypeError

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_IN_FORMULA = "random effects are written in the formula: y ~ x + (1 + x | group)"
_NO_ZEROS = (
    "there are no models of extra zeros here; zero_inflation() tests for them, and family='nbinom2' or a random effect "
    "for each row often accounts for them"
)
_ML = "a generalized model is fitted by maximum likelihood"
_CORRELATED = (
    "residuals are independent given the random effects; effects of a finer group, as (1 | group:block), or slopes "
    "over time often say the same"
)

#: What other programs call something, with the answer for one function ("lmer.family"), or for all.
_ANSWERS = {
    "lmer.family": "for another family than the normal use glmer(formula, data, family=...)",
    "lmer.n_quad": "a linear model needs no quadrature",
    "lmer.nAGQ": "a linear model needs no quadrature",
    "glmer.REML": _ML,
    "glmer.reml": _ML,
    "glmer.method": _ML,
    "glmer.ddf": "its tests are normal and have no degrees of freedom",
    "glmer.link": "the link is part of the family: family='binomial(probit)'",
    "alpha": "the level of intervals is level=0.9 for alpha=0.1",
    "groups": _IN_FORMULA,
    "group": _IN_FORMULA,
    "random": _IN_FORMULA,
    "vc_formula": _IN_FORMULA,
    "re_formula": _IN_FORMULA,
    "correlation": _CORRELATED,
    "ziformula": _NO_ZEROS,
    "dispformula": "the dispersion is one number for all rows; weights= says how precise each row is",
    "missing": "missing values are the matter of na_action='omit', 'exclude' or 'error'",
    "lmerTest": "the method of the degrees of freedom is ddf=",
}

#: Arguments of ours by the names that others give them.
_NAMES = {
    "ci": "level",
    "conf_level": "level",
    "confidence": "level",
    "re_formula": "re",
    "re_form": "re",
    "reform": "re",
    "allow_new_levels": "new_levels",
    "na_rm": "na_action",
    "nAGQ": "n_quad",
    "nsim": "n",
    "newparams": "params",
    "VarCorr": "varcorr",
    "nboot": "n",
    "n_boot": "n",
    "seed": "rng",
    "random_state": "rng",
    "random_seed": "rng",
    "type_": "type",
    "typ": "type",
    "df_method": "ddf",
    "lmer_df": "ddf",
    "nthreads": "n_threads",
    "n_jobs": "n_threads",
    "method": "adjust",
}

_VALUES = {"re": "'population', 'conditional' or '~ (1 | group)'"}


def known_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function answer keyword arguments that it does not have with a sentence.

    Its signature stays what it was. A function that takes any keywords is returned as it is.
    """
    call = cast(FunctionType, function)
    code = call.__code__
    if code.co_flags & inspect.CO_VARKEYWORDS:
        return function
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    known, refused = frozenset(names), _refusal

    def checked(*args: Any, **given: Any) -> Any:
        if not given.keys() <= known:
            raise refused(call.__name__, names, given)
        return call(*args, **given)

    # With the names of its own module, in which doctest looks for functions.
    made = FunctionType(checked.__code__, call.__globals__, None, None, checked.__closure__)
    return cast(Callable[P, R], functools.wraps(function)(made))


def known_members(cls: type[T]) -> type[T]:
    """Do so for all public methods that a class itself defines."""
    for name, value in list(vars(cls).items()):
        if inspect.isfunction(value) and not name.startswith("_"):
            setattr(cls, name, known_arguments(value))
    return cls


def _refusal(verb: str, names: tuple[str, ...], given: dict[str, Any]) -> ArgumentTypeError:
    name = next(n for n in given if n not in names)
    allowed = [n for n in names if n != "self"]
    return ArgumentTypeError(f"{verb} has no argument {name!r}: {_answer(verb, name, given[name], allowed)}.")


def _answer(verb: str, name: str, value: object, allowed: list[str]) -> str:
    if f"{verb}.{name}" in _ANSWERS:
        return _ANSWERS[f"{verb}.{name}"]
    plain = name.replace(".", "_")
    by_case = {n.lower(): n for n in allowed}
    ours = by_case.get(plain.lower()) or _NAMES.get(plain)
    if ours in allowed:
        same = ours.lower() == plain.lower() and isinstance(value, str | bool | int | float)
        shown = f", {ours}={value!r}" if same else f": {_VALUES[ours]}" if ours in _VALUES else ""
        return f"it is called {ours} here{shown}"
    if name in _ANSWERS and (name != "alpha" or "level" in allowed):
        return _ANSWERS[name]
    if close := difflib.get_close_matches(name, allowed, n=3, cutoff=0.6):
        return f"did you mean {' or '.join(close)}"
    return f"it takes {', '.join(allowed)}" if allowed else "it takes none"
