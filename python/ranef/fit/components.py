"""The generalized linear mixed model of several linear predictors: zero inflation, hurdles,
dispersion and shape.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design, RandomTerm
from ranef.errors import DataError, DesignError, OptionError
from ranef.families.family import Family
from ranef.families.gaussian import Gaussian
from ranef.fit.component_design import Piece, Predictor, together
from ranef.fit.component_messages import TOO_SPREAD, zero_messages
from ranef.fit.component_system import LazyWhole, WholeModel
from ranef.fit.component_variance import predictor_variance
from ranef.fit.control import FitControl
from ranef.fit.convergence import Ending, convergence_of
from ranef.fit.generalized import OPTIMIZER, GlmmFit, Likelihood
from ranef.fit.messages import Trouble, fit_messages, likelihood_not_finite, modes_not_found
from ranef.fit.order import TermSpan, by_term, order_terms, relative_factor, term_keys, theta_names, theta_of_factors
from ranef.fit.part_effects import PartEffects
from ranef.fit.progress import Report
from ranef.fit.random_part import random_part
from ranef.fit.valleys import Valley
from ranef.status import FitStatus

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]

#: Links of the core by another name than ours.
_CORE_LINKS = {"inverse_squared": "1/mu^2"}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PredictorFit(GlmmFit):
    """One linear predictor of a model of several, as a record of its own.

    Attributes
    ----------
    key : str
        ``cond``, ``zi``, ``disp``, or the name of a shape parameter.
    formula : str or None
        As the user gave it.
    """

    key: str
    formula: str | None

    def linear_predictor(self) -> Floats:
        """The linear predictor (n,) at the conditional modes."""
        return self.eta


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ComponentsFit(PredictorFit):
    """The whole model; as a record of its own it is the conditional predictor.

    Attributes
    ----------
    others : tuple of PredictorFit
        The other predictors.
    zero : str
        What becomes of zero, as the core calls it.
    whole : WholeModel
    whole_theta, whole_beta : arrays
        All covariance parameters in the core's order, and all fixed effects, predictor by
        predictor.
    whole_vcov : (k, k) array or None
        Covariance of both.
    """

    others: tuple[PredictorFit, ...]
    zero: str
    whole: WholeModel
    whole_theta: Floats
    whole_beta: Floats
    whole_vcov: Floats | None

    @property
    def npar(self) -> int:
        """Number of parameters of all predictors."""
        return len(self.whole_theta) + len(self.whole_beta)

    @property
    def has_predictors(self) -> bool:
        """Rows have several linear predictors."""
        return True

    @property
    def spread_name(self) -> str | None:
        """None: dispersion and shape are predictors."""
        return None

    @property
    def usual_residuals(self) -> str:
        """Observed minus fitted, divided by the standard deviation of the response."""
        return "pearson"

    @property
    def predictors(self) -> tuple[PredictorFit, ...]:
        """All, the conditional one first."""
        return (self, *self.others)

    def part_effects(self) -> tuple[PartEffects, ...]:
        """Fixed effects of the other predictors."""
        out = []
        for p in sorted(self.others, key=lambda p: p.key != "zi"):
            if not len(p.beta):
                continue
            heading = {"zi": self.zero_heading, "disp": "Dispersion model"}.get(p.key, f"Shape ({p.key})")
            out.append(
                PartEffects(
                    p.key, heading, p.formula, p.x_names, p.beta, p.vcov_beta, p.linear_predictor, p.key == "zi"
                )
            )
        return tuple(out)

    @property
    def part_formulas(self) -> dict[str, str | None]:
        """Formulas of the linear predictors of zeros and dispersion that were given."""
        given = {p.key: p.formula for p in self.others}
        return {"zero": given.get("zi"), "dispersion": given.get("disp")}

    @property
    def zero_heading(self) -> str:
        """What the zero part is called."""
        return "Zero-inflation model" if self.zero == "inflated" else "Hurdle model (probability of zero)"

    def covariance_blocks(self) -> list[tuple[str, RandomTerm, TermSpan, Floats]]:
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
        return [(key, term, span, factor) for key, (_, _, term, span, factor) in zip(keys, found, strict=True)]

    @property
    def shapes(self) -> dict[str, float]:
        """Predictors of dispersion and shape that are one number."""
        return {p.key: float(p.eta[0]) for p in self.others if p.key != "zi" and np.ptp(p.eta) == 0.0}

    @property
    def family_params(self) -> dict[str, float]:
        """Shape parameters of the family by name."""
        return self.family.natural({p.key: float(p.eta[0]) for p in self.others if p.key not in ("zi", "disp")})

    # ---- responses

    def moments_at(self, eta: Floats, others: Mapping[str, Floats], weights: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of the response at linear predictors (n,)."""
        mean, variance = self.family.moments(self.family.mean(eta), others, weights)
        if "zi" not in others:
            return mean, variance
        p = _sigmoid(others["zi"])
        return (1 - p) * mean, (1 - p) * (variance + p * mean**2)

    @property
    def other_predictors(self) -> dict[str, Floats]:
        """Linear predictors (n,) of the others at the modes."""
        return {p.key: p.eta for p in self.others}

    def means(self) -> Floats:
        """Means (n,) of the responses, zeros included."""
        return self.moments_at(self.eta, self.other_predictors, self.weights)[0]

    def observation_variance(self) -> Floats:
        """Variance (n,) of every response given the random effects."""
        return self.moments_at(self.eta, self.other_predictors, self.weights)[1]

    def draw_predictors(
        self, generator: np.random.Generator, eta: Floats, others: Mapping[str, Floats], weights: Floats
    ) -> Floats:
        """Draw responses at linear predictors: whether they are zero, then the rest."""
        y = self.family.draw_with(generator, self.family.mean(eta), others, weights)
        if "zi" in others:
            y = np.where(generator.random(len(eta)) < _sigmoid(others["zi"]), 0.0, y)
        return np.asarray(y, dtype=np.float64)

    def draw_predicted(self, generator: np.random.Generator, eta: Floats | None) -> Floats:
        """Draw responses of the rows of the fit, the random effects of the other predictors anew
        where those of the conditional one are.
        """
        if eta is None:
            return self.draw_predictors(generator, self.eta, self.other_predictors, self.weights)
        others = {}
        for p in self.others:
            own = p.fixed_part()
            for term, factor in zip(p.terms, p.relative_factors, strict=True):
                u = generator.standard_normal((term.n_columns, factor.shape[0]))
                own = own + random_part(term.places, term.z, u @ factor.T)
            others[p.key] = own
        return self.draw_predictors(generator, eta, others, self.weights)

    # ---- the core

    def objective_at(self, n_quad: int) -> float:
        """-2 log-likelihood at the estimates with another number of quadrature nodes."""
        return self._evaluated(self.whole_theta, self.whole_beta, n_quad).objective

    def _evaluated(self, theta: Floats, beta: Floats, n_quad: int) -> "_core.GeneralizedEvaluation":
        system = self.system.get(self.n_threads)
        return system.evaluate(theta, beta, None, n_quad, self.curvature, self.n_threads)

    def conditional_covariance(self) -> tuple[list[Floats], list[float] | None]:
        """That of the conditional predictor's random effects."""
        return self.conditional_covariances_of(0), None

    def parameters(self) -> tuple[list[tuple[str, str]], Floats, Floats]:
        """Component and name of all parameters, their estimates and covariance (k, k), in the order
        mean, zero part, dispersion, shape, theta.
        """
        rank = {"cond": 0, "zi": 1, "disp": 2}
        at = len(self.whole_theta)
        blocks = []
        for p in self.predictors:
            blocks.append((rank.get(p.key, 3), p.key, p.x_names, np.arange(at, at + len(p.beta))))
            at += len(p.beta)
        blocks.sort(key=lambda b: b[0])
        names = [(key, name) for _, key, own, _ in blocks for name in own]
        names += [("theta", name) for name in theta_names(self.whole.order, self.whole.design.random)]
        place = np.concatenate([*(b[3] for b in blocks), self.whole.order.theta_of_core]).astype(np.intp)
        values = np.concatenate([self.whole_theta, self.whole_beta])[place]
        whole = np.full((at, at), np.nan) if self.whole_vcov is None else self.whole_vcov
        return names, values, np.asarray(whole[np.ix_(place, place)])

    def core_model(self, n_threads: int | None = None) -> "_core.Model":
        """Refused: what resamples or profiles in the core is for one predictor."""
        raise OptionError(
            "this is not offered for models with several linear predictors; simulate() and refit() draw and fit "
            "responses, and conf_int() has Wald intervals."
        )

    def again(
        self, design: Design, warm: bool, control: FitControl | None, progress: Report | None, n_threads: int
    ) -> "ComponentsFit":
        """Fit the model with another conditional design of the same rows."""
        if len(design.y) != self.nobs:
            raise OptionError(
                "models with several linear predictors are not fitted to a part of their rows here; give the rows by "
                "update(subset=...)."
            )
        first = Predictor("cond", design, self.formula)
        predictors = (first, *(Predictor(p.key, p.design, p.formula) for p in self.others))
        same = warm and design.x_names == self.design.x_names and not any(p.dropped for p in self.predictors)
        same = same and len(design.random) == len(self.design.random)
        start = (self.whole_theta, self.whole_beta) if same else None
        return fit_components(predictors, self.likelihood, control or FitControl(), progress, n_threads, start)

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

    def hat_values(self) -> Floats:
        """Refused: a row has several predictors."""
        raise OptionError("leverages are for models of one linear predictor.")

    def added_columns(self, x: Floats, columns: Floats) -> None:
        """None: a test of added columns is a fit of them here."""
        return None

    def prediction_variance(self, x: Floats, factors: list[tuple[Any, list[Floats]]]) -> Floats:
        """Variance of predicted conditional linear predictors."""
        return predictor_variance(self, 0, x, factors)


