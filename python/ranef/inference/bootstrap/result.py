"""The object that a bootstrap returns."""

import os
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.intervals import normal_multiplier
from ranef.fit.ending.warned import warn_once
from ranef.inference.bootstrap.draw import FAILURES, Draws
from ranef.inference.bootstrap.intervals import METHODS, limits
from ranef.inference.bootstrap.quantities import Quantity

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
IntervalMethod = Literal["percentile", "basic", "normal", "bca", "shortest"]

#: Fewest replicates of a quantity that say anything about its distribution.
FEWEST = 10


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Replicates of a fitted model. Made by ``model.bootstrap``.

    Attributes
    ----------
    type : {"parametric", "residual", "cases"}
    n : int
        Number of replicates asked for.
    seed : int
        What ``rng=`` must be to draw the same replicates.
    re : {"new", "conditional"}
    quantities : tuple of Quantity
        What the K columns of ``values`` are.
    observed : (K,) array
        The estimates.
    values : (m, K) array
        The replicates; rows of failed ones are NaN.
    number : (m,) int array
        Numbers of the replicates: ``0 … n - 1`` unless the run was interrupted.
    status : (m,) array of str
        ``"converged"``, or why there is nothing.
    singular : (m,) bool array
        Whether a replicate's fit has a random direction without variance.
    objective : (m,) array
        The criterion of each fit; NaN everywhere for a ``statistic``.
    std_errors : (m, p) array
        Standard errors of the fixed effects; no columns for a ``statistic``.
    thetas : (m, q) array
        Relative covariance parameters; no columns for a ``statistic``.
    theta_names : tuple of str
    n_second_start : int
        Replicates whose fit from the truth ended in a higher valley of the criterion, the lowest
        being found from another start. Many of them say that the model has two answers to such
        data: see ``model.convergence.valleys``. Not kept in files.
    first_error : str or None
        What a statistic raised in the first replicate in which it failed. Not kept in files.
    """

    type: str
    n: int
    seed: int
    re: str
    quantities: tuple[Quantity, ...]
    observed: Floats
    values: Floats
    number: NDArray[np.int64]
    status: NDArray[np.str_]
    singular: NDArray[np.bool_]
    objective: Floats
    std_errors: Floats
    thetas: Floats
    theta_names: tuple[str, ...]
    influence: Callable[[], Floats] | None = field(default=None, repr=False)
    n_second_start: int = 0
    first_error: str | None = None

    @classmethod
    def of_draws(
        cls,
        draws: Draws,
        *,
        type: str,
        n: int,
        seed: int,
        re: str,
        quantities: tuple[Quantity, ...],
        observed: Floats,
        theta_names: tuple[str, ...],
        influence: Callable[[], Floats] | None,
    ) -> Self:
        """Wrap what was drawn and warn once of what is missing."""
        out = cls(
            type=type,
            n=n,
            seed=seed,
            re=re,
            quantities=quantities,
            observed=observed,
            values=draws.values,
            number=draws.number,
            status=draws.status,
            singular=draws.singular,
            objective=draws.objective,
            std_errors=draws.std_error,
            thetas=draws.theta,
            theta_names=theta_names,
            influence=influence,
            n_second_start=draws.n_second_start,
            first_error=draws.first_error,
        )
        warn_once(out.messages)
        return out

    # ---- what happened

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the K quantities."""
        return tuple(q.name for q in self.quantities)

    @property
    def n_failed(self) -> int:
        """Number of replicates without estimates; ``status`` says why."""
        return int(np.count_nonzero(self.status != "converged"))

    @property
    def n_singular(self) -> int:
        """Number of replicates whose fit has a random direction without variance.

        Such fits are valid and are kept.
        """
        return int(np.count_nonzero(self.singular))

    @property
    def interrupted(self) -> bool:
        """Whether there are fewer replicates than were asked for."""
        return len(self.number) < self.n

    @property
    def messages(self) -> tuple[str, ...]:
        """What the user should know."""
        out = []
        if self.interrupted:
            out.append(
                f"the bootstrap was interrupted: {len(self.number)} of {self.n} replicates were finished and are kept."
            )
        if self.n_failed:
            why = Tally(s for s in self.status.tolist() if s != "converged")
            text = ", ".join(f"{c} {FAILURES.get(s, s)}" for s, c in why.most_common())
            out.append(
                f"{self.n_failed} of {len(self.number)} replicates failed ({text}). Their rows are NaN and left out of "
                "all results, which then describe the others only."
                + ("" if self.first_error is None else f" The first statistic that failed: {self.first_error}")
            )
        return tuple(out)

    def __len__(self) -> int:
        return len(self.number)

    # ---- results

    def to_frame(self, layout: Literal["long", "wide"] = "long") -> "pd.DataFrame":
        """Return the replicates.

        Parameters
        ----------
        layout : {"long", "wide"}
            ``"long"`` has one row for each replicate and quantity, the columns
            ``replicate, effect, group, term, value``, and the terms of ``tidy()``. ``"wide"`` has
            one row for each replicate, the columns ``replicate, status, singular, objective``, the
            quantities by the names of ``conf_int()``, and for fixed effects and theta ``se(NAME)``
            and ``theta(NAME)``.

        Returns
        -------
        DataFrame
            Failed replicates are NaN.
        """
        import pandas as pd

        if layout == "wide":
            columns: dict[str, Any] = {
                "replicate": self.number,
                "status": self.status.astype(object),
                "singular": self.singular,
                "objective": self.objective,
            }
            columns.update(zip(self.names, self.values.T, strict=True))
            columns.update((f"se({n})", c) for n, c in zip(self.names, self.std_errors.T, strict=False))
            columns.update((f"theta({n})", c) for n, c in zip(self.theta_names, self.thetas.T, strict=True))
            return pd.DataFrame(columns)
        if layout != "long":
            raise OptionError(f"layout must be 'long' or 'wide', not {layout!r}.")
        m, k = self.values.shape
        labels = {
            c: np.array([getattr(q, c) for q in self.quantities], dtype=object) for c in ("effect", "group", "term")
        }
        return pd.DataFrame(
            {
                "replicate": np.repeat(self.number, k),
                **{c: np.tile(v, m) for c, v in labels.items()},
                "value": self.values.ravel(),
            }
        )

    @property
    def bias(self) -> "pd.Series[float]":
        """Mean of the replicates minus the estimate."""
        return self._series(self._over(np.mean) - self.observed, "bias")

    @property
    def std_error(self) -> "pd.Series[float]":
        """Standard deviation of the replicates."""
        return self._series(self._over(lambda v: np.std(v, ddof=1)), "std_error")

    def conf_int(
        self, method: IntervalMethod = "percentile", level: float = 0.95, parm: str | Sequence[str] | None = None
    ) -> "pd.DataFrame":
        """Confidence intervals from the replicates.

        Parameters
        ----------
        method : {"percentile", "basic", "normal", "bca", "shortest"}
            ``"percentile"``: quantiles of the replicates. ``"basic"``: the same reflected at the
            estimate. ``"normal"``: the estimate less the bias, plus and minus a normal multiple of
            the standard error. ``"bca"``: bias-corrected and accelerated (Efron 1987), the
            acceleration from fits without each group in turn. ``"shortest"``: the shortest interval
            that holds the share ``level`` of the replicates.
        level : float
        parm : str or list of str, optional
            The quantities to show, by name; all by default.

        Returns
        -------
        DataFrame
            Columns ``lower, upper``, a row for each quantity; ``attrs["notes"]`` says for which
            quantities some replicates have no value.

        Raises
        ------
        OptionError
            When there are too few replicates.
        """
        import pandas as pd

        chosen, values, notes = self.interval_limits(method, level, parm)
        frame = pd.DataFrame(values, index=pd.Index([self.names[j] for j in chosen]), columns=["lower", "upper"])
        if notes:
            frame.attrs["notes"] = notes
        return frame

    def interval_limits(
        self, method: object, level: object, parm: object = None
    ) -> tuple[list[int], Floats, tuple[str, ...]]:
        """Limits as arrays: the quantities chosen, (chosen, 2) limits, and notes."""
        if not isinstance(method, str) or method not in METHODS:
            raise OptionError(f"method must be one of {', '.join(map(repr, METHODS))}, not {method!r}.")
        normal_multiplier(level)  # checks it
        assert isinstance(level, float | int)
        chosen = self._chosen(parm)
        influence = self._influence() if method == "bca" else None
        out = np.empty((len(chosen), 2))
        notes: list[str] = []
        extreme = False
        for row, j in enumerate(chosen):
            v = self.values[:, j]
            v = v[np.isfinite(v)]
            if len(v) < FEWEST:
                raise OptionError(
                    f"there are {len(v)} replicates of {self.names[j]!r}; an interval needs at least {FEWEST}. Draw "
                    "more with n=."
                )
            undefined = len(self.number) - self.n_failed - len(v)
            if undefined:
                notes.append(
                    f"{self.names[j]}: {undefined} of {len(self.number) - self.n_failed} replicates have no value (a "
                    "correlation beside an effect without variance) and are left out"
                )
            if not np.isfinite(self.observed[j]):
                out[row] = np.nan
                notes.append(f"{self.names[j]}: the estimate itself has no value, so there is no interval")
                continue
            own = None
            if influence is not None:
                own = influence[:, j][np.isfinite(influence[:, j])]
            low, high, beyond = limits(v, float(self.observed[j]), method, float(level), own)
            out[row] = low, high
            extreme |= beyond
        if extreme:
            warn_once(
                (
                    f"there are too few replicates for level={level}: some limits are the smallest or largest of "
                    f"{len(self.number)} replicates. Draw more with n=.",
                )
            )
        return chosen, out, tuple(notes)

    def _influence(self) -> Floats:
        if self.influence is None:
            raise OptionError(
                "method='bca' needs fits without each group, which replicates read from a file or of a Python "
                "statistic do not have; use another method."
            )
        return self.influence()

    def _chosen(self, parm: object) -> list[int]:
        if parm is None:
            return list(range(len(self.names)))
        wanted = [parm] if isinstance(parm, str) else parm
        if not isinstance(wanted, Sequence) or not all(isinstance(w, str) for w in wanted):
            raise ArgumentTypeError(f"parm must be the name of a quantity or a list of names, not {parm!r}.")
        unknown = [w for w in wanted if w not in self.names]
        if unknown:
            raise OptionError(
                f"parm has no quantity {', '.join(map(repr, unknown))}. They are {', '.join(self.names)}."
            )
        return [self.names.index(w) for w in wanted]

    def _over(self, f: Callable[[Floats], Any]) -> Floats:
        finite = [v[np.isfinite(v)] for v in self.values.T]
        return np.array([float(f(v)) if len(v) > 1 else np.nan for v in finite])

    def _series(self, values: Floats, name: str) -> "pd.Series[float]":
        import pandas as pd

        return pd.Series(values, index=pd.Index(self.names), name=name)

    @property
    def heading(self) -> str:
        """Two lines: what was drawn how often, and what became of it."""
        m = len(self.number)
        head = (
            f"Bootstrap ({self.type}{', random effects kept' if self.re == 'conditional' else ''}): {m} replicates, "
            f"seed {self.seed}"
        )
        state = f"{self.n_failed} failed, {self.n_singular} singular"
        state += f", {self.n_second_start} found from a second start" if self.n_second_start else ""
        state += ", interrupted" if self.interrupted else ""
        return f"{head}\n{state}"

    def __repr__(self) -> str:
        return f"{self.heading}\n{', '.join(self.names)}"

    def to_arviz(self) -> Any:
        """Return the replicates as ArviZ's InferenceData,
        for its summaries and pictures (extra ``interop``).

        They are in the group ``posterior``, where ArviZ looks for draws, though they are none from
        a posterior distribution; its attribute ``content`` says so. What the variables are is in
        ``ranef.interop.arviz.to_arviz``, which does the same.

        Returns
        -------
        arviz.InferenceData
            Without failed replicates, which the attribute ``n_left_out`` counts.

        Raises
        ------
        MissingExtraError
            When arviz is not installed.
        """
        from ranef.inference.bootstrap.inference_data import bootstrap_data

        return bootstrap_data(self)

    # ---- files

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """Write the replicates to a Parquet file,
        which ``ranef.load_bootstrap`` reads back and any other program can read.

        The table is that of ``to_frame("wide")``; what it does not hold is in the file's metadata.

        Parameters
        ----------
        path : path
        """
        from ranef.inference.bootstrap.files import write_bootstrap

        write_bootstrap(path, self)
