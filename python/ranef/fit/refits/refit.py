"""Fit the same model to other responses."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import DataError
from ranef.fit.control import FitControl
from ranef.fit.conventions import has_conventions
from ranef.fit.correlated.repeated import RepeatedFit
from ranef.fit.ending.exact import SMALL
from ranef.fit.ending.no_fit import NO_FIT, UNIDENTIFIED
from ranef.fit.ending.unidentified import unidentified_effects
from ranef.fit.linear import LmmFit
from ranef.fit.ordinal.record import OrdinalFit
from ranef.fit.progress import Report
from ranef.fit.record import MixedFit
from ranef.fit.refits.again import fit_again
from ranef.fit.refits.core import core_options, core_start, core_threads
from ranef.fit.refits.row_subset import design_of_rows
from ranef.fit.system import LazySystem
from ranef.status import FitStatus

if TYPE_CHECKING:
    import pandas as pd

    from ranef.design.record import Design

Floats = NDArray[np.float64]


#: Rows and columns of the printed table.
_ROWS, _WIDTH = 10, 100


@dataclass(frozen=True, slots=True, eq=False)
class Refits:
    """Fits of one model to m responses.

    Attributes
    ----------
    objective : (m,) array
    fixef, bse : (m, p) array
        Fixed effects and their standard errors.
    theta : (m, q) array
        Covariance parameters in lme4's order.
    sigma : (m,) array
        Residual standard deviations; 1 for families without one.
    dispersion : (m,) array
        The extra parameter of the family, which is sigma in a linear model; NaN for families
        without one.
    nobs : (m,) int array
        Rows that are used: those in which the response is not missing.
    status : (m,) str object array
        ``"converged"``, or in a few words how the fit ended or why there is none.
    fixef_names, theta_names, response_names : tuple of str
    """

    objective: Floats
    fixef: Floats
    bse: Floats
    theta: Floats
    sigma: Floats
    dispersion: Floats
    nobs: NDArray[np.int64]
    status: NDArray[np.object_]
    fixef_names: tuple[str, ...]
    theta_names: tuple[str, ...]
    response_names: tuple[Any, ...]

    @property
    def converged(self) -> NDArray[np.bool_]:
        """Whether each fit (m,) ended at an optimum."""
        return np.asarray(self.status == FitStatus.CONVERGED.value, dtype=bool)

    def __len__(self) -> int:
        return len(self.objective)

    def __repr__(self) -> str:
        frame = self.to_frame()
        hidden = [c for c in frame.columns if c.startswith(("se(", "theta(")) or c in ("nobs", "status")]
        shown = frame.drop(columns=hidden)
        return (
            f"Fits of one model to {len(self)} responses, {np.count_nonzero(self.converged)} "
            f"converged (standard errors and theta are in to_frame()):\n"
            f"{shown.to_string(max_rows=_ROWS, line_width=_WIDTH)}"
        )

    def to_frame(self) -> "pd.DataFrame":
        """Return one row for each response.

        Returns
        -------
        DataFrame
            Columns ``objective``, the fixed effects, their standard errors (``se(name)``), theta
            (``theta(name)``), ``sigma``, of a generalized model ``dispersion``, then ``nobs``,
            ``converged`` and ``status``.
        """
        import pandas as pd

        columns: dict[str, Any] = {"objective": self.objective}
        columns.update(zip(self.fixef_names, self.fixef.T, strict=True))
        columns.update((f"se({n})", c) for n, c in zip(self.fixef_names, self.bse.T, strict=True))
        columns.update((f"theta({n})", c) for n, c in zip(self.theta_names, self.theta.T, strict=True))
        columns["sigma"] = self.sigma
        if self.dispersion is not self.sigma:
            columns["dispersion"] = self.dispersion
        columns |= {"nobs": self.nobs, "converged": self.converged, "status": self.status}
        return pd.DataFrame(columns, index=pd.Index(self.response_names))

    @classmethod
    def joined(cls, parts: "Sequence[Refits]") -> "Refits":
        """Those of several blocks of responses."""
        first = parts[0]
        if len(parts) == 1:
            return first
        arrays = ("objective", "fixef", "bse", "theta", "sigma", "dispersion", "nobs", "status")
        whole: dict[str, Any] = {name: np.concatenate([getattr(p, name) for p in parts]) for name in arrays}
        if first.dispersion is first.sigma:
            whole["dispersion"] = whole["sigma"]
        names = tuple(n for p in parts for n in p.response_names)
        return replace(first, **whole, response_names=names)


def fit_to_response(fit: MixedFit, y: Floats, control: FitControl) -> MixedFit:
    """Fit the model of ``fit`` to one other response (n,), starting as a first fit does."""
    return fit_again(fit, fit.design.with_rows(y=np.ascontiguousarray(y)), control=control, order=fit.order)


#: Statuses of responses without a fit.
ALL_MISSING = "missing in all rows"
INFINITE = "infinite, or not what the family can have"


def fit_to_responses(
    fit: MixedFit, y: Floats, names: tuple[Any, ...] | None, control: FitControl, progress: Report | None = None
) -> Refits:
    """Fit the model of ``fit`` to every column of ``y`` (n, m): those without missing values in one
    call of the core, those that are missing in the same rows in another, or one by one where
    variances are given by convention.

    What would be an error for a single response is NaN in its row here, with a status. Standard
    errors take the covariance parameters as known.
    """
    m = y.shape[1]
    labels = tuple(range(m)) if names is None else names
    table = _Table.empty(fit, m)
    table.nobs[:] = fit.nobs
    with np.errstate(invalid="ignore", over="ignore"):
        odd = np.flatnonzero(~np.isfinite(y.sum(axis=0)))
    patterns = _patterns(y, odd, table)
    incomplete = {j for columns in patterns.values() for j in columns} | {j for j in odd if table.status[j] is not None}
    complete = np.array([j for j in range(m) if j not in incomplete]) if incomplete else None
    done = len(odd) - sum(map(len, patterns.values()))

    def shown(before: int) -> Report | None:
        return None if progress is None else lambda count, _: progress(before + int(count), m)

    if complete is None or len(complete):
        table.fill(fit, None, y if complete is None else y[:, complete], complete, control, shown(done))
        done += m if complete is None else len(complete)
    for columns in patterns.values():
        rows = np.flatnonzero(~np.isnan(y[:, columns[0]]))
        table.nobs[columns] = len(rows)
        own = y[rows[:, None], columns]
        table.fill(fit, rows, own, np.array(columns), control, shown(done))
        done += len(columns)
    return table.refits(fit, labels)


def _patterns(y: Floats, odd: NDArray[np.intp], table: "_Table") -> dict[bytes, list[int]]:
    """Columns that are missing in the same rows; those without any value, or with one that is
    infinite, get their status.
    """
    out: dict[bytes, list[int]] = {}
    for j in odd.tolist():
        column = y[:, j]
        missing = np.isnan(column)
        if missing.all():
            table.status[j], table.nobs[j] = ALL_MISSING, 0
        elif np.isinf(column).any():
            table.status[j] = INFINITE
        elif missing.any():
            out.setdefault(np.packbits(missing).tobytes(), []).append(j)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Results of m responses, filled in bit by bit."""

    objective: Floats
    beta: Floats
    se: Floats
    theta: Floats
    spread: Floats
    nobs: NDArray[np.int64]
    status: NDArray[np.object_]

    @classmethod
    def empty(cls, fit: MixedFit, m: int) -> "_Table":
        p, q = len(fit.beta), len(fit.theta)
        return cls(
            np.full(m, np.nan),
            np.full((m, p), np.nan),
            np.full((m, p), np.nan),
            np.full((m, q), np.nan),
            np.full(m, np.nan),
            np.zeros(m, dtype=np.int64),
            np.full(m, None, dtype=object),
        )

    def fill(
        self,
        fit: MixedFit,
        rows: NDArray[np.intp] | None,
        y: Floats,
        columns: NDArray[np.intp] | None,
        control: FitControl,
        progress: Report | None,
    ) -> None:
        """Fit responses (rows, k) of some rows, all if None, whose places are ``columns``, all if
        None.
        """
        places = np.arange(y.shape[1]) if columns is None else columns
        whole = rows is None
        design = fit.design if rows is None else design_of_rows(fit.design, rows)
        why = None if rows is None else _why_none(fit, design, rows)
        if why is not None and why != UNIDENTIFIED:
            self.status[places] = NO_FIT[why]
            return
        beside = design.residual is not None or design.priors or design.sampling is not None
        one_by_one = (whole or beside) and has_conventions(fit)
        if why == UNIDENTIFIED or (one_by_one and not isinstance(fit, RepeatedFit)):
            for count, (place, column) in enumerate(zip(places, y.T, strict=True), start=1):
                self._alone(fit, design, column, int(place), control)
                if progress is not None:
                    progress(count, len(places))
            return
        self._together(fit, design, rows, y, places, control, progress)

    def _together(
        self,
        fit: MixedFit,
        design: "Design",
        rows: NDArray[np.intp] | None,
        y: Floats,
        places: NDArray[np.intp],
        control: FitControl,
        progress: Report | None,
    ) -> None:
        from ranef import _core

        linear = isinstance(fit, LmmFit)
        if linear and design.offset is not None:  # the core has responses without it
            y = y - design.offset[:, None]
        y = np.asfortranarray(y)
        if isinstance(fit, RepeatedFit):
            own = fit.patterns if design is fit.design else LazySystem(design, fit.order).patterns()
            out = own.refits(y, fit.reml, fit.z, control.max_evaluations, control.tolerance, progress)
        else:
            model = fit.core_model() if rows is None else _system(fit, design, rows)
            options = core_options(fit, control)
            threads = core_threads(fit, fit.n_threads)
            out = _core.refit(model, y, core_start(fit), options, threads, progress)
        p = self.beta.shape[1]
        self.objective[places], self.beta[places], self.se[places] = out.objective, out.beta[:, :p], out.se[:, :p]
        self.theta[places] = fit.theta_of_replicates(out.theta)
        self.spread[places] = out.spread
        status = np.array(out.status, dtype=object)
        self.status[places] = np.where(np.isfinite(out.objective), status, NO_FIT["non_finite"])
        if linear:
            # A response that is reproduced exactly has residuals of nothing but rounding.
            spread = np.ptp(y, axis=0)
            self.status[places[(spread == 0) & ~np.isfinite(out.objective)]] = NO_FIT["constant"]
            small = np.flatnonzero((spread > 0) & (out.spread <= SMALL * spread))
            for i in small.tolist():
                self._alone(fit, design, design_response(design, y[:, i]), int(places[i]), control)

    def _alone(self, fit: MixedFit, design: "Design", y: Floats, place: int, control: FitControl) -> None:
        """Fit one response as a first fit does."""
        own = design.with_rows(y=np.ascontiguousarray(y))
        try:
            new = fit_again(fit, own, control=control, order=fit.order)
        except DataError:
            self.status[place] = NO_FIT["non_finite"]
            return
        self.objective[place], self.spread[place] = new.objective, new.spread
        self.beta[place], self.se[place] = new.beta, np.sqrt(np.diagonal(new.vcov))
        self.theta[place] = new.theta
        self.status[place] = new.convergence.status.value

    def refits(self, fit: MixedFit, labels: tuple[Any, ...]) -> Refits:
        """The record for users."""
        family, m = fit.family, len(self.status)
        dispersion = np.full(m, np.nan) if family.dispersion_name is None else self.spread
        sigma = dispersion
        if fit.family_shown:
            sigma = np.array([family.sigma(float(d)) for d in dispersion]) if family.scaled else np.ones(m)
        return Refits(
            objective=self.objective,
            fixef=self.beta,
            bse=self.se,
            theta=self.theta,
            sigma=sigma,
            dispersion=dispersion,
            nobs=self.nobs,
            status=self.status,
            fixef_names=fit.x_names,
            theta_names=fit.theta_names,
            response_names=labels,
        )


