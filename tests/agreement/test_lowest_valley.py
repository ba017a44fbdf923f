"""Fits end in the lowest valley: data on which a local search
from small standard deviations ends in another one, values of R's programs.
"""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.fuzz.acceptance import independent_slopes

import ranef
from reference.store import FOLDER

RIGHT: dict[str, Any] = json.loads((FOLDER / "valleys.json").read_text(encoding="utf-8"))
pytestmark = pytest.mark.filterwarnings("ignore::ranef.errors.RanefWarning")


def data(name: str) -> pd.DataFrame:
    """One of the stored data sets."""
    d = pd.read_csv(Path(FOLDER) / "valleys" / f"{name}.csv", dtype={"f": str})
    if "o" in d:
        d["o"] = pd.Categorical(d["o"], categories=["lo", "mid", "hi"], ordered=True)
    return d


def simpson(
    seed: int, groups: int, size: int, spread: float, slope: float, between: float, noise: float
) -> pd.DataFrame:
    """A covariate with one slope within the groups and another one between them."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), size)
    level = rng.normal(0, spread, groups)
    x = level[g] + rng.normal(size=groups * size)
    y = between * level[g] + slope * (x - level[g]) + noise * rng.normal(size=groups * size)
    return pd.DataFrame({"y": y, "x": x, "g": g})


def simpson_slopes(seed: int) -> pd.DataFrame:
    """The same with random slopes: 0.3 within, about -1.6 between."""
    rng = np.random.default_rng(seed)
    groups, size = 8, 6
    g = np.repeat(np.arange(groups), size)
    level = rng.normal(0, 6, groups)
    x = (level + 10)[g] + rng.normal(size=groups * size)
    y = 0.3 * x + rng.normal(0, 0.05, groups)[g] * x - 1.9 * level[g] + 0.5 * rng.normal(size=groups * size)
    return pd.DataFrame({"y": y, "x": x, "g": g})


@pytest.mark.parametrize("case", RIGHT["linear"], ids=lambda c: f"{c['file']}-{c['formula'][:12]}")
def test_linear(case: dict[str, Any]) -> None:
    m = ranef.lmer(case["formula"], data(case["file"]), **case.get("options", {}))
    assert m.convergence.ok
    assert m.objective < case["objective"] + 6e-5  # what the stored digits leave open


@pytest.mark.parametrize("case", RIGHT["simpson"], ids=lambda c: str(c["made"][0]))
@pytest.mark.parametrize("start", [None, [1e-3]], ids=["own start", "small start"])
def test_slope_within_and_between_groups(case: dict[str, Any], start: list[float] | None) -> None:
    m = ranef.lmer("y ~ x + (1|g)", simpson(*case["made"]), start=start)
    assert m.convergence.ok
    assert m.objective == pytest.approx(case["objective"], abs=1e-4)
    assert m.fixef["x"] == pytest.approx(case["slope"], abs=1e-3)


@pytest.mark.parametrize("case", RIGHT["slopes"], ids=lambda c: str(c["seed"]))
def test_random_slope_within_and_between_groups(case: dict[str, Any]) -> None:
    m = ranef.lmer("y ~ x + (1 + x | g)", simpson_slopes(case["seed"]))
    assert m.objective == pytest.approx(case["objective"], abs=1e-3)
    assert m.fixef["x"] == pytest.approx(case["slope"], abs=1e-3)


@pytest.mark.parametrize("case", RIGHT["independent"], ids=lambda c: str(c["seed"]))
def test_independent_slopes_of_a_covariate_far_from_zero(case: dict[str, Any]) -> None:
    """lme4 from its own start ends 431 and 200 higher; its values are those from the right one."""
    made = independent_slopes(case["seed"])
    m = made.fit()
    assert m.convergence.ok
    assert m.objective == pytest.approx(case["objective"], abs=1e-5)
    assert m.fixef["x"] == pytest.approx(case["slope"], abs=1e-5)


@pytest.mark.parametrize("kind", [(6, 8, 6, -2, 3, 1), (6, 10, 3, -1, 2, 1), (5, 20, 10, -1, 2, 0.5)], ids=str)
def test_no_other_scale_is_lower(kind: tuple[float, ...]) -> None:
    """The profile over the one standard deviation,
    in steps so fine that no valley hides between them.
    """
    for seed in range(500, 515):
        m = ranef.lmer("y ~ x + (1|g)", simpson(seed, *kind))  # type: ignore[arg-type]
        core = m._fit.system.get(1)
        least = min(core.evaluate(np.array([t]), True, 1).objective for t in np.geomspace(1e-3, 1e4, 140))
        assert m.objective <= least + 1e-9


def test_iris_says_both_slopes() -> None:
    sklearn = pytest.importorskip("sklearn.datasets")
    b = sklearn.load_iris()
    d = pd.DataFrame(np.log(b.data[:, 2:4]), columns=["length", "width"]).assign(species=b.target_names[b.target])
    m = ranef.lmer("width ~ length + (1|species)", d)
    right = RIGHT["iris"]
    assert m.objective == pytest.approx(right["objective"], abs=1e-4)
    assert m.fixef["length"] == pytest.approx(right["slope"], abs=1e-4)
    lowest, other = m.convergence.valleys
    assert lowest.criterion == m.objective
    assert other.criterion > lowest.criterion + 1
    assert other.theta[0] == 0
    assert other.fixef[1] == pytest.approx(right["upper_slope"], abs=1e-4)
    (story,) = m.convergence.stories
    assert "length is 0.9902 here and 1.608 in another valley" in story
    assert story.endswith("width ~ length_within + length_between + (1|species)")
    # the advice works: with a slope of its own for the group means there is one valley
    d["length_between"] = d.groupby("species")["length"].transform("mean")
    d["length_within"] = d["length"] - d["length_between"]
    assert len(ranef.lmer("width ~ length_within + length_between + (1|species)", d).convergence.valleys) == 1


@pytest.mark.parametrize("case", RIGHT["generalized"], ids=lambda c: c["file"])
def test_generalized(case: dict[str, Any]) -> None:
    m = ranef.glmer(case["formula"], data(case["file"]), family=case["family"])
    assert m.convergence.ok
    assert m.objective == pytest.approx(case["objective"], abs=1e-5)


@pytest.mark.parametrize("case", RIGHT["poisson"], ids=lambda c: str(c["seed"]))
def test_poisson_with_a_small_spread(case: dict[str, Any]) -> None:
    rng = np.random.default_rng(case["seed"])
    g = np.repeat(np.arange(40), 10)
    x = rng.normal(size=400)
    y = rng.poisson(np.exp(-1 + 0.5 * x + 0.05 * rng.normal(size=40)[g] + np.log(100)))
    m = ranef.glmer(
        "y ~ x + offset(log(n)) + (1|g)", {"y": y, "x": x, "n": np.full(400, 100), "g": g}, family="poisson"
    )
    assert m.convergence.ok
    assert m.llf == pytest.approx(case["loglik"], abs=1e-3)
    assert m.theta.iloc[0] == pytest.approx(case["sd"], abs=2e-5)
    assert m.bse.iloc[0] == pytest.approx(case["se"], abs=1e-5)


@pytest.mark.parametrize("case", RIGHT["binomial"], ids=lambda c: str(c["seed"]))
def test_binomial_with_a_small_spread(case: dict[str, Any]) -> None:
    rng = np.random.default_rng(case["seed"])
    g = np.repeat(np.arange(40), 10)
    x = rng.normal(size=400)
    p = 1 / (1 + np.exp(-(-0.5 + 0.3 * x + 0.05 * rng.normal(size=40)[g])))
    d = {"s": rng.binomial(100, p), "n": np.full(400, 100), "x": x, "g": g}
    m = ranef.glmer("cbind(s, n - s) ~ x + (1|g)", d, family="binomial")
    assert m.convergence.ok
    assert m.llf == pytest.approx(case["loglik"], abs=2e-5)
    assert m.theta.iloc[0] == pytest.approx(case["sd"], abs=2e-5)


@pytest.mark.parametrize("case", RIGHT["gamma"], ids=lambda c: str(c["seed"]))
def test_gamma_slope_within_and_between_groups(case: dict[str, Any]) -> None:
    rng = np.random.default_rng(case["seed"])
    g = np.repeat(np.arange(6), 8)
    level = rng.normal(0, 2, 6)
    x = level[g] + 0.5 * rng.normal(size=48)
    y = rng.gamma(20, np.exp(1.5 * level[g] - (x - level[g])) / 20)
    m = ranef.glmer("y ~ x + (1|g)", pd.DataFrame({"y": y, "x": x, "g": g}), family="Gamma(log)")
    assert m.llf == pytest.approx(case["loglik"], abs=1e-3)
    assert m.fixef["x"] == pytest.approx(case["slope"], abs=1e-3)


@pytest.mark.parametrize(("family", "trials"), [("poisson", None), ("binomial", 100), ("binomial(cloglog)", 60)])
def test_no_small_spread_ends_at_zero(family: str, trials: int | None) -> None:
    """A fit from a start of the right size is no lower."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        g, x = np.repeat(np.arange(12), 12), rng.normal(size=144)
        eta = 0.2 * x + 0.1 * rng.normal(size=12)[g]
        d: dict[str, Any] = {"x": x, "g": g}
        options: dict[str, Any] = {"family": family}
        if trials is None:
            d["y"] = rng.poisson(20 * np.exp(eta))
        else:
            d |= {"y": rng.binomial(trials, 1 / (1 + np.exp(-eta))) / trials, "m": np.full(144, trials)}
            options["weights"] = "m"
        m = ranef.glmer("y ~ x + (1 | g)", d, **options)
        assert m.convergence.ok
        assert m.objective <= ranef.glmer("y ~ x + (1 | g)", d, start=[0.1], **options).objective + 1e-6


def test_replicates_are_not_caught() -> None:
    """Replicates begin at the truth; each ends where a first fit of the same response ends."""
    d = simpson(37, 6, 8, 2, -1, 1.2, 1)
    m = ranef.lmer("y ~ x + (1|g)", d)
    y = m.simulate(300, rng=1)
    many = m.refit(y)
    for i, column in enumerate(y.columns):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            alone = ranef.lmer("y ~ x + (1|g)", d.assign(y=y[column].to_numpy()))
        assert many.objective[i] == pytest.approx(alone.objective, abs=1e-6)


def test_a_single_valley_is_said() -> None:
    m = ranef.lmer("Reaction ~ Days + (Days | Subject)", ranef.load_dataset("sleepstudy"))
    assert len(m.convergence.valleys) == 1
    assert m.convergence.search.complete
    assert "no other optimum was met that is not much higher" in m.convergence.explanation
