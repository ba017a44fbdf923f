"""What a fitted model of ordered categories answers about random effects, which location and scale
may both have.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.membership import for_core
from ranef.design.record import Design, RandomTerm
from ranef.fit.located import Coefficients
from ranef.fit.order import TermOrder, by_term, order_terms, relative_factor, term_keys
from ranef.fit.part_questions import CovarianceBlock
from ranef.fit.scale_effects import OwnTerms, ScaleEffects, effects_at, location_theta
from ranef.fit.scale_terms import JoinedTerms, joined_terms, scale_part

if TYPE_CHECKING:
    from ranef._core import GlmmSystem
    from ranef.fit.system import LazySystem

Floats = NDArray[np.float64]


class ScaleAnswers:
    """The answers; the record has the location's terms as those of its own."""

    __slots__ = ()

    design: Design
    order: TermOrder
    theta: Floats
    coefficients: Coefficients
    scale_effects: ScaleEffects | None
    system: "LazySystem[GlmmSystem]"
    curvature: str
    n_threads: int

    @property
    def all_theta(self) -> Floats:
        """Covariance parameters (m,) of location and scale, in lme4's order."""
        return self.theta if self.scale_effects is None else self.scale_effects.theta

    @property
    def all_order(self) -> TermOrder:
        """Order of the random terms of both."""
        return self.order if self.scale_effects is None else self.scale_effects.order

    @property
    def core_theta(self) -> Floats:
        """The same in the core's order."""
        return np.ascontiguousarray(self.all_theta[self.all_order.core_of_theta])

    @property
    def joined_terms(self) -> JoinedTerms | None:
        """The random terms of location and scale together; None where the scale has none."""
        return None if self.scale_effects is None else joined_terms(self.design)

    @property
    def of_scale(self) -> OwnTerms | None:
        """The random effects of the scale."""
        joined = self.joined_terms
        return None if joined is None or self.scale_effects is None else self.scale_effects.of(1, joined)

    @property
    def part_terms(self) -> tuple[RandomTerm, ...]:
        """Random terms of the scale."""
        return tuple(self._random_of_scale[i] for i in self.part_term_places)

    @property
    def _random_of_scale(self) -> tuple[RandomTerm, ...]:
        part = scale_part(self.design)
        return () if part is None else part.random

    @property
    def part_term_places(self) -> tuple[int, ...]:
        """Their places in the formula of the scale."""
        random = self._random_of_scale
        return tuple(s.formula for s in order_terms(random).spans) if random else ()

    @property
    def part_modes(self) -> tuple[Floats, ...]:
        """Their modes (levels, k)."""
        own = self.of_scale
        return () if own is None else own.b

    def covariance_blocks(self) -> list[CovarianceBlock]:
        """Random terms of location and scale; one that both share is there once."""
        of, joined = self.scale_effects, self.joined_terms
        if of is None or joined is None:
            return self.own_blocks()  # type: ignore[attr-defined, no-any-return]
        found = []
        for span in of.order.spans:
            pieces, term = joined.pieces[span.formula], joined.design.random[span.formula]
            group = f"scale:{term.group}" if pieces[0].predictor else term.group
            found.append((pieces[0].predictor, group, term, span, relative_factor(span, of.theta)))
        found.sort(key=lambda block: block[0])
        keys = term_keys(tuple(block[1] for block in found))
        return [
            CovarianceBlock(key, term, span, factor, of.theta)
            for key, (_, _, term, span, factor) in zip(keys, found, strict=True)
        ]

    @property
    def why_no_new_responses(self) -> str | None:
        """Random effects of the scale are not drawn for new rows."""
        if self.part_terms:
            return "responses of new rows are not drawn where the scale has random effects."
        return None

    def effects_at(self, theta: Floats, beta: Floats, extras: Floats) -> tuple[tuple[Floats, ...], tuple[Floats, ...]]:
        """Modes (levels, k) of the terms of location and scale at parameters."""
        at = np.ascontiguousarray(theta[self.all_order.core_of_theta]), self.coefficients.joined(beta, extras)
        u = self.system.get(self.n_threads).evaluate(*at, None, 1, self.curvature, self.n_threads).u
        joined = self.joined_terms
        if joined is not None:
            return effects_at(joined, self.all_order, theta, u)
        return tuple(
            v @ relative_factor(s, theta).T for s, v in zip(self.order.spans, by_term(self.order, u), strict=True)
        ), ()

    def theta_of_replicates(self, theta: Floats) -> Floats:
        """Covariance parameters (m, q) of the location of replicates, from those of the core."""
        every = theta[:, self.all_order.theta_of_core]
        return every if self.scale_effects is None else np.array([self.location_at(row) for row in every])

    def location_at(self, theta: Floats) -> Floats:
        """Covariance parameters of the location among all."""
        joined = self.joined_terms
        return theta if joined is None else location_theta(joined, self.all_order, theta)

    def variance_of_effects(
        self, places: Sequence[Any], z: Sequence[Floats], of_scale: Sequence[tuple[Any, Floats]]
    ) -> Floats:
        """Variance (n,) of z'b of location and scale together, given the data and the parameters.

        Parameters
        ----------
        places, z : sequence of arrays
            Levels and columns of the terms of the location.
        of_scale : sequence of (places, z)
            The same of the scale; none leaves it out.
        """
        n = len(z[0]) if len(z) else len(of_scale[0][1])
        factors = []
        for members in self.all_order.factors:
            own = [self._columns_of(i, n, places, z, of_scale) for i in members]
            factors.append((for_core(own[0][0]), [np.asfortranarray(c) for _, c in own]))
        beta: Floats = self.core_beta  # type: ignore[attr-defined]
        zero, x = np.zeros((len(beta), len(beta))), np.zeros((n, len(beta)), order="F")
        at = (self.core_theta, beta, None, zero, x, factors, self.n_threads)
        variance: Floats = self.system.get(self.n_threads).prediction_variance(*at)
        return variance

    def _columns_of(
        self, term: int, n: int, places: Sequence[Any], z: Sequence[Floats], of_scale: Sequence[tuple[Any, Floats]]
    ) -> tuple[Any, Floats]:
        """Levels and columns of one of all terms."""
        location = {s.formula: k for k, s in enumerate(self.order.spans)}
        joined = self.joined_terms
        if joined is None:
            return places[location[term]], z[location[term]]
        scale = {place: k for k, place in enumerate(self.part_term_places)}
        levels: Any = None
        columns = []
        for piece in joined.pieces[term]:
            if piece.predictor == 0:
                levels, own = places[location[piece.term]], z[location[piece.term]]
            elif of_scale:
                levels, own = of_scale[scale[piece.term]]
            else:
                own = np.zeros((n, piece.size))
                levels = np.full(n, -1, dtype=np.int32) if levels is None else levels
            columns.append(own)
        return levels, np.hstack(columns)