def design_response(design: "Design", y: Floats) -> Floats:
    """The response of which the core has the part without the offset."""
    return y if design.offset is None else y + design.offset


def _system(fit: MixedFit, design: "Design", rows: NDArray[np.intp]) -> Any:
    """The core's system of some of the rows."""
    if isinstance(fit, OrdinalFit):
        return fit.whole.of_rows(rows).system()
    family = None if isinstance(fit, LmmFit) else fit.family
    return LazySystem(design, fit.order, family).get(1)


def _why_none(fit: MixedFit, design: "Design", rows: NDArray[np.intp]) -> str | None:
    """Why a model of some of the rows is not fitted with others in the core: a key of `NO_FIT`."""
    n, linear = design.n_used, isinstance(fit, LmmFit)
    for t in design.random:
        levels, effects = len(t.levels), len(t.levels) * len(t.names)
        if levels < 2:
            return "one_level"
        if effects > n or (linear and effects == n) or (linear and levels >= n):
            return "too_many_levels"
    if n <= len(fit.beta):
        return "too_few_rows"
    kept = _system(fit, design, rows).kept
    if len(kept) < len(design.x_names) - len(fit.dropped):
        return "rank_deficient"
    if linear and fit.reml and unidentified_effects(design, kept):
        return UNIDENTIFIED
    return None
