"""Likelihood profiles of a fitted model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.intervals import normal_multiplier
from ranef.inference.profile import Curve, ProfileCurves, interpolated_limits, zeta_at

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from ranef.plots.canvas import AxesArray


#: Level of the intervals that are printed.
_SHOWN = 0.95

#: Room for rounding where a level is held against the reach of the curves.
_ROUNDING = 1e-6


class Profile:
    """Profiles of the parameters of a linear mixed model, made by ``profile``.

    Attributes
    ----------
    parameters : tuple of str
        The parameters that were profiled.
    deviance : float
        -2 log-likelihood at its minimum.
    notes : tuple of str
        What should be known: that profiles of a REML fit are of the likelihood, parameters whose
        zeta is not monotone, sides that do not rise.
    """

    __slots__ = ("_record",)

    def __init__(self, record: ProfileCurves):
        self._record = record

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters that were profiled."""
        return tuple(c.name for c in self._record.curves)

    @property
    def deviance(self) -> float:
        """-2 log-likelihood at its minimum."""
        return self._record.deviance

    @property
    def notes(self) -> tuple[str, ...]:
        """What should be known of the profiles."""
        return self._record.notes + self._record.problems

    def __repr__(self) -> str:
        points = sum(len(c.zeta) for c in self._record.curves)
        lines = [f"Profile of {len(self.parameters)} parameters, {points} points"]
        if self.parameters and self._record.reach + _ROUNDING >= normal_multiplier(_SHOWN):
            from ranef.presentation.printed_frame import printed

            table = printed(self.conf_int(_SHOWN))
            table.attrs = {"heading": f"{100 * _SHOWN:.0f} % intervals:"}
            lines.append(str(table))
        else:
            lines.append(", ".join(self.parameters))
        return "\n".join([*lines, *(f"Note: {n}" for n in self.notes)])

    def to_frame(self) -> "pd.DataFrame":
        """Return all points, curve by curve.

        Returns
        -------
        DataFrame
            Columns ``parameter, value, zeta`` and, for every parameter of the model, its value at
            that point.
        """
        import pandas as pd

        r = self._record
        frame = pd.DataFrame(
            {
                "parameter": [c.name for c in r.curves for _ in c.zeta],
                "value": np.concatenate([c.value for c in r.curves]),
                "zeta": np.concatenate([c.zeta for c in r.curves]),
            }
        )
        rest = pd.DataFrame(np.concatenate([c.parameters for c in r.curves]), columns=list(r.names))
        return pd.concat([frame, rest], axis=1)

    def conf_int(self, level: float = 0.95) -> "pd.DataFrame":
        """Confidence intervals: the values whose deviance is within the quantile of the chi-square
        with one degree of freedom.

        They are read from the curves by cubic interpolation with exact derivatives;
        ``conf_int(method="profile")`` of the model solves for them.

        Parameters
        ----------
        level : float

        Returns
        -------
        DataFrame
            Columns ``lower, upper``, a row for each parameter that was profiled; ``attrs["notes"]``
            are the notes.
        """
        import pandas as pd

        if normal_multiplier(level) > self._record.reach + _ROUNDING:
            raise OptionError(
                f"level {level} goes beyond the curves, which end where zeta is {self._record.reach:.2f}; profile with "
                "a higher level."
            )
        limits = [interpolated_limits(c, level) for c in self._record.curves]
        frame = pd.DataFrame(limits, index=pd.Index(self.parameters), columns=["lower", "upper"])
        frame.attrs["notes"] = self.notes
        return frame

    def zeta(self, parameter: str, values: ArrayLike) -> NDArray[np.float64]:
        """Signed root of the rise of the deviance at values of a parameter.

        Parameters
        ----------
        parameter : str
        values : array-like

        Returns
        -------
        array
            NaN for values outside of the curve.
        """
        if not isinstance(parameter, str):
            raise ArgumentTypeError(f"parameter must be a name, not {parameter!r}.")
        curve = self._curve(parameter)
        return zeta_at(curve, np.atleast_1d(np.asarray(values, dtype=np.float64)))

    def plot(
        self,
        kind: Literal["zeta", "density"] = "zeta",
        *,
        parm: str | Sequence[str] | None = None,
        ax: Any = None,
        figsize: tuple[float, float] | None = None,
    ) -> "Axes | AxesArray":
        """Draw the profiles, a panel for each parameter.

        Parameters
        ----------
        kind : {"zeta", "density"}
            ``"zeta"``: the signed root of the rise of the deviance, with the intervals of 50, 80,
            95 and 99 %. A straight line says that Wald intervals are good. ``"density"``: the
            density that the profile implies, with the value of the smallest deviance marked.
        parm : str or list of str, optional
            The parameters to draw, at most 12; by default all that were profiled.
        ax : Axes or array of Axes, optional
            One for each parameter.
        figsize : tuple of float, optional
            Width and height of a new figure in inches.

        Returns
        -------
        Axes or array of Axes
            ``data`` of each: ``parameter, value, zeta`` and the other parameters, or
            ``parameter, value, density``.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> ax = m.profile("Days").plot()
        >>> ax.data["parameter"].unique().tolist()
        ['Days']
        """
        from ranef.inference.profile_density import profile_density
        from ranef.plots.canvas import place, require_matplotlib
        from ranef.plots.profile_curves import profile_densities, profile_zeta

        require_matplotlib()
        ax = place(ax, figsize)
        if kind not in ("zeta", "density"):
            raise OptionError(f"kind must be 'zeta' or 'density', not {kind!r}.")
        frame = self.to_frame()
        if parm is not None:
            wanted = [parm] if isinstance(parm, str) else parm
            if not isinstance(wanted, Sequence) or not all(isinstance(w, str) for w in wanted):
                raise ArgumentTypeError(f"parm must be the name of a parameter or a list of names, not {parm!r}.")
            for name in wanted:
                self._curve(name)
            frame = frame[frame["parameter"].isin(wanted)]
        if kind == "zeta":
            axes = profile_zeta(frame, ax)
        else:
            # The smallest deviance is where zeta is nearest to zero.
            best = frame.loc[frame["zeta"].abs().groupby(frame["parameter"]).idxmin()]
            axes = profile_densities(profile_density(frame), best.set_index("parameter")["value"], ax)
        return axes[0] if len(axes) == 1 else axes

    def _curve(self, name: str) -> Curve:
        for c in self._record.curves:
            if c.name == name:
                return c
        raise OptionError(f"{name!r} was not profiled; what was: {', '.join(self.parameters)}.")
