"""Simulated residuals: their distribution, and along the fitted values."""

from typing import TYPE_CHECKING, Any

from ranef.plots.canvas import AxesArray, cloud, finish, one_axes, several_axes
from ranef.plots.palette import palette_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


#: Names of the x axis: fitted values of a linear model, and linear predictors of a generalized one.
ALONG_FITTED = "fitted value, random effects zero"
ALONG_LINK = "linear predictor, random effects zero"


def simulated_residuals(
    quantiles: "pd.DataFrame",
    along: "pd.DataFrame",
    tests: "pd.DataFrame",
    ax: Any = None,
    label: str = ALONG_FITTED,
) -> AxesArray:
    """Draw two panels: quantiles against the uniform distribution,
    and residuals against fitted values.

    Parameters
    ----------
    quantiles : DataFrame
        Columns ``expected, residual, lower, upper``, sorted.
    along : DataFrame
        Columns ``fitted, residual``, and ``q25, q50, q75``: quartiles of the residuals near there.
    tests : DataFrame
        Rows ``uniformity, dispersion, outliers`` with ``p_value``.
    ax : array of 2 Axes, optional
    label : str
        What the residuals are drawn along.
    """
    axes = several_axes(ax, 2, 2, (5.0, 4.6))
    p = {name: float(tests["p_value"][name]) for name in ("uniformity", "dispersion", "outliers")}
    text = "p: " + ", ".join(f"{name} {value:.3f}" for name, value in p.items())
    residual_quantiles(quantiles, axes[0], "Distribution", f"uniform quantile\n{text}")
    residuals_along(along, axes[1], "Along the fitted values", label)
    return axes


def residual_quantiles(
    frame: "pd.DataFrame", ax: Any = None, title: str | None = None, label: str = "uniform quantile"
) -> "Axes":
    """Draw quantiles of simulated residuals against those of the uniform distribution,
    with a pointwise band.

    Parameters
    ----------
    frame : DataFrame
        Columns ``expected, residual, lower, upper``, sorted.
    ax : Axes, optional
    title : str, optional
    label : str
        Name of the x axis.
    """
    axes = one_axes(ax, (5.2, 4.6))
    look = palette_of(axes)
    axes.fill_between(frame["expected"], frame["lower"], frame["upper"], color=look.ink, alpha=0.12, linewidth=0)
    axes.plot([0, 1], [0, 1], color=look.ink, linewidth=0.9)
    axes.scatter(frame["expected"], frame["residual"], color=look.main, **{**cloud(len(frame)), "alpha": 0.8})
    return finish(axes, frame, label, "simulated residual", title)


def residuals_along(
    along: "pd.DataFrame", ax: Any = None, title: str | None = None, label: str = ALONG_FITTED
) -> "Axes":
    """Draw simulated residuals along the fitted values, with their local quartiles.

    Parameters
    ----------
    along : DataFrame
        Columns ``fitted, residual``, and ``q25, q50, q75``: quartiles of the residuals near there.
    ax : Axes, optional
    title : str, optional
    label : str
    """
    axes = one_axes(ax, (5.2, 4.6))
    look = palette_of(axes)
    axes.scatter(along["fitted"], along["residual"], color=look.main, **cloud(len(along)))
    line = along.sort_values("fitted")
    for column, at in (("q25", 0.25), ("q50", 0.5), ("q75", 0.75)):
        axes.axhline(at, color=look.quiet, linewidth=0.8, linestyle="--")
        axes.plot(line["fitted"], line[column], color=look.contrast, linewidth=1.8)
    axes.set_ylim(-0.03, 1.03)
    return finish(axes, along, f"{label}\nlines: local quartiles", "simulated residual", title)
