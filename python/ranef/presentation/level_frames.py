"""Frames of the levels of each grouping factor: a dictionary that prints as tables."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ranef.presentation.printed_frame import PrintedFrame, printed

if TYPE_CHECKING:
    import pandas as pd


class LevelFrames(dict[str, Any]):
    """What a model has for each level of its grouping factors: a dictionary from factor to frame
    (levels × effects), or to a pair of frame and covariances (levels × k × k).

    It is an ordinary dictionary in everything but its printed form.
    """

    def __init__(self, frames: dict[str, Any], what: str):
        super().__init__(frames)
        self._what = what

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self), self._what)

    def _tables(self) -> list[PrintedFrame]:
        out = []
        for group, value in self.items():
            frame, covariances = value if isinstance(value, tuple) else (value, None)
            table = frame.copy()
            if covariances is not None:
                sd = np.sqrt(np.maximum(np.diagonal(covariances, axis1=1, axis2=2), 0.0))
                for j, name in enumerate(frame.columns):
                    table.insert(2 * j + 1, f"sd of {name}", sd[:, j], allow_duplicates=True)
            heading = f"{self._what} of {group} ({len(frame):,} {'level' if len(frame) == 1 else 'levels'})"
            table.attrs = {"heading": heading}
            out.append(printed(table))
        return out

    def __repr__(self) -> str:
        return "\n\n".join(str(table) for table in self._tables())

    def _repr_html_(self) -> str:
        return "\n".join(table._repr_html_() for table in self._tables())


def random_effects_frames(frames: "dict[str, pd.DataFrame] | dict[str, Any]") -> LevelFrames:
    """Conditional modes by grouping factor, printed as tables."""
    return LevelFrames(frames, "Random effects")


def coefficient_frames(frames: "dict[str, pd.DataFrame]") -> LevelFrames:
    """Coefficients by grouping factor, printed as tables."""
    return LevelFrames(frames, "Coefficients")