def _sigmoid(x: Floats) -> Floats:
    from scipy.special import expit

    return np.asarray(expit(x))


def zero_kind(family: Family, has_zero_part: bool) -> str:
    """What becomes of zero, as the core calls it."""
    if family.truncated:
        return "truncated_hurdle" if has_zero_part else "truncated"
    if not has_zero_part:
        return "plain"
    return "hurdle" if family.support in ("positive", "open_unit") else "inflated"


def fit_components(
    predictors: tuple[Predictor, ...],
    likelihood: Likelihood,
    control: FitControl,
    progress: Report | None,
    n_threads: int,
    start: tuple[Floats, Floats] | None = None,
) -> ComponentsFit:
    """Estimate a model of several linear predictors.

    Parameters
    ----------
    predictors : tuple of Predictor
        The conditional one first, in the order of the core: dispersion, shapes, zero part.
    likelihood : Likelihood
    control : FitControl
    progress : callable or None
    n_threads : int
    start : (theta, beta), optional
        All covariance parameters in the core's order and all fixed effects.
    """
    family, base = likelihood.family, predictors[0].design
    zero = zero_kind(family, predictors[-1].key == "zi")
    terms, pieces = together(predictors)
    merged = Design(**{**_fields(base), "random": terms})
    order = order_terms(terms)
    predictors = tuple(_held(p, family.held.get(p.key)) for p in predictors)
    x = tuple(p.design.x for p in predictors)
    link = _CORE_LINKS.get(family.link, family.link)
    offsets = tuple(p.design.offset for p in predictors)
    model = WholeModel(merged, order, pieces, x, offsets, family.kernel, link, zero)
    system = model.system()
    theta, beta = (None, None) if start is None else start
    found = system.fit(
        likelihood.n_quad, likelihood.curvature, theta, beta, None, None, control.max_evaluations, control.tolerance,
        n_threads, progress,
    )  # fmt: skip
    return _record(predictors, likelihood, model, system, found, zero, n_threads)


