"""Answers to arguments that a function does not have, as other programs spell them, or lacks."""

import difflib
import functools
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any, ParamSpec, TypeVar, cast

from ranef.errors import ArgumentTypeError

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

#: Flags of a function's code, as in the module inspect, whose import takes long.
_ANY_NUMBER, _ANY_KEYWORD = 0x04, 0x08

_IN_FORMULA = "random effects are written in the formula: y ~ x + (1 + x | group)"
_DISPERSION = (
    "a model of the dispersion is glmer(..., family='gaussian', disp_formula=), by maximum likelihood; by REML there "
    "are variance='by_group(sex)', 'power(x)' and others of lmer and gls"
)
_ML = "a generalized model is fitted by maximum likelihood"
_CORRELATED = (
    "residuals are independent given the random effects; effects of a finer group, as (1 | group:block), or slopes "
    "over time often say the same"
)
_INFLUENCE = "by='Subject' leaves out one level of that grouping factor after the other"
_PARAMS = "fixed and random effects of parameters are params={'Asym': '~ trt + (1 | id)', ...}"
_ROWS = "standard deviations of rows are variance='by_group(sex)', 'power(fitted)' and others"
_SD = (
    "standard deviations of random effects are in varcorr: {'Subject': 2.0}, or "
    "{'Subject': {'(Intercept)': 2.0, 'Days': 0.5}}"
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
    "glmer.link": "the link is part of the family: family='binomial(cloglog)' or 'Gamma(log)'",
    "clmm.family": "clmm is for ordered categories, with link='logit' and others; other responses are glmer's",
    "clmm.REML": _ML,
    "clmm.zi_formula": "ordered categories have no extra zeros: the lowest category has a threshold of its own",
    "clmm.disp_formula": "effects on the scale of the latent variable are scale='~ x'",
    "clmm.structure": "there are cumulative models alone",
    "nlmer.REML": "curves are fitted by maximum likelihood",
    "nlmer.family": "responses around a curve are normal; other distributions are glmer's",
    "nlmer.fixed": _PARAMS,
    "nlmer.random": _PARAMS,
    "nlmer.groups": _PARAMS,
    "nlmer.disp_formula": _ROWS,
    "nlmer.dispformula": _ROWS,
    "nlmer.zi_formula": "responses around a curve are normal and have no extra zeros",
    "nlmer.sampling_weights": "they are for lmer, glmer and clmm",
    "nlmer.offset": "a known part of the response is a term of the curve",
    "influence.group": _INFLUENCE,
    "influence.groups": _INFLUENCE,
    "power.sd": _SD,
    "simulate.sd": _SD,
    "power_curve.sd": _SD,
    "groups": _IN_FORMULA,
    "group": _IN_FORMULA,
    "random": _IN_FORMULA,
    "vc_formula": _IN_FORMULA,
    "re_formula": _IN_FORMULA,
    "correlation": _CORRELATED,
    "ziformula": "extra zeros are a matter of glmer(..., zi_formula=)",
    "dispformula": _DISPERSION,
    "disp_formula": _DISPERSION,
    "missing": "missing values are the matter of na_action='omit', 'exclude' or 'error'",
    "combine": "update(by=None) makes all groups one family, with one adjustment",
    "cross_adjust": "update(by=None) makes all groups one family, with one adjustment",
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
    "side": "alternative",
    "p_adjust": "adjust",
}

_VALUES = {"re": "'population', 'conditional' or '~ (1 | group)'"}

#: What an argument that was left out should be, by its name, or for one function.
_NEEDED = {
    "formula": "text such as 'y ~ x + (1 | group)'",
    "data": "a data frame, a dict of columns, or the path of a file",
    "family": "such as family='binomial' or family='poisson'; a model with normal errors is lmer(formula, data)",
    "path": "the name of a file",
    "text": "the syntax of another program",
    "language": "the other program's name, such as 'spss'",
    "L": "a contrast such as 'Days = 0'",
    "newdata": "a data frame or dict with the rows",
    "specs": "the names of variables, such as 'treatment' or ['treatment', 'sex']",
    "var": "the name of a numeric variable, after those over whose levels its slope is shown",
    "effect": "the name of a fixed effect or of a term of the formula",
    "model": "a model fitted by lmer or glmer",
    "y": "a new response, one value for each row used",
    "name": "the name of a bundled data set, such as 'sleepstudy'",
}


