"""The command line ``ranef``: one command a file, put together in ``app``.

Exit codes: 0 when all went well, 1 when a fit ended without convergence, 2 for bad usage or input,
130 after Ctrl-C and 141 when nobody reads the output any more. Results go to standard output, all
that is said about them to standard error, each on one line.
"""

import sys
from collections.abc import Sequence

from ranef.cli.ending import BAD_INPUT, INTERRUPTED, NOBODY_READS, flushed, one_line, say
from ranef.errors import RanefError

_MISSING_EXTRA = (
    "the command line needs typer and rich, which are not installed. Install them with: pip install 'ranef[cli]'"
)


def main() -> None:
    """Run the command line with the arguments of the process."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets a question mark for it.
        getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
    code = run(sys.argv[1:])
    sys.exit(code if flushed() else NOBODY_READS)


def run(arguments: Sequence[str]) -> int:
    """Run one command and give its exit code.

    Parameters
    ----------
    arguments : sequence of str
        Without the name of the program.
    """
    try:
        try:
            import rich  # noqa: F401
            import typer
        except ImportError:
            say(_MISSING_EXTRA)
            return BAD_INPUT
        from ranef.cli.app import build_app

        command = typer.main.get_command(build_app())
        code = command.main(args=list(arguments), prog_name="ranef", standalone_mode=False)
        return code or 0
    except RanefError as problem:
        say(one_line(problem))
        return BAD_INPUT
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as end:
        # Of typer, where what it writes is not read, and after a completion.
        return NOBODY_READS if end.code == 1 else int(end.code or 0)
    except Exception as problem:
        if not hasattr(problem, "format_message"):
            raise
        say(_usage(problem))
        return BAD_INPUT


def _usage(problem: Exception) -> str:
    """Wrong usage on one line, with the command that says more."""
    text = " ".join(str(problem.format_message()).split())  # type: ignore[attr-defined]
    text = text.replace("Value error, ", "").rstrip(".")
    context = getattr(problem, "ctx", None)
    return f"{text}. See: {'ranef' if context is None else context.command_path} --help"
