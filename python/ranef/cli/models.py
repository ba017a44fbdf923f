"""The model of a command, fitted to its data."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ranef.cli.data import find_data
from ranef.cli.ending import NOT_CONVERGED, OK, say
from ranef.errors import OptionError, RanefWarning

if TYPE_CHECKING:
    from ranef.results.model.mixed import MixedModel


def fitted(
    formula: str, data: Any, family: str | None, n_quad: int | None, ml: bool, shared: dict[str, Any]
) -> "MixedModel":
    """Fit a linear model, or with a family a generalized one.

    Parameters
    ----------
    formula : str
    data : str or frame
        As a command has it, or what ``find_data`` has made of it.
    family, n_quad : optional
    ml : bool
    shared : dict
        Other arguments of both verbs.
    """
    import ranef

    if isinstance(data, str):
        data = find_data(data)
    if family is None:
        if n_quad is not None:
            raise OptionError("--n-quad is for generalized models: give --family too.")
        return ranef.lmer(formula, data, REML=not ml, **shared)
    if ml or "ddf" in shared:
        raise OptionError("--ml and --ddf are for linear models and do not go with --family.")
    return ranef.glmer(formula, data, family=family, n_quad=n_quad, **shared)


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
