"""What is asked of models whose rows have several linear predictors."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.fit.part_effects import PartEffects

if TYPE_CHECKING:
    from ranef.design.record import RandomTerm
    from ranef.fit.order import TermSpan

Floats = NDArray[np.float64]


class PartQuestions:
    """The answers of a model with one linear predictor."""

    __slots__ = ()

    def part_effects(self) -> tuple[PartEffects, ...]:
        """Effects of the linear predictors beside the first; none where there is one."""
        return ()

    @property
    def categories(self) -> tuple[str, ...]:
        """Labels of the ordered categories of the response; none of other responses."""
        return ()

    def category_probabilities(self) -> Floats:
        """Probabilities (n, categories) of ordered categories at the conditional modes."""
        raise NotImplementedError

    @property
    def part_formulas(self) -> dict[str, str | None]:
        """Formulas of the linear predictors of zeros and dispersion, for the head of a summary."""
        return {}

    @property
    def has_predictors(self) -> bool:
        """Whether rows have linear predictors of zeros, dispersion or shape beside the mean's."""
        return False

    def draw_predicted(self, generator: np.random.Generator, eta: Floats | None) -> Floats:
        """Draw responses (n,) at conditional linear predictors (n,), by default those of the
        modes, where there are several predictors.
        """
        raise NotImplementedError

    def parameters(self) -> tuple[list[tuple[str, str]], Floats, Floats]:
        """Component and name of all parameters, their estimates and covariance (k, k), where there
        are several components.
        """
        raise NotImplementedError

    def covariance_blocks(self) -> "list[tuple[str, RandomTerm, TermSpan, Floats]]":
        """Key, term, place and relative factor of the random terms of all predictors; one that
        several predictors share is there once.
        """
        raise NotImplementedError
