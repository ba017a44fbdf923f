"""One input tried: taken, refused in the package's own words, or a fault."""

import signal
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from ranef import RanefError, RanefWarning

#: Seconds after which an input counts as one that hangs; the slowest good one takes a hundredth.
LIMIT = 20.0

TAKEN, REFUSED = "taken", "refused"


class TooLongError(BaseException):
    """The time of an input is up; no `except Exception` holds it back."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of an input.

    Attributes
    ----------
    outcome : str
        ``"taken"``, ``"refused"``, or the class of the exception that should not have come out.
    where : str
        Line of the package in which that was raised; empty if there was none.
    note : str
        Its message.
    """

    outcome: str
    where: str = ""
    note: str = ""

    @property
    def is_fault(self) -> bool:
        return self.outcome not in (TAKEN, REFUSED)


def attempt(use: Callable[[], None], limit: float = LIMIT) -> Attempt:
    """Use an input. A check of the result raises AssertionError, which is a fault as any other."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise TooLongError(f"no answer within {limit:g} seconds")

    timed = hasattr(signal, "SIGALRM")  # not on Windows
    if timed:
        usual = signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", RanefWarning)
            use()
    except RanefError:
        return Attempt(REFUSED)
    except KeyboardInterrupt:
        raise
    except BaseException as problem:  # a panic of the core is no Exception
        return Attempt(type(problem).__name__, _place(problem), str(problem)[:300])
    finally:
        if timed:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, usual)
    return Attempt(TAKEN)


def _place(problem: BaseException) -> str:
    """The innermost line of the package or of these tests."""
    frames = traceback.extract_tb(problem.__traceback__)
    own = [f for f in frames if "ranef" in Path(f.filename).parts or "fuzz" in Path(f.filename).parts]
    last = (own or frames)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"
