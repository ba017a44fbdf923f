"""The kinds of data on which fits once ended wrong,
with as many other data sets as one likes, and bootstraps of a model with two valleys.
"""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from ranef import RanefWarning, lmer

from .case import Case
from .run import run_case

CHECKS = ("other starts", "free search")


def _two_levels(
    seed: int, groups: int, size: int, spread: float, slope: float, between: float, noise: float
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), size)
    level = rng.normal(0, spread, groups)
    x = level[g] + rng.normal(size=groups * size)
    y = between * level[g] + slope * (x - level[g]) + noise * rng.normal(size=groups * size)
    return pd.DataFrame({"y": y, "x": x, "g": g})


def intercepts(seed: int) -> Case:
    """A random intercept; the covariate has another slope between groups than inside them."""
    layouts = ((6, 8, 6, -2, 3, 1), (6, 10, 3, -1, 2, 1), (5, 20, 10, -1, 2, 0.5), (6, 50, 20, 5, 1, 2))
    return Case("linear", seed, "intercepts", "y ~ x + (1 | g)", _two_levels(seed, *layouts[seed % 4]))


def slopes(seed: int) -> Case:
    """The same with correlated slopes, and the covariate far from zero."""
    rng = np.random.default_rng(seed)
    groups, size = 8, 6
    g = np.repeat(np.arange(groups), size)
    level = rng.normal(0, 6, groups)
    x = (level + 10)[g] + rng.normal(size=groups * size)
    y = 0.3 * x + rng.normal(0, 0.05, groups)[g] * x - 1.9 * level[g] + 0.5 * rng.normal(size=groups * size)
    return Case("linear", seed, "slopes", "y ~ x + (1 + x | g)", pd.DataFrame({"y": y, "x": x, "g": g}))


