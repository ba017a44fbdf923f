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
    shares = sleep.simulate(49, rng=1).to_numpy()
    np.testing.assert_allclose(distribution["upper"], [(shares <= at).mean(axis=0).max() for at in distribution["y"]])
    # Three residuals of sleepstudy are beyond 3 sigma; 180 * 0.0027 are expected.
    assert "3 of 180 lie beyond 3 standard deviations, where a normal distribution puts 0.5" in axes[2].sentence
    assert "18 levels are too few" in axes[3].sentence
    top = changes.abs().max(axis=1).idxmax()
    assert f"Without Subject {top} the coefficient {changes.loc[top].abs().idxmax()}" in axes[4].sentence


def test_a_right_model_is_not_blamed() -> None:
    said = sentences(drawn("none"))
    assert said["residuals"].startswith("No clear bend")
    assert said["scale"].startswith("The spread looks even")
    assert said["residual_quantiles"].startswith("No clear departure")
    assert said["distribution"].startswith("The model produces responses like those observed")
    assert "no single level decides" in said["influence"]


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("bend", "residuals", "A bend: near a fitted value"),
        ("spread", "scale", "The spread grows with the fitted values"),
        ("tails", "residual_quantiles", "heavy in the tails"),
        ("skew", "residual_quantiles", "skewed to the right"),
        ("group", "influence", "Without g g4 the coefficient x moves by"),
    ],
)
def test_faults_are_named(fault: str, kind: str, words: str) -> None:
    assert words in sentences(drawn(fault))[kind]


def test_the_rise_of_residuals_is_that_of_shrinkage(sleep: Any) -> None:
    """At a REML optimum the slope along conditional fitted values follows
    from the hat matrix alone, as the sentence presumes.
    """
    for m in (sleep, drawn("none"), drawn("tails")):
        fitted = m.fittedvalues - m.fittedvalues.mean()
        slope = (fitted @ m.resid) / (fitted @ fitted)
        expected = m.sigma**2 * (m.hatvalues().sum() - len(m.fixef)) / (fitted @ fitted)
        assert slope == pytest.approx(expected, rel=1e-3)
    strong = lmer("Yield ~ 1 + (1 | Batch)", load_dataset("dyestuff"))
    said = sentences(strong)["residuals"]
    assert "fewer than ten different values" in said
    assert "comes from shrinkage" in said


def test_spread() -> None:
    fitted = np.arange(30.0)
    even = np.tile([1.0, -1.0], 15)
    assert spread_sentence(fitted, even).startswith("The spread looks even: residuals in the upper third")
    assert "1.00 times" in spread_sentence(fitted, even)
    growing = np.where(np.arange(30) % 2, 1.0, -1.0) * (1 + fitted)
    ratio = np.sqrt(np.mean((1 + fitted[20:]) ** 2) / np.mean((1 + fitted[:10]) ** 2))
    assert f"{ratio:.2f} times as large" in spread_sentence(fitted, growing)
    assert spread_sentence(fitted, growing[::-1]).startswith("The spread shrinks")
    assert "too few" in spread_sentence(np.ones(30), even)


def test_shapes() -> None:
    normal = stats.norm.ppf((np.arange(200) + 0.5) / 200)
    assert residual_shape_sentence(normal).startswith("No clear departure")
    assert "skewed to the left" in residual_shape_sentence(-np.exp(normal))
    assert "With 5 residuals" in residual_shape_sentence(normal[:5])
    assert "light in the tails" in effect_shape_sentence(np.linspace(-1.7, 1.7, 200), "x", "g", 1)
    assert "estimated as zero" in effect_shape_sentence(np.full(9, np.nan), "x", "g", 1)
    assert "Of 3 random effects" in effect_shape_sentence(normal, "x", "g", 3)


def test_influence_and_distribution() -> None:
    frame = pd.DataFrame({"level": ["a", "b", "c"], "term": ["x", "z", "x"], "change": [0.1, -1.4, np.nan]})
    said = influence_sentence(frame, "g")
    assert "Without g b the coefficient z moves by 1.40" in said
    assert "1 level moves a coefficient by more than one standard error" in said
    assert "Without g c some fixed effect cannot be estimated" in said
    curves = pd.DataFrame({"y": np.arange(10.0), "observed": [0.5] * 10, "lower": [0.4] * 10, "upper": [0.6] * 10})
    assert "over 100 % of the range of w" in distribution_sentence(curves, 49, "w")
    curves.loc[2:4, "observed"] = [0.7, 0.9, 0.7]
    off = distribution_sentence(curves, 49, "w")
    assert "does not produce" in off
    assert "over 70 % of the range of w, and is furthest off near 3" in off


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
