"""What a command is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Command:
    """A function of the command line, with examples below its help.

    Attributes
    ----------
    call : callable
    summary : str
        What it does in a few words, for the list of commands.
    examples : str
    """

    call: Callable[..., Any]
    summary: str
    examples: str


def command(summary: str, *examples: str) -> Callable[[Callable[..., Any]], Command]:
    """Make a command of a function.

    Parameters
    ----------
    summary : str
    *examples : str
        Calls to show below its help.
    """
    lines = "\n".join(f"  {line}" for line in examples)
    return lambda call: Command(call, summary, f"\b\nExamples:\n{lines}\n")