def _held(predictor: Predictor, value: float | None) -> Predictor:
    """A predictor that is held at a number: an offset without columns."""
    if value is None:
        return predictor
    n = len(predictor.design.x)
    design = predictor.design.with_rows(x=np.empty((n, 0), order="F"), offset=np.full(n, value))
    return replace(predictor, design=replace(design, x_names=(), x_assign=(), fixed_terms=()))


def _fields(record: Any) -> dict[str, Any]:
    return {f.name: getattr(record, f.name) for f in fields(record)}


def _record(
    predictors: tuple[Predictor, ...],
    likelihood: Likelihood,
    model: WholeModel,
    system: "_core.GlmmSystem",
    found: "_core.GeneralizedFit",
    zero: str,
    n_threads: int,
) -> ComponentsFit:
    family, solution, ending = likelihood.family, found.solution, Ending.of(found, 0)
    objective = found.ending.objective
    if ending.status is FitStatus.NON_FINITE or not math.isfinite(objective):
        if family.kernel == "compois":
            raise DataError(TOO_SPREAD)
        raise DataError(likelihood_not_finite(family))
    if solution is None:
        raise DataError(modes_not_found(family))
    order, merged = model.order, model.design
    theta = solution.theta[order.theta_of_core]
    m, n = order.n_theta, len(merged.y)
    vcov = found.covariance
    kept = np.asarray(system.kept, dtype=np.intp)
    first = np.concatenate([[0], np.cumsum([x.shape[1] for x in model.x])])
    eta = np.asarray(solution.eta).reshape(len(predictors), n)
    if n < len(solution.beta):
        raise DesignError(f"there are {n} rows for {len(solution.beta)} fixed effects.")
    spans = {s.formula: s for s in order.spans}
    factors = {i: relative_factor(s, theta) for i, s in spans.items()}
    b, u = by_term(order, solution.b), by_term(order, solution.u)
    effects = {s.formula: (b[i], u[i]) for i, s in enumerate(order.spans)}
    convergence = convergence_of(
        ending, OPTIMIZER, merged, order, (Valley(objective, theta, solution.beta),), lambda v: np.empty(0), ()
    )
    lazy = LazyWhole(model).keep(system)
    made: list[dict[str, Any]] = []
    at = 0
    for c, predictor in enumerate(predictors):
        own = [j - first[c] for j in kept if first[c] <= j < first[c + 1]]
        place = m + at + np.arange(len(own))
        at += len(own)
        covariance = np.full((len(own), len(own)), np.nan) if vcov is None else vcov[np.ix_(place, place)]
        names = predictor.design.x_names
        own_order = order_terms(predictor.design.random)
        shapes, modes, spherical = _own_effects(c, model.pieces, factors, effects)
        made.append(
            {
                "key": predictor.key,
                "formula": predictor.formula,
                "design": predictor.design,
                "order": own_order,
                "theta": theta_of_factors(own_order, shapes),
                "kept": tuple(int(j) for j in own),
                "dropped": tuple(name for j, name in enumerate(names) if j not in own),
                "beta": solution.beta[at - len(own) : at],
                "b": tuple(modes[s.formula] for s in own_order.spans),
                "u": tuple(spherical[s.formula] for s in own_order.spans),
                "vcov_beta": covariance,
                "eta": eta[c],
                "mu": np.full(n, np.nan),
                "reml": False,
                "response_kind": likelihood.response_kind,
                "n_quad": likelihood.n_quad,
                "curvature": likelihood.curvature,
                "objective": objective,
                "hessian": None,
                "joint_vcov": None,
                "gradient": found.ending.gradient,
                "convergence": convergence,
                "n_threads": n_threads,
                "system": lazy,
                "dispersion": math.nan,
                "sigma": 1.0,
                "messages": (),
                "family": Gaussian("identity"),
            }
        )
    others = tuple(PredictorFit(**own) for own in made[1:])
    dispersion = next((p for p in others if p.key == "disp"), None)
    constant = dispersion is not None and bool(np.ptp(dispersion.eta) == 0.0)
    value = math.exp(float(dispersion.eta[0])) if dispersion is not None and constant else math.nan
    dropped = tuple(name for own in made for name in own["dropped"])
    messages = fit_messages(merged, dropped, convergence, Trouble((), (), None, vcov is None))
    top = made[0] | {
        "family": family,
        "dispersion": value,
        "sigma": family.sigma(value) if family.scaled else 1.0,
        "messages": (*messages, *zero_messages({p.key: p.eta for p in others}, zero)),
    }
    return ComponentsFit(
        **top,
        others=others,
        zero=zero,
        whole=model,
        whole_theta=solution.theta,
        whole_beta=solution.beta,
        whole_vcov=vcov,
    )


def _own_effects(
    c: int,
    pieces: tuple[tuple[Piece, ...], ...],
    factors: Mapping[int, Floats],
    effects: Mapping[int, tuple[Floats, Floats]],
) -> tuple[dict[int, Floats], dict[int, Floats], dict[int, Floats]]:
    """Relative factors and modes of the terms of one predictor, by their place in its formula."""
    shapes: dict[int, Floats] = {}
    modes: dict[int, Floats] = {}
    spherical: dict[int, Floats] = {}
    for i, parts in enumerate(pieces):
        for piece in parts:
            if piece.predictor != c:
                continue
            own = slice(piece.start, piece.start + piece.size)
            factor = factors[i]
            if len(parts) > 1:
                # a root of the block's part of the covariance
                q, r = np.linalg.qr(factor[own].T)
                sign = np.where(np.diagonal(r) < 0, -1.0, 1.0)
                shapes[piece.term] = (r * sign[:, None]).T
                spherical[piece.term] = effects[i][1] @ (q * sign)
            else:
                shapes[piece.term], spherical[piece.term] = factor, effects[i][1]
            modes[piece.term] = np.ascontiguousarray(effects[i][0][:, own])
    return shapes, modes, spherical
