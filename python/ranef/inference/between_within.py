"""Between-within degrees of freedom: each fixed effect has those of the stratum in which it varies.

Strata are the levels of nested grouping factors, of models for repeated measures the subjects, and
the rows. A column belongs to the outermost stratum within whose units it is constant; its degrees
of freedom are the units of that stratum, less those of the next one outwards (less one at the top,
with an intercept), less the columns of the same stratum. These are the inner and outer ones of
nlme's ``lme`` (Pinheiro and Bates 2000, section 2.4.2), and with one stratum those of R's mmrm.
They differ in the intercept, which mmrm counts as within and nlme gives the largest of all. SAS has
other rules: with TYPE=UN all effects are between. A contrast has the smallest of the columns that
it involves.
"""

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]

#: Share of a contrast's largest coefficient below which a column is not in it.
NOTHING = 1e-10


def between_within_df(fit: MixedFit, rows: Floats) -> Floats:
    """Degrees of freedom (k,) of contrasts (k, p)."""
    columns = column_df(fit)
    used = np.abs(rows) > NOTHING * np.abs(rows).max(axis=1, keepdims=True)
    return np.where(used.any(axis=1), np.where(used, columns, np.inf).min(axis=1), np.nan)


def column_df(fit: MixedFit) -> Floats:
    """Degrees of freedom (p,) of the fixed effects; NaN where nothing is left for them."""
    x, strata = fit.x, strata_of(fit)
    intercept = np.ptp(x, axis=0) == 0
    place = np.sum([varies_within(x, codes) for codes in strata], axis=0)
    units = [int(intercept.any()), *(len(np.unique(codes)) for codes in strata), fit.nobs]
    own = [int(np.sum(place[~intercept] == s)) for s in range(len(strata) + 1)]
    left = np.array([units[s + 1] - units[s] - own[s] for s in range(len(own))], dtype=np.float64)
    if fit.design.random and not intercept.any():  # as nlme, where other columns make the intercept
        left[1:] += 1
    df = np.where(intercept, left.max() if fit.design.random else left[-1], left[place])
    return np.where(df > 0, df, np.nan)


def varies_within(x: Floats, codes: Codes) -> NDArray[np.bool_]:
    """Whether columns (p,) vary within some unit of a stratum."""
    order = np.argsort(codes, kind="stable")
    same = np.diff(codes[order]) == 0
    out: NDArray[np.bool_] = ((np.diff(x[order], axis=0) != 0) & same[:, np.newaxis]).any(axis=0)
    return out


def strata_of(fit: MixedFit) -> list[Codes]:
    """Units of the rows in each stratum, the outermost first."""
    design = fit.design
    if design.sums is not None:
        raise OptionError("between-within degrees of freedom need the rows, which a model made of sums does not keep.")
    found = list({t.group: (t.group, t.codes) for t in design.random}.values())
    rows = design.residual
    if rows is not None and rows.expr.correlation is not None and len(rows.subject_levels) > 1:
        found.append(("the subjects of the correlation", rows.subject))
    if not found:
        raise OptionError(
            "between-within degrees of freedom are for rows in groups, random effects or a correlation within "
            "subjects; this model has neither."
        )
    ordered = sorted(found, key=lambda s: len(np.unique(s[1])))
    out: list[Codes] = []
    before = ""
    for name, codes in ordered:
        if out:
            size, outer = len(np.unique(codes)), out[-1].astype(np.int64)
            if len(np.unique(codes.astype(np.int64) * (int(outer.max()) + 1) + outer)) > size:
                raise OptionError(
                    f"between-within degrees of freedom are for nested groups, and {before} and {name} are crossed. "
                    "Satterthwaite's and Kenward and Roger's are for any groups."
                )
            if size == len(np.unique(outer)):
                continue
        out.append(codes)
        before = name
    return out
