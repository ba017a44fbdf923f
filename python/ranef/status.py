"""Outcomes of a fit, each with its explanation in words."""

import enum


class FitStatus(enum.Enum):
    """How the optimisation of a fit ended.

    Each member's value is the name the core gives it; :attr:`explanation` says what it means and
    what to do.
    """

    CONVERGED = "converged"
    MAX_EVALUATIONS = "max_evaluations"
    NO_PROGRESS = "no_progress"
    INTERRUPTED = "interrupted"
    NON_FINITE = "non_finite"
    SEPARATION = "separated"
    EXACT = "exact"

    @property
    def ok(self) -> bool:
        """Whether the estimates are those of the optimum."""
        return self is FitStatus.CONVERGED

    @property
    def explanation(self) -> str:
        """What the status means and what can be done."""
        return _EXPLANATIONS[self]


_EXPLANATIONS = {
    FitStatus.CONVERGED: "The optimum was reached: the Newton decrement is below the tolerance and no direction out "
    "of the boundary lowers the criterion.",
    FitStatus.MAX_EVALUATIONS: "The limit on evaluations was reached before the optimum; raise "
    "control={'max_evaluations': ...} or simplify the random terms.",
    FitStatus.NO_PROGRESS: "No step lowered the criterion although its gradient is not zero: the criterion is at the "
    "limit of its numerical precision; check the scale of the variables.",
    FitStatus.INTERRUPTED: "The fit was interrupted; the estimates are those of the last iterate.",
    FitStatus.NON_FINITE: "The criterion is not finite at the starting values; check the response and the weights for "
    "extreme values.",
    FitStatus.SEPARATION: "Some combination of the fixed effects predicts part of the response perfectly (a cell with "
    "only successes, only failures or only zero counts does so), so the likelihood increases "
    "without bound as their coefficients grow. Estimates and standard errors are those at which "
    "the search stopped, and mean nothing. Merge levels, leave the term out, test it by a likelihood "
    "ratio, or give a prior, under which estimates are finite: prior={'fixef': priors.Normal(sd=2.5)}.",
    FitStatus.EXACT: "The model reproduces the response (almost) exactly: nothing is left for the residual, and the "
    "likelihood grows without end as the residual variance goes to zero. Standard errors and tests mean nothing. Toy "
    "data need some noise; elsewhere leave out predictors from which the response was computed, and random effects "
    "that have a level for every row.",
}