def independent_slopes(seed: int) -> Case:
    """Intercepts and slopes independent of each other in the middle of the data,
    the covariate far from zero, so that the model as written must have large intercepts.
    """
    rng = np.random.default_rng(seed)
    mean, n = (10.0, 100.0, 1000.0)[seed % 3], (500, 1000, 2000)[seed // 3 % 3]
    x = rng.normal(size=n)
    y = 0.5 * x + rng.normal(size=n)
    data = {"x": mean + x}
    for name in ("g", "h"):
        levels = n // 30
        codes = rng.integers(0, levels, n)
        effects = rng.normal(0, 10.0 ** rng.uniform(-1, 0, 2), (levels, 2))[codes]
        y += effects[:, 0] + effects[:, 1] * x
        data[name] = codes
    return Case("linear", seed, "independent slopes", "y ~ x + (x || g) + (x || h)", pd.DataFrame({"y": y, **data}))


def counts(seed: int) -> Case:
    """Counts of about 37 with groups that differ by five per cent."""
    rng = np.random.default_rng(seed)
    groups, size, n = 40, 10, 100
    g = np.repeat(np.arange(groups), size)
    x = rng.normal(size=groups * size)
    y = rng.poisson(np.exp(-1 + 0.5 * x + 0.05 * rng.normal(size=groups)[g] + np.log(n)))
    data = pd.DataFrame({"y": y, "x": x, "n": n, "g": g})
    return Case("generalized", seed, "counts", "y ~ x + offset(log(n)) + (1 | g)", data, {"family": "poisson"})


def proportions(seed: int) -> Case:
    """Proportions out of 100 with groups that differ by a twentieth of a logit."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(40), 10)
    x = rng.normal(size=400)
    p = 1 / (1 + np.exp(-(-0.5 + 0.3 * x + 0.05 * rng.normal(size=40)[g])))
    data = pd.DataFrame({"s": rng.binomial(100, p), "n": 100, "x": x, "g": g})
    return Case("generalized", seed, "proportions", "cbind(s, n - s) ~ x + (1 | g)", data, {"family": "binomial"})


def gammas(seed: int) -> Case:
    """A Gamma response whose slope inside groups has the other sign."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(6), 8)
    level = rng.normal(0, 2, 6)
    x = level[g] + 0.5 * rng.normal(size=48)
    mean = np.exp(1.5 * level[g] - (x - level[g]))
    data = pd.DataFrame({"y": rng.gamma(20, mean / 20), "x": x, "g": g})
    return Case("generalized", seed, "gammas", "y ~ x + (1 | g)", data, {"family": "Gamma(log)"})


def small_counts(seed: int) -> Case:
    """Counts of about 20 in 12 groups that differ by a tenth."""
    rng = np.random.default_rng(seed)
    g, x = np.repeat(np.arange(12), 12), rng.normal(size=144)
    y = rng.poisson(20 * np.exp(0.2 * x + 0.1 * rng.normal(size=12)[g]))
    return Case(
        "generalized",
        seed,
        "small counts",
        "y ~ x + (1 | g)",
        pd.DataFrame({"x": x, "g": g, "y": y}),
        {"family": "poisson"},
    )


def slope_counts(seed: int) -> Case:
    """Counts with a random slope that differs by a twentieth."""
    rng = np.random.default_rng(seed)
    g, x = np.repeat(np.arange(20), 10), rng.normal(size=200)
    y = rng.poisson(np.exp(3.5 + (0.3 + 0.05 * rng.normal(size=20)[g]) * x + 0.1 * rng.normal(size=20)[g]))
    return Case(
        "generalized",
        seed,
        "slope counts",
        "y ~ x + (x | g)",
        pd.DataFrame({"x": x, "g": g, "y": y}),
        {"family": "poisson"},
    )


KINDS: dict[str, Callable[[int], Case]] = {
    f.__name__.replace("_", " "): f
    for f in (intercepts, slopes, independent_slopes, counts, proportions, gammas, small_counts, slope_counts)
}


def failures(kind: str, n: int, seed: int) -> Iterator[tuple[int, str]]:
    """The seeds of a kind at which the fit did not converge or is beaten, and how."""
    for s in range(seed, seed + n):
        o = run_case(KINDS[kind](s), CHECKS)
        worst = max((f.gap for f in o.findings), default=0.0)
        if not o.ok or o.findings:
            causes = ", ".join(sorted({f.cause for f in o.findings}))
            yield s, f"{o.status}, {worst:.3g} above the best ({causes})"


def two_valleys() -> tuple[Any, pd.DataFrame]:
    """The fit of a model whose REML criterion has two valleys,
    to draw bootstrap replicates from, and its data.
    """
    data = _two_levels(37, 6, 8, 6, -2, 3, 1)
    return quiet(lmer, "y ~ x + (1 | g)", data, n_threads=1, start=[30.0]), data


#: Ways to fit a replicate, none of which may end in the wrong valley.
WRONG = ("fresh", "refit matrix", "refit", "refit from flat")


def wrong_valleys(n: int, seed: int, effects: str = "conditional") -> dict[str, int]:
    """Fits of simulated responses of the model with two valleys,
    each held against fresh fits from small and large standard deviations.

    Parameters
    ----------
    n : int
        Responses.
    seed : int
    effects : {"conditional", "new"}
        Whether the groups keep their effects, which go with the covariate, so that every response
        has two valleys; or draw new ones.

    Returns
    -------
    dict
        How many of ``fresh`` fits, of ``refit`` of a matrix, of ``refit`` of one response after the
        other and of ``refit`` by a model of a response without group effects are above the best of
        all by more than 1e-6; how many of ``best`` and of the replicates of ``bootstrap`` have a
        slope of the wrong sign. The last two are samples of one distribution.
    """
    m, data = two_valleys()
    y = m.simulate(n, rng=seed, re=effects).to_numpy()
    matrix = quiet(m.refit, y)
    flat = quiet(m.refit, data["x"].to_numpy() + np.random.default_rng(seed).normal(size=len(data)))
    from_flat = quiet(flat.refit, y)
    found = dict.fromkeys((*WRONG, "wrong sign: best", "wrong sign: bootstrap"), 0)
    for j in range(n):
        d = data.assign(y=y[:, j])
        fresh = quiet(lmer, "y ~ x + (1 | g)", d, n_threads=1)
        others = [quiet(lmer, "y ~ x + (1 | g)", d, n_threads=1, start=[t]) for t in (0.03, 1.0, 10.0, 100.0)]
        one = quiet(m.refit, y[:, j])
        best = min([fresh, one, *others], key=lambda k: k.objective)
        limit = min(best.objective, matrix.objective[j], from_flat.objective[j]) + 1e-6
        found["fresh"] += bool(fresh.objective > limit)
        found["refit matrix"] += bool(matrix.objective[j] > limit)
        found["refit from flat"] += bool(from_flat.objective[j] > limit)
        found["refit"] += bool(one.objective > limit)
        found["wrong sign: best"] += bool(best.fixef["x"] > 0)
    slopes_ = quiet(m.bootstrap, n, rng=seed, re=effects).to_frame("wide")["x"]
    found["wrong sign: bootstrap"] = int((slopes_ > 0).sum())
    return found


def report(n: int, replicates: int, seed: int) -> int:
    """Run everything and print; returns 1 if a fit is wrong."""
    bad = 0
    for kind in KINDS:
        found = list(failures(kind, n, seed))
        bad += len(found)
        print(f"{kind:16s} {len(found):4d} of {n} wrong or not converged" + (": " if found else ""), flush=True)
        for s, what in found[:5]:
            print(f"    {s}: {what}")
    for effects in ("conditional", "new"):
        wrong = wrong_valleys(replicates, seed, effects)
        bad += sum(wrong[k] for k in WRONG)
        print(f"bootstrap of {replicates} replicates, {effects} effects, wrong: {wrong}")
    return int(bad > 0)


def quiet(call: Callable[..., Any], *positional: Any, **named: Any) -> Any:
    """Call without warnings of the package."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RanefWarning)
        return call(*positional, **named)
