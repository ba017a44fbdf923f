"""The frozen records of a fitted linear mixed model."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design, RandomTerm
from ranef.fit.order import TermOrder, relative_factor, theta_names
from ranef.fit.system import LazySystem
from ranef.status import FitStatus

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Convergence:
    """How the optimisation ended.

    Attributes
    ----------
    status : FitStatus
        The outcome; ``status.explanation`` says in words what it means and what can be done.
    gradient_norm : float
        Length of the gradient of the criterion with respect to theta at the estimates.
    evaluations : int
        Evaluations of the criterion and its gradient.
    optimizer : str
    decrement : float
        By how much a last Newton step would still have lowered the criterion.
    certificate : float
        The largest drop of the criterion promised by any direction out of the boundary.
    boundary : dict
        For every block of ``varcorr`` on the boundary, the number of directions that have zero variance.
    """

    status: FitStatus
    gradient_norm: float
    evaluations: int
    optimizer: str
    decrement: float
    certificate: float
    boundary: dict[str, int]

    @property
    def ok(self) -> bool:
        """Whether the estimates are those of the optimum."""
        return self.status.ok


@dataclass(frozen=True, slots=True, eq=False)
class LmmFit:
    """A fitted linear mixed model, without labels and without methods.

    Everything about random terms is in lme4's order. ``n`` rows, ``p`` columns of X kept, ``m`` covariance parameters.

    Attributes
    ----------
    design : Design
    order : TermOrder
    system : LazySystem
        The core's representation of the design.
    reml : bool
    theta : (m,) array
    objective : float
        The criterion that was minimised: the REML criterion, or -2 log-likelihood.
    reml_criterion, ml_deviance : float
        Both criteria at the estimates.
    kept : tuple of int
        Columns of ``design.x`` that are kept.
    dropped : tuple of str
        Names of the columns left out because earlier ones determine them.
    beta : (p,) array
    vcov_unscaled : (p, p) array
        Covariance of the fixed effects divided by sigma².
    sigma : float
    pwrss, ldl2, ldrx2 : float
        Penalised weighted residual sum of squares and the two log determinants of the criterion.
    u, b : tuple of (levels, k) arrays
        Conditional modes of the spherical and of the original random effects.
    convergence : Convergence
    messages : tuple of str
        What the user was warned of.
    n_threads : int
    """

    design: Design
    order: TermOrder
    system: LazySystem
    reml: bool
    theta: Floats
    objective: float
    reml_criterion: float
    ml_deviance: float
    kept: tuple[int, ...]
    dropped: tuple[str, ...]
    beta: Floats
    vcov_unscaled: Floats
    sigma: float
    pwrss: float
    ldl2: float
    ldrx2: float
    u: tuple[Floats, ...]
    b: tuple[Floats, ...]
    convergence: Convergence
    messages: tuple[str, ...]
    n_threads: int

    @property
    def nobs(self) -> int:
        """Number of rows used."""
        return len(self.design.y)

    @property
    def npar(self) -> int:
        """Number of parameters: fixed effects, covariance parameters and sigma."""
        return len(self.beta) + len(self.theta) + 1

    @property
    def x(self) -> Floats:
        """The columns of X that are kept."""
        return self.design.x if not self.dropped else self.design.x[:, list(self.kept)]

    @property
    def x_names(self) -> tuple[str, ...]:
        """Names of the fixed effects."""
        names = self.design.x_names
        return tuple(names) if not self.dropped else tuple(names[j] for j in self.kept)

    @property
    def terms(self) -> tuple[RandomTerm, ...]:
        """The random terms in lme4's order."""
        return tuple(self.design.random[s.formula] for s in self.order.spans)

    @property
    def term_keys(self) -> tuple[str, ...]:
        """A name for each random term: its grouping factor, with ``.1``, ``.2`` … for further terms on the same one."""
        return term_keys(tuple(t.group for t in self.terms))

    def group_called(self, name: str) -> str | None:
        """The grouping factor that a user names, with or without back-quotes; None if there is none."""
        groups = {t.group for t in self.terms}
        if name in groups:
            return name
        written = {
            bar.group_label: term.group
            for bar, term in zip(self.design.formula.random, self.design.random, strict=True)
        }
        return written.get(name)

    @property
    def theta_names(self) -> tuple[str, ...]:
        """Names of theta."""
        return theta_names(self.order, self.design.random)

    @property
    def relative_factors(self) -> tuple[Floats, ...]:
        """Relative Cholesky factor (k × k) of every random term."""
        return tuple(relative_factor(s, self.theta) for s in self.order.spans)

    @property
    def singular(self) -> bool:
        """Whether some random direction has exactly zero variance."""
        return bool(self.convergence.boundary)


def term_keys(groups: tuple[str, ...]) -> tuple[str, ...]:
    """Make names of grouping factors unique by suffixes, as ``g``, ``g.1``, ``g.2``."""
    taken: set[str] = set(groups)
    seen: dict[str, int] = {}
    out = []
    for g in groups:
        if g not in seen:
            seen[g] = 0
            out.append(g)
            continue
        name = g
        while name in taken:  # a factor may itself be called g.1
            seen[g] += 1
            name = f"{g}.{seen[g]}"
        taken.add(name)
        out.append(name)
    return tuple(out)
