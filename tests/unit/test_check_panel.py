"""The diagnostic panel: its numbers,
and sentences that say what was computed, not what is usual.
"""

from collections.abc import Iterator
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from scipy import stats

from ranef import lmer, load_dataset
from ranef.diagnostics.check import check
from ranef.diagnostics.check_sentences import (
    distribution_sentence,
    effect_shape_sentence,
    influence_sentence,
    residual_shape_sentence,
    spread_sentence,
)
from ranef.diagnostics.normal_shape import shape
from ranef.diagnostics.spread import spread_trend


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def sleep() -> Any:
    return lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))


def drawn(fault: str, rows: int = 600) -> Any:
    """A fit of a straight line to data with a fault."""
    rng = np.random.default_rng(11)
    g = np.repeat(np.arange(30), rows // 30)
    x = rng.uniform(-2, 2, rows)
    noise = rng.normal(size=rows)
    if fault == "spread":
        noise = noise * np.exp(0.5 * x)
    if fault == "tails":
        noise = rng.standard_t(2.5, rows)
    if fault == "skew":
        noise = rng.exponential(size=rows) * 1.5
    bend = x**2 if fault == "bend" else 0.0
    y = 1 + 2 * x + bend + rng.normal(size=30)[g] + noise
    if fault == "group":
        y[g == 4] += 6 * x[g == 4] + 4
    d = pd.DataFrame({"y": y, "x": x, "g": [f"g{i}" for i in g]})
    return lmer("y ~ x + (1 | g)", d)


def sentences(m: Any) -> dict[str, str]:
    return {p.kind: p.sentence for p in check(m._fit, 1)}


def test_panels_of_sleepstudy(sleep: Any) -> None:
    axes = sleep.check(rng=1)
    assert axes.shape == (6,)
    residuals, scale, quantiles, effects, influence, distribution = (ax.data for ax in axes)
    np.testing.assert_allclose(residuals["residual"], sleep.residuals("scaled"))
    np.testing.assert_allclose(scale["root_residual"] ** 2, sleep.rstudent().abs())
    np.testing.assert_allclose(quantiles["sample"], np.sort(sleep.rstudent()))
    assert len(effects) == 18
    changes = sleep.influence("Subject").dfbetas
    np.testing.assert_allclose(
        influence.set_index("level")["change"].abs(), changes.abs().max(axis=1).loc[influence["level"]]
    )
    y = load_dataset("sleepstudy")["Reaction"]
    np.testing.assert_allclose(distribution["observed"], [(y <= at).mean() for at in distribution["y"]])
    shares = np.column_stack([y, sleep.simulate(99, rng=1).to_numpy()])
    middle = distribution.iloc[20]
    assert (middle["lower"] + middle["upper"]) / 2 == pytest.approx((shares <= middle["y"]).mean())
    # Three residuals of sleepstudy are beyond 3 sigma; 180 * 0.0027 are expected.
    assert "3 of 180 lie beyond 3 standard deviations, where a normal distribution puts 0.5" in axes[2].sentence
    assert "18 levels are too few" in axes[3].sentence
    top = changes.abs().max(axis=1).idxmax()
    assert f"Without Subject {top} the coefficient {changes.loc[top].abs().idxmax()}" in axes[4].sentence


def test_a_right_model_is_not_blamed() -> None:
    said = sentences(drawn("none"))
    assert said["residuals"].startswith("No clear bend: a curve along x moves predictions by at most 0.")
    assert said["scale"].startswith("The spread looks even")
    assert said["residual_quantiles"].startswith("No clear departure")
    assert said["distribution"].startswith("The model produces responses like those observed")
    assert "no single level decides" in said["influence"]


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("bend", "residuals", "A bend: a curve along x moves predictions by at most 1.5 residual"),
        ("spread", "scale", "The spread grows with the fitted values"),
        ("tails", "residual_quantiles", "heavy in the tails"),
        ("skew", "residual_quantiles", "skewed to the right"),
        ("group", "influence", "Without g g4 the coefficient x moves by"),
    ],
)
def test_faults_are_named(fault: str, kind: str, words: str) -> None:
    assert words in sentences(drawn(fault))[kind]


def test_nothing_to_bend() -> None:
    strong = lmer("Yield ~ 1 + (1 | Batch)", load_dataset("dyestuff"))
    assert "a bend could not be seen" in sentences(strong)["residuals"]


