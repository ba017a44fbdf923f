"""Models of several linear predictors: each of them as a record of its own, and the whole."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.membership import for_core
from ranef.design.record import Design, RandomTerm
from ranef.errors import OptionError
from ranef.fit.added import AddedColumns, by_joint_score
from ranef.fit.beside import effects_of
from ranef.fit.components.design import Predictor, together
from ranef.fit.components.predictor_records import own_theta
from ranef.fit.components.system import JoinedModel
from ranef.fit.components.variance import predictor_variance
from ranef.fit.drawn_responses import Counts, Effects
from ranef.fit.generalized import GlmmFit
from ranef.fit.order import TermOrder, by_term, relative_factor, term_keys
from ranef.fit.parameter_covariance import determined_covariance
from ranef.fit.part_questions import CovarianceBlock

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]

#: Step of differences of means in a linear predictor.
STEP = 1e-5


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PredictorFit(GlmmFit):
    """One linear predictor of a model of several, as a record of its own.

    Attributes
    ----------
    key : str
        ``cond``, ``zi``, ``disp``, ``scale``, or the name of a shape parameter.
    formula : str or None
        As the user gave it.
    """

    key: str
    formula: str | None

    @property
    def held(self) -> float | None:
        """The number at which the predictor is held; None where it is estimated."""
        fixed = not len(self.design.x_names) and not self.design.random and self.design.offset is not None
        return float(self.eta[0]) if fixed else None

    @property
    def zero_without(self) -> bool:
        """A log scale is zero where it does not vary."""
        return self.key == "scale"

    @property
    def nobs(self) -> int:
        """Number of rows used; the designs of other predictors than the first have no response."""
        return len(self.eta)

    def linear_predictor(self) -> Floats:
        """The linear predictor (n,) at the conditional modes."""
        return self.eta

    @property
    def variance_around_predictor(self) -> float | None:
        """Zero: a predictor of zeros or dispersion has no responses."""
        return 0.0

    def core_model(self, n_threads: int | None = None) -> "_core.Model":
        """Refused: what resamples or profiles in the core is for one predictor."""
        raise OptionError("this is of the whole model, not of one of its linear predictors.")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SeveralPredictorsFit(PredictorFit):
    """A model of several linear predictors; as a record of its own it is the first of them.

    Attributes
    ----------
    others : tuple of PredictorFit
        The other predictors.
    whole : JoinedModel
    whole_theta, whole_beta : arrays
        All covariance parameters and all coefficients, as the core has them.
    whole_vcov : (k, k) array or None
        Covariance of both.
    """

    others: tuple[PredictorFit, ...]
    whole: JoinedModel
    whole_theta: Floats
    whole_beta: Floats
    whole_vcov: Floats | None

    @property
    def npar(self) -> int:
        """Number of parameters of all predictors."""
        return len(self.whole_theta) + len(self.whole_beta)

    @property
    def predictors(self) -> tuple[PredictorFit, ...]:
        """All, the conditional one first."""
        return (self, *self.others)

    @property
    def components(self) -> dict[str, PredictorFit]:
        """The same by their keys."""
        return {p.key: p for p in self.predictors}

    @property
    def named_components(self) -> tuple[str, ...]:
        """Keys of those that users may ask for by themselves."""
        return tuple(self.components)

    def predictor(self, component: str) -> PredictorFit:
        """One by its key."""
        known = self.named_components
        if component not in known:
            raise OptionError(
                f"the model has no component {component!r}; its components are {', '.join(map(repr, known))}."
            )
        return self.components[component]

    @property
    def coefficient_places(self) -> tuple[slice, ...]:
        """Where the coefficients of every predictor are among all of them."""
        ends = np.cumsum([0, *(len(p.beta) for p in self.predictors)]).tolist()
        return tuple(slice(a, b) for a, b in pairwise(ends))

    @property
    def coefficient_names(self) -> tuple[tuple[str, str, int], ...]:
        """Predictor by predictor: mean, zeros, dispersion and shape."""
        rank = {"cond": 0, "zi": 1, "disp": 2}
        made = sorted(
            zip(self.predictors, self.coefficient_places, strict=True), key=lambda own: rank.get(own[0].key, 3)
        )
        return tuple((p.key, name, at.start + j) for p, at in made for j, name in enumerate(p.x_names))

    @property
    def core_columns(self) -> tuple[int, ...]:
        """Numbers of the coefficients that the core has among all."""
        ends = np.cumsum([0, *(len(p.design.x_names) for p in self.predictors)]).tolist()
        return tuple(first + j for p, first in zip(self.predictors, ends, strict=False) for j in p.kept)

    def joint_covariance(self) -> Floats | None:
        """Covariance of theta of all random terms (lme4's order) and all coefficients."""
        if self.whole_vcov is None:
            return None
        m = len(self.whole_theta)
        place = np.concatenate([self.whole.order.theta_of_core, np.arange(m, len(self.whole_vcov))]).astype(np.intp)
        return np.asarray(self.whole_vcov[np.ix_(place, place)])

    def determined_covariance(self) -> Floats | None:
        """Covariance of all parameters as the core has them, for what does not change where
        parameters cannot be told apart, which have NaN in `whole_vcov`; what is held at a boundary
        has NaN.
        """
        vcov = self.whole_vcov
        if vcov is None:
            return None
        unknown = int(np.isnan(np.diagonal(vcov)[: len(self.whole_theta)]).sum())
        if unknown == sum(self.convergence.boundary.values()):
            return vcov
        system = self.system.get(self.n_threads)
        at = self.whole_theta, self.whole_beta, None, self.n_quad, self.curvature, self.n_threads
        return determined_covariance(system.solution(*at))[0]

    @property
    def whole_order(self) -> TermOrder:
        """Of all predictors."""
        return self.whole.order

    # ---- residuals

    def means_beside(self, step: float) -> Floats:
        """Means (n,) of the responses where the first predictor is so much higher."""
        raise NotImplementedError

    def working_residuals(self) -> tuple[Floats, Floats]:
        """On the scale of the first predictor, along which the mean of the response changes."""
        slope = (self.means_beside(STEP) - self.means_beside(-STEP)) / (2 * STEP)
        with np.errstate(divide="ignore", invalid="ignore"):
            return (self.design.y - self.means()) / slope, slope**2 / self.observation_variance()

    # ---- random effects

    @property
    def other_designs(self) -> tuple[tuple[str, Design], ...]:
        """By the keys of their predictors."""
        return tuple((p.key, p.design) for p in self.others)

    def whole_random(
        self, random: tuple[RandomTerm, ...], others: tuple[Design, ...] | None = None
    ) -> tuple[RandomTerm, ...]:
        """Put together with those of the other predictors."""
        beside = tuple(p.design for p in self.others) if others is None else others
        designs = (replace(self.design, random=random), *beside)
        keys = zip(self.predictors, designs, strict=True)
        return together(tuple(Predictor(p.key, design, p.formula) for p, design in keys))[0]

    def covariance_blocks(self) -> list[CovarianceBlock]:
        """Random terms of all predictors, the conditional ones and those that are shared first."""
        whole, found = self.whole, []
        theta = self.whole_theta[whole.order.theta_of_core]
        for span in whole.order.spans:
            pieces, term = whole.pieces[span.formula], whole.design.random[span.formula]
            first = pieces[0].predictor
            group = term.group if first == 0 else f"{self.predictors[first].key}:{term.group}"
            found.append((first, group, term, span, relative_factor(span, theta)))
        found.sort(key=lambda block: block[0])
        keys = term_keys(tuple(block[1] for block in found))
        return [
            CovarianceBlock(key, group, term, span, factor, theta)
            for key, (_, group, term, span, factor) in zip(keys, found, strict=True)
        ]

    def drawn_effects(self, generator: np.random.Generator, counts: Counts | None = None) -> Effects:
        """Effects that several predictors share are drawn together."""
        whole = self.whole
        theta = self.whole_theta[whole.order.theta_of_core]
        place = [{s.formula: i for i, s in enumerate(p.order.spans)} for p in self.predictors]
        found: list[dict[int, Floats]] = [{} for _ in self.predictors]
        for span in whole.order.spans:
            pieces, term = whole.pieces[span.formula], whole.design.random[span.formula]
            first = pieces[0]
            n = term.n_columns if counts is None else counts[first.predictor][place[first.predictor][first.term]]
            factor = relative_factor(span, theta)
            b = generator.standard_normal((n, factor.shape[0])) @ factor.T
            for piece in pieces:
                own = b[:, piece.start : piece.start + piece.size]
                found[piece.predictor][place[piece.predictor][piece.term]] = own
        return tuple(tuple(own[i] for i in range(len(own))) for own in found)

    def effects_at(self, theta: Floats, beta: Floats) -> Effects:
        """Modes of every predictor's terms at parameters, as the core has them."""
        found = self.system.get(self.n_threads).evaluate(theta, beta, None, 1, self.curvature, self.n_threads)
        return self.effects_of(theta, found.u)

    def effects_of(self, theta: Floats, u: list[Floats]) -> Effects:
        """Effects of every predictor's terms from spherical ones of the core's factors."""
        whole, values = self.whole, theta[self.whole.order.theta_of_core]
        made: list[dict[int, Floats]] = [{} for _ in self.predictors]
        spherical = effects_of(whole.design, whole.order, by_term(whole.order, u))
        for span, own in zip(whole.order.spans, spherical, strict=True):
            b = own @ relative_factor(span, values).T
            for piece in whole.pieces[span.formula]:
                made[piece.predictor][piece.term] = b[:, piece.start : piece.start + piece.size]
        return tuple(tuple(own[s.formula] for s in p.order.spans) for own, p in zip(made, self.predictors, strict=True))

    def theta_of_replicates(self, theta: Floats) -> Floats:
        """Covariance parameters (m, q) of the first predictor of replicates, from those of the
        core.
        """
        if self.whole.is_of_first:
            return theta[:, self.whole.order.theta_of_core]
        return np.array([own_theta(0, self.order, self.whole, row) for row in theta]).reshape(len(theta), -1)

    # ---- the core

    @property
    def core_theta(self) -> Floats:
        """Covariance parameters of all predictors."""
        return self.whole_theta

    @property
    def core_beta(self) -> Floats:
        """Coefficients of all predictors."""
        return self.whole_beta

    @property
    def core_dispersion(self) -> None:
        """None: dispersion and the like are predictors."""
        return None

    def core_model(self, n_threads: int | None = None) -> "_core.Model":
        """The model in the core."""
        return self.system.get(self.n_threads if n_threads is None else n_threads)

    @property
    def integrated(self) -> tuple[TermOrder, Design]:
        """Those of all predictors."""
        return self.whole.order, self.whole.design

    def conditional_covariance(self) -> tuple[list[Floats], list[float] | None]:
        """That of the first predictor's random effects."""
        return self.conditional_covariances_of(0), None

    def conditional_covariances_of(self, predictor: int) -> list[Floats]:
        """The same of the random effects of any predictor, by its own factors."""
        system = self.system.get(self.n_threads)
        all_blocks = system.conditional_covariance(
            self.whole_theta, self.whole_beta, None, self.curvature, self.n_threads
        )
        fit, whole = self.predictors[predictor], self.whole
        places: dict[int, tuple[int, int, int]] = {}
        for span in whole.order.spans:
            for piece in whole.pieces[span.formula]:
                if piece.predictor == predictor:
                    places[piece.term] = (span.factor, span.start + piece.start, piece.size)
        out = []
        for members in fit.order.factors:
            factor = places[members[0]][0]
            columns = [c for i in members for c in range(places[i][1], places[i][1] + places[i][2])]
            out.append(np.ascontiguousarray(all_blocks[factor][:, columns][:, :, columns]))
        return out

    def added_columns(self, x: Floats, columns: Floats) -> AddedColumns | None:
        """From the gradient and the second derivatives in all parameters."""
        return by_joint_score(self, x, columns)

    def prediction_variance(self, x: Floats, factors: list[tuple[Any, list[Floats]]]) -> Floats:
        """Variance of predicted linear predictors of the first."""
        return predictor_variance(self, 0, x, factors)

    def variance_of_effects(self, rows: Sequence[tuple[Sequence[Any], Sequence[Floats]]]) -> Floats:
        """Variance (n,) of the sum of z'b over all predictors, given the data and the parameters.

        Parameters
        ----------
        rows : sequence of (levels, z)
            For every predictor, those of its terms.
        """
        n = next(len(z[0]) for _, z in rows if len(z))
        places = [{s.formula: i for i, s in enumerate(p.order.spans)} for p in self.predictors]
        factors = []
        for members in self.whole.order.factors:
            levels: Any = None
            columns = []
            for i in members:
                own = []
                for piece in self.whole.pieces[i]:
                    codes, z = rows[piece.predictor]
                    i_own = places[piece.predictor][piece.term]
                    levels = codes[i_own] if levels is None else levels
                    own.append(z[i_own])
                columns.append(np.asfortranarray(np.hstack(own)))
            factors.append((for_core(levels), columns))
        k = len(self.whole_beta)
        zero, x = np.zeros((k, k)), np.zeros((n, k), order="F")
        at = (self.core_theta, self.core_beta, None, zero, x, factors, self.n_threads)
        variance: Floats = self.system.get(self.n_threads).prediction_variance(*at)
        return variance
