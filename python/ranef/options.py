"""Settings of the session, choices that occur in several places, and their checks."""

from typing import Any, Literal, cast, get_args

from ranef.errors import ArgumentTypeError, OptionError

Ddf = Literal["satterthwaite", "kenward-roger", "residual", "none"]
"""Methods of the degrees of freedom of tests of fixed effects."""


def checked_ddf(ddf: object, default: Ddf = "satterthwaite") -> Ddf:
    """Check the name of a method of degrees of freedom; None is the default."""
    if ddf is None:
        return default
    if not isinstance(ddf, str):
        raise ArgumentTypeError(f"ddf must be one of {', '.join(map(repr, get_args(Ddf)))}, not {ddf!r}.")
    if ddf not in get_args(Ddf):
        raise OptionError(f"ddf must be one of {', '.join(map(repr, get_args(Ddf)))}, not {ddf!r}.")
    return cast(Ddf, ddf)


def normal_ddf(ddf: object) -> Ddf:
    """Check ``ddf`` of a model whose tests are normal: it can be None or ``"none"`` only."""
    if checked_ddf(ddf, "none") != "none":
        raise OptionError(
            f"ddf={ddf!r} is for linear models: tests of generalized models are normal and have no degrees of freedom. "
            "Leave ddf out."
        )
    return "none"


_SETTINGS: dict[str, Any] = {"keep_data": False}


def options(*, keep_data: bool | None = None) -> dict[str, Any]:
    """Read or change the settings of this Python process.

    A worker process of joblib or multiprocessing has settings of its own: change them in the
    function that it runs.

    Parameters
    ----------
    keep_data : bool, optional
        Whether a pickled model keeps the columns of the data that it uses, so that a model that was
        cached, or handed back by a worker process, can do all that the original can (marginal
        means, pictures, ``update``). False at first: pickles then stay small. A file written by
        ``save`` never has the data, and a copy by ``copy.deepcopy`` always shares them.

    Returns
    -------
    dict
        The settings as they are now.

    Raises
    ------
    ArgumentTypeError
        If a setting has a value of another type.

    Examples
    --------
    >>> import ranef
    >>> ranef.options(keep_data=True)
    {'keep_data': True}
    >>> ranef.options(keep_data=False)
    {'keep_data': False}
    """
    if keep_data is not None:
        if not isinstance(keep_data, bool):
            raise ArgumentTypeError(f"keep_data must be True or False, not {keep_data!r}.")
        _SETTINGS["keep_data"] = keep_data
    return dict(_SETTINGS)


def is_data_kept() -> bool:
    """Whether pickled models keep the data that they use."""
    return bool(_SETTINGS["keep_data"])
