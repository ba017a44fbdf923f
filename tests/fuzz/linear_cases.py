"""Random linear mixed models."""

import numpy as np
import pandas as pd

from .case import Case
from .layout import Rng, covariates, drawn_effects, fixed_part, groups, log_uniform, random_parts

KINDS = (
    "plain", "plain", "simpson", "simpson_slopes", "weights", "heavy_row", "small_sd", "large_sd", "far_origin",
    "units", "few_levels", "singletons", "saturated", "exact",
)  # fmt: skip
SPREAD = {"small_sd": (-3.0, -0.5), "large_sd": (1.5, 5.5), "exact": (-0.5, 2.0)}


def linear_case(seed: int) -> Case:
    """The linear case with a number."""
    rng = np.random.default_rng([1, seed])
    kind = str(rng.choice(KINDS))
    options: dict[str, object] = {"REML": bool(rng.random() < 0.6)}
    if kind.startswith("simpson"):
        formula, data = simpson(rng, slopes=kind == "simpson_slopes")
        if rng.random() < 0.2:
            data["w"] = weights(rng, len(data), 1.0)
            options["weights"] = "w"
        return Case("linear", seed, kind, formula, data, options)
    n = int(rng.integers(20, 60 if kind == "saturated" else 201))
    data = covariates(rng, n, groups(rng, n, few=kind == "few_levels", single=kind == "singletons"))
    parts = random_parts(rng, plain=kind == "singletons" and bool(rng.random() < 0.8))
    fixed = fixed_part(rng)
    if kind == "saturated":
        fixed = " + ".join([fixed, "ns(x, df = 4)", "f * b", "poly(z, 3)", "log(p)"][: int(rng.integers(2, 6))])
    low, high = SPREAD.get(kind, (-1.0, 1.0))
    eta = 1.0 + rng.normal() * data["x"] + rng.normal() * data["z"] + rng.normal(size=3)[pd.factorize(data["f"])[0]]
    for part in parts:
        eta = eta + drawn_effects(rng, data, part, low, high)
    w = np.ones(n)
    if kind in ("weights", "heavy_row") or rng.random() < 0.1:
        w = weights(rng, n, float(rng.uniform(1, 8)) if kind == "weights" else 0.6)
        if kind == "heavy_row":
            w[rng.integers(n)] = 1e6
        data["w"] = w
        options["weights"] = "w"
    noise = float(log_uniform(rng, -5, -2)) if kind == "exact" else 1.0
    y = eta + noise * rng.normal(size=n) / np.sqrt(w)
    if "offset(o)" in fixed:
        y = y + data["o"]
    data["y"] = y
    if kind == "far_origin":
        data["x"] = data["x"] + float(log_uniform(rng, 1.5, 4))
        data["y"] = data["y"] + float(rng.choice([0.0, 1e3, 1e5]))
    if kind == "units":
        for name in ("x", "z", "k", "y"):
            data[name] = data[name] * float(log_uniform(rng, -6, 6))
    return Case("linear", seed, kind, f"y ~ {fixed} + {_joined(parts)}", data, options)


def _joined(parts: list) -> str:
    return " + ".join(p.text for p in parts if p.text)


def weights(rng: Rng, n: int, decades: float) -> np.ndarray:
    """Weights that span this many powers of ten."""
    return np.asarray(log_uniform(rng, -decades / 2, decades / 2, n))


def simpson(rng: Rng, slopes: bool) -> tuple[str, pd.DataFrame]:
    """A covariate with one slope between groups and another inside them,
    so that the criterion may have two valleys.

    Parameters
    ----------
    rng : Generator
    slopes : bool
        Whether slopes differ between groups as well.
    """
    levels, size = int(rng.integers(4, 13)), int(rng.integers(3, 17))
    g = np.repeat(np.arange(levels), size)
    keep = rng.random(len(g)) < (1.0 if rng.random() < 0.6 else 0.8)
    keep[:: max(1, size // 2)] = True
    g = g[keep]
    n = len(g)
    codes = groups(rng, n)
    codes["g"], codes["h"] = g, g * 2 + rng.integers(0, 2, n)
    data = covariates(rng, n, codes)
    level = rng.normal(0, float(log_uniform(rng, 0.2, 1.4)), levels)[g]
    data["x"] = level + rng.normal(size=n) + float(rng.choice([0.0, 10.0]))
    inside = data["x"].to_numpy() - level
    between, within = rng.choice([-1, 1]) * rng.uniform(0.3, 3), rng.uniform(-3, 3)
    y = between * level + within * inside + float(log_uniform(rng, -0.7, 0.5)) * rng.normal(size=n)
    y = y + float(log_uniform(rng, -2, 0)) * rng.normal(size=levels)[g]
    if slopes:
        y = y + float(log_uniform(rng, -2, 0)) * rng.normal(size=levels)[g] * data["x"]
    data["y"] = y
    terms = ["(x | g)", "(x || g)", "diag(1 + x | g)", "(x | g) + (1 | s)", "(x + z | g)"] if slopes else [
        *["(1 | g)"] * 4, "(1 | g) + (1 | s)", "(1 | g/h)", "(1 | g) + (1 | i)", "(z | g)", "(x | g)", "(x || g)",
    ]  # fmt: skip
    fixed = str(rng.choice(["x", "x", "x", "x + z", "x * b", "poly(x, 2)", "ns(x, df = 3)", "x + f"]))
    return f"y ~ {fixed} + {rng.choice(terms)}", data
