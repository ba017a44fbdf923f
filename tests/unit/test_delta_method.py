"""Variances of predictions whose linear predictors share random effects: the part given the
parameters from second derivatives of one group's log density, the rest from refits of the modes.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ranef import clmm, glmer
from ranef.estimates.delta_method import parameter_covariance, predictor_changes, variance_given_parameters
from ranef.estimates.included_effects import conditioned_effects
from ranef.estimates.prediction_rows import own_rows

DATA = pd.read_parquet(Path(__file__).parents[1] / "reference" / "components" / "Salamanders.parquet")

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")


@pytest.fixture(scope="module")
def shared() -> Any:
    return glmer("count ~ mined + (1 |p| site)", DATA, family="nbinom2", zi_formula="~ mined + (1 |p| site)")


def rows_of(m: Any) -> tuple[list[Any], list[Any]]:
    masks = [conditioned_effects(p, "conditional") for p in m._fit.predictors]
    return [own_rows(p, own) for p, own in zip(m._fit.predictors, masks, strict=True)], masks


def inverse_curvature(f: Any, at: np.ndarray) -> np.ndarray:
    h, k = 1e-4, len(at)
    out = np.empty((k, k))
    for i in range(k):
        for j in range(k):
            a, b = np.eye(k)[i] * h, np.eye(k)[j] * h
            out[i, j] = (f(at + a + b) - f(at + a - b) - f(at - a + b) + f(at - a - b)) / (4 * h * h)
    return np.linalg.inv(-out)


def test_effects_of_mean_and_zeros_are_correlated_given_the_data(shared: Any) -> None:
    fit = shared._fit
    covariance = np.asarray(shared.varcorr["site"].cov)
    size = float(np.exp(fit.components["disp"].eta[0]))
    site = str(DATA["site"].iloc[0])
    here = (DATA["site"] == site).to_numpy()
    y = DATA["count"].to_numpy()[here]
    both = shared, shared.component("zi")
    modes = np.array([float(part.ranef()["site"].loc[site].iloc[0]) for part in both])
    cond, zi = (fit.components[key].eta[here] for key in ("cond", "zi"))

    def density(b: np.ndarray) -> float:
        mu = np.exp(cond - modes[0] + b[0])
        p = 1 / (1 + np.exp(-(zi - modes[1] + b[1])))
        counts = stats.nbinom.pmf(y, size, size / (size + mu))
        log = np.log(np.where(y == 0, p, 0.0) + (1 - p) * counts).sum()
        return float(log + stats.multivariate_normal.logpdf(b, np.zeros(2), covariance))

    expected = inverse_curvature(density, modes)
    rows, masks = rows_of(shared)
    n = len(DATA)
    for slopes in ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.7, -0.4)):
        by_key = dict(zip(("cond", "zi"), slopes, strict=True))
        given = [np.full(n, by_key.get(p.key, 0.0)) for p in fit.predictors]
        found = variance_given_parameters(fit, rows, masks, given, average_unseen=False)[here][0]
        a = np.array(slopes)
        assert found == pytest.approx(float(a @ expected @ a), rel=2e-4)


def test_predictors_change_as_they_do_with_other_parameters(shared: Any) -> None:
    fit = shared._fit
    rows, masks = rows_of(shared)
    changes = predictor_changes(fit, parameter_covariance(fit), rows, masks)
    h = 1e-4
    for k in range(len(fit.whole_theta) + len(fit.whole_beta)):
        etas = []
        for sign in (1, -1):
            theta, beta = fit.whole_theta.copy(), fit.whole_beta.copy()
            target, at = (theta, k) if k < len(theta) else (beta, k - len(theta))
            target[at] += sign * h
            effects = fit.effects_at(theta, beta)
            etas.append(
                [
                    own.x @ beta[place]
                    + sum((z * v[c]).sum(axis=1) for c, z, v in zip(own.codes, own.z, b, strict=True))
                    for own, b, place in zip(rows, effects, fit.coefficient_places, strict=True)
                ]
            )
        for c, change in enumerate(changes):
            np.testing.assert_allclose(change[:, k], (etas[0][c] - etas[1][c]) / (2 * h), atol=2e-5)


def test_probabilities_of_categories_against_refits() -> None:
    """Standard errors without random effects: the delta method by hand in thresholds, slope and
    scale.
    """
    rng = np.random.default_rng(3)
    g = rng.integers(0, 20, 400)
    d = pd.DataFrame({"g": g, "x": rng.normal(size=400)})
    latent = 0.5 * d.x + rng.normal(size=20)[g] + rng.logistic(size=400) * np.exp(0.2 * d.x)
    d["y"] = pd.Categorical(np.digitize(latent, [-1.0, 1.0]), ordered=True)
    m = clmm("y ~ x + (1 | g)", d, scale="~ x")
    fit = m._fit
    new = pd.DataFrame({"x": [0.7], "g": [0]})
    frame = m.predict(newdata=new, type="prob", re="population", se=True)
    beta, q = fit.whole_beta, len(fit.whole_theta)

    def below(v: np.ndarray) -> np.ndarray:
        slope, cuts, scale = v[0], v[1:3], v[3]
        p = 1 / (1 + np.exp(-(cuts - slope * 0.7) * np.exp(-scale * 0.7)))
        return np.diff(np.concatenate([[0.0], p, [1.0]]))

    gradient = np.array([(below(beta + e) - below(beta - e)) / 2e-5 for e in np.eye(4) * 1e-5])
    covariance = fit.whole_vcov[q:, q:]
    expected = np.sqrt(np.einsum("ka,kl,la->a", gradient, covariance, gradient))
    np.testing.assert_allclose(frame["se"].to_numpy()[0], expected, rtol=1e-5)
