"""Priors of thresholds, nominal and scale effects, zeros, dispersion and shapes: the criterion, and
its optimum against that of the likelihood without priors and densities by SciPy, minimised by
SciPy.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import gamma, halfnorm, invgamma, norm, t

import ranef
from ranef import OptionError, Tweedie, clmm, glmer, load_dataset, priors
from ranef.status import FitStatus

WINE = load_dataset("wine")
SALAMANDERS = pd.read_parquet(Path(__file__).parents[1] / "reference" / "components" / "Salamanders.parquet")
RATING = "rating ~ contact + (1 | judge)"
COUNT = "count ~ mined + (1 | site)"

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")


def trials(seed: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(20), 6)
    p = rng.beta(4, 4, len(g)) * 0.5 + 0.5 / (1 + np.exp(-rng.normal(size=20)[g]))
    d = pd.DataFrame({"g": g, "n": 12, "s": rng.binomial(12, p), "x": rng.normal(size=len(g))})
    d["y"] = d.x + rng.normal(size=20)[g] + rng.standard_t(4, len(g))
    return d


TRIALS = trials()
BINOMIAL = "cbind(s, n - s) ~ x + (1 | g)"

#: The verb and its call, the priors, and their log density as a function of the coefficients by
#: component and the standard deviations by term.
Density = Callable[[dict[str, np.ndarray], dict[str, float]], float]
CASES: dict[str, tuple[Any, dict[str, Any], dict[str, Any], Density]] = {
    "thresholds": (
        clmm,
        {"formula": RATING, "data": WINE, "nominal": "~ temp"},
        {"thresholds": priors.Normal(sd=2.0), "nominal": priors.StudentT(df=3, scale=1.0)},
        lambda b, sd: norm.logpdf(b["thresholds"], scale=2).sum() + t.logpdf(b["nominal"], 3).sum(),
    ),
    "scale": (
        clmm,
        {"formula": RATING, "data": WINE, "scale": "~ temp + (1 | judge)", "threshold": "symmetric"},
        {
            "scale": priors.Normal(sd=0.3),
            "cov:scale:judge": priors.HalfT(df=np.inf, scale=0.4),
            "thresholds": priors.Normal(mean=1.0, sd=1.0),
        },
        lambda b, sd: (
            norm.logpdf(b["scale"], scale=0.3).sum()
            + halfnorm.logpdf(sd["scale:judge"], scale=0.4)
            + norm.logpdf(b["thresholds"], 1.0).sum()
        ),
    ),
    "zeros": (
        glmer,
        {"formula": COUNT, "data": SALAMANDERS, "family": "nbinom2", "zi_formula": "~ mined + (1 | site)"},
        {"zi": priors.Normal(sd=2.5), "cov:zi:site": priors.Gamma(shape=2.5), "disp": priors.Normal(mean=0.5, sd=0.2)},
        lambda b, sd: (
            norm.logpdf(b["zi"], scale=2.5).sum() + 1.5 * np.log(sd["zi:site"]) + norm.logpdf(b["disp"], 0.5, 0.2).sum()
        ),
    ),
    "hurdle": (
        glmer,
        {"formula": COUNT, "data": SALAMANDERS, "family": "truncated_nbinom2", "zi_formula": "~ mined"},
        {"zi": priors.StudentT(df=4, mean=0.2, scale=1.0), "fixef:mined[T.no]": priors.Normal(sd=0.5)},
        lambda b, sd: t.logpdf(b["zi"] - 0.2, 4).sum() + norm.logpdf(b["cond"][1], scale=0.5),
    ),
    "dispersion": (
        glmer,
        {"formula": BINOMIAL, "data": TRIALS, "family": "betabinomial", "disp_formula": "~ x"},
        {"disp": priors.Normal(mean=1.0, sd=0.5)},
        lambda b, sd: norm.logpdf(b["disp"], 1.0, 0.5).sum(),
    ),
    "precision": (
        glmer,
        {"formula": BINOMIAL, "data": TRIALS, "family": "betabinomial"},
        {"disp": priors.Gamma(shape=3, rate=0.5)},
        lambda b, sd: gamma.logpdf(np.exp(b["disp"][0]), 3, scale=2),
    ),
    "variance": (
        glmer,
        {"formula": "y ~ x + (1 | g)", "data": TRIALS, "family": "t"},
        {"disp": priors.InverseGamma(shape=2, scale=1, on="var"), "shape": priors.Gamma(shape=2, rate=0.1)},
        lambda b, sd: invgamma.logpdf(np.exp(2 * b["disp"][0]), 2) + gamma.logpdf(np.exp(b["log_df"][0]), 2, scale=10),
    ),
    "shape": (
        glmer,
        {"formula": COUNT, "data": SALAMANDERS, "family": "tweedie"},
        {"shape": priors.Normal(mean=-0.4, sd=0.1), "fixef": priors.Normal(sd=1.0)},
        lambda b, sd: norm.logpdf(b["psi"], -0.4, 0.1).sum() + norm.logpdf(b["cond"]).sum(),
    ),
}


def pieces(fit: Any, theta: np.ndarray, beta: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Coefficients by component, and standard deviations of terms of one effect."""
    by: dict[str, list[float]] = {}
    for component, _, place in fit.coefficient_names:
        by.setdefault(component, []).append(float(beta[place]))
    sds = {b.key: abs(float(theta[fit.whole.order.theta_of_core][b.span.theta_start])) for b in fit.covariance_blocks()}
    return {k: np.array(v) for k, v in by.items()}, sds


