"""``ranef translate``: syntax of another program as a call."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ranef.cli.command import command
from ranef.cli.ending import show
from ranef.errors import DataError


class Source(StrEnum):
    """Programs whose syntax is read."""

    SPSS = "spss"
    STATA = "stata"
    SAS = "sas"
    NLME = "nlme"
    LME4 = "lme4"
    JULIA = "julia"


@command(
    "Read syntax of another program.",
    "ranef translate analysis.sps",
    'echo "mixed y x || school: x, cov(un)" | ranef translate -',
)
def translate(
    file: Annotated[
        str, typer.Argument(help="A file of syntax, or - for standard input.", show_default=False, metavar="FILE")
    ],
    source: Annotated[
        Source | None, typer.Option("--from", help="The program; recognised unless given.", show_default=False)
    ] = None,
) -> None:
    """Write the call of lmer or glmer for a model in the syntax of SPSS, Stata, SAS, R or Julia."""
    from ranef.translation import read

    show(str(read(_text(file), None if source is None else source.value)))


def _text(file: str) -> str:
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).expanduser().read_bytes()
    except OSError as problem:
        raise DataError(f"the file {file!r} cannot be read: {problem.strerror or problem}.") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
