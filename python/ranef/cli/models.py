"""The model of a command, fitted to its data."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ranef.cli.data import find_data
from ranef.cli.ending import NOT_CONVERGED, OK, say
from ranef.errors import OptionError, RanefWarning

if TYPE_CHECKING:
    from ranef.results.model.mixed import MixedModel


#: Options that one kind of models has, by the argument that each is, and that kind.
_OF_KINDS = {
    "zi_formula": "generalized models, as with --family poisson",
    "disp_formula": "generalized models, as with --family poisson",
    "nominal": "ordered categories: --family cumulative",
    "scale": "ordered categories: --family cumulative",
    "threshold": "ordered categories: --family cumulative",
    "params": "curves, as in 'y ~ SSlogis(x, Asym, xmid, scal)'",
    "start": "curves, as in 'y ~ SSlogis(x, Asym, xmid, scal)'",
    "variance": "curves, as in 'y ~ SSlogis(x, Asym, xmid, scal)'",
}
_OPTIONS = {"params": "param", "zi_formula": "zi-formula", "disp_formula": "disp-formula"}

#: The family of ordered categories with its link.
_CUMULATIVE = re.compile(r"\s*cumulative\s*(?:\(\s*([\w-]+)\s*\))?\s*", re.IGNORECASE)


def fitted(
    formula: str,
    data: Any,
    family: str | None,
    n_quad: int | None,
    ml: bool,
    shared: dict[str, Any],
    beside: dict[str, Any] | None = None,
) -> "MixedModel":
    """Fit a linear model, with a family a generalized one or one of ordered categories, or a curve,
    whose formula has three parts or whose parameters have formulas.

    Parameters
    ----------
    formula : str
    data : str or frame
        As a command has it, or what ``find_data`` has made of it.
    family, n_quad : optional
    ml : bool
    shared : dict
        Other arguments of all verbs.
    beside : dict, optional
        Arguments of one verb, None where they were not given.
    """
    import ranef

    if isinstance(data, str):
        data = find_data(data)
    own = {name: value for name, value in (beside or {}).items() if value is not None}
    if formula.count("~") == 2 or "params" in own:
        if family is not None or ml or shared.get("offset") is not None:
            raise OptionError("--family, --ml and --offset do not go with a curve, whose responses are normal.")
        _check(own, ("params", "start", "variance"))
        rest = {name: value for name, value in shared.items() if name != "offset"}
        return ranef.nlmer(formula, data, n_quad=n_quad, **own, **rest)
    if family is not None and (ml or "ddf" in shared):
        raise OptionError("--ml and --ddf are for linear models and do not go with --family.")
    if family is not None and (match := _CUMULATIVE.fullmatch(family)):
        _check(own, ("nominal", "scale", "threshold"))
        own["link"] = (match[1] or "logit").lower()
        return ranef.clmm(formula, data, n_quad=n_quad, **own, **shared)
    _check(own, () if family is None else ("zi_formula", "disp_formula"))
    if family is None:
        if n_quad is not None:
            raise OptionError("--n-quad is for generalized models: give --family too.")
        return ranef.lmer(formula, data, REML=not ml, **shared)
    return ranef.glmer(formula, data, family=family, n_quad=n_quad, **own, **shared)


def _check(own: dict[str, Any], known: tuple[str, ...]) -> None:
    """Refuse options of another kind of models."""
    for name in own:
        if name not in known:
            raise OptionError(f"--{_OPTIONS.get(name, name)} is for {_OF_KINDS[name]}.")


@contextmanager
def quietly() -> Iterator[None]:
    """Without warnings of ours, where what they say is in the result."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RanefWarning)
        yield


@contextmanager
def said() -> Iterator[None]:
    """With what warnings of ours say, each once, on lines of their own."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RanefWarning)
        yield
    ours = [w for w in caught if issubclass(w.category, RanefWarning)]
    for line in dict.fromkeys(line for w in ours for line in str(w.message).split("\n")):
        say(line)
    for warning in caught:
        if warning not in ours:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def converged(model: "MixedModel") -> int:
    """The exit code of a model; that it did not converge is said."""
    if model.convergence.ok:
        return OK
    status = model.convergence.status
    say(f"the fit did not converge ({status.value}). {status.explanation}")
    return NOT_CONVERGED
