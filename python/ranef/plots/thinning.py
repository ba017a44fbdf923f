"""Pictures of many rows made light: clouds of points are drawn in part, outlines with the points
that can be seen.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.plots.canvas import cloud

if TYPE_CHECKING:
    from matplotlib.collections import PathCollection, PolyCollection
    from matplotlib.figure import Figure

#: Points of a cloud that are drawn.
MOST_POINTS = 10_000

#: Cells along each axis, and points of a cell that are drawn all the same: none of those that lie
#: apart is lost.
_CELLS, _ALL_OF = 60, 3

#: Vertices of an outline that are left as they are.
_MOST_VERTICES = 500


def thin(figure: "Figure", most: int = MOST_POINTS) -> tuple[int, int] | None:
    """Reduce what a figure draws of its data; the frames of its Axes stay whole.

    Parameters
    ----------
    figure : Figure
    most : int
        Points of a cloud that are drawn.

    Returns
    -------
    (int, int) or None
        Points drawn and points there, of the largest cloud that was reduced.
    """
    from matplotlib.collections import PathCollection, PolyCollection

    found: tuple[int, int] | None = None
    for ax in figure.axes:
        for drawn in ax.collections:
            if isinstance(drawn, PathCollection):
                n = len(np.asarray(drawn.get_offsets()))
                if n > most:
                    left = _thin_cloud(drawn, most)
                    found = max(found or (0, 0), (left, n), key=lambda pair: pair[1])
            elif isinstance(drawn, PolyCollection):
                _thin_outline(drawn, ax.transData)
    return found


def some_of(x: NDArray[np.float64], y: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    """Rows of a cloud to draw: all where few lie, and of the others as many by chance as there is
    room for, the same ones every time.

    Parameters
    ----------
    x, y : (n,) array
    most : int

    Returns
    -------
    (m,) array
        In the order of the rows; m is ``most``, or more where points that lie apart are more.
    """
    cell = _cells(x) * _CELLS + _cells(y)
    apart = np.bincount(cell, minlength=_CELLS**2)[cell] <= _ALL_OF
    crowded = np.flatnonzero(~apart)
    room = min(len(crowded), max(0, most - int(apart.sum())))
    chosen = np.random.default_rng(0).choice(crowded, room, replace=False)
    return np.sort(np.concatenate([np.flatnonzero(apart), chosen]))


def _cells(values: NDArray[np.float64]) -> NDArray[np.intp]:
    low, high = np.nanmin(values), np.nanmax(values)
    if not high > low:
        return np.zeros(len(values), dtype=np.intp)
    share = np.nan_to_num((values - low) / (high - low))
    return np.minimum((share * _CELLS).astype(np.intp), _CELLS - 1)


def _thin_cloud(drawn: "PathCollection", most: int) -> int:
    offsets = np.asarray(drawn.get_offsets(), dtype=float)
    rows = some_of(offsets[:, 0], offsets[:, 1], most)
    alpha: Any = drawn.get_alpha()
    if isinstance(alpha, float) and alpha == cloud(len(offsets))["alpha"]:
        # Fewer points are less dense: each is drawn as in a cloud of their number.
        drawn.set_alpha(cloud(len(rows))["alpha"])
    colours: Any = drawn.get_facecolors()  # type: ignore[attr-defined]
    if len(colours) == len(offsets):
        drawn.set_facecolors(colours[rows])  # type: ignore[attr-defined]
    drawn.set_offsets(offsets[rows])
    return len(rows)


def _thin_outline(drawn: "PolyCollection", to_points: Any) -> None:
    """Leave out the vertices of a band that lie on the line between their neighbours, to a fraction
    of a point.
    """
    from matplotlib.path import Path

    if drawn.get_transform() != to_points:
        return
    back = to_points.inverted()
    paths = []
    for path in drawn.get_paths():
        outline, vertices = path, np.asarray(path.vertices)
        if len(vertices) > _MOST_VERTICES:
            open_path = Path(vertices[np.isfinite(vertices).all(axis=1)])
            open_path.should_simplify = True
            left = np.asarray(open_path.cleaned(transform=to_points, simplify=True).vertices)
            outline = Path(back.transform(left[:-1]))  # without the mark of its end
        paths.append(outline)
    drawn._paths = paths  # type: ignore[attr-defined]
