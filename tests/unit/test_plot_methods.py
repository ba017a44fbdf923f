"""Pictures as methods of profiles, bootstraps, marginal means and power:
what is drawn are the numbers of the object.
"""

from collections.abc import Iterator

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

from drawn_text import outside, overlaps
from matplotlib import pyplot as plt
from scipy import stats
from scipy.integrate import trapezoid

import ranef
from ranef import OptionError, RanefError, lmer, load_dataset, power_curve


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def sleep() -> ranef.results.linear.LinearMixedModel:
    return lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"), REML=False)


def test_profile_zeta(sleep: ranef.results.linear.LinearMixedModel) -> None:
    profile = sleep.profile()
    axes = profile.plot()
    assert [ax.get_title("left") for ax in axes] == [
        n if len(n) <= 30 else ax.get_title("left") for n, ax in zip(profile.parameters, axes, strict=True)
    ]
    frame = profile.to_frame()
    for name, ax in zip(profile.parameters, axes, strict=True):
        own = frame[frame["parameter"] == name]
        assert sorted(ax.data["zeta"]) == sorted(own["zeta"])
    # The interval of 95 % is where zeta is 1.96: lme4's confint gives 7.36 to 13.58 for Days (its
    # help page).
    days = profile.plot(parm="Days").data
    inside = days["value"][days["zeta"].abs() <= 1.96]
    assert 7.3 < inside.min() < 8.4
    assert 12.5 < inside.max() < 13.7
    assert overlaps(axes[0].figure) == []


def test_profile_density(sleep: ranef.results.linear.LinearMixedModel) -> None:
    profile = sleep.profile(["Days", "sigma"])
    axes = profile.plot("density")
    assert len(axes) == 2
    for ax in axes:
        mass = trapezoid(ax.data["density"], ax.data["value"])
        assert mass == pytest.approx(1.0, abs=0.01)
    marked = {ax.data["parameter"].iloc[0]: float(ax.lines[-1].get_xdata()[0]) for ax in axes}
    assert marked["Days"] == pytest.approx(float(sleep.fixef["Days"]), rel=1e-4)
    assert marked["sigma"] == pytest.approx(sleep.sigma, rel=1e-3)


def test_profile_refuses(sleep: ranef.results.linear.LinearMixedModel) -> None:
    profile = sleep.profile("sigma")
    with pytest.raises(OptionError, match="kind must be 'zeta' or 'density'"):
        profile.plot("pairs")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="'Days' was not profiled"):
        profile.plot(parm=["Days"])
    with pytest.raises(RanefError, match="parm must be"):
        profile.plot(parm=3)  # type: ignore[arg-type]


def test_bootstrap(sleep: ranef.results.linear.LinearMixedModel, tmp_path: object) -> None:
    boot = sleep.bootstrap(300, rng=4)
    ax = boot.plot()
    data = ax.data.set_index("quantity")
    assert set(data.index) == set(boot.names)
    wide = boot.to_frame("wide")
    for name in boot.names:
        assert data.loc[name, "mean"] == pytest.approx(wide[name].mean())
        assert data.loc[name, "std_dev"] == pytest.approx(wide[name].std())
        assert data.loc[name, "mean"] - data.loc[name, "estimate"] == pytest.approx(boot.bias[name])
    assert data["n"].max() == 300
    assert overlaps(ax.figure) == []
    assert outside(ax.figure) == []
    with pytest.raises(OptionError, match="no quantity 'Dayz'"):
        boot.plot("Dayz")
    path = tmp_path / "b.parquet"  # type: ignore[operator]
    boot.to_parquet(path)
    again = ranef.load_bootstrap(path).plot(["sigma"])
    assert again.data["mean"].tolist() == [data.loc["sigma", "mean"]]


def test_means_and_contrasts_are_those_of_emmeans() -> None:
    """Numbers of R's emmeans for the cakes."""
    cake = lmer("angle ~ recipe * temperature + (1 | recipe:replicate)", load_dataset("cake"))
    means = cake.emmeans(["temperature", "recipe"])
    ax = means.plot()
    assert ax.get_xlabel() == "temperature"
    assert [line.get_label() for line in ax.lines] == ["A", "B", "C"]
    frame = means.to_frame()
    assert ax.data[["estimate", "lower", "upper"]].equals(frame[["estimate", "lower", "upper"]])
    # The cells are balanced: a marginal mean is the mean of its 15 rows.
    data = load_dataset("cake")
    expected = data.groupby(["temperature", "recipe"], observed=True)["angle"].mean()
    for row in ax.data.itertuples():
        assert row.estimate == pytest.approx(expected[row.temperature, row.recipe])
    other = means.plot(x="recipe")
    assert other.get_xlabel() == "recipe"
    assert len(other.lines) == 6
    pairs = cake.emmeans("recipe").pairs()
    ax = pairs.plot()
    assert ax.data["term"].tolist() == ["A - B", "A - C", "B - C"]
    recipe = data.groupby("recipe", observed=True)["angle"].mean()
    assert ax.data["estimate"].tolist() == pytest.approx(
        [recipe["A"] - recipe["B"], recipe["A"] - recipe["C"], recipe["B"] - recipe["C"]]
    )
    assert ax.data["lower"].tolist() == pairs.to_frame()["lower"].tolist()
    with pytest.raises(OptionError, match="no variable 'oven'"):
        means.plot(x="oven")
    with pytest.raises(OptionError, match="x and by are for means"):
        pairs.plot(x="recipe")
    with pytest.raises(OptionError, match="one-sided"):
        cake.emmeans("recipe").contrast("pairwise", alternative="greater").plot()


