"""Replicates of a fitted model, which can be drawn."""

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from ranef.errors import OptionError
from ranef.inference.bootstrap.result import Bootstrap as Replicates

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Bootstrap(Replicates):
    """Replicates of a fitted model. Made by ``model.bootstrap``, and by ``load_bootstrap`` of a
    file.
    """

    @classmethod
    def of_replicates(cls, replicates: Replicates) -> "Bootstrap":
        """The same replicates as an object that can be drawn."""
        return cls(**{f.name: getattr(replicates, f.name) for f in fields(replicates)})

    def __repr__(self) -> str:
        import pandas as pd

        from ranef.presentation.printed_frame import printed

        columns = {"estimate": self.observed, "bias": self.bias.to_numpy(), "std_error": self.std_error.to_numpy()}
        table = printed(pd.DataFrame(columns, index=pd.Index(self.names)))
        return f"{self.heading}\n{table}"

    def plot(
        self, parm: str | Sequence[str] | None = None, *, ax: Any = None, figsize: tuple[float, float] | None = None
    ) -> "Axes":
        """Draw the distribution of each quantity around its estimate, in bootstrap standard
        deviations.

        So quantities on different scales share an axis, and bias, skewness and a heap at a boundary
        are seen. The normal density is dashed.

        Parameters
        ----------
        parm : str or list of str, optional
            The quantities to draw, at most 40, by the names of ``conf_int()``; all by default.
        ax : Axes, optional
        figsize : tuple of float, optional
            Width and height of a new figure in inches.

        Returns
        -------
        Axes
            ``data``: ``quantity, estimate, mean, std_dev, n`` (replicates that have a value) and
            ``position`` from below.

        Examples
        --------
        >>> from ranef import lmer, load_dataset
        >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
        >>> ax = m.bootstrap(200, rng=1).plot(["Days", "sigma"])
        >>> ax.data[["quantity", "n", "position"]].values.tolist()
        [['sigma', 200, 0], ['Days', 200, 1]]
        """
        from ranef.plots.bootstrap_ridge import bootstrap_ridge
        from ranef.plots.canvas import place, require_matplotlib

        require_matplotlib()
        ax = place(ax, figsize)
        import pandas as pd

        chosen = self._chosen(parm)
        names = [self.names[j] for j in chosen]
        if not np.isfinite(self.values[:, chosen]).any():
            raise OptionError("there are no replicates to draw.")
        values = pd.DataFrame(self.values[:, chosen], columns=names)
        return bootstrap_ridge(values, pd.Series(self.observed[chosen], index=names), ax)
