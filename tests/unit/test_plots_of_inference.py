"""Pictures of profiles, bootstraps, marginal means and power, drawn from frames."""

from collections.abc import Iterator

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

from drawn_text import outside, overlaps
from matplotlib import pyplot as plt
from scipy import stats

from ranef import OptionError
from ranef.inference.profile_density import profile_density
from ranef.plots.bootstrap_ridge import bootstrap_ridge
from ranef.plots.interaction import interaction
from ranef.plots.power_curve import power_curve
from ranef.plots.profile_curves import profile_densities, profile_zeta


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def profiles(count: int) -> pd.DataFrame:
    """Curves whose zeta is known:
    a straight line (the normal law) and the logarithm of a standard deviation.
    """
    parts = []
    for i in range(count):
        if i % 2 == 0:
            zeta = np.linspace(-4, 4, 21)
            value = 10.0 + 2.0 * zeta
        else:
            value = np.linspace(0.2, 6, 40)
            zeta = 2.0 * np.log(value / 1.5)
        parts.append(pd.DataFrame({"parameter": f"sd of a long name (Intercept) {i}", "value": value, "zeta": zeta}))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("count", [1, 6, 12])
def test_profiles(count: int) -> None:
    frame = profiles(count)
    zeta = profile_zeta(frame)
    assert len(zeta) == count
    assert zeta[0].data["zeta"].tolist() == frame["zeta"].tolist()[:21]
    assert overlaps(zeta[0].figure) == []
    density = profile_density(frame)
    axes = profile_densities(density, pd.Series({frame["parameter"][0]: 10.0}))
    normal = axes[0].data
    np.testing.assert_allclose(normal["density"], stats.norm.pdf(normal["value"], 10.0, 2.0), rtol=1e-9)
    if count > 1:  # zeta = 2 log(value / 1.5) is standard normal: the value is log-normal
        other = axes[1].data
        expected = stats.lognorm.pdf(other["value"], s=0.5, scale=1.5)
        np.testing.assert_allclose(other["density"], expected, atol=0.01 * expected.max())
    assert overlaps(axes[0].figure) == []
    assert outside(axes[0].figure) == []


def test_too_many_profiles() -> None:
    with pytest.raises(OptionError, match="at most 12"):
        profile_zeta(profiles(13))
    with pytest.raises(OptionError, match="no parameter"):
        profile_densities(profile_density(profiles(1).iloc[:2]))


@pytest.mark.parametrize("count", [5, 40])
def test_bootstrap(count: int) -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({f"quantity with a long name, no. {i}": rng.gamma(3.0, i + 1.0, 200) for i in range(count)})
    frame.iloc[3] = np.nan
    frame["constant"] = 1.0
    if count == 40:
        with pytest.raises(OptionError, match="at most 40"):
            bootstrap_ridge(frame, frame.mean())
        frame = frame.drop(columns="constant")
    observed = frame.median()
    ax = bootstrap_ridge(frame, observed)
    data = ax.data.set_index("quantity").loc[list(frame.columns)]
    np.testing.assert_allclose(data["mean"], frame.mean())
    np.testing.assert_allclose(data["std_dev"], frame.std(), atol=1e-12)
    np.testing.assert_allclose(data["estimate"], observed)
    assert (data["n"].to_numpy() == frame.notna().sum().to_numpy()).all()
    assert list(data["position"]) == list(range(len(frame.columns)))[::-1]
    assert overlaps(ax.figure) == []
    assert outside(ax.figure) == []


@pytest.mark.parametrize("levels", [3, 60])
def test_means(levels: int) -> None:
    frame = pd.DataFrame(
        [(f"dose number {i}", w) for w in ("early and long", "late") for i in range(levels)], columns=["dose", "when"]
    )
    frame["estimate"] = np.arange(len(frame), dtype=float)
    frame["lower"], frame["upper"] = frame["estimate"] - 1, frame["estimate"] + 1
    ax = interaction(frame, "dose", ["when"])
    assert ax.data[["estimate", "lower", "upper"]].equals(frame[["estimate", "lower", "upper"]])
    assert ax.data["position"].is_unique
    assert ax.lines[0].get_ydata().tolist() == frame["estimate"].tolist()[:levels]
    assert overlaps(ax.figure) == []
    assert outside(ax.figure) == []
    with pytest.raises(OptionError, match="vary over 'when'"):
        interaction(frame, "dose")
    with pytest.raises(OptionError, match="'doses'"):
        interaction(frame, "doses")
    one = interaction(frame[frame["when"] == "late"], "dose")
    assert one.get_legend() is None


def test_power() -> None:
    frame = pd.DataFrame({"school": [10, 20, 40, 10, 20, 40], "effect": ["a"] * 3 + ["b"] * 3})
    frame["power"] = [0.2, 0.5, 0.9, 0.1, 0.3, 0.6]
    frame["lower"], frame["upper"] = frame["power"] - 0.05, frame["power"] + 0.05
    ax = power_curve(frame, "school", "effect")
    assert ax.data.equals(frame)
    assert ax.lines[1].get_ydata().tolist() == [0.1, 0.3, 0.6]
    assert overlaps(ax.figure) == []
    with pytest.raises(OptionError, match="'schools'"):
        power_curve(frame, "schools")
