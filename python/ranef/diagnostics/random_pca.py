"""Principal components of the random effects: how many directions of variance the data support."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class GroupComponents:
    """Components of the effects of one grouping factor, those of all terms on it together.

    Attributes
    ----------
    group : str
    names : tuple of str
        The k effects.
    sd : (k,) array
        Standard deviations of the components, largest first; zero for a direction without variance.
        Those of a linear model are divided by sigma.
    proportion : (k,) array
        Shares of the variance; zeros if there is none.
    loadings : (k, k) array
        Effects × components.
    """

    group: str
    names: tuple[str, ...]
    sd: Floats
    proportion: Floats
    loadings: Floats


@dataclass(frozen=True, slots=True, eq=False)
class RandomPca:
    """Principal components of the random effects by grouping factor.

    Attributes
    ----------
    groups : dict
        Grouping factor → :class:`GroupComponents`.
    """

    groups: dict[str, GroupComponents]

    def __getitem__(self, group: str) -> GroupComponents:
        return self.groups[group]

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each component.

        Returns
        -------
        DataFrame
            Columns ``group, component, sd, proportion, cumulative``.
        """
        import pandas as pd

        rows = [
            (g.group, j + 1, float(g.sd[j]), float(g.proportion[j]), float(g.proportion[: j + 1].sum()))
            for g in self.groups.values()
            for j in range(len(g.sd))
        ]
        return pd.DataFrame(rows, columns=["group", "component", "sd", "proportion", "cumulative"])

    def __repr__(self) -> str:
        return self.to_frame().to_string(index=False)

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False, border=0, float_format="{:.4g}".format)


def random_pca(fit: MixedFit) -> RandomPca:
    """Decompose the relative covariance of the random effects of every grouping factor."""
    out = {}
    for f in range(len(fit.order.factors)):
        at = [i for i, s in enumerate(fit.order.spans) if s.factor == f]
        names = tuple(n for i in at for n in fit.terms[i].names)
        relative = np.zeros((len(names), len(names)))
        start = 0
        for i in at:
            factor = fit.relative_factors[i]
            stop = start + len(factor)
            relative[start:stop, start:stop] = factor
            start = stop
        loadings, sd, _ = np.linalg.svd(relative)
        total = float(sd @ sd)
        group = fit.terms[at[0]].group
        out[group] = GroupComponents(group, names, sd, sd**2 / total if total > 0 else np.zeros_like(sd), loadings)
    return RandomPca(out)
