"""A tqdm bar for every argument ``progress``.

Importing this module needs tqdm (extra ``interop``).
"""

from ranef.fit.progress import TqdmBar
from ranef.interop.requirement import require

require("tqdm", "tqdm", "the progress bars of ranef.interop.tqdm")


class ProgressBar(TqdmBar):
    """A function for ``progress=`` that shows a tqdm bar with options of one's own;
    ``progress="tqdm"`` is the same without any.

    A job that knows its length, such as a bootstrap, fills the bar; a fit, which does not, counts
    its evaluations beside the criterion. The bar is closed at the end of a ``with`` block, when it
    is full, and when the call that it was given to ends, also by Ctrl-C.

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
