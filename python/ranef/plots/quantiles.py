"""Sample quantiles against normal ones."""

from typing import TYPE_CHECKING, Any

from ranef.diagnostics.normal_quantiles import normal_quantiles
from ranef.errors import OptionError
from ranef.plots.canvas import MOST_PANELS, AxesArray, cloud, empty, finish, one_axes, several_axes
from ranef.plots.labels import shortened
from ranef.plots.palette import palette_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def quantiles(frame: "pd.DataFrame", label: str, ax: Any = None, title: str | None = None) -> "Axes":
    """Draw a normal quantile-quantile picture
    with the line through the quartiles and a pointwise band.

    Parameters
    ----------
    frame : DataFrame
        Columns ``theoretical, sample, line, lower, upper``, sorted.
    label : str
        What the sample is.
    ax : Axes, optional
    title : str, optional
    """
    axes = one_axes(ax, (5.2, 4.6))
    look = palette_of(axes)
    axes.fill_between(frame["theoretical"], frame["lower"], frame["upper"], color=look.ink, alpha=0.12, linewidth=0)
    axes.plot(frame["theoretical"], frame["line"], color=look.ink, linewidth=0.9)
    axes.scatter(frame["theoretical"], frame["sample"], color=look.main, **{**cloud(len(frame)), "alpha": 0.8})
    return finish(axes, frame, "normal quantile", label, title)


def effect_quantiles(frame: "pd.DataFrame", effects: list[str], ax: Any = None) -> AxesArray:
    """Draw the normal quantiles of random effects, a panel for each.

    Parameters
    ----------
    frame : DataFrame
        Columns ``effect, standardized`` of one grouping factor.
    effects : list of str
        Those to draw.
    ax : Axes or array of Axes, optional

    Returns
    -------
    array of Axes
    """
    if len(effects) > MOST_PANELS:
        raise OptionError(
            f"there are {len(effects)} effects, and one figure shows at most {MOST_PANELS}: choose one by effect=, for "
            f"example effect={effects[0]!r}."
        )
    axes = several_axes(ax, len(effects), 3, (4.6, 4.2))
    for plot, effect in zip(axes, effects, strict=True):
        own = frame[frame["effect"] == effect].reset_index(drop=True)
        title = shortened([effect], 40)[0]
        if own["standardized"].notna().sum() < 3:
            empty(plot, own, "The estimated variance is zero, or estimated from fewer than three levels.", title)
        else:
            quantiles(normal_quantiles(own["standardized"].to_numpy()), "standardised mode", plot, title)
    return axes
