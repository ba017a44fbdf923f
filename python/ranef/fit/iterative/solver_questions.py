"""What depends on how a model was solved: exactly, by probes, of rows or of sums."""

from typing import TYPE_CHECKING, Any

from ranef.fit.ending.convergence import Convergence
from ranef.fit.iterative.sampled import SampledLikelihood, hybrid_note
from ranef.fit.sums.cross_products import ColumnSpread, summed_spread

if TYPE_CHECKING:
    from ranef.fit.linear import LmmFit


class SolverQuestions:
    """The questions, with the answers of models that are solved exactly, of rows."""

    __slots__ = ()

    convergence: Convergence
    title: Any

    @property
    def sampling_note(self) -> str | None:
        """A line on the iterative solver and its error; None where the solver is exact."""
        return None

    @property
    def sampled_likelihood(self) -> SampledLikelihood | None:
        """What the likelihood rests on where it is sampled; None where it is computed."""
        return None

    @property
    def solved_by_probes(self) -> "LmmFit | None":
        """Itself, where it is a linear model whose likelihood is sampled."""
        return None

    @property
    def criterion_se(self) -> float:
        """Standard error of the criteria by sampling, twice that of the log-likelihood; 0 where
        they are computed.
        """
        return 0.0 if self.sampled_likelihood is None else 2 * self.sampled_likelihood.llf_se

    @property
    def tested_as(self) -> str:
        """What such a model is called where a method of tests is not for it."""
        return str(self.title)

    @property
    def column_spread(self) -> ColumnSpread | None:
        """How columns and response vary, known from sums; None where the rows are there."""
        return None


class LinearSolverAnswers(SolverQuestions):
    """The answers of linear models."""

    __slots__ = ()

    sampled: SampledLikelihood | None

    @property
    def sampling_note(self) -> str | None:
        """On the error of the likelihood, or that there is none after an exact finish."""
        return hybrid_note(self.convergence.solver) if self.sampled is None else self.sampled.note

    @property
    def sampled_likelihood(self) -> SampledLikelihood | None:
        """Of the iterative solver."""
        return self.sampled

    @property
    def solved_by_probes(self: "LmmFit") -> "LmmFit | None":  # type: ignore[misc]
        """Of the iterative solver."""
        return None if self.sampled is None else self

    @property
    def tested_as(self) -> str:
        """With the solver, where that is why there is no other method."""
        return f"{self.title}" if self.sampled is None else f"{self.title} that was fitted by the iterative solver"

    @property
    def column_spread(self: "LmmFit") -> ColumnSpread | None:  # type: ignore[misc]
        """By the sums that a model without rows is made of."""
        return summed_spread(self)
