"""Simulated residuals: their distribution, and along the fitted values."""

from typing import TYPE_CHECKING, Any

from ranef.plots.canvas import AxesArray, cloud, finish, several_axes
from ranef.plots.palette import CONTRAST, INK, MAIN, QUIET

if TYPE_CHECKING:
    import pandas as pd


def simulated_residuals(
    quantiles: "pd.DataFrame", along: "pd.DataFrame", tests: "pd.DataFrame", ax: Any = None
) -> AxesArray:
    """Draw two panels: quantiles against the uniform distribution, and residuals against fitted values.

    Parameters
    ----------
    quantiles : DataFrame
        Columns ``expected, residual, lower, upper``, sorted.
    along : DataFrame
        Columns ``fitted, residual``, and ``q25, q50, q75``: quartiles of the residuals near there.
    tests : DataFrame
        Rows ``uniformity, dispersion, outliers`` with ``p_value``.
    ax : array of 2 Axes, optional
    """
    axes = several_axes(ax, 2, 2, (5.0, 4.6))
    left, right = axes
    left.fill_between(quantiles["expected"], quantiles["lower"], quantiles["upper"], color=INK, alpha=0.12, linewidth=0)
    left.plot([0, 1], [0, 1], color=INK, linewidth=0.9)
    left.scatter(quantiles["expected"], quantiles["residual"], color=MAIN, **{**cloud(len(quantiles)), "alpha": 0.8})
    p = {name: float(tests["p_value"][name]) for name in ("uniformity", "dispersion", "outliers")}
    text = "p: " + ", ".join(f"{name} {value:.3f}" for name, value in p.items())
    finish(left, quantiles, f"uniform quantile\n{text}", "simulated residual", "Distribution")
    right.scatter(along["fitted"], along["residual"], color=MAIN, **cloud(len(along)))
    line = along.sort_values("fitted")
    for column, at in (("q25", 0.25), ("q50", 0.5), ("q75", 0.75)):
        right.axhline(at, color=QUIET, linewidth=0.8, linestyle="--")
        right.plot(line["fitted"], line[column], color=CONTRAST, linewidth=1.8)
    right.set_ylim(-0.03, 1.03)
    finish(
        right,
        along,
        "fitted value, random effects zero\nlines: local quartiles",
        "simulated residual",
        "Along the fitted values",
    )
    return axes
