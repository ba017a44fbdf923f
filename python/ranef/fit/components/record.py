"""The generalized linear mixed model of several linear predictors: zero inflation, hurdles,
dispersion and shape.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.families.cumulative import LATENT_VARIANCE
from ranef.fit.components.several import SeveralPredictorsFit
from ranef.fit.order import theta_names
from ranef.fit.part_effects import PartEffects
from ranef.fit.part_questions import SMALLEST_VARIANCE

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ComponentsFit(SeveralPredictorsFit):
    """The whole model; as a record of its own it is the conditional predictor.

    Attributes
    ----------
    zero : str
        What becomes of zero, as the core calls it.
    """

    zero: str

    @property
    def mean_of_predictors(self) -> bool:
        """Zeros are part of it."""
        return True

    @property
    def spread_of_predictors(self) -> bool:
        """Also where they are one number."""
        return True

    @property
    def fixed_heading(self) -> str:
        """The other predictors have headings of their own."""
        return "Conditional model"

    @property
    def bootstrap_types(self) -> tuple[str, ...]:
        """Responses are drawn from the model."""
        return ("parametric",)

    @property
    def resampled_in_core(self) -> bool:
        """Replicates are fitted one by one."""
        return False

    @property
    def residual_types(self) -> tuple[str, ...]:
        """Those of the mean of the response."""
        return ("response", "pearson", "scaled", "normalized", "quantile")

    @property
    def weights(self) -> Floats:
        """Numbers of trials (n,), which moments go by; else prior weights, or ones."""
        return self.trials

    def response_interval(self) -> tuple[Floats, Floats]:
        """Extra zeros first, then the distribution of the others."""
        others = self.other_predictors
        lower, upper = self.family.interval_with(self.design.y, self.family.mean(self.eta), others, self.weights)
        if "zi" not in others:
            return lower, upper
        p, zero = _sigmoid(others["zi"]), self.design.y == 0
        none = upper if self.zero == "inflated" else np.zeros_like(upper)
        return np.where(zero, 0.0, p + (1 - p) * lower), p + (1 - p) * np.where(zero, none, upper)

    def pearson(self, raw: Floats, means: Floats, scaled: bool = False) -> Floats:
        """Divided by the standard deviation of the response, zeros included."""
        return np.asarray(raw / np.sqrt(np.maximum(self.observation_variance(), SMALLEST_VARIANCE)))

    @property
    def why_not_translated(self) -> str | None:
        """Other languages than glmmTMB's have one linear predictor."""
        return (
            "models with several linear predictors are written for R's glmmTMB and brms, by to_syntax('r') and 'brms': "
            "other languages have no zero part, dispersion formula or families of several parameters."
        )

    @property
    def variance_around_predictor(self) -> float | None:
        """That of the latent variable of a binomial response, and of numbers that are not behind a
        link the mean of the rows.
        """
        if self.family.support == "proportion" and not self.family.predictors:
            return LATENT_VARIANCE.get(self.family.link)
        if self.family.support == "real" and self.identity_scale:
            return float(self.moments_with(tuple(p.fixed_part() for p in self.predictors))[1].mean())
        return None

    def variance_around(self, eta: float) -> float:
        """That of the whole response, zeros included, averaged over the zeros and dispersions of
        the rows, their random effects being zero.
        """
        others = {p.key: p.fixed_part() for p in self.others}
        means, variance = self.moments_at(np.full(self.nobs, eta), others, self.weights)
        return self.family.variance_of_predictor(np.full(1, eta), float(means.mean()), float(variance.mean()))

    @property
    def spread_name(self) -> str | None:
        """None: dispersion and shape are predictors."""
        return None

    @property
    def usual_residuals(self) -> str:
        """Observed minus fitted, divided by the standard deviation of the response."""
        return "pearson"

    @property
    def named_components(self) -> tuple[str, ...]:
        """Parameters of the shape are numbers of the family."""
        return tuple(p.key for p in self.predictors if p.key in ("cond", "zi", "disp"))

    def part_effects(self) -> tuple[PartEffects, ...]:
        """Effects of the other predictors, zeros first."""
        out = []
        for p in sorted(self.others, key=lambda p: p.key != "zi"):
            heading = {"zi": self.zero_heading, "disp": "Dispersion model"}.get(p.key, f"Shape ({p.key})")
            if len(p.beta) or p.terms:
                tested = p.key == "zi" or (p.key == "disp" and p.formula is not None)
                out.append(PartEffects.of(p, heading, tested).in_model(self))
        return tuple(out)

    def shape_effects(self) -> PartEffects | None:
        """Parameters of the shape of the family, by their names."""
        every, values, covariance = self.parameters()
        at = [i for i, (key, _) in enumerate(every) if key not in ("cond", "zi", "disp", "theta")]
        if not at:
            return None
        shapes = tuple(every[i][0] for i in at)
        eta = np.column_stack([self.components[key].eta for key in shapes])
        own = values[at], covariance[np.ix_(at, at)]
        return PartEffects("shape", "Shape", None, shapes, *own, lambda: eta, tested=False).in_model(self)

    @property
    def part_formulas(self) -> dict[str, str | None]:
        """Formulas of the linear predictors of zeros and dispersion that were given."""
        given = {p.key: p.formula for p in self.others}
        return {"zero": given.get("zi"), "dispersion": given.get("disp")}

    @property
    def zero_heading(self) -> str:
        """What the zero part is called."""
        return "Zero-inflation model" if self.zero == "inflated" else "Hurdle model (probability of zero)"

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

    def moments_with(self, fitted: tuple[Floats, ...]) -> tuple[Floats, Floats]:
        """Zeros included."""
        others = {p.key: eta for p, eta in zip(self.others, fitted[1:], strict=True)}
        return self.moments_at(fitted[0], others, self.weights)

    def cumulative_at(self, y: Floats, eta: Floats, others: Mapping[str, Floats], weights: Floats) -> Floats:
        """Probability (n,) of a response up to ``y`` at linear predictors (n,)."""
        inside = np.maximum(y, 0.0) if self.family.support != "real" else y
        out = self.family.cumulative_with(inside, self.family.mean(eta), others, weights)
        if "zi" in others:
            p = _sigmoid(others["zi"])
            out = p + (1 - p) * (out if self.zero == "inflated" else np.where(inside > 0, out, 0.0))
        return out if self.family.support == "real" else np.where(y < 0, 0.0, out)

    @property
    def other_predictors(self) -> dict[str, Floats]:
        """Linear predictors (n,) of the others at the modes."""
        return {p.key: p.eta for p in self.others}

    def means(self) -> Floats:
        """Means (n,) of the responses, zeros included."""
        return self.moments_at(self.eta, self.other_predictors, self.weights)[0]

    def means_beside(self, step: float) -> Floats:
        """Means (n,) where the first predictor is so much higher."""
        return self.moments_at(self.eta + step, self.other_predictors, self.weights)[0]

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

    def draw_at(
        self,
        generator: np.random.Generator,
        eta: Floats | None,
        weights: Floats | None = None,
        parts: tuple[Floats, ...] = (),
    ) -> Floats:
        """Draw responses of the rows of the fit at their modes."""
        weights = self.weights if weights is None else weights
        return self.draw_predictors(generator, self.eta if eta is None else eta, self.other_predictors, weights)

    def draw_linear(
        self,
        generator: np.random.Generator,
        etas: tuple[Floats, ...],
        weights: Floats | None = None,
        parts: tuple[Floats, ...] = (),
    ) -> Floats:
        """Zeros first, then the rest."""
        others = {p.key: eta for p, eta in zip(self.others, etas[1:], strict=True)}
        return self.draw_predictors(generator, etas[0], others, self.weights if weights is None else weights)

    # ---- the core

    def every_effect(self) -> tuple[tuple[str, ...], Floats, Floats]:
        """Of the mean, zeros, dispersion and shape."""
        names, values, covariance = self.parameters()
        at = [i for i, (key, _) in enumerate(names) if key != "theta"]
        own = tuple(name if key == "cond" else f"{key}:{name}" for key, name in (names[i] for i in at))
        return own, values[at], covariance[np.ix_(at, at)]

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
        random = self.whole.named(tuple(self.components)).random
        names += [("theta", name) for name in theta_names(self.whole.order, random)]
        place = np.concatenate([*(b[3] for b in blocks), self.whole.order.theta_of_core]).astype(np.intp)
        values = np.concatenate([self.whole_theta, self.whole_beta])[place]
        whole = np.full((at, at), np.nan) if self.whole_vcov is None else self.whole_vcov
        return names, values, np.asarray(whole[np.ix_(place, place)])

    def hat_values(self) -> Floats:
        """Refused: a row has several predictors."""
        raise OptionError("leverages are for models of one linear predictor; influence(by) fits without each group.")


def _sigmoid(x: Floats) -> Floats:
    from scipy.special import expit

    return np.asarray(expit(x))
