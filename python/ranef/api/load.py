"""Saved models."""

import os

from ranef.errors import ArgumentTypeError, DataError
from ranef.fit.saved import load_fit
from ranef.known_arguments import known_arguments
from ranef.results.generalized import GeneralizedLinearMixedModel
from ranef.results.linear import LinearMixedModel
from ranef.results.model.mixed import MixedModel
from ranef.results.nonlinear import NonlinearMixedModel
from ranef.results.ordinal import CumulativeLinkMixedModel

_CLASSES: dict[str, type[MixedModel]] = {
    "LinearMixedModel": LinearMixedModel,
    "GeneralizedLinearMixedModel": GeneralizedLinearMixedModel,
    "NonlinearMixedModel": NonlinearMixedModel,
    "CumulativeLinkMixedModel": CumulativeLinkMixedModel,
}


@known_arguments
def load(path: str | os.PathLike[str]) -> MixedModel:
    """Read a model that its ``save`` method wrote.

    Nothing is refitted, and no code from the file is run.

    Parameters
    ----------
    path : path

    Returns
    -------
    LinearMixedModel
        Or whichever class was saved.

    Examples
    --------
    >>> import ranef, tempfile, pathlib
    >>> m = ranef.lmer("Yield ~ 1 + (1 | Batch)", ranef.load_dataset("Dyestuff"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "dyestuff.ranef"
    ...     m.save(file)
    ...     ranef.load(file).objective == m.objective
    True
    """
    if not isinstance(path, str | os.PathLike):
        raise ArgumentTypeError(f"path must be a file name, not {path!r}.")
    kind, fit, request = load_fit(path)
    if kind not in _CLASSES:
        raise DataError(f"{os.fspath(path)!r} holds a {kind}, which this ranef does not know.")
    return _CLASSES[kind](fit, request)
