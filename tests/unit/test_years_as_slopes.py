"""Slopes on years, far from zero, with random effects of hundreds of residual standard deviations:
both solvers against algebra of 64 binary digits.
"""

import numpy as np
import pytest

from ranef import lmer

LEVELS = (150, 60)
ROWS = 1500
FORMULA = "y ~ x + (x | g) + (1 | h)"


def years():
    rng = np.random.default_rng(3)
    g, h = (np.r_[np.arange(m), rng.integers(0, m, ROWS - m)] for m in LEVELS)
    rng.shuffle(h)
    x = rng.integers(1990, 2011, ROWS).astype(float)
    slope = 0.1 + 0.3 * rng.normal(size=LEVELS[0])[g]
    y = 1 + slope * (x - 2000) + 3 * rng.normal(size=LEVELS[0])[g] + rng.normal(size=LEVELS[1])[h]
    return {"x": x, "g": g, "h": h, "y": y + rng.normal(size=ROWS)}


def triangle(m):
    """Cholesky factor of extended precision."""
    c = m.copy()
    for j in range(len(c)):
        c[j, j] = np.sqrt(c[j, j])
        c[j + 1 :, j] /= c[j, j]
        c[j + 1 :, j + 1 :] -= np.outer(c[j + 1 :, j], c[j + 1 :, j])
        c[j, j + 1 :] = 0
    return c


def deviance(d, theta):
    """-2 log-likelihood by the penalised least squares of all columns at once."""
    wide = np.longdouble
    x = np.column_stack([np.ones(ROWS), d["x"]]).astype(wide)
    lam = np.array([[theta[0], 0], [theta[1], theta[2]]], dtype=wide)
    q = 2 * LEVELS[0] + LEVELS[1]
    # three entries in every row of Z
    columns = np.column_stack([2 * d["g"], 2 * d["g"] + 1, 2 * LEVELS[0] + d["h"]])
    entries = np.column_stack([x @ lam, np.full(ROWS, theta[3], dtype=wide)])
    w = np.column_stack([x, d["y"].astype(wide)])
    penalised, a = np.eye(q, dtype=wide), np.zeros((q, 3), dtype=wide)
    for j in range(3):
        np.add.at(a, columns[:, j], entries[:, j, None] * w)
        for k in range(3):
            np.add.at(penalised, (columns[:, j], columns[:, k]), entries[:, j] * entries[:, k])
    c = triangle(penalised)
    for j in range(q):
        a[j] /= c[j, j]
        a[j + 1 :] -= np.outer(c[j + 1 :, j], a[j])
    left = triangle(w.T @ w - a.T @ a)
    r2 = left[2, 2] ** 2
    return float(2 * np.log(np.diag(c)).sum() + ROWS * (1 + np.log(2 * np.pi * r2 / ROWS)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("theta", "solver_error"), [((500, -0.25, 0.3, 1), 1e-9), ((5e4, -25, 3, 10), 1e-6)])
def test_criterion(theta, solver_error):
    d = years()
    right = deviance(d, theta)
    for solver in ("exact", "iterative"):
        control = {"solver": solver, "max_evaluations": 1}
        m = lmer(FORMULA, d, start=np.array(theta, dtype=float), control=control, REML=False)
        # the levels of h are few, so that the iterative solver samples nothing
        assert m.objective == pytest.approx(right, abs=solver_error)
