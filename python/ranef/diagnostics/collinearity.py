"""Generalised variance inflation of the fixed terms."""

from typing import TYPE_CHECKING

import numpy as np

from ranef.errors import DesignError
from ranef.estimates.fixed_effects import correlation
from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    import pandas as pd


def inflation(fit: MixedFit) -> "pd.DataFrame":
    """Fox and Monette's generalised variance inflation factors.

    With R the correlation matrix of the estimates without the intercept, that of a term is
    ``det(R[term]) det(R[others]) / det(R)``. A term of several columns has as many degrees of
    freedom; the root ``gvif^(1 / 2 df)`` compares with the inflation of one standard error.

    Returns
    -------
    DataFrame
        Rows are terms, columns ``df, gvif, gvif_root, tolerance``.
    """
    import pandas as pd

    assign = np.array([fit.design.x_assign[j] for j in fit.kept])
    terms = [t for t in range(1, len(fit.design.fixed_terms) + 1) if np.any(assign == t)]
    if not terms:
        raise DesignError("variance inflation compares fixed effects; the model has none but the intercept.")
    slopes = np.flatnonzero(assign > 0)
    r, own = correlation(fit)[np.ix_(slopes, slopes)], assign[slopes]
    whole = np.linalg.slogdet(r)[1]
    rows = []
    for t in terms:
        mine = own == t
        others = np.linalg.slogdet(r[np.ix_(~mine, ~mine)])[1] if not mine.all() else 0.0
        df, gvif = int(mine.sum()), float(np.exp(np.linalg.slogdet(r[np.ix_(mine, mine)])[1] + others - whole))
        rows.append((df, gvif, gvif ** (0.5 / df), 1.0 / gvif))
    labels = [fit.design.fixed_terms[t - 1] for t in terms]
    return pd.DataFrame(rows, index=pd.Index(labels, name="term"), columns=["df", "gvif", "gvif_root", "tolerance"])
