"""The frozen record of a nonlinear mixed model.

It is that of the linear model that has the curve's slopes at the estimates, with what the curve
itself gives in its place.
"""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.curve_rows import CurveRows
from ranef.design.curve_terms import curve_effects
from ranef.design.record import Design
from ranef.errors import OptionError
from ranef.fit.correlated.record import CorrelatedFit
from ranef.fit.drawn_responses import Effects, Parts
from ranef.fit.linear import LmmFit
from ranef.fit.nonlinear.linearized import in_formula_order
from ranef.fit.nonlinear.profiled_scales import ScaleProfiles
from ranef.fit.nonlinear.row_scales import RowScales, row_scales
from ranef.fit.nonlinear.system import curve_model
from ranef.fit.nonlinear.values import curve_derivatives, curve_of_design, parameters_at, population_values, values_at
from ranef.fit.order import TermOrder
from ranef.fit.record import MixedFit
from ranef.fit.refits.core import Point
from ranef.options import Ddf

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Approximation:
    """Which likelihood is maximised.

    Attributes
    ----------
    method : {"laplace", "linearized"}
    curvature : {"observed", "gauss_newton"}
    n_quad : int
    """

    method: str = "laplace"
    curvature: str = "observed"
    n_quad: int = 1


class CurveAnswers:
    """What a nonlinear model answers in its own way."""

    __slots__ = ()

    design: Design
    order: TermOrder
    beta: Floats
    b: tuple[Floats, ...]
    method: str
    curvature: str
    n_quad: int
    vcov_beta: Floats
    mu: Floats

    @property
    def approximation(self) -> Approximation:
        """The likelihood that was maximised."""
        return Approximation(self.method, self.curvature, self.n_quad)

    @property
    def verb(self) -> str:
        """The function that fits such a model."""
        return "nlmer"

    @property
    def title(self) -> str:
        """What such a model is called in a sentence."""
        return "nonlinear mixed model"

    @property
    def code(self) -> str:
        """The formula with its three parts, or with those of the parameters."""
        return curve_of_design(self.design).code

    @property
    def curve_rows(self) -> CurveRows | None:
        """Those of the design; None where it is that of one parameter."""
        return self.design.curve

    @property
    def columns_are_slopes(self) -> bool:
        """The design is that of the linearised model; not where it is that of one parameter."""
        return self.design.curve is not None

    @property
    def curve_parameters(self) -> tuple[str, ...]:
        """Names of the parameters of the curve."""
        return curve_of_design(self.design).curve.parameters

    @property
    def varied_parameters(self) -> tuple[str, ...]:
        """Those whose formula has fixed effects of variables."""
        encoders = curve_of_design(self.design).encoder.parameters
        return tuple(n for n, e in zip(self.curve_parameters, encoders, strict=True) if e.formula.fixed)

    def own_contrasts(self) -> list[tuple[str, Floats]] | None:
        """Each term of a parameter but its intercept."""
        if not self.columns_are_slopes:
            return None
        assign = np.array(self.design.x_assign)
        wanted = curve_effects(self.design)
        identity = np.eye(len(self.beta))
        return [
            (label, identity[assign == number])
            for number, label in enumerate(self.design.fixed_terms, start=1)
            if label in wanted
        ]

    def design_beside(self, other: MixedFit) -> Design | None:
        """With the slopes that the curve has at the estimates of this one; None where the other has
        not the same curve.
        """
        own, rows = other.design.curve, curve_of_design(self.design)
        if own is None or own.curve.text != rows.curve.text or own.curve.parameters != rows.curve.parameters:
            return None
        parameters = parameters_at(self.design, self.beta, in_formula_order(self.order, self.b))
        slopes = curve_derivatives(rows.curve, rows.covariates, parameters, 1)[1 : 1 + rows.n_parameters]
        x, z = own.linear_columns(slopes)
        random = tuple(replace(t, rows=t.with_z(c)) for t, c in zip(other.design.random, z, strict=True))
        return replace(other.design, random=random).with_rows(x=x, offset=self.design.offset)

    def draw_with(self, generator: np.random.Generator, fixed: Parts, effects: Effects) -> Floats:
        """Around the curve with these random effects."""
        curve = values_at(self.design, self.beta, in_formula_order(self.order, effects[0]))
        fit: Any = self
        out: Floats = fit.draw(generator, curve)
        return out

    @property
    def why_not_translated(self) -> str | None:
        """What describes it to other languages has its own words: `ranef.translation.nonlinear`."""
        return (
            "a nonlinear model is written as its curve and the formulas of its parameters, which is no description of "
            "a linear model; to_syntax has it for R's lme4, nlme and brms."
        )

    @property
    def why_no_profile(self) -> str | None:
        """Turns do not end at the minimum of a criterion."""
        if self.method == "laplace":
            return None
        return (
            "method='linearized' ends where its turns settle and not at the maximum of a likelihood, so that there is "
            "none to profile; fit with method='laplace'."
        )

    @property
    def why_no_sandwich(self) -> str:
        """Clusters have no scores."""
        return "there is no cluster-robust covariance of a nonlinear model: leave out cov= and cluster=."

    @property
    def ddf_choices(self) -> tuple[Ddf, ...]:
        """Tests are asymptotic."""
        return ("none",)

    @property
    def fixed_effects_profiled(self) -> bool:
        """They are parameters of the criterion."""
        return False

    @property
    def integral_exact(self) -> bool:
        """Laplace's approximation has an error; the linearised model's likelihood is what it is."""
        return self.method == "linearized"

    @property
    def both_criteria(self) -> None:
        """There is no REML criterion."""
        return

    @property
    def without_random(self) -> str:
        """What the model is called without its random effects."""
        return "nonlinear regression"

    @property
    def vcov(self) -> Floats:
        """Covariance (p, p) of the fixed effects."""
        return self.vcov_beta

    def fixed_root(self) -> None:
        """None: the covariance is not that of the linearised model."""
        return

    def fixed_part(self) -> Floats:
        """The curve (n,) without random effects."""
        return population_values(self.design, self.beta)

    def linear_predictor(self) -> Floats:
        """The curve (n,) at the conditional modes."""
        return self.mu

    def means(self) -> Floats:
        """The curve (n,) at the conditional modes."""
        return self.mu

    def fixed_spread(self) -> float:
        """Variance over the rows of the curve without random effects."""
        return float(np.var(self.fixed_part(), ddof=1))

    def core_model(self, n_threads: int | None = None) -> "_core.Model":
        """Refused: what needs it knows nothing of the curve."""
        raise OptionError(
            "this is not available for nonlinear models; conf_int() with method='wald', 'profile' or 'boot' is, and "
            "anova() of two fits compares models."
        )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class NonlinearFit(CurveAnswers, LmmFit):
    """A fitted nonlinear mixed model; its design is that of the linearised model at the estimates.

    Attributes
    ----------
    method : {"laplace", "linearized"}
    vcov_beta : (p, p) array
        Covariance of the fixed effects.
    mu : (n,) array
        The curve at the conditional modes.
    """

    method: str
    vcov_beta: Floats
    mu: Floats

    @property
    def log_spread_place(self) -> int:
        """After the fixed effects."""
        return len(self.beta)

    def profiled_model(self) -> tuple["_core.Model", Point]:
        """The curve in the core, with log sigma as a coefficient and theta that is not relative."""
        gauss_newton = self.curvature == "gauss_newton"
        model = curve_model(self.design, self.order, self.beta, self.sigma, gauss_newton)
        theta = np.ascontiguousarray(self.sigma * self.core_theta)
        return model, Point(theta, np.append(self.beta, math.log(self.sigma)), None)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class NonlinearCorrelatedFit(CurveAnswers, CorrelatedFit):
    """The same with a covariance structure of the rows.

    Attributes
    ----------
    vcov_rows : (k, k) array or None
        Covariance of the parameters of the rows by Laplace's approximation.
    """

    method: str
    vcov_beta: Floats
    mu: Floats
    vcov_rows: Floats | None = None

    @property
    def log_spread_place(self) -> int:
        """After the fixed effects."""
        return len(self.beta)

    @property
    def structure_places(self) -> tuple[int, ...]:
        """After log sigma."""
        return tuple(int(i) + len(self.beta) + 1 for i in self._scales.order)

    @property
    def _scales(self) -> RowScales:
        return row_scales(self.design, self.beta)

    def structured_model(self) -> None:
        """None: the model of the linearised rows is not the one that was fitted."""
        return

    def centred_chart(self) -> None:
        """None, likewise."""
        return

    def scale_profiles(self) -> ScaleProfiles:
        """With the place of the constant."""
        return ScaleProfiles(self._scales, len(self.theta) + 1 + len(self.beta))

    def profiled_with(self, scales: RowScales) -> tuple["_core.Model", Point]:
        """The curve and the scales in the core, and the estimates."""
        gauss_newton = self.curvature == "gauss_newton"
        model = curve_model(self.design, self.order, self.beta, self.sigma, gauss_newton, scales)
        own = np.zeros(scales.n)
        own[scales.order] = self.z
        constant = 2 * math.log(self.sigma) - scales.log_sigma(math.log(self.sigma), own)
        theta = np.ascontiguousarray(self.sigma * self.core_theta)
        return model, Point(theta, np.concatenate([self.beta, [constant], own]), None)

    def natural_covariance(self) -> Floats:
        """Of the likelihood that was maximised."""
        if self.vcov_rows is None:
            return super(NonlinearCorrelatedFit, self).natural_covariance()
        out: Floats = self.structure_slopes @ self.vcov_rows @ self.structure_slopes.T
        return out

    @property
    def why_no_new_responses(self) -> str | None:
        """Curves around which rows are correlated."""
        return (
            "responses of new rows on curves cannot be drawn where rows are correlated; simulate() without newdata "
            "draws those of the rows of the fit."
        )


def parameter_view(fit: MixedFit, name: str) -> MixedFit:
    """One parameter of the curve as if it were the response of a linear model: its fixed effects
    with their covariance.

    Parameters
    ----------
    fit : MixedFit
        With a curve.
    name : str
        The parameter.
    """
    assert isinstance(fit, NonlinearFit | NonlinearCorrelatedFit)
    rows = curve_of_design(fit.design)
    c = rows.curve.parameters.index(name)
    encoder = rows.encoder.parameters[c]
    own = [j for j, part in enumerate(rows.parts) if part == c]
    design = replace(
        fit.design,
        formula=encoder.formula,
        x_names=encoder.fixed.names,
        x_assign=encoder.fixed.assign,
        fixed_terms=tuple(t.label for t in encoder.formula.fixed),
        encoder=encoder,
        curve=None,
        residual=None,
        rows=replace(fit.design.own_rows, x=np.asfortranarray(rows.x[:, own]), offset=None),
    )
    return replace(
        fit, design=design, kept=tuple(range(len(own))), beta=fit.beta[own], vcov_beta=fit.vcov_beta[np.ix_(own, own)]
    )
