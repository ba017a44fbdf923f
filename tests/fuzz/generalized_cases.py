"""Random generalized linear mixed models."""

import numpy as np
import pandas as pd
from scipy import special

from .case import Case
from .layout import Rng, covariates, drawn_effects, fixed_part, groups, log_uniform, random_parts
from .linear_cases import weights

KINDS = (
    "plain", "plain", "plain", "simpson", "simpson", "small_sd", "small_sd", "large_sd", "each_row", "weights",
    "far_origin", "units", "few_levels", "singletons", "saturated",
)  # fmt: skip
FAMILIES = (
    "binomial", "binomial(probit)", "binomial(cloglog)", "poisson", "nbinom1", "nbinom2", "Gamma(log)",
    "inverse.gaussian(log)", "beta", "gaussian(log)",
)  # fmt: skip
SPREAD = {"small_sd": (-2.5, -0.7), "large_sd": (0.3, 1.0)}


def generalized_case(seed: int) -> Case:
    """The generalized case with a number."""
    rng = np.random.default_rng([2, seed])
    kind = str(rng.choice(KINDS))
    family = str(rng.choice(FAMILIES))
    options: dict[str, object] = {"family": family}
    if kind == "simpson":
        terms, data, eta = simpson(rng)
    else:
        terms, data, eta = mixed(rng, kind)
    n = len(data)
    if kind == "each_row":
        data["each"] = [f"r{i}" for i in range(n)]
        terms += " + (1 | each)"
        eta = eta + float(log_uniform(rng, -1.5, 0)) * rng.normal(size=n)
    base = float(rng.uniform(-0.5, 1.5))
    if family in ("poisson", "nbinom1", "nbinom2"):
        base = float(rng.uniform(2.5, 6)) if kind == "small_sd" else float(rng.uniform(-1, 3))
    eta = eta + base
    if rng.random() < 0.15 and family in ("poisson", "nbinom1", "nbinom2", "Gamma(log)"):
        data["e"] = np.exp(rng.normal(size=n))
        terms += " + offset(log(e))"
        eta = eta + np.log(data["e"].to_numpy())
    if "offset(o)" in terms:
        eta = eta + data["o"].to_numpy()
    response = draw(rng, family, np.asarray(eta), data, kind)
    if not family.startswith("binomial") and (kind == "weights" or rng.random() < 0.05):
        data["w"] = weights(rng, n, float(rng.uniform(0.5, 4)))
        options["weights"] = "w"
    if kind == "far_origin":
        data["x"] = data["x"] + float(log_uniform(rng, 1, 3.5))
    if kind == "units":
        for name in ("x", "z", "k"):
            data[name] = data[name] * float(log_uniform(rng, -5, 5))
    return Case("generalized", seed, kind, f"{response} ~ {terms}", data, options)


def mixed(
    rng: Rng, kind: str, rows: tuple[int, int] = (20, 161), most: int = 3
) -> tuple[str, pd.DataFrame, np.ndarray]:
    """Terms, data and linear predictor without intercept of a model of any layout."""
    n = int(rng.integers(rows[0], 60 if kind == "saturated" else rows[1]))
    data = covariates(rng, n, groups(rng, n, few=kind == "few_levels", single=kind == "singletons"))
    parts = random_parts(rng, most=most, plain=kind == "singletons" and bool(rng.random() < 0.8))
    fixed = fixed_part(rng, simple=rng.random() < 0.5)
    if kind == "saturated":
        fixed += " + f * b + poly(z, 2)"
    low, high = SPREAD.get(kind, (-1.5, 0.3))
    scale = 0.5 * rng.normal(size=2)
    eta = scale[0] * data["x"].to_numpy() + scale[1] * data["z"].to_numpy()
    eta = eta + 0.5 * rng.normal(size=3)[pd.factorize(data["f"])[0]]
    for part in parts:
        eta = eta + drawn_effects(rng, data, part, low, high)
    return f"{fixed} + {' + '.join(p.text for p in parts if p.text)}", data, eta


def simpson(rng: Rng) -> tuple[str, pd.DataFrame, np.ndarray]:
    """The same with a covariate whose slope between groups differs from that inside them."""
    levels, size = int(rng.integers(4, 11)), int(rng.integers(4, 15))
    g = np.repeat(np.arange(levels), size)
    n = len(g)
    codes = groups(rng, n)
    codes["g"], codes["h"] = g, g * 2 + rng.integers(0, 2, n)
    data = covariates(rng, n, codes)
    level = rng.normal(0, rng.uniform(0.5, 3), levels)[g]
    inside = float(rng.choice([0.3, 0.5, 1.0])) * rng.normal(size=n)
    data["x"] = level + inside
    eta = rng.uniform(0.3, 2) * rng.choice([-1, 1]) * level + rng.uniform(-2, 2) * inside
    eta = eta + float(log_uniform(rng, -2, 0)) * rng.normal(size=levels)[g]
    fixed = str(rng.choice(["x", "x", "x", "x + z", "x * b", "poly(x, 2)"]))
    random = str(rng.choice(["(1 | g)", "(1 | g)", "(1 | g)", "(x | g)", "(x || g)", "(1 | g) + (1 | s)", "(1 | g/h)"]))
    return f"{fixed} + {random}", data, eta


def draw(rng: Rng, family: str, eta: np.ndarray, data: pd.DataFrame, kind: str) -> str:
    """Put a response into the data; returns the left side of the formula."""
    n = len(eta)
    if family.startswith("binomial"):
        mean = {
            "binomial": special.expit,
            "binomial(probit)": special.ndtr,
            "binomial(cloglog)": lambda v: -np.expm1(-np.exp(np.minimum(v, 3.0))),
        }[family](eta)
        if kind == "small_sd" or rng.random() < 0.6:
            trials = rng.integers(50, 400, n) if kind == "small_sd" else rng.integers(1, int(rng.choice([4, 30])), n)
            data["m"] = trials
            data["succ"] = rng.binomial(trials, mean)
            return "cbind(succ, m - succ)"
        data["y"] = rng.binomial(1, mean)
        return "y"
    if family == "beta":
        precision = float(log_uniform(rng, 0.3, 2.5))
        mean = np.clip(special.expit(eta), 1e-3, 1 - 1e-3)
        data["y"] = np.clip(rng.beta(mean * precision, (1 - mean) * precision), 1e-4, 1 - 1e-4)
        return "y"
    mean = np.exp(np.clip(eta, -8, 8))
    if family == "poisson":
        data["y"] = rng.poisson(mean)
    elif family == "nbinom2":
        size = float(log_uniform(rng, -0.5, 2))
        data["y"] = rng.poisson(rng.gamma(size, mean / size))
    elif family == "nbinom1":
        extra = float(log_uniform(rng, -1, 0.7))
        data["y"] = rng.poisson(rng.gamma(mean / extra, extra))
    elif family == "Gamma(log)":
        shape = float(log_uniform(rng, -0.3, 1.7))
        data["y"] = np.maximum(rng.gamma(shape, mean / shape), 1e-10)
    elif family == "inverse.gaussian(log)":
        spread = float(log_uniform(rng, -1, 0))
        data["y"] = np.clip(rng.wald(mean, mean / spread**2), 1e-8, 1e8)
    else:
        data["y"] = mean + float(log_uniform(rng, -1.5, 0.3)) * rng.normal(size=n)
    return "y"