def test_spread() -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(0, 10, 500)
    e = np.sqrt(np.abs(rng.normal(size=500)))
    even = spread_sentence(spread_trend(x, np.tile(np.sqrt([0.5, 1.5]), 250)))
    assert even.sentence.startswith("The spread looks even: residuals are from ")
    assert not even.concern
    growing = spread_trend(x, e * np.sqrt(1 + x))
    assert growing is not None
    # the standard deviation at x is (1 + x) / 6 times that in the middle
    assert growing.relative[-1] / growing.relative[0] == pytest.approx(growing.x[-1] + 1, rel=0.4)
    assert spread_sentence(growing).sentence.startswith("The spread grows with the fitted values")
    assert spread_sentence(spread_trend(-x, e * np.sqrt(1 + x))).sentence.startswith("The spread shrinks")
    assert spread_sentence(spread_trend(x, e * np.sqrt(1 + (x - 5) ** 2))).sentence.startswith("The spread changes")
    assert "too few" in spread_sentence(spread_trend(np.ones(500), e)).sentence
    many = rng.uniform(0, 10, 40_000)
    little = np.sqrt(np.abs(rng.normal(size=40_000)) * (1 + 0.01 * (many - 5)))
    assert spread_sentence(spread_trend(many, little)).sentence.startswith(
        "The spread is uneven, detectably but little"
    )


def test_shapes() -> None:
    normal = stats.norm.ppf((np.arange(200) + 0.5) / 200)
    assert residual_shape_sentence(normal).sentence.startswith("No clear departure")
    assert "skewed to the left" in residual_shape_sentence(-np.exp(normal)).sentence
    assert "With 5 residuals" in residual_shape_sentence(normal[:5]).sentence
    light = np.linspace(-1.7, 1.7, 200)
    assert "light in the tails" in effect_shape_sentence(light, shape(light), 1e-4, "x of g", 1).sentence
    assert "estimated as zero" in effect_shape_sentence(normal[:0], None, None, "x of g", 1).sentence
    assert "Of 3 random effects" in effect_shape_sentence(normal, shape(normal), 0.9, "x of g", 3).sentence
    many = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    slight = residual_shape_sentence(many + 0.02 * many**2)
    assert slight.sentence.startswith("The residuals are detectably but only slightly not normal: somewhat skewed")


@pytest.mark.parametrize("n", [20, 150, 5000])
def test_shapes_are_those_of_scipy(n: int) -> None:
    rng = np.random.default_rng(n)
    for values in (rng.normal(size=n), rng.exponential(size=n), rng.uniform(size=n)):
        found = shape(values)
        assert found.skewness == pytest.approx(stats.skew(values))
        assert found.excess == pytest.approx(stats.kurtosis(values))
        assert found.skew_size == pytest.approx(stats.skewtest(values).statistic, rel=1e-9)
        assert found.tail_size == pytest.approx(stats.kurtosistest(values).statistic, rel=1e-9)


def test_influence_and_distribution() -> None:
    frame = pd.DataFrame({"level": ["a", "b", "c"], "term": ["x", "z", "x"], "change": [0.1, -1.4, np.nan]})
    said = influence_sentence(frame, "g", 0.001)
    assert "Without g b the coefficient z moves by 1.40" in said.sentence
    assert "1 level moves a coefficient by more than one standard error" in said.sentence
    assert "Without g c some fixed effect cannot be estimated" in said.sentence
    assert said.concern
    usual = influence_sentence(frame, "g", 0.4)
    assert "with 3 levels a correct model often has one that weighs so much (p = 0.4)" in usual.sentence
    assert not usual.concern
    assert not distribution_sentence(0.05, 3.0, 99, "w", 0.5).concern
    assert "detectably but little" in distribution_sentence(0.004, 3.0, 99, "w", 0.001).sentence
    off = distribution_sentence(0.05, 3.0, 99, "w", 0.001)
    assert off.concern
    assert "by at most 5 % of the rows, most clearly near 3 (p = 0.001)" in off.sentence


def test_axes_of_the_user(sleep: Any) -> None:
    figure, axes = plt.subplots(2, 3, figsize=(13, 9), layout="constrained")
    out = sleep.check(rng=1, ax=axes)
    assert list(out) == list(axes.ravel())
    assert all(" ".join(ax.sentence.split()[:3]) in " ".join(ax.get_xlabel().split()) for ax in out)
    assert figure is out[0].figure


def test_models_at_the_edge() -> None:
    d = load_dataset("dyestuff")
    none = lmer("Yield ~ 0 + (1 | Batch)", d)
    said = sentences(none)
    assert "no fixed effects" in said["influence"]
    assert len(none.check(rng=1)) == 6
    weighted = lmer("Reaction ~ Days + (1 | Subject)", load_dataset("sleepstudy"), weights=np.linspace(0.5, 2, 180))
    assert len(weighted.check(rng=1)) == 6
