"""How much each observation or each group moves the fixed effects."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.correlated_deletion import without_correlated
from ranef.diagnostics.deletion import (
    Deletion,
    rows_by_level,
    without_groups,
    without_observations,
    without_summed_groups,
)
from ranef.diagnostics.products_of_batches import Batches
from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.rows import padded, row_index
from ranef.estimates.whitened_rows import blocks_of
from ranef.fit.beside import is_least_squares
from ranef.fit.named_groups import group_called
from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]


#: Width of the lines of the printed table.
_WIDTH = 100


@dataclass(frozen=True, slots=True, eq=False)
class Influence:
    """Estimates without each observation or group,
    with theta held at the estimates of the whole fit and sigma estimated again.

    Attributes
    ----------
    by : str or None
        The grouping factor whose levels were left out; None for single observations.
    names : tuple of str
        The p fixed effects.
    index : pandas Index
        The m rows or levels.
    change : (m, p) array
        Fixed effects without the rows minus those with them (the sign of lme4's ``dfbeta``). NaN
        where a fixed effect has no estimate without the rows.
    scaled_change : (m, p) array
        The same in standard errors of the estimates without the rows.
    cooks : (m,) array
        ``change' V^-1 change / p`` with V the covariance of the fixed effects of the whole fit.
    cov_ratio : (m,) array
        Determinant of the covariance of the fixed effects without the rows, divided by that with
        them.
    sigma : (m,) array
        Residual standard deviation without the rows.
    n_deleted : (m,) array
        Number of rows left out.
    """

    by: str | None
    names: tuple[str, ...]
    index: "pd.Index"
    change: Floats
    scaled_change: Floats
    cooks: Floats
    cov_ratio: Floats
    sigma: Floats
    n_deleted: Floats

    @property
    def dfbeta(self) -> "pd.DataFrame":
        """``change`` as a frame, m × p."""
        return self._frame(self.change)

    @property
    def dfbetas(self) -> "pd.DataFrame":
        """``scaled_change`` as a frame, m × p."""
        return self._frame(self.scaled_change)

    @property
    def cooks_distance(self) -> "pd.Series[float]":
        """``cooks`` as a Series."""
        import pandas as pd

        return pd.Series(self.cooks, index=self.index, name="cooks_distance")

    def __repr__(self) -> str:
        frame = self.to_frame().nlargest(5, "cooks_distance")
        kept = [c for c in frame.columns if not c.startswith(("dfbeta:", "theta:")) and not frame[c].isna().all()]
        shown = frame[kept].to_string(float_format=lambda v: f"{v:.4g}", line_width=_WIDTH)
        of = "observation" if self.by is None else f"level of {self.by}"
        return f"Influence of each {of}, {len(self.cooks)} in all; the largest by Cook's distance:\n{shown}"

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each observation or group.

        Returns
        -------
        DataFrame
            Columns ``n_deleted, cooks_distance, cov_ratio, sigma``, and for every fixed effect
            ``dfbeta:NAME`` and ``dfbetas:NAME``.
        """
        import pandas as pd

        columns: dict[str, Floats] = {
            "n_deleted": self.n_deleted,
            "cooks_distance": self.cooks,
            "cov_ratio": self.cov_ratio,
            "sigma": self.sigma,
        }
        for j, name in enumerate(self.names):
            columns[f"dfbeta:{name}"] = self.change[:, j]
        for j, name in enumerate(self.names):
            columns[f"dfbetas:{name}"] = self.scaled_change[:, j]
        return pd.DataFrame(columns, index=self.index)

    def _frame(self, values: Floats) -> "pd.DataFrame":
        import pandas as pd

        return pd.DataFrame(values, index=self.index, columns=pd.Index(self.names))


def influence(fit: MixedFit, by: object = None, batches: Batches | None = None) -> Influence:
    """Leave out every observation, or every level of a grouping factor of the model, in turn.

    Parameters
    ----------
    fit : MixedFit
    by : str, optional
        A grouping factor of the model.
    batches : callable, optional
        Gives the rows of a model of sums, from the start, in fits that stand for some of them.
    """
    import pandas as pd

    if fit.design.residual is not None:
        return _of_correlated_rows(fit, by)
    if not can_leave_out(fit):
        raise OptionError(
            "influence() is not for fits with sampling weights, nor for linear models with a prior on fixed effects."
        )
    if by is None:
        found = without_observations(fit)
        index = row_index(fit)

        def place(values: Floats) -> Floats:
            return padded(fit, values)
    else:
        by = checked_factor(fit, by)
        factor = next(s.factor for s, t in zip(fit.order.spans, fit.terms, strict=True) if t.group == by)
        summed = fit.design.sums is not None
        found = without_summed_groups(fit, factor, batches) if summed else without_groups(fit, factor)
        index = pd.Index(next(t.levels for t in fit.terms if t.group == by), name=by)

        def place(values: Floats) -> Floats:
            return values

    return _record(fit, by, index, found, place)


def _record(
    fit: MixedFit, by: str | None, index: "pd.Index", found: Deletion, place: Callable[[Floats], Floats]
) -> Influence:
    return Influence(
        by=by,
        names=fit.x_names,
        index=index,
        change=place(found.change),
        scaled_change=place(found.change / found.std_error),
        cooks=place(found.distance),
        cov_ratio=place(found.cov_ratio),
        sigma=place(found.sigma),
        n_deleted=place(found.rows.astype(float)),
    )


def _of_correlated_rows(fit: MixedFit, by: object) -> Influence:
    """The same where rows are correlated given the random effects: of rows, of levels of a grouping
    factor, or of the blocks in which rows are correlated.
    """
    import pandas as pd

    if by is None:
        found = without_correlated(fit, [np.array([i], dtype=np.intp) for i in range(fit.nobs)])
        return _record(fit, None, row_index(fit), found, lambda values: padded(fit, values))
    rows = fit.design.residual
    assert rows is not None
    c = rows.expr.correlation
    subject = "" if c is None else ":".join(v.name for v in c.subject)
    if isinstance(by, str) and by == subject and not any(t.group == by for t in fit.terms):
        index, sets = pd.Index(rows.subject_levels, name=by), list(blocks_of(rows).values())
    else:
        by = checked_factor(fit, by, (subject,) if subject else ())
        term = next(t for t in fit.terms if t.group == by)
        counts, sorter = rows_by_level(term)
        index, sets = pd.Index(term.levels, name=by), np.split(sorter, np.cumsum(counts)[:-1])
    return _record(fit, by, index, without_correlated(fit, sets), lambda values: values)


def can_leave_out(fit: MixedFit) -> bool:
    """Whether it is known what is left without some rows."""
    return is_least_squares(fit.design) or (not fit.fixed_effects_profiled and fit.design.sampling is None)


def checked_factor(fit: MixedFit, by: object, others: tuple[str, ...] = ()) -> str:
    """The grouping factor that a user names; ``others`` are not terms of the model, but could be
    named too.
    """
    if not isinstance(by, str):
        raise ArgumentTypeError(f"by must be a grouping factor of the model or None, not {by!r}.")
    group = group_called(fit, by)
    if group is None:
        groups = dict.fromkeys([*(t.group for t in fit.terms), *others])
        raise OptionError(
            f"by must be one of the model's grouping factors, {', '.join(map(repr, groups))}, or None, not {by!r}."
        )
    return group


def smallest_factor(fit: MixedFit) -> str:
    """The grouping factor with fewest levels, whose levels weigh most."""
    sizes = {t.group: len(t.levels) for t in fit.terms}
    return min(sizes, key=lambda g: sizes[g])


def chance_of_largest(fit: MixedFit, found: Influence) -> float | None:
    """Chance that some level of a correct model moves some fixed effect by as many standard errors
    as the most influential one does; None where none can be left out.

    The change has mean zero and, as estimates from all rows are efficient, the variance ``V_without
    - V_with``. It is compared with Student's t with one degree of freedom less than there are
    levels, and the chances of all levels and effects are added up, which is too much if anything.
    """
    from scipy.special import stdtr

    size = np.abs(found.scaled_change)
    if np.isnan(size).all():
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        # in units of the same sigma
        without = (found.change / found.scaled_change / found.sigma[:, None]) ** 2
        share = 1.0 - np.diagonal(fit.vcov) / fit.sigma**2 / without
        ratio = np.nanmax(size) / np.sqrt(np.maximum(share, 0.0))
    tails = 2.0 * stdtr(max(len(size) - 1, 1), -ratio)
    return float(min(1.0, np.nansum(tails)))


def changes_of(found: Influence) -> "pd.DataFrame":
    """For each level the fixed effect that moves most without it:
    columns ``level, term, change``, the change in standard errors, NaN where some fixed effect
    loses its estimate.
    """
    import pandas as pd

    broken = np.isnan(found.scaled_change).any(axis=1)
    size = np.where(np.isnan(found.scaled_change), -1.0, np.abs(found.scaled_change))
    at = np.argmax(size, axis=1)
    change = np.where(broken, np.nan, found.scaled_change[np.arange(len(at)), at])
    return pd.DataFrame(
        {"level": found.index.astype(str), "term": [found.names[j] for j in at.tolist()], "change": change}
    )