def test_contrasts_in_groups_and_ratios() -> None:
    use = ranef.glmer("use ~ urban * livch + (1 | district)", load_dataset("Contraception"), family="binomial")
    grouped = use.emmeans("urban", by="livch").pairs()
    ax = grouped.plot()
    assert list(dict.fromkeys(ax.data["model"])) == ["0", "1", "2", "3+"]
    assert ax.lines[0].get_xdata()[0] == 0.0
    ratios = use.emmeans("urban", by="livch").pairs().response()
    ax = ratios.plot()
    assert ax.lines[0].get_xdata()[0] == 1.0
    assert ax.get_xlabel() == "odds ratio"
    np.testing.assert_allclose(ax.data["estimate"], np.exp(grouped.to_frame()["estimate"]))
    assert overlaps(ax.figure) == []


def test_many_and_long_levels() -> None:
    rng = np.random.default_rng(2)
    n, k = 3000, 60
    level = np.array([f"a treatment with a long name, number {i}" for i in range(k)])[np.arange(n) % k]
    data = pd.DataFrame({"y": rng.normal(size=n), "treatment": level, "g": (np.arange(n) // k % 25).astype(str)})
    data["y"] += rng.normal(size=25)[data["g"].astype(int)]
    model = lmer("y ~ treatment + (1 | g)", data)
    ax = model.emmeans("treatment").plot()
    assert len(ax.data) == k
    assert overlaps(ax.figure) == []
    assert outside(ax.figure) == []
    ax = model.emmeans("treatment").contrast("eff", adjust="none").plot()
    assert len(ax.data) == k
    assert overlaps(ax.figure) == []
    assert outside(ax.figure) == []


def test_power_curve(sleep: ranef.results.linear.LinearMixedModel) -> None:
    curve = power_curve(sleep, "Days", 60, extend={"Subject": [6, 12]}, fixef={"Days": 5.0}, test="lrt", rng=1)
    ax = curve.plot(target=0.9)
    assert ax.data["power"].tolist() == curve["power"].tolist()
    assert ax.lines[0].get_xdata().tolist() == [6, 12]
    assert ax.lines[1].get_ydata()[0] == 0.9
    assert ax.get_xlabel() == "levels of Subject"
    # A frame in everything else.
    assert type(curve[["power"]]) is pd.DataFrame
    assert curve["Subject"].tolist() == [6, 12]
    rows = power_curve(sleep, "Days", 60, within={"Subject": [4, 10]}, fixef={"Days": 5.0}, test="lrt", rng=1)
    assert rows.plot().lines[0].get_xdata().tolist() == [4, 10]
    assert rows.plot().get_xlabel() == "rows per Subject"


def test_density_of_a_normal_profile(sleep: ranef.results.linear.LinearMixedModel) -> None:
    """For a fixed effect of these balanced data the profile is near to that of a t distribution:
    wider than the normal.
    """
    data = sleep.profile("Days").plot("density").data
    top = float(data["density"].max())
    assert top < stats.norm.pdf(0, scale=float(sleep.bse["Days"]))


def test_long_levels_are_whole_in_a_legend_and_the_response_has_its_name() -> None:
    data = load_dataset("cake")
    names = {
        "A": "plain recipe (no chocolate at all)",
        "B": "usual recipe (one bar of it)",
        "C": "rich recipe (two bars)",
    }
    data["recipe"] = data["recipe"].astype(str).map(names)
    m = ranef.lmer("log(angle) ~ recipe * temperature + (1 | recipe:replicate)", data)
    ax = m.emmeans(["temperature", "recipe"], type="response").plot()
    assert ax.get_ylabel() == "marginal mean of angle"
    shown = {" ".join(t.get_text().split()) for t in ax.get_legend().get_texts()}
    assert shown == set(names.values())
    drawn = m.plot.predictions("temperature", by="recipe")
    assert {" ".join(t.get_text().split()) for t in drawn.get_legend().get_texts()} == set(names.values())
