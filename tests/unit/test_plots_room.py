"""No text of a picture covers another or leaves the figure,
with 5 groups and with 500, in large figures and small ones.
"""

from collections.abc import Callable, Iterator
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

from drawn_text import outside, overlaps
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ranef import lmer
from ranef.plots.labels import shortened


def grouped(groups: int, rows: int) -> pd.DataFrame:
    """Data with long names of levels, unequal groups and a factor."""
    rng = np.random.default_rng(7)
    g = np.repeat(np.arange(groups), rng.integers(rows - 2, rows + 3, groups))
    names = np.array(
        [f"A primary school with a long name, no. {i}" if i % 3 else f"school $ {i}" for i in range(groups)]
    )
    x = rng.normal(size=len(g))
    arm = np.array(["control", "treatment of the first kind"])[rng.integers(0, 2, len(g))]
    b = rng.normal(size=(groups, 2)) @ np.array([[1.0, 0.3], [0.0, 0.5]])
    y = 1 + 0.5 * x + b[g, 0] + b[g, 1] * x + rng.normal(size=len(g))
    return pd.DataFrame({"y": y, "x": x, "arm": arm, "school": names[g]})


@pytest.fixture(scope="module", params=[5, 500])
def model(request: pytest.FixtureRequest) -> Any:
    return lmer("y ~ x * arm + (x | school)", grouped(request.param, 20 if request.param == 5 else 8))


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


PICTURES: dict[str, Callable[[Any], Any]] = {
    "caterpillar": lambda m: m.plot.caterpillar(),
    "caterpillar, one effect": lambda m: m.plot.caterpillar(effect="x", order="level"),
    "shrinkage": lambda m: m.plot.shrinkage(),
    "shrinkage, one effect": lambda m: m.plot.shrinkage(effects="x"),
    "correlation": lambda m: m.plot.correlation(),
    "fitted": lambda m: m.plot.fitted(),
    "fitted, panels": lambda m: m.plot.fitted(panels=True),
    "residuals": lambda m: m.plot.residuals(),
    "scale_location": lambda m: m.plot.scale_location(),
    "qq": lambda m: m.plot.qq(),
    "qq of effects": lambda m: m.plot.qq("school"),
    "simulated": lambda m: m.plot.simulated_residuals(50, rng=1),
    "influence": lambda m: m.plot.influence(),
    "coefficients": lambda m: m.plot.coefficients(m, names=["one", "two"], intercept=True),
    "predictions": lambda m: m.plot.predictions("x", "arm"),
    "predictions by factor": lambda m: m.plot.predictions("arm", "x"),
    "check": lambda m: m.check(rng=1),
    "check, narrow": lambda m: m.check(rng=1, figsize=(7.5, 11)),
}


@pytest.mark.parametrize("name", PICTURES)
def test_texts_have_room(model: Any, name: str) -> None:
    figure = np.ravel(PICTURES[name](model))[0].figure
    assert overlaps(figure) == []
    assert outside(figure) == []


@pytest.mark.parametrize("size", [(4.0, 3.0), (9.0, 7.0)])
@pytest.mark.parametrize("name", ["caterpillar", "shrinkage", "fitted", "residuals", "qq", "predictions", "influence"])
def test_in_axes_of_the_user(model: Any, name: str, size: tuple[float, float]) -> None:
    calls: dict[str, Callable[[Any], Any]] = {
        "caterpillar": lambda ax: model.plot.caterpillar(effect="x", ax=ax),
        "shrinkage": lambda ax: model.plot.shrinkage(effects="x", ax=ax),
        "fitted": lambda ax: model.plot.fitted(ax=ax),
        "residuals": lambda ax: model.plot.residuals(ax=ax),
        "qq": lambda ax: model.plot.qq(ax=ax),
        "predictions": lambda ax: model.plot.predictions("x", "arm", ax=ax),
        "influence": lambda ax: model.plot.influence(ax=ax),
    }
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    before = dict(matplotlib.rcParams)
    assert calls[name](ax) is ax
    assert overlaps(figure) == []
    assert figure.get_size_inches().tolist() == list(size)
    assert plt.get_fignums() == []
    assert dict(matplotlib.rcParams) == before


def test_many_levels_of_a_factor_on_the_axis() -> None:
    rng = np.random.default_rng(2)
    d = pd.DataFrame({"f": [f"level number {i}" for i in range(60)] * 10, "g": np.repeat(list("abcdefghij"), 60)})
    d["y"] = rng.normal(size=600) + np.repeat(rng.normal(size=10), 60)
    ax = lmer("y ~ f + (1 | g)", d).plot.predictions("f")
    assert overlaps(ax.figure) == []
    assert len(ax.data) == 60
    assert "one label in" in ax.get_xlabel()


def test_short_labels() -> None:
    names = ["short", "a" * 60, "a" * 30 + "b" * 30, "a" * 59 + "c", "a" * 20 + "x" * 20 + "a" * 20, "a" * 60]
    short = shortened(names)
    assert max(map(len, short)) <= 24
    assert short[0] == "short"
    assert short[1] == short[5]
    assert len(set(short)) == 5
    assert shortened(["a $b$ c"]) == [r"a \$b\$ c"]
    assert shortened(["two\nlines"]) == ["two lines"]
