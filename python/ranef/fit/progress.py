"""How far a long call is: what its argument ``progress`` may be."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, Self

import numpy as np

from ranef.errors import ArgumentTypeError, MissingExtraError

Report = Callable[[int, float], object]
"""Called as ``report(done, total)``;
for a single fit, whose length is unknown, as ``report(evaluations, criterion)``.
"""

Progress = bool | Literal["tqdm"] | Report


class Line:
    """One line on standard error, which is overwritten until the job is done.

    Parameters
    ----------
    unit : str
        What is counted, in the plural.
    """

    def __init__(self, unit: str):
        self._unit = unit
        self._open = False
        self._width = 0

    def __call__(self, count: int, of: float) -> None:
        """Show how far a job is."""
        known = isinstance(of, int)
        self.say(f"{count} of {of} {self._unit}" if known else f"evaluation {count}: criterion {of:.6f}")
        if known and count >= of:
            self.close()

    def say(self, text: str) -> None:
        """Show a text in place of the one before."""
        sys.stderr.write(f"\r{text.ljust(self._width)}")
        sys.stderr.flush()
        self._width = len(text)
        self._open = True

    def close(self) -> None:
        """End the line."""
        self._width = 0
        if self._open:
            sys.stderr.write("\n")
            sys.stderr.flush()
            self._open = False


class TqdmBar:
    """A function for ``progress=`` that shows a tqdm bar, in a terminal and in a notebook.

    A job that knows its length, such as a bootstrap, fills the bar; a fit, which does not, counts
    its evaluations beside the criterion. The bar is closed at the end of a ``with`` block, when it
    is full, and when the call that it was given to ends, also by Ctrl-C.

    Parameters
    ----------
    **options
        Passed to ``tqdm``, such as ``desc``, ``file``, ``leave``.
    """

    def __init__(self, **options: Any):
        self._options = options
        self._bar: Any = None

    def __call__(self, count: int, of: float) -> None:
        """Show how far a job is.

        Parameters
        ----------
        count : int
            What is done so far.
        of : int or float
            A whole number is the length of the job; a float is the criterion of a fit.
        """
        total = of if isinstance(of, int) else None
        if self._bar is not None and (count < self._bar.n or total != self._bar.total):  # another job
            self.close()
        if self._bar is None:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=total, **{"unit": "" if total else " evaluations", **self._options})
        if total is None:
            self._bar.set_postfix_str(f"criterion {of:.6f}", refresh=False)
        self._bar.update(count - self._bar.n)
        if total is not None and count >= total:
            self.close()

    def close(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def checked_progress(progress: object, unit: str = "replicates") -> Report | None:
    """What reports progress:
    a function as it is, True a line on standard error, ``"tqdm"`` a bar, False nothing.

    Parameters
    ----------
    progress : bool, "tqdm" or callable
    unit : str
        What is counted, in the plural.

    Raises
    ------
    MissingExtraError
        For ``"tqdm"`` where it is not installed.
    """
    if callable(progress):
        return progress
    if isinstance(progress, str) and progress == "tqdm":
        try:
            import tqdm.auto  # noqa: F401
        except ModuleNotFoundError as problem:
            if problem.name is None or problem.name.split(".")[0] != "tqdm":
                raise
            raise MissingExtraError(
                "progress='tqdm' needs tqdm, which is not installed. Install it with: pip install 'ranef[interop]', "
                "or use progress=True."
            ) from None
        return TqdmBar(**({} if unit == "evaluations" else {"unit": f" {unit}"}))
    if not isinstance(progress, bool | np.bool_):
        raise ArgumentTypeError(
            f"progress must be True, False, 'tqdm' or a function of two numbers (done, all), not {progress!r:.60}."
        )
    return Line(unit) if progress else None


@contextmanager
def reported(progress: object, unit: str = "replicates") -> Iterator[Report | None]:
    """What reports the progress of the block.

    A line or bar is closed when it ends, however it ends.
    """
    show = checked_progress(progress, unit)
    try:
        yield show
    finally:
        if isinstance(show, Line | TqdmBar):
            show.close()


def part_of(show: Callable[[int, int], object] | None, before: int, total: int) -> Report | None:
    """A function for one of several jobs that are reported as one:
    ``before`` steps were done, of ``total``.
    """
    if show is None:
        return None
    return lambda count, _: show(before + count, total)
