"""Errors that name the file or part they are about."""

from collections.abc import Iterator
from contextlib import contextmanager

from ranef.errors import RanefError


@contextmanager
def placed(where: str) -> Iterator[None]:
    """Put where the data come from before the sentence of an error, unless it says so itself."""
    try:
        yield
    except RanefError as problem:
        if where and problem.args and where not in str(problem):
            problem.args = (f"{where}: {problem}", *problem.args[1:])
        raise
