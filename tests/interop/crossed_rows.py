"""Rows that tests of several engines fit."""

import numpy as np
import pandas as pd

N = 24_000
FORMULA = "y ~ scale(x) + (x | g) + (1 | h)"


def made() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    g, h, x = rng.integers(60, size=N), rng.integers(40, size=N), rng.normal(size=N)
    b = rng.normal(size=(60, 2)) * (0.8, 0.4)
    y = 1 + 0.5 * x + b[g, 0] + b[g, 1] * x + 0.7 * rng.normal(size=40)[h] + rng.normal(size=N)
    return pd.DataFrame({"y": y, "x": x, "g": g, "h": np.array([f"h{i}" for i in h], dtype=object)})
