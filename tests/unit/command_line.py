"""What tests of the command line share: a command run in this process, with what it wrote."""

from collections.abc import Callable
from typing import Any, NamedTuple

from ranef.cli import run


class Result(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


def runner(capsys: Any, *first: str) -> Callable[..., Result]:
    """A function that runs a command with these arguments and more."""

    def call(*arguments: str) -> Result:
        capsys.readouterr()
        code = run([*first, *arguments])
        return Result(code, *capsys.readouterr())

    return call
