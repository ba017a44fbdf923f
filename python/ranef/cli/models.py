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
    """With each warning of ours on lines of its own."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RanefWarning)
        yield
    for warning in caught:
        if issubclass(warning.category, RanefWarning):
            for line in dict.fromkeys(str(warning.message).split("\n")):
                say(line)
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def converged(*models: "MixedModel") -> int:
    """The exit code of models; what did not converge is said."""
    code = OK
    for model in models:
        if not model.convergence.ok:
            status = model.convergence.status
            which = "" if len(models) == 1 else f" of {model.formula}"
            say(f"the fit{which} did not converge ({status.value}). {status.explanation}")
            code = NOT_CONVERGED
    return code
