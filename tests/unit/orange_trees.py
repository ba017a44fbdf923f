"""The exact likelihood of a logistic curve of the orange trees' growth with a random asymptote:
the curve is linear in it, so that the responses of a tree are normal.
"""

import math

import numpy as np

from ranef import load_dataset

ORANGE = load_dataset("orange")
ORANGE["tall"] = np.where(ORANGE["Tree"].astype(int) > 3, "yes", "no")
FORMULA = "circumference ~ SSlogis(age, Asym, xmid, scal) ~ (Asym | Tree)"
UNITS = np.array([190.0, 730.0, 350.0])

#: Every tree was measured at the same seven ages; rows of the data by tree (5, 7).
_BY_TREE = np.argsort(ORANGE["Tree"].cat.codes.to_numpy(), kind="stable").reshape(5, 7)
AGES = ORANGE["age"].to_numpy(float)[_BY_TREE[0]]
assert (ORANGE["age"].to_numpy()[_BY_TREE] == AGES).all()
_Y = ORANGE["circumference"].to_numpy(float)[_BY_TREE]


def normal_deviance(p: np.ndarray, sds: np.ndarray | float = 1.0) -> float:
    """-2 log-likelihood at (Asym, xmid, scal) in `UNITS`, log sd, log sigma.

    ``sds`` are standard deviations of the rows (35,) in units of sigma.
    """
    asym, xmid, scal = np.asarray(p[:3]) * UNITS
    own = math.exp(p[4]) * np.broadcast_to(sds, 35)[_BY_TREE]
    g = 1 / (1 + np.exp((xmid - AGES) / scal))
    v = math.exp(2 * p[3]) * np.outer(g, g) + own[:, :, None] ** 2 * np.eye(7)
    r = _Y - asym * g
    return float(np.linalg.slogdet(2 * np.pi * v)[1].sum() + (r * np.linalg.solve(v, r[:, :, None])[:, :, 0]).sum())
