"""How an optimisation ended, and what that means, in words."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.fit.ending.valleys import Search, Valley, stories
from ranef.fit.order import TermOrder, relative_factor, term_keys
from ranef.status import FitStatus

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]

#: Eigenvalues of a correlation matrix below this are directions without variance.
_FLAT = 1e-10

#: Where nothing is known of how other optima were looked for.
NO_SEARCH = Search()


@dataclass(frozen=True, slots=True)
class Convergence:
    """How the optimisation ended; ``print`` it for a paragraph that says whether the fit can be
    trusted and what to try.

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
        The largest drop of the criterion promised by any direction out of the boundary; of a
        generalized model, by a unit step along any direction of negative curvature, the unit being
        a standard deviation of the linear predictor or its typical size. It does not depend on the
        units of the variables.
    boundary : dict
        For every block of ``varcorr`` on the boundary, the number of directions that have zero
        variance.
    directions : tuple of str
        Those directions in words, by the names of the effects.
    valleys : tuple of Valley
        All optima that were met, the lowest first: the criterion, theta and the fixed effects of
        each. The first is that of the fit.
    search : Search
        How they were looked for.
    stories : tuple of str
        For every other valley in which a fixed effect is another one: the two estimates, the reason
        and what to do.
    sampling : float
        Standard error of the shift of an estimate of theta by random probes, in standard errors of
        the estimate: the largest of all, and twice that covers 95 %; 0 of an exact fit.
    limits : tuple of str
        Parameters at a limit of the model, in words.
    quadrature : str
        With ``n_quad="auto"``, how many nodes were chosen and how well they do.
    solver : {"exact", "hybrid", "iterative"}
        By what the model was solved; hybrid is the iterative solver with an exact finish.
    """

    status: FitStatus
    gradient_norm: float
    evaluations: int
    optimizer: str
    decrement: float
    certificate: float
    boundary: dict[str, int]
    directions: tuple[str, ...] = ()
    valleys: tuple[Valley, ...] = field(default=(), repr=False)
    search: Search = NO_SEARCH
    stories: tuple[str, ...] = ()
    sampling: float = 0.0
    limits: tuple[str, ...] = ()
    quadrature: str = ""
    solver: str = "exact"

    @property
    def ok(self) -> bool:
        """Whether the estimates are those of an optimum."""
        return self.status.ok

    @property
    def explanation(self) -> str:
        """A paragraph: whether the estimates can be used, what the derivatives say, what lies on
        the boundary, what to try.
        """
        nodes = [self.quadrature] if self.quadrature else []
        return " ".join([*self._ending(), *self.limits, *nodes, *self._valleys(), *self._boundary()])

    def __str__(self) -> str:
        import textwrap

        return textwrap.fill(self.explanation, 100)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(self.explanation)}</p>"

    def _ending(self) -> list[str]:
        effort = f"after {self.evaluations} evaluation{'' if self.evaluations == 1 else 's'}"
        if self.status is FitStatus.CONVERGED:
            first = f"The fit converged {effort}: the estimates are those of an optimum."
            second = f"A further Newton step would lower the criterion by {self.decrement / 2:.1g}."
            if self.boundary:
                second += (
                    " The gradient does not see variances that are zero; they were tried apart, and letting any of "
                    "them grow lowers the criterion by "
                    f"{'nothing' if self.certificate <= 0 else f'no more than {self.certificate:.1g}'}."
                )
            if self.solver == "hybrid":
                second += (
                    " The iterative solver found them; exact evaluations ended the search, and nothing is sampled."
                )
            if self.sampling > 0:
                second += (
                    " Random probes shift the standard deviations of the random effects: the standard error of the "
                    f"largest shift is {self.sampling:.1g} of their own standard errors (twice that covers 95 %)."
                )
            return [first, second]
        first = (
            f"The fit did not converge: it ended {effort} ({self.status.value}). Do not use the estimates as they are."
        )
        left = (
            f"A Newton step promises to lower the criterion by another {self.decrement / 2:.2g}; the length of the "
            f"gradient is {self.gradient_norm:.2g}."
        )
        # what is at a limit says why there is no optimum
        return [first, left, *([] if self.limits else [_ADVICE.get(self.status, self.status.explanation)])]

    def _valleys(self) -> list[str]:
        """What is known of other optima. Local is what the derivatives prove; that no other optimum
        is lower was looked for, not proven.
        """
        if not self.ok:
            return []
        s = self.search
        if s.alone:
            return ["The model has no random effects, so that no other optimum was looked for along them."]
        effort = f"{s.looks} evaluations, {s.runs} local fit{'' if s.runs == 1 else 's'}"
        if s.complete:
            extent = (
                "Every direction of the random effects was looked along, from no variance to a very large one "
                f"({effort})"
            )
            extent += "." if len(self.valleys) > 1 else ", and no other optimum was met that is not much higher."
        elif not s.looks:
            extent = (
                f"Other optima were not looked for along the random effects ({s.runs} local "
                f"fit{'' if s.runs == 1 else 's'}): the optimum is a local one; start= begins in another place."
            )
        else:
            extent = (
                f"Not every direction of the random effects was looked along ({effort}), as that would take long "
                "beside the fit: the optimum is a local one; start= begins in another place."
            )
        out = [extent]
        if len(self.valleys) > 1:
            first, *others = self.valleys
            gaps = ", ".join(f"{v.criterion - first.criterion:.3g}" for v in others[:3])
            out.append(
                f"The criterion has {'another valley' if len(others) == 1 else f'{len(others)} other valleys'}, higher "
                f"by {gaps}"
                f"{' and more' if len(others) > 3 else ''}; the estimates are those of the lowest."
            )
        return [*out, *self.stories]

    def _boundary(self) -> list[str]:
        if not self.boundary:
            return []
        out = [
            (
                f"The {'optimum' if self.ok else 'present point'} lies on the boundary (singular fit): "
                f"{'; '.join(self.directions)}."
            ),
            "An estimate of zero does not show that the variance is zero.",
        ]
        if self.ok:
            out.append("Fixed effects and predictions can be used as they are.")
            simpler = []
            if any("correlation" in d for d in self.directions):
                simpler.append("fit the effects uncorrelated, diag(...) in place of (...), or leave out one of the two")
            if any("combination" in d for d in self.directions):
                simpler.append(
                    "leave out effects that weigh much in these combinations, or their correlations by diag(...)"
                )
            if any("correlation" not in d and "combination" not in d for d in self.directions):
                simpler.append("leave out what has no variance, which changes no other estimate")
            out.append(
                f"To simplify: {'; '.join(simpler)}. ranova() tests each effect, and conf_int('profile') shows which "
                "standard deviations the data allow."
            )
        return out


_ADVICE = {
    FitStatus.MAX_EVALUATIONS: (
        "Try a higher limit, control={'max_evaluations': 10000}; if that does not help, the random terms ask more of "
        "the data than they hold: leave out correlations, diag(...) in place of (...), or the effects with the "
        "smallest variances."
    ),
    FitStatus.NO_PROGRESS: (
        "No step lowers the criterion any more: it is at the limit of its numerical precision. Look for variables of "
        "extreme scale, weights that differ by many orders of magnitude, and a response that the model fits almost "
        "exactly."
    ),
}


def boundary_directions(key: str, names: Sequence[str], factor: Floats) -> tuple[str, ...]:
    """Name what has no variance in one random term.

    Parameters
    ----------
    key : str
        Grouping factor.
    names : sequence of str
        The k effects.
    factor : (k, k) array
        Relative Cholesky factor.

    Returns
    -------
    tuple of str
        Effects without variance, pairs of effects with correlation 1 or -1, or else the
        combinations of standardised effects that do not vary.
    """
    length = np.sqrt((factor * factor).sum(axis=1))
    present = [i for i in range(len(names)) if length[i] > 0]
    out = [f"in {key}, {name} has no variance" for name, s in zip(names, length, strict=True) if s == 0]
    rows = factor[present] / length[present, np.newaxis]
    values, vectors = np.linalg.eigh(rows @ rows.T)
    flat = int((values < _FLAT).sum())
    if not flat:
        return tuple(out)
    pairs = [
        (present[i], present[j], float(rows[i] @ rows[j]))
        for j in range(len(present))
        for i in range(j + 1, len(present))
        if 1 - abs(float(rows[i] @ rows[j])) < _FLAT
    ]
    if len(pairs) >= flat:
        out.extend(
            f"in {key}, the correlation of {names[j]} and {names[i]} is {'1' if r > 0 else '-1'}" for i, j, r in pairs
        )
        return tuple(out)
    for v in vectors.T[:flat]:
        largest = v / v[np.argmax(np.abs(v))]
        parts = [(c, names[i]) for c, i in zip(largest, present, strict=True) if abs(c) > 0.005]
        text = " ".join(
            f"{'-' if c < 0 else '+' if n else ''}{' ' if n else ''}{abs(c):.2f}·{name}"
            for n, (c, name) in enumerate(parts)
        )
        out.append(f"in {key}, the combination {text} of the standardised effects has no variance")
    return tuple(out)


@dataclass(frozen=True, slots=True, eq=False)
class Ending:
    """How a search ended, in the core's order of terms.

    Attributes
    ----------
    status : FitStatus
    gradient_norm : float
        NaN where there is no gradient.
    evaluations : int
    decrement, certificate : float
    null_dimensions : list of int
        Directions without variance of every term.
    search : Search
    """

    status: FitStatus
    gradient_norm: float
    evaluations: int
    decrement: float
    certificate: float
    null_dimensions: list[int]
    search: Search

    @classmethod
    def of(cls, found: "_core.LinearFit | _core.GeneralizedFit", before: int = 0) -> Self:
        """That of a fit of the core, after ``before`` evaluations of another one."""
        ending, search = found.ending, found.search
        gradient = ending.gradient
        return cls(
            status=FitStatus(ending.status),
            gradient_norm=math.nan if gradient is None else math.sqrt(float(gradient @ gradient)),
            evaluations=ending.evaluations + before,
            decrement=ending.decrement,
            certificate=ending.certificate,
            null_dimensions=ending.null_dimensions,
            search=Search(search.runs, search.looks, search.complete, search.moved_on, beyond=search.beyond),
        )


def convergence_of(
    ending: Ending,
    optimizer: str,
    design: Design,
    order: TermOrder,
    valleys: tuple[Valley, ...],
    std_errors: Callable[[Valley], Floats],
    kept: Sequence[int],
) -> Convergence:
    """How the optimisation ended, by the names of the terms.

    Parameters
    ----------
    ending : Ending
    optimizer : str
    design : Design
    order : TermOrder
    valleys : tuple of Valley
        The first is that of the estimates.
    std_errors : callable
        Standard errors (p,) of the fixed effects in a valley.
    kept : sequence of int
        Columns of X in use.
    """
    theta, null = valleys[0].theta, ending.null_dimensions
    flat = []
    if any(null):
        keys = term_keys(tuple(design.random[s.formula].group for s in order.spans))
        flat = [(k, s) for k, s in zip(keys, order.spans, strict=True) if null[s.core_term]]
    several = len(valleys) > 1
    return Convergence(
        status=ending.status,
        gradient_norm=ending.gradient_norm,
        evaluations=ending.evaluations,
        optimizer=optimizer,
        decrement=ending.decrement,
        certificate=ending.certificate,
        boundary={k: null[s.core_term] for k, s in flat},
        directions=tuple(
            text
            for k, s in flat
            for text in boundary_directions(k, design.random[s.formula].names, relative_factor(s, theta))
        ),
        valleys=valleys,
        search=ending.search,
        stories=stories(valleys, std_errors, design, order, [design.x_names[j] for j in kept]) if several else (),
    )
