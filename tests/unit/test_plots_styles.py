"""Pictures in dark styles, with long labels, numbers in text, far-away groups and exposures."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb

from ranef import glmer, lmer, load_dataset
from ranef.data.labels import natural_order
from ranef.errors import OptionError, RanefWarning
from ranef.plots.labels import wrapped

pytestmark = pytest.mark.usefixtures("closed")


@pytest.fixture
def closed() -> Any:
    yield
    plt.close("all")


def luminance(colour: Any) -> float:
    """Relative luminance of a colour (WCAG 2.1)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def contrast(a: Any, b: Any) -> float:
    """Contrast of two colours, from 1 to 21 (WCAG 2.1)."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.fixture(scope="module")
def sleep() -> Any:
    return lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))


@pytest.fixture(scope="module")
def visits() -> Any:
    rng = np.random.default_rng(1)
    names = ["No treatment at all (waiting list)", "Cognitive behavioural therapy, weekly", "Medication (50 mg)"]
    d = pd.DataFrame({"visit": np.tile([f"Week {w}" for w in (4, 8, 12, 16)], 60), "id": np.repeat(np.arange(60), 4)})
    d["treatment"] = np.array(names)[d["id"] % 3]
    d["y"] = rng.normal(size=240) + rng.normal(size=60)[d["id"]]
    return lmer("y ~ treatment * visit + (1 | id)", d)


@pytest.mark.parametrize("style", ["default", "dark_background", "ggplot", "grayscale", "Solarize_Light2"])
def test_texts_and_marks_stand_out(sleep: Any, style: str) -> None:
    with plt.style.context(style):
        for ax in (sleep.plot.shrinkage(), *sleep.plot.caterpillar(), sleep.plot.residuals(), sleep.plot.fitted()):
            figure, inside = ax.figure.get_facecolor(), ax.get_facecolor()
            for text in (ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels()):
                assert contrast(text.get_color(), figure) > 4.5
            for line in ax.lines:
                assert contrast(line.get_color(), inside) > 2.5
            if (legend := ax.get_legend()) is not None:
                assert all(contrast(t.get_color(), figure) > 4.5 for t in (*legend.get_texts(), legend.get_title()))


def test_a_dark_figure_of_the_user(sleep: Any) -> None:
    _, ax = plt.subplots(facecolor="#101020")
    ax.set_facecolor("#181830")
    sleep.plot.qq(ax=ax)
    assert contrast(ax.xaxis.label.get_color(), "#101020") > 10


def test_levels_in_their_natural_order(visits: Any) -> None:
    weeks = ["Week 4", "Week 8", "Week 12", "Week 16"]
    assert [t.get_text() for t in visits.plot.predictions("visit").get_xticklabels()] == weeks
    assert [t.get_text() for t in visits.emmeans("visit").plot().get_xticklabels()] == weeks
    by = visits.plot.predictions("treatment", by="visit").get_legend()
    assert [t.get_text() for t in by.get_texts()] == weeks
    chosen = ["Week 16", "Week 4", "Week 12"]
    assert natural_order(chosen) == chosen
    assert natural_order(["a10", "a2", "a2", "b"]) == ["a2", "a10", "b"]
    assert natural_order([1, 2, 10]) == [1, 2, 10]


def test_contrasts_by_order_say_which_order(visits: Any) -> None:
    means = visits.emmeans("visit")
    with pytest.warns(RanefWarning, match="Week 12, Week 16, Week 4, Week 8; these contrasts go by that order"):
        means.contrast("consec")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        means.contrast("pairwise")


def test_long_labels_stay_level(visits: Any) -> None:
    ax = visits.plot.predictions("treatment")
    labels = ax.get_xticklabels()
    assert all(label.get_rotation() == 0 for label in labels)
    assert labels[2].get_text().replace("\n", " ") == "No treatment at all (waiting list)"
    assert wrapped(["a long label of six words", "short"], 10, 3) == ["a long\nlabel of\nsix words", "short"]
    # Labels that wrapping would make equal stay different.
    assert len(set(wrapped(["x" * 40 + "a", "x" * 40 + "b"], 10, 2))) == 2


def test_far_away_groups_are_arrows() -> None:
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(200), 4)
    x = rng.normal(size=800)
    x[:4] = [0.0, 0.001, 0.002, 0.003]  # the separate slope of the first group is nearly free
    y = x * (0.5 + 0.3 * rng.normal(size=200)[g]) + rng.normal(size=200)[g] + rng.normal(size=800)
    m = lmer("y ~ x + (x | g)", pd.DataFrame({"y": y, "x": x, "g": g}))
    ax = m.plot.shrinkage(effects="x")
    separate = ax.data["separate"].to_numpy()
    low, high = ax.get_xlim()
    beyond = int(((separate < low) | (separate > high)).sum())
    assert beyond > 0
    assert f"arrows: {beyond} separate fit" in ax.get_xlabel()
    q1, q3 = np.quantile(separate, [0.25, 0.75])
    assert high - low < 8 * (q3 - q1)
    assert "arrows: " in m.plot.shrinkage().get_xlabel()


def test_rates_over_rates() -> None:
    rng = np.random.default_rng(5)
    area = rng.uniform(0.5, 50, 300)
    x = rng.normal(size=300)
    site = np.repeat(np.arange(30), 10)
    count = rng.poisson(area * np.exp(0.2 + 0.5 * x + 0.4 * rng.normal(size=30)[site]))
    d = pd.DataFrame({"count": count, "x": x, "area": area, "site": site})
    m = glmer("count ~ x + offset(log(area)) + (1 | site)", d, family="poisson")
    ax = m.plot.predictions("x")
    assert ax.get_ylabel() == "count per area"
    # The rate of a typical site: exp of the linear predictor without its offset.
    eta = m.fixef["(Intercept)"] + m.fixef["x"] * ax.data["x"]
    np.testing.assert_allclose(ax.data["fit"], np.exp(eta), rtol=1e-12)
    points = ax.collections[0].get_offsets()
    np.testing.assert_allclose(points[:, 1], count / area, rtol=1e-12)
    lines = m.plot.fitted("x").data
    own = lines[(lines["part"] == "group") & (lines["level"] == "7")]
    b = m.ranef()["site"].loc["7", "(Intercept)"]
    np.testing.assert_allclose(own["y"], np.exp(m.fixef["(Intercept)"] + b + m.fixef["x"] * own["x"]), rtol=1e-9)
    given = glmer("count ~ x + (1 | site)", d, family="poisson", offset=np.log(area))
    other = given.plot.predictions("x")
    assert other.get_ylabel() == "count per unit of exposure"
    np.testing.assert_allclose(other.data["fit"], ax.data["fit"], rtol=1e-6)


def test_figsize(sleep: Any) -> None:
    for draw in (sleep.plot.shrinkage, sleep.plot.caterpillar, sleep.plot.qq, sleep.check):
        axes = draw(figsize=(9.5, 4.25))
        assert tuple(np.ravel(axes)[0].figure.get_size_inches()) == (9.5, 4.25)
    with pytest.raises(OptionError, match="figsize is for a new figure"):
        sleep.plot.qq(ax=plt.subplots()[1], figsize=(3, 3))
