"""Responses that are drawn from a fitted model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.families.family import Family
from ranef.fit.order import TermOrder
from ranef.fit.outcome import Kind
from ranef.fit.random_part import random_part

Floats = NDArray[np.float64]
Parts = tuple[Floats, ...]

#: Random effects of every term, and numbers of their levels, by linear predictor.
Effects = tuple[tuple[Floats, ...], ...]
Counts = Sequence[Sequence[int]]


class DrawnResponses:
    """How a model of one mean with one linear predictor draws."""

    __slots__ = ()

    design: Design
    order: TermOrder
    family: Family
    sigma: float
    response_kind: Kind

    @property
    def theta_is_relative(self) -> bool:
        """Whether theta of the replicates holds standard deviations divided by sigma."""
        return False

    @property
    def trials(self) -> Floats:
        """Numbers of trials (n,), where responses are of some; else prior weights, or ones."""
        known = self.design.trials
        return np.ones(len(self.design.y)) if known is None else known

    def draw(self, generator: np.random.Generator, means: Floats, weights: Floats | None = None) -> Floats:
        """Draw responses (n,) with these means (n,), in the form that the design keeps; weights
        (n,) are those of the fit unless others are given.
        """
        weights = self.design.weights if weights is None else weights
        sd = self.sigma if weights is None else self.sigma / np.sqrt(weights)
        return means + sd * generator.standard_normal(len(means))

    def draw_at(
        self, generator: np.random.Generator, eta: Floats | None, weights: Floats | None = None, parts: Parts = ()
    ) -> Floats:
        """The same at linear predictors (n,), or the modes'; ``parts``: columns of the others."""
        fit: Any = self
        return self.draw(generator, fit.means() if eta is None else self.family.mean(eta), weights)

    def drawn_effects(self, generator: np.random.Generator, counts: Counts | None = None) -> Effects:
        """Random effects (levels, k) of every term in lme4's order, by linear predictor; of so many
        levels, or those of the fit.
        """
        fit: Any = self
        levels = [term.n_columns for term in fit.terms] if counts is None else counts[0]
        return (
            tuple(
                generator.standard_normal((n, factor.shape[0])) @ (factor.T * fit.random_scale)
                for n, factor in zip(levels, fit.relative_factors, strict=True)
            ),
        )

    def draw_with(self, generator: np.random.Generator, fixed: Parts, effects: Effects) -> Floats:
        """Draw responses of the rows of the fit.

        Parameters
        ----------
        generator : Generator
        fixed : tuple of (n,) arrays
            `fixed_part` of every linear predictor, which does not change from draw to draw.
        effects : tuple of tuples of (levels, k) arrays
            Random effects of every term of every predictor.
        """
        fit: Any = self
        etas = []
        for predictor, eta, own in zip(fit.predictors, fixed, effects, strict=True):
            for term, b in zip(predictor.terms, own, strict=True):
                eta = eta + random_part(term.places, term.z, b)
            etas.append(eta)
        return self.draw_linear(generator, tuple(etas))

    def draw_linear(
        self, generator: np.random.Generator, etas: Parts, weights: Floats | None = None, parts: Parts = ()
    ) -> Floats:
        """Draw responses at all linear predictors (n,)."""
        return self.draw_at(generator, etas[0], weights, parts)

    @property
    def why_no_new_responses(self) -> str | None:
        """Why responses of new rows cannot be drawn; None where they can."""
        if self.response_kind == "counts":
            return (
                "simulation of new rows needs their numbers of trials, which cbind(successes, failures) does not give "
                "for them; fit the proportion with weights='trials' instead."
            )
        return None