@pytest.mark.parametrize("name", CASES)
def test_it_is_the_posterior_mode(name: str) -> None:
    verb, call, prior, density = CASES[name]
    m, bare = verb(**call, prior=prior), verb(**call)
    fit, system = m._fit, bare._fit.system.get(1)
    q = len(fit.whole_theta)
    assert m.log_prior == pytest.approx(density(*pieces(fit, fit.whole_theta, fit.whole_beta)), abs=1e-8)
    there = system.evaluate(fit.whole_theta, fit.whole_beta, None, 1, "observed", 1)
    assert m.llf == pytest.approx(-0.5 * there.objective, abs=1e-7)
    assert m.objective == pytest.approx(-2 * (m.llf + m.log_prior), abs=1e-8)
    assert m.convergence.ok

    def at(x: np.ndarray) -> float:
        got = system.evaluate(x[:q].copy(), x[q:].copy(), None, 1, "observed", 1).objective
        value = got - 2 * density(*pieces(fit, x[:q], x[q:]))
        return value if np.isfinite(value) else 1e10

    x0 = np.concatenate([fit.whole_theta, fit.whole_beta])
    assert at(x0) == pytest.approx(m.objective, abs=1e-7)
    best = minimize(at, x0 + 0.05, method="BFGS", options={"gtol": 1e-2})
    assert m.objective <= best.fun + 1e-7
    assert best.fun <= m.objective + 1e-3
    # the derivative along every axis is zero there, but at a boundary
    for j in range(len(x0)):
        d = np.eye(len(x0))[j] * 1e-4
        if x0[j] != 0.0 or j >= q:
            assert (at(x0 + d) - at(x0 - d)) / 2e-4 == pytest.approx(0.0, abs=2e-2)


def test_a_separated_zero_part_has_finite_estimates() -> None:
    rng = np.random.default_rng(11)
    d = pd.DataFrame({"g": np.repeat(np.arange(20), 10), "b": np.tile(["no", "yes"], 100)})
    d["y"] = np.where(d.b == "yes", 1 + rng.poisson(2.0, 200), rng.poisson(2.0, 200) * (rng.random(200) < 0.5))
    call: dict[str, Any] = {"formula": "y ~ b + (1 | g)", "data": d, "zi_formula": "~ b"}
    alone = glmer(**call, family="truncated_poisson")
    assert alone.convergence.status is FitStatus.SEPARATION
    m = glmer(**call, family="truncated_poisson", prior={"zi": priors.Normal(sd=2.5)})
    assert m.convergence.ok
    assert -8 < m.component("zi").fixef["b[T.yes]"] < -2


@pytest.mark.parametrize(
    ("verb", "call", "prior", "says"),
    [
        (clmm, {"formula": RATING, "data": WINE}, {"nominal": priors.Normal(sd=1)}, "has no nominal effects"),
        (clmm, {"formula": RATING, "data": WINE}, {"thresholds": priors.Gamma()}, "is no density of that"),
        (clmm, {"formula": RATING, "data": WINE}, {"zi": priors.Normal(sd=1)}, "has no zero part"),
        (
            clmm,
            {"formula": RATING, "data": WINE},
            {"thresholds": priors.Normal(mean=(1.0, 2.0), sd=1)},
            "2 values for 4 coefficients",
        ),
        (
            glmer,
            {"formula": BINOMIAL, "data": TRIALS, "family": "betabinomial", "disp_formula": "~ x"},
            {"disp": priors.Gamma()},
            "one positive parameter",
        ),
        (
            glmer,
            {"formula": COUNT, "data": SALAMANDERS, "family": Tweedie(power=1.5)},
            {"shape": priors.Normal(sd=1)},
            "held at a value",
        ),
        (
            glmer,
            {"formula": COUNT, "data": SALAMANDERS, "family": "poisson"},
            {"thresholds": priors.Normal(sd=1)},
            "has no thresholds",
        ),
        (
            glmer,
            {"formula": COUNT, "data": SALAMANDERS, "family": "poisson", "zi_formula": "~ 1"},
            {"zi": priors.Normal(sd=1, relative=True)},
            "relative=True is for lmer",
        ),
    ],
)
def test_what_has_no_prior(verb: Any, call: dict[str, Any], prior: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        verb(**call, prior=prior)


def test_what_follows(tmp_path: Path) -> None:
    prior = {"zi": priors.Normal(sd=2.5), "disp": priors.Gamma(shape=2, rate=0.5)}
    m = glmer(COUNT, SALAMANDERS, family="nbinom2", zi_formula="~ mined", prior=prior)
    assert "priors: zi ~ Normal(sd=2.5); disp ~ Gamma(shape=2, rate=0.5)" in str(m.summary())
    m.save(tmp_path / "m")
    again = ranef.load(tmp_path / "m")
    assert again.log_prior == m.log_prior
    assert again.refit(SALAMANDERS["count"]).objective == pytest.approx(m.objective, abs=1e-6)
    with pytest.raises(OptionError, match="likelihood with priors"):
        _ = m.aic
