"""Saved bootstraps."""

import os
from typing import TYPE_CHECKING

from ranef.errors import ArgumentTypeError
from ranef.known_arguments import known_arguments

if TYPE_CHECKING:
    from ranef.results.bootstrap import Bootstrap


@known_arguments
def load_bootstrap(path: str | os.PathLike[str]) -> "Bootstrap":
    """Read a bootstrap that its ``to_parquet`` method wrote.

    Intervals by ``method="bca"`` need the model and are not to be had of it; all others are.

    Parameters
    ----------
    path : path

    Returns
    -------
    Bootstrap

    Examples
    --------
    >>> import ranef, tempfile, pathlib
    >>> m = ranef.lmer("Yield ~ 1 + (1 | Batch)", ranef.load_dataset("Dyestuff"))
    >>> b = m.bootstrap(100, rng=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "dyestuff.parquet"
    ...     b.to_parquet(file)
    ...     ranef.load_bootstrap(file).conf_int().equals(b.conf_int())
    True
    """
    if not isinstance(path, str | os.PathLike):
        raise ArgumentTypeError(f"path must be a file name, not {path!r}.")
    from ranef.inference.bootstrap.files import read_bootstrap
    from ranef.results.bootstrap import Bootstrap

    return Bootstrap.of_replicates(read_bootstrap(path))
