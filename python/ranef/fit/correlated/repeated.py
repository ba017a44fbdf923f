"""Models for repeated measures without random effects: their record, and their fit from pattern
moments, one call into the core.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.errors import DataError, DesignError
from ranef.fit.control import FitControl
from ranef.fit.correlated.record import CorrelatedFit, structure_names
from ranef.fit.correlated.unstructured import check_unstructured
from ranef.fit.ending.convergence import Ending, convergence_of
from ranef.fit.ending.messages import fit_messages, not_finite
from ranef.fit.ending.valleys import Search, Valley
from ranef.fit.estimated_fields import estimates_of
from ranef.fit.order import order_terms
from ranef.fit.progress import Report
from ranef.fit.system import LazySystem, row_covariance
from ranef.options import Ddf
from ranef.status import FitStatus

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]

OPTIMIZER = "trust-region Newton on pattern moments, exact gradient and Hessian"

#: Smallest eigenvalue of the scaled information below which parameters are not identified, and
#: below which a note says that they hardly are.
UNIDENTIFIED, HARDLY = 1e-10, 1e-5

#: Responses that are drawn and fitted before it is asked whether to go on.
TOGETHER = 100

#: Shares of a direction that are named.
SHARE = 0.05

#: Fields of the record that a solution has under the same names.
_NUMBERS = ("objective", "reml_criterion", "ml_deviance", "vcov_unscaled", "sigma", "pwrss", "ldl2", "ldrx2")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RepeatedFit(CorrelatedFit):
    """A fitted model for repeated measures, from sums over the subjects of each pattern of
    visits.
    """

    @property
    def patterns(self) -> "_core.PatternSystem":
        """The model in the core."""
        return self.system.patterns()

    @property
    def verb(self) -> str:
        """The function that fits such a model."""
        return "mmrm"

    @property
    def is_of_visits(self) -> bool:
        """Its rows are visits."""
        return True

    @property
    def title(self) -> str:
        """What such a model is called in a sentence."""
        return "mixed model for repeated measures"

    @property
    def code(self) -> str:
        """The formula with the structure."""
        return f"{self.design.formula} + {self.rows.expr.correlation_code}"

    @property
    def ddf_choices(self) -> tuple[Ddf, ...]:
        """All that there are."""
        return ("satterthwaite", "kenward-roger", "kenward-roger-linear", "between-within", "residual", "none")

    @property
    def relative_sds(self) -> Floats:
        """By the group and, where positions are levels, the position of each row."""
        rows = self.rows
        leveled = rows.coordinates[0].levels is not None
        places = np.arange(rows.n_levels, dtype=np.float64)[:, np.newaxis] if leveled else rows.position[:1]
        structure = row_covariance(self.design)
        found = [np.diagonal(structure.matrix(self.z, places, g, [])) for g in range(len(rows.group_levels))]
        out: Floats = np.sqrt(found)[rows.group, rows.position[:, 0].astype(np.intp) if leveled else 0]
        return out

    def hat_values(self) -> Floats:
        """Of the rows made independent within subjects, which `whitened` gives."""
        scale = 1.0 if self.design.weights is None else np.sqrt(self.design.weights)
        root = self.fixed_root()
        assert root is not None
        columns = [self.whitened(column * scale) for column in (self.x @ root).T]
        out: Floats = np.sum(np.square(columns), axis=0)
        return out

    def satterthwaite(self) -> "_core.Satterthwaite":
        """By the exact Hessian of the criterion at the estimates."""
        return self.patterns.satterthwaite(self.z, self.reml)

    def kenward_roger(self, memory: Callable[[], float], linear: bool = False) -> "_core.KenwardRoger":
        """By the observed information, in the parameters of SAS; ``linear`` leaves out the second
        derivatives of the covariance.
        """
        return self.patterns.kenward_roger(self.z, linear)

    def drawn_refits(
        self, n: int, seed: int, control: FitControl, progress: Callable[[int, int], object] | None
    ) -> "_core.Replicates":
        """From products with the response that are drawn for each pattern of visits, which takes
        the same time whatever the number of subjects.
        """
        from ranef._core import Replicates

        parts: list[_core.Replicates] = []
        done, interrupted = 0, False
        try:
            while done < n:
                count = min(TOGETHER, n - done)
                parts.append(
                    self.patterns.bootstrap(
                        self.z, self.reml, seed, done, count, control.max_evaluations, control.tolerance
                    )
                )
                done += count
                if progress is not None:
                    progress(done, n)
        except KeyboardInterrupt:
            interrupted = True
        done = sum(len(p.status) for p in parts)
        size = len(self.beta)

        def joined(name: str, *shape: int) -> Floats:
            return np.concatenate([np.zeros((0, *shape)), *(getattr(p, name) for p in parts)])

        return Replicates(
            number=np.arange(done, dtype=np.int64),
            objective=joined("objective"),
            beta=joined("beta", size),
            se=joined("se", size),
            theta=joined("theta", len(self.z)),
            spread=joined("spread"),
            status=[s for p in parts for s in p.status],
            second_starts=0,
            singular=np.zeros(done, dtype=np.bool_),
            interrupted=interrupted,
        )

    def fixed_root(self) -> Floats | None:
        """The root that goes with the moments."""
        return self.patterns.root(self.z)


def fit_repeated(
    design: Design,
    reml: bool,
    z: Floats | None = None,
    control: FitControl | None = None,
    progress: Report | None = None,
    n_threads: int = 1,
) -> RepeatedFit:
    """Estimate the model of a design with a covariance structure of its rows and no random terms.

    Parameters
    ----------
    design : Design
    reml : bool
        Whether to minimise the REML criterion (else -2 log-likelihood).
    z : (k,) array, optional
        Parameters to start from.
    control : FitControl, optional
    progress : callable, optional
        Called with the number of evaluations and the criterion; what it raises ends the fit.
    n_threads : int

    Raises
    ------
    DesignError
        Where the data do not determine the parameters.
    DataError
        Where the criterion is not finite.
    """
    rows = design.residual
    assert rows is not None
    check_unstructured(rows)
    control = control or FitControl()
    order = order_terms(design.random)
    lazy: LazySystem[Any] = LazySystem(design, order)
    system = lazy.patterns()
    n, p = design.n_used, len(system.kept)
    if n <= p:
        raise DesignError(f"there are {n} rows for {p} fixed effects; a model needs more rows than fixed effects.")
    structure = row_covariance(design)
    names = structure_names(rows, structure.parameters)
    start = system.start(reml) if z is None else np.ascontiguousarray(z)
    hardly = check_determined(system, start, names)
    found = system.fit(reml, start, control.max_evaluations, control.tolerance, progress)
    solution, ending = found.solution, Ending.of(found)
    if solution is None or ending.status is FitStatus.NON_FINITE or not math.isfinite(solution.objective):
        raise DataError(not_finite(design))
    at = solution.theta
    fields = estimates_of(design, order, solution, system.kept)
    valleys = (Valley(solution.objective, fields["theta"], solution.beta),)
    convergence = convergence_of(ending, OPTIMIZER, design, order, valleys, lambda v: v.theta, fields["kept"])
    convergence = replace(convergence, search=Search(complete=True, alone=True))
    natural, slopes = structure.natural(at)
    return RepeatedFit(
        **fields,
        **{name: getattr(solution, name) for name in _NUMBERS},
        system=lazy,
        reml=reml,
        convergence=convergence,
        messages=(*fit_messages(design, fields["dropped"], convergence), *hardly),
        n_threads=n_threads,
        z=at,
        structure=natural,
        structure_slopes=np.ascontiguousarray(slopes),
        structure_names=names,
    )


def check_determined(system: "_core.PatternSystem", start: Floats, names: Sequence[str]) -> tuple[str, ...]:
    """See that the data can tell all covariance parameters apart; a note where they hardly do."""
    if not len(start):
        return ()
    found = system.determined(start)
    if found is None or found[0] > HARDLY:
        return ()
    direction = np.abs(np.asarray(found[1]))
    shares = direction / direction.max()
    involved = [name for name, share in zip((*names, "sigma"), shares, strict=True) if share > SHARE]
    shown = involved[0] if len(involved) == 1 else f"{', '.join(involved[:-1])} and {involved[-1]}"
    if found[0] > UNIDENTIFIED:
        return (f"the data hardly determine the covariance parameters {shown}.",)
    if len(involved) == 1:
        raise DesignError(
            f"the data say nothing of the covariance parameter {shown}: the model is the same for all its values. Take "
            "a structure without it."
        )
    raise DesignError(
        f"the covariance parameters {shown} are not identified: other values of them give the same model. There are "
        "more parameters than the visits of the subjects determine; take a structure with fewer."
    )
