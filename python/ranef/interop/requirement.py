"""The libraries that the modules of this folder need."""

import importlib

from ranef.errors import MissingExtraError


def require(module: str, package: str, purpose: str) -> None:
    """Import a library, or say how to install it.

    Parameters
    ----------
    module : str
        What is imported, such as ``"sklearn"``.
    package : str
        What is installed, such as ``"scikit-learn"``.
    purpose : str
        What needs it, in the plural.

    Raises
    ------
    MissingExtraError
        When it is not installed.
    """
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as problem:
        if problem.name != module:  # installed, but something that it needs is not: its own message says what
            raise
        raise MissingExtraError(
            f"{purpose} need {package}, which is not installed. Install it with: pip install 'ranef[interop]'"
        ) from None