def known_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function answer arguments that it does not have, or that it lacks, with a sentence.

    Its signature stays what it was. Keywords of a function that takes any are its own matter.
    """
    call = cast(FunctionType, function)
    code = call.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    by_position = names[: code.co_argcount]
    most = len(by_position) if not code.co_flags & _ANY_NUMBER else sys.maxsize
    any_keyword = bool(code.co_flags & _ANY_KEYWORD)
    optional = {*by_position[len(by_position) - len(call.__defaults__ or ()) :], *(call.__kwdefaults__ or ())}
    needed = tuple(n for n in names if n not in optional)
    n_needed = sum(n in needed for n in by_position)
    named_needed = needed[n_needed:]
    known = frozenset(names)
    unknown, excess, twice, absent = _unknown, _excess, _twice, _absent

    def checked(*args: Any, **given: Any) -> Any:
        if not any_keyword and not given.keys() <= known:
            raise unknown(call.__name__, names, given)
        if len(args) > most:
            raise excess(call.__name__, names, by_position, args)
        if given and not given.keys().isdisjoint(by_position[: len(args)]):
            raise twice(call.__name__, by_position[: len(args)], given)
        if len(args) < n_needed or named_needed:
            lacking = [n for n in needed if n not in given and n not in by_position[: len(args)]]
            if lacking:
                raise absent(call.__name__, lacking, names)
        return call(*args, **given)

    # With the names of its own module, in which doctest looks for functions.
    made = FunctionType(checked.__code__, call.__globals__, None, None, checked.__closure__)
    return cast(Callable[P, R], functools.wraps(function)(made))


def known_members(cls: type[T]) -> type[T]:
    """Do so for all public methods that a class itself defines."""
    for name, value in list(vars(cls).items()):
        if isinstance(value, FunctionType) and not name.startswith("_"):
            setattr(cls, name, known_arguments(value))
    return cls


def _unknown(verb: str, names: tuple[str, ...], given: dict[str, Any]) -> ArgumentTypeError:
    name = next(n for n in given if n not in names)
    allowed = [n for n in names if n != "self"]
    return ArgumentTypeError(f"{verb} has no argument {name!r}: {_answer(verb, name, given[name], allowed)}.")


def _excess(
    verb: str, names: tuple[str, ...], by_position: tuple[str, ...], args: tuple[Any, ...]
) -> ArgumentTypeError:
    taken = [n for n in by_position if n != "self"]
    value = args[len(by_position)]
    shown = repr(value) if isinstance(value, str | bool | int | float | None) else f"a {type(value).__name__}"
    rest = names[len(by_position) :]
    rest = names[len(by_position) :]
    if not rest:
        return ArgumentTypeError(f"{verb} takes {', '.join(taken) or 'no arguments'}; {shown:.60} is too much.")
    where = f"{' and '.join(taken)} by position and everything else by name" if taken else "its arguments by name"
    return ArgumentTypeError(
        f"{verb} takes {where}: {shown:.60} needs the name of its argument, such as "
        f"{rest[0]}={'...' if shown.startswith('a ') else shown:.60}."
    )


def _twice(verb: str, placed: tuple[str, ...], given: dict[str, Any]) -> ArgumentTypeError:
    name = next(n for n in placed if n in given)
    return ArgumentTypeError(f"{verb} is given {name} twice, by position and by name; leave one of them out.")


def _absent(verb: str, lacking: list[str], names: tuple[str, ...]) -> ArgumentTypeError:
    meant = [f"{n}, {_NEEDED[n]}" if n in _NEEDED else n for n in lacking]
    takes = "" if any(n in _NEEDED for n in lacking) else f"; it takes {', '.join(n for n in names if n != 'self')}"
    return ArgumentTypeError(f"{verb} needs {'; and '.join(meant)}{takes}.")


def _answer(verb: str, name: str, value: object, allowed: list[str]) -> str:
    if name == "alpha" and "level" in allowed:
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1:
            return f"alpha={value!r} is level={1 - value:.10g} here"
        return "the level of intervals is level=0.95 for alpha=0.05"
    if f"{verb}.{name}" in _ANSWERS:
        return _ANSWERS[f"{verb}.{name}"]
    plain = name.replace(".", "_")
    by_case = {n.lower(): n for n in allowed}
    ours = by_case.get(plain.lower()) or _NAMES.get(plain)
    if ours in allowed:
        same = ours.lower() == plain.lower() and isinstance(value, str | bool | int | float)
        shown = f", {ours}={value!r}" if same else f": {_VALUES[ours]}" if ours in _VALUES else ""
        return f"it is called {ours} here{shown}"
    if name in _ANSWERS:
        return _ANSWERS[name]
    if close := difflib.get_close_matches(name, allowed, n=3, cutoff=0.6):
        return f"did you mean {' or '.join(close)}"
    return f"it takes {', '.join(allowed)}" if allowed else "it takes none"
