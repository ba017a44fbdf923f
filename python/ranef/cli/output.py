"""Files that a command writes: looked at before the work, so that its result is not lost."""

import os
from pathlib import Path

from ranef.errors import OptionError


def checked_output(name: str, what: str, data: object = None) -> Path:
    """The path of a file that can be written.

    Parameters
    ----------
    name : str
    what : str
        What will be written, for messages.
    data : str, optional
        The path of the data, which must not be overwritten.

    Raises
    ------
    OptionError
        When it is a folder or the file of the data, or its folder is absent or read-only.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        raise OptionError(f"{name!r} is a folder; {what} needs the name of a file.")
    if not path.parent.is_dir():
        raise OptionError(f"there is no folder {str(path.parent)!r} to write {what} to; make it first.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise OptionError(f"{what} cannot be written to {name!r}: no permission.")
    if isinstance(data, str) and path.exists() and Path(data).expanduser().exists() and path.samefile(data):
        raise OptionError(f"{name!r} is the file of the data; give another name for {what}.")
    return path
