"""Profiles: zeta of each parameter, and the densities that they imply."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ranef.errors import OptionError
from ranef.plots.canvas import AxesArray, finish, several_axes
from ranef.plots.labels import shortened
from ranef.plots.palette import palette_of

if TYPE_CHECKING:
    import pandas as pd

#: Panels of one figure.
MOST = 12

#: Levels whose intervals are marked.
LEVELS = (0.5, 0.8, 0.95, 0.99)


def profile_zeta(frame: "pd.DataFrame", ax: Any = None) -> AxesArray:
    """Draw zeta, the signed root of the change of the deviance,
    along each parameter, with the intervals that it gives.

    A straight line says that Wald intervals are good; where the curve ends the interval ends at the
    edge of the parameter's range.

    Parameters
    ----------
    frame : DataFrame
        Columns ``parameter, value, zeta``; of at most 12 parameters.
    ax : Axes or array of Axes, optional
        One for each parameter.

    Returns
    -------
    array of Axes
    """
    from statistics import NormalDist

    from scipy.interpolate import PchipInterpolator

    names = _names(frame)
    axes = several_axes(ax, len(names), 3, (3.6, 3.0))
    look = palette_of(axes[0])
    for i, (plot, name) in enumerate(zip(axes, names, strict=True)):
        curve = frame[frame["parameter"] == name].sort_values("value")
        points = curve.groupby("value", as_index=False)["zeta"].mean()
        value, zeta = points["value"].to_numpy(dtype=float), points["zeta"].to_numpy(dtype=float)
        at = np.linspace(value[0], value[-1], 200)
        if len(value) >= 3:
            smooth = PchipInterpolator(value, zeta)(at)
            plot.plot(at, smooth, color=look.main, linewidth=1.8)
            for level in LEVELS:
                q = NormalDist().inv_cdf(0.5 + level / 2)
                inside = at[np.abs(smooth) <= q]
                for height in (q, -q):
                    if len(inside) and zeta.min() <= height <= zeta.max():
                        plot.plot([inside[0], inside[-1]], [height, height], color=look.quiet, linewidth=0.8)
        plot.plot(value, zeta, "o", color=look.main, markersize=2.5)
        plot.axhline(0.0, color=look.ink, linewidth=0.7)
        label = "zeta" if i % min(3, len(names)) == 0 else ""
        finish(plot, curve.reset_index(drop=True), "", label, shortened([name], 30)[0])
        plot.locator_params(axis="x", nbins=4)
    return axes


def profile_densities(frame: "pd.DataFrame", estimates: "pd.Series[float] | None" = None, ax: Any = None) -> AxesArray:
    """Draw the density of each parameter.

    Parameters
    ----------
    frame : DataFrame
        Columns ``parameter, value, density``; of at most 12 parameters.
    estimates : Series, optional
        By parameter, to be marked.
    ax : Axes or array of Axes, optional
        One for each parameter.

    Returns
    -------
    array of Axes
    """
    names = _names(frame)
    axes = several_axes(ax, len(names), 3, (3.6, 3.0))
    look = palette_of(axes[0])
    for i, (plot, name) in enumerate(zip(axes, names, strict=True)):
        curve = frame[frame["parameter"] == name].reset_index(drop=True)
        plot.fill_between(curve["value"], 0.0, curve["density"], color=look.main, alpha=0.2, linewidth=0)
        plot.plot(curve["value"], curve["density"], color=look.main, linewidth=1.8)
        if estimates is not None and name in estimates.index:
            plot.axvline(float(estimates[name]), color=look.contrast, linewidth=1.2, linestyle="--")
        label = "density" if i % min(3, len(names)) == 0 else ""
        finish(plot, curve, "", label, shortened([name], 30)[0])
        plot.set_ylim(bottom=0.0)
        plot.locator_params(axis="x", nbins=4)
    return axes


def _names(frame: "pd.DataFrame") -> list[str]:
    names = [str(n) for n in dict.fromkeys(frame["parameter"])]
    if not names:
        raise OptionError("no parameter was profiled far enough for a picture.")
    if len(names) > MOST:
        raise OptionError(
            f"there are {len(names)} parameters, and one figure shows at most {MOST}: profile or choose fewer."
        )
    return names
