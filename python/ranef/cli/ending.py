"""How a command ends: exit codes, what is said, and output that nobody reads."""

import os
import sys

from ranef.errors import FormulaError

OK, NOT_CONVERGED, BAD_INPUT, INTERRUPTED, NOBODY_READS = 0, 1, 2, 130, 141


def say(text: str) -> None:
    """Write a line to standard error."""
    try:
        sys.stderr.write(f"ranef: {text}\n")
    except BrokenPipeError:
        _to_nowhere(sys.stderr)


def show(text: str) -> None:
    """Write a result to standard output.

    Raises
    ------
    typer.Exit
        When nobody reads it, as after ``| head``.
    """
    import typer

    try:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _to_nowhere(sys.stdout)
        raise typer.Exit(NOBODY_READS) from None


def flushed() -> bool:
    """Whether all that was written has been read."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _to_nowhere(sys.stdout)
        return False
    return True


def one_line(problem: Exception) -> str:
    """A message on one line. In a formula on a terminal the culprit is marked below it."""
    if isinstance(problem, FormulaError) and problem.text is not None:
        first, _, below = str(problem).partition("\n")
        if sys.stderr.isatty():
            return f"{first}\n{below}"
        text = " ".join(problem.text.split())
        if problem.start is None or text != problem.text:
            return f"{first} The formula is: {text}"
        culprit = text[problem.start : problem.stop or problem.start + 1] or "its end"
        return f"{first} The formula is: {text} (at {culprit!r}, character {problem.start + 1})"
    return " ".join(str(problem).split("\n"))


def _to_nowhere(stream: object) -> None:
    """Let what is still written to a stream vanish, so that closing it is no error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())  # type: ignore[attr-defined]
    os.close(nowhere)
