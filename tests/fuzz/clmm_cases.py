"""Random models of ordered categories: every link and structure of thresholds, nominal effects and
scales, many with so few rows that standard deviations run far out.
"""

import numpy as np
import pandas as pd

from .case import Case
from .layout import Rng, log_uniform

LINKS = ("logit", "probit", "cloglog", "loglog", "cauchit")
THRESHOLDS = ("flexible", "flexible", "flexible", "equidistant", "symmetric", "symmetric2")
FIXED = ("x", "x + f", "x*z", "1", "f + z")
RANDOM = ("(1 | g)", "(1 | g) + (1 | h)", "(z | g)", "(1 | g) + (0 + z | g)", "(x | g)")
SCALES = ("~ z", "~ f", "~ x", "~ (1 | g)")


def clmm_case(seed: int) -> Case:
    """The case of ordered categories with a number."""
    rng = np.random.default_rng([91, seed])
    levels, size = int(rng.integers(4, 40)), int(rng.integers(2, 15))
    n = levels * size
    g = np.repeat(np.arange(levels), size) if rng.random() < 0.7 else rng.integers(0, levels, n)
    h = rng.integers(0, int(rng.integers(3, 12)), n)
    categories = int(rng.integers(3, 7))
    x = rng.normal(size=n) * log_uniform(rng, -1, 1.5) + 100.0 * (rng.random() < 0.2)
    f, z = rng.choice(list("abc"), n), rng.normal(size=n)
    latent = rng.normal() * x / x.std()
    latent = latent + rng.normal(size=levels)[g] * rng.choice([0, 0.3, 1, 3])
    latent = latent + rng.normal(size=20)[h] * rng.choice([0, 0.5, 1])
    latent = latent + rng.normal(size=levels)[g] * rng.choice([0, 0.5]) * z
    link = str(LINKS[rng.integers(len(LINKS))])
    latent = latent + drawn(rng, link, n) * np.exp(0.3 * z * (rng.random() < 0.3))
    cuts = np.quantile(latent, np.sort(rng.uniform(0.05, 0.95, categories - 1)))
    y = pd.Categorical(np.digitize(latent, cuts), ordered=True)
    data = pd.DataFrame({"g": g.astype(str), "h": h.astype(str), "x": x, "f": f, "z": z, "y": y})
    fixed, random = str(rng.choice(FIXED)), str(rng.choice(RANDOM))
    options: dict[str, object] = {"link": link, "threshold": str(THRESHOLDS[rng.integers(len(THRESHOLDS))])}
    if rng.random() < 0.2 and "z" not in fixed:
        options["nominal"] = "~ z"
    if rng.random() < 0.25:
        options["scale"] = str(rng.choice(SCALES))
    return Case("clmm", seed, link, f"y ~ {fixed} + {random}", data, options)


def drawn(rng: Rng, link: str, n: int) -> np.ndarray:
    """Draws (n,) of the latent variable about its location."""
    made = {
        # all are drawn, so that a number is the same case whatever the link
        "logit": rng.logistic(size=n),
        "probit": rng.normal(size=n),
        "cloglog": np.log(-np.log(rng.random(n))),
        "loglog": -np.log(-np.log(rng.random(n))),
        "cauchit": rng.standard_cauchy(n),
    }
    return np.asarray(made[link])
