"""Pairs of correlated random effects: their modes and the ellipses of their covariance."""

import math
from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from ranef.errors import OptionError
from ranef.estimates.varcorr import VarCorrBlock

if TYPE_CHECKING:
    import pandas as pd

#: Shares of the population inside the ellipses.
SHARES = (0.5, 0.95)

_POINTS = 121


def effect_ellipses(
    effects: "Mapping[str, pd.DataFrame]", blocks: Mapping[str, VarCorrBlock], group: str | None = None
) -> "list[pd.DataFrame]":
    """Gather what a picture of each pair of correlated effects needs.

    Parameters
    ----------
    effects : mapping
        Conditional modes by grouping factor, as ``ranef()`` gives them.
    blocks : mapping
        Covariances by term, as ``varcorr`` has them.
    group : str, optional
        Only pairs of this grouping factor.

    Returns
    -------
    list of DataFrame
        For each pair: columns ``part`` ("mode", or the share of the population inside an ellipse),
        ``level, x, y``; attributes ``names, correlation``.
    """
    import pandas as pd

    if group is not None and group not in effects:
        raise OptionError(f"group must be one of {', '.join(map(repr, effects))}, not {group!r}.")
    out = []
    start: dict[str, int] = {}
    for block in blocks.values():
        first = start.get(block.group, 0)
        start[block.group] = first + len(block.names)
        if block.diagonal or (group is not None and block.group != group):
            continue
        modes = effects[block.group]
        for i, j in combinations(range(len(block.names)), 2):
            pair = [i, j]
            parts = [
                pd.DataFrame(
                    {
                        "part": "mode",
                        "level": modes.index.astype(str),
                        "x": modes.iloc[:, first + i].to_numpy(dtype=float),
                        "y": modes.iloc[:, first + j].to_numpy(dtype=float),
                    }
                )
            ]
            covariance = block.cov[np.ix_(pair, pair)]
            for share in SHARES if np.all(np.isfinite(block.corr[i, j])) else ():
                curve = _ellipse(covariance, share)
                parts.append(pd.DataFrame({"part": str(share), "level": "", "x": curve[0], "y": curve[1]}))
            frame = pd.concat(parts, ignore_index=True)
            several = len(effects) > 1
            frame.attrs["names"] = tuple(
                f"{block.names[k]}, {block.group}" if several else block.names[k] for k in pair
            )
            frame.attrs["correlation"] = float(block.corr[i, j])
            out.append(frame)
    if not out:
        raise OptionError(
            "no two random effects of the model are correlated: there is nothing for ellipses to show; "
            "plot.caterpillar() draws effects one by one."
        )
    return out


def _ellipse(
    covariance: "np.ndarray[tuple[int, int], np.dtype[np.float64]]", share: float
) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """Points where the normal density around zero has one height,
    so that a share of the population lies inside.
    """
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    angle = np.linspace(0.0, 2 * math.pi, _POINTS)
    out: np.ndarray[tuple[int, int], np.dtype[np.float64]] = (
        math.sqrt(-2 * math.log(1 - share)) * root @ np.vstack([np.cos(angle), np.sin(angle)])
    )
    return out
