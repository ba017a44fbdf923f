"""Random models of several linear predictors: zero inflation, hurdles, dispersion and shape."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ranef.families.family import Family
from ranef.families.names import parse_family

from .case import Case
from .generalized_cases import mixed, simpson
from .layout import Rng, log_uniform

KINDS = (
    "plain", "plain", "plain", "plain", "simpson", "small_sd", "large_sd", "weights", "far_origin", "units",
    "few_levels", "singletons",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Made:
    """A family with what its data are drawn with.

    Attributes
    ----------
    name : str
        As the argument ``family`` has it.
    base : (float, float)
        Limits of the mean of the conditional predictor.
    disp : (float, float) or None
        Of the dispersion's predictor.
    shapes : dict
        Of the shape's predictors.
    zeros : str
        ``inflated`` or ``hurdle`` where there may be a zero part, else empty.
    size : float
        Of the linear predictor beside the intercept, times that of other families.
    """

    name: str
    base: tuple[float, float]
    disp: tuple[float, float] | None = None
    shapes: tuple[tuple[str, float, float], ...] = ()
    zeros: str = ""
    size: float = 1.0


FAMILIES = (
    Made("poisson", (-0.5, 2), zeros="inflated"),
    Made("poisson(sqrt)", (2, 4), zeros="inflated", size=0.3),
    Made("nbinom2", (-0.5, 2.5), (-0.7, 3), zeros="inflated"),
    Made("nbinom1", (-0.5, 2.5), (-1.5, 1.5), zeros="inflated"),
    Made("genpois", (0, 2.5), (0.1, 1.2), zeros="inflated"),
    Made("compois", (0.5, 2), (-0.7, 0.7), zeros="inflated", size=0.6),
    Made("truncated_poisson", (-0.5, 2), zeros="hurdle"),
    Made("truncated_nbinom2", (0, 2.5), (-0.5, 3), zeros="hurdle"),
    Made("truncated_nbinom1", (0, 2.5), (-1, 1.5), zeros="hurdle"),
    Made("truncated_genpois", (0, 2.5), (0.1, 1), zeros="hurdle"),
    Made("truncated_compois", (0.5, 2), (-0.7, 0.5), zeros="hurdle", size=0.6),
    Made("binomial", (-1, 1), zeros="inflated"),
    Made("binomial(cloglog)", (-1.5, 0), zeros="inflated", size=0.7),
    Made("betabinomial", (-1, 1), (0, 3), zeros="inflated"),
    Made("betabinomial(probit)", (-0.7, 0.7), (0, 3), zeros="inflated", size=0.7),
    Made("beta", (-1, 1), (0.7, 3.5), zeros="hurdle"),
    Made("ordbeta", (-1, 1), (0.7, 3), (("cut1", -2.5, -1), ("log_gap", 0.8, 1.4))),
    Made("zoib", (-1, 1), (0.7, 3), (("zoi", -2, 0), ("coi", -1, 1))),
    Made("tweedie", (-0.5, 2), (-1, 1), (("psi", -1, 1),)),
    Made("Gamma(log)", (-0.5, 2), (-1.5, 0), zeros="hurdle"),
    Made("lognormal", (-1, 2), (-1.5, 0.3), zeros="hurdle"),
    Made("t", (-5, 5), (-1, 1), (("log_df", 0.7, 3),)),
    Made("skewnormal", (-5, 5), (-1, 1), (("slant", -5, 5),)),
    Made("gaussian", (-5, 5), (-1, 1)),
)


def families_case(seed: int) -> Case:
    """The case of several linear predictors with a number."""
    rng = np.random.default_rng([6, seed])
    kind, made = str(rng.choice(KINDS)), FAMILIES[int(rng.integers(len(FAMILIES)))]
    options: dict[str, object] = {"family": made.name}
    family = parse_family(made.name)
    terms, data, eta = simpson(rng) if kind == "simpson" else mixed(rng, kind, (60, 240), 2)
    n = len(data)
    at: dict[str, np.ndarray] = {}
    if made.zeros and (rng.random() < 0.6 or (not family.by_predictors and made.disp is None)):
        options["zi_formula"], zeta = predictor(rng, data, terms)
        at["zi"] = zeta + float(rng.uniform(-2, 1))
    if made.disp is not None:
        delta = np.full(n, float(rng.uniform(*made.disp)))
        if rng.random() < 0.35 or ("zi" not in at and not family.by_predictors):
            options["disp_formula"], more = predictor(rng, data, terms, most=0.4)
            delta = delta + more
        at["disp"] = delta
    at |= {name: np.full(n, float(rng.uniform(low, high))) for name, low, high in made.shapes}
    terms, options = shared(rng, terms, options)
    eta = made.size * eta + float(rng.uniform(*made.base))
    if "offset(o)" in terms:
        eta = eta + data["o"].to_numpy()
    response = draw(rng, family, np.asarray(eta), at, data)
    if family.support != "proportion" and (kind == "weights" or rng.random() < 0.05):
        data["w"] = rng.integers(1, 4, n).astype(float)
        options["weights"] = "w"
    if kind == "far_origin":
        data["x"] = data["x"] + float(log_uniform(rng, 1, 3.5))
    if kind == "units":
        for name in ("x", "z", "k"):
            data[name] = data[name] * float(log_uniform(rng, -5, 5))
    return Case("families", seed, kind, f"{response} ~ {terms}", data, options)


def predictor(rng: Rng, data: pd.DataFrame, terms: str, most: float = 1.0) -> tuple[str, np.ndarray]:
    """The formula of another predictor, and its values without the intercept."""
    n = len(data)
    value = np.zeros(n)
    fixed = str(rng.choice(["1", "1", "x", "z", "f", "b", "x + b"]))
    for name in ("x", "z"):
        if name in fixed.split(" + "):
            value = value + most * float(rng.uniform(-1, 1)) * data[name].to_numpy()
    for name in ("f", "b"):
        if name in fixed.split(" + "):
            value = value + most * rng.uniform(-1, 1, 3)[pd.factorize(data[name])[0]]
    if rng.random() < 0.35:
        group = str(rng.choice(["g", "g", "s"]))
        fixed += f" + (1 | {group})"
        codes = pd.factorize(data[group])[0]
        value = value + most * float(log_uniform(rng, -1, 0)) * rng.normal(size=codes.max() + 1)[codes]
    return f"~ {fixed}", value


def shared(rng: Rng, terms: str, options: dict[str, object]) -> tuple[str, dict[str, object]]:
    """Let intercepts of the conditional predictor and of another be one block, now and then."""
    for key in ("zi_formula", "disp_formula"):
        text = str(options.get(key, ""))
        if "(1 | g)" in text and "(1 | g)" in terms and rng.random() < 0.5:
            named = {**options, key: text.replace("(1 | g)", "(1 |p| g)")}
            return terms.replace("(1 | g)", "(1 |p| g)"), named
    return terms, options


def draw(rng: Rng, family: Family, eta: np.ndarray, at: dict[str, np.ndarray], data: pd.DataFrame) -> str:
    """Put a response into the data; returns the left side of the formula."""
    n = len(eta)
    low, high = {"log": (-4, 4.5), "sqrt": (0.3, 8), "cloglog": (-5, 2), "identity": (-1e3, 1e3)}.get(
        family.link, (-6, 6)
    )
    eta = np.clip(eta, low, high)
    at = {k: np.clip(v, -5, 5) for k, v in at.items()}
    trials = rng.integers(2, int(rng.choice([5, 30])), n).astype(float)
    y = family.draw_with(rng, family.mean(eta), at, trials)
    if family.support in ("open_unit", "unit"):
        y = np.where((y > 0) & (y < 1), np.clip(y, 1e-5, 1 - 1e-5), y)
    if family.support in ("positive", "nonnegative"):
        y = np.where(y > 0, np.clip(y, 1e-8, 1e8), y)
    if "zi" in at:
        y = np.where(rng.random(n) < 1 / (1 + np.exp(-at["zi"])), 0.0, y)
        y[int(rng.integers(n))] = 0.0
    if family.support == "proportion":
        data["m"] = trials
        data["succ"] = np.rint(y * trials)
        return "cbind(succ, m - succ)"
    data["y"] = y
    return "y"
