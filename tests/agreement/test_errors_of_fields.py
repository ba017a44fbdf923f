"""Standard errors of a random field: those at the estimated variances, by dense algebra, and
glmmTMB's by REML, which contain what the estimates of the variances add.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ranef import lmer

#: glmmTMB 1.1.15, yield ~ trt + exp(numFactor(east, north) + 0 | field), REML.
GLMMTMB = [0.4863106, 0.3611039, 0.3806269]

STEP = 1e-4


def test_they_are_those_at_the_estimates_and_glmmtmb_adds_to_them() -> None:
    data = pd.read_parquet(Path(__file__).parents[1] / "reference" / "data" / "sim_fields.parquet")
    m = lmer("yield ~ trt + exp(0 + east + north | field)", data)
    place, field = data[["east", "north"]].to_numpy(), data["field"].astype(str).to_numpy()
    distance = np.sqrt(((place[:, None] - place) ** 2).sum(axis=-1))
    x, y = m._fit.x, data["yield"].to_numpy()

    def at(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Estimates, their covariance, and the REML criterion up to a constant."""
        sd, log_range, sigma = np.exp(parameters[0]), parameters[1], np.exp(parameters[2])
        same = field[:, None] == field
        correlation = np.where(same, np.exp(-distance / np.exp(log_range)), 0.0)
        v = sigma**2 * (np.eye(len(y)) + sd**2 * correlation)
        w = np.linalg.inv(v)
        phi = np.linalg.inv(x.T @ w @ x)
        beta = phi @ x.T @ w @ y
        e = y - x @ beta
        return beta, phi, np.linalg.slogdet(v)[1] - np.linalg.slogdet(phi)[1] + e @ w @ e

    estimates = np.array([np.log(m.theta.iloc[0]), m.theta.iloc[1], np.log(m.sigma)])
    _, phi, _ = at(estimates)
    assert m.bse.to_numpy() == pytest.approx(np.sqrt(np.diagonal(phi)), rel=1e-7)
    steps = STEP * np.eye(3)
    slopes = np.stack([(at(estimates + s)[0] - at(estimates - s)[0]) / (2 * STEP) for s in steps], axis=1)
    curvature = [
        [sum(i * j * at(estimates + i * a + j * b)[2] for i in (-1, 1) for j in (-1, 1)) / (4 * STEP**2) for a in steps]
        for b in steps
    ]
    added = slopes @ (2.0 * np.linalg.inv(curvature)) @ slopes.T
    assert np.sqrt(np.diagonal(phi + added)) == pytest.approx(GLMMTMB, rel=1e-5)
