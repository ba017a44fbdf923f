"""A tqdm bar for every argument ``progress``.

Importing this module needs tqdm (extra ``interop``).
"""

from typing import Any, Self

from ranef.interop.requirement import require

require("tqdm", "tqdm", "the progress bars of ranef.interop.tqdm")


class ProgressBar:
    """A function for ``progress=`` that shows a tqdm bar, in a terminal and in a notebook.

    A job that knows its length, such as a bootstrap, fills the bar; a fit, which does not, counts its evaluations beside the criterion. The bar is closed at
    the end of a ``with`` block, or when it is full.

    Parameters
    ----------
    **options
        Passed to ``tqdm``, such as ``desc``, ``file``, ``leave``.

    Examples
    --------
    >>> from ranef import lmer, load_dataset
    >>> from ranef.interop.tqdm import ProgressBar
    >>> with ProgressBar(desc="fit", disable=True) as bar:
    ...     m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"), progress=bar)
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
