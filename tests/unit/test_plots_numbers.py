"""The numbers behind pictures, against R and against second derivations."""

import hashlib
import json
import sys
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from scipy import stats

from ranef import (
    ColumnNotFoundError,
    DataError,
    MissingExtraError,
    OptionError,
    RanefError,
    RanefWarning,
    lmer,
    load_dataset,
)
from ranef.diagnostics.local_trend import local_trend
from ranef.diagnostics.normal_quantiles import normal_quantiles
from ranef.plots.response_distribution import response_distribution

REFERENCE = Path(__file__).parents[1] / "reference"


@cache
def reference() -> dict[str, Any]:
    content = (REFERENCE / "pictures.json").read_bytes()
    assert hashlib.md5(content).hexdigest() == (REFERENCE / "pictures.md5").read_text().strip()
    values: dict[str, Any] = json.loads(content)
    return values


def singular(*args: Any, **options: Any) -> Any:
    """Fit data that have no variation between groups, which lmer warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RanefWarning)
        return lmer(*args, **options)


@pytest.fixture(scope="module")
def sleep() -> Any:
    return lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))


@pytest.fixture(scope="module")
def exam() -> Any:
    return lmer("normexam ~ standLRT * schgend + schavg + (standLRT | school)", load_dataset("exam"))


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def test_caterpillar(sleep: Any) -> None:
    r = reference()["sleepstudy"]
    axes = sleep.plot.caterpillar()
    assert axes.shape == (2,)
    assert all(isinstance(ax, Axes) for ax in axes)
    days = axes[1].data.set_index("level").loc[r["level"]]
    np.testing.assert_allclose(days["estimate"], r["ranef_days"], rtol=1e-4)
    np.testing.assert_allclose(days["std_error"], r["condsd_days"], rtol=1e-4)
    np.testing.assert_allclose(days["upper"] - days["estimate"], 1.959964 * days["std_error"], rtol=1e-6)
    # Rows of both panels are in the order of the first effect; what is drawn is what data say.
    first = axes[0].data
    assert first["estimate"].is_monotonic_increasing
    assert list(first["level"]) == list(axes[1].data["level"])
    drawn = {float(y): float(x) for line in axes[0].lines[1:] for x, y in zip(*line.get_data(), strict=True)}
    assert drawn == dict(zip(first["position"].astype(float), first["estimate"], strict=True))
    levels = sleep.plot.caterpillar(effect="Days", order="level").data["level"]
    assert list(levels) == r["level"][::-1]


def test_caterpillar_of_two_factors() -> None:
    m = lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", load_dataset("penicillin"))
    assert len(m.plot.caterpillar().data) == 24
    ax = m.plot.caterpillar("sample")
    assert sorted(ax.data["level"]) == list("ABCDEF")
    np.testing.assert_allclose(
        ax.data.set_index("level")["estimate"], m.ranef()["sample"]["(Intercept)"].loc[ax.data["level"]]
    )
    with pytest.raises(OptionError, match="'plate', 'sample'"):
        m.plot.caterpillar("dish")


def test_shrinkage(sleep: Any) -> None:
    r = reference()["sleepstudy"]
    data = sleep.plot.shrinkage().data
    for effect, key in (("(Intercept)", "intercept"), ("Days", "days")):
        own = data[data["effect"] == effect].set_index("level").loc[r["level"]]
        np.testing.assert_allclose(own["separate"], r[f"separate_{key}"], rtol=1e-9)
        np.testing.assert_allclose(own["pooled"], r[f"coef_{key}"], rtol=1e-4)
        np.testing.assert_allclose(own["population"], r["fixef"][0 if key == "intercept" else 1], rtol=1e-7)
        assert (own["n"] == 10).all()
    ax = sleep.plot.shrinkage(effects="Days")
    assert ax.data["pooled"].is_monotonic_increasing
    with pytest.raises(OptionError, match="one or two of"):
        sleep.plot.shrinkage(effects=["Days", "Day"])


def test_shrinkage_with_weights_offset_and_levels_too_small() -> None:
    rng = np.random.default_rng(4)
    d = pd.DataFrame({"g": np.repeat(list("abcdef"), [1, 5, 6, 7, 8, 9]), "h": rng.integers(0, 4, 36).astype(str)})
    d["x"], d["z"], d["w"], d["o"] = (
        rng.normal(size=36),
        rng.normal(size=36),
        rng.uniform(0.5, 2, 36),
        rng.normal(size=36),
    )
    d["y"] = (
        d["o"] + d["x"] + rng.normal(size=36) + d["g"].map(dict(zip("abcdef", rng.normal(size=6) * 2, strict=True)))
    )
    m = singular("y ~ x + z + (x | g) + (1 | h)", d, weights="w", offset="o")
    data = m.plot.shrinkage("g").data.set_index(["level", "effect"])
    assert np.isnan(data.loc[("a", "x"), "separate"])
    assert np.isnan(data.loc[("a", "(Intercept)"), "separate"])
    rest = d["y"] - d["o"] - m.fixef["z"] * d["z"] - d["h"].map(m.ranef()["h"]["(Intercept)"]).to_numpy()
    rows = d["g"] == "c"
    slope, intercept = np.polyfit(d["x"][rows], rest[rows], 1, w=np.sqrt(d["w"][rows]))
    np.testing.assert_allclose(
        [data.loc[("c", "(Intercept)"), "separate"], data.loc[("c", "x"), "separate"]], [intercept, slope]
    )
    single = singular("y ~ 1 + (1 | g)", pd.DataFrame({"y": d["y"], "g": [*("ab" * 18)]}))
    assert single.plot.shrinkage().data["separate"].notna().all()


def test_correlation(exam: Any) -> None:
    ax = exam.plot.correlation()
    modes = ax.data[ax.data["part"] == "mode"].set_index("level")
    expected = exam.ranef()["school"]
    np.testing.assert_allclose(modes[["x", "y"]], expected.loc[modes.index])
    # On the ellipse of 95 % the squared Mahalanobis distance is the quantile of a chi-square with 2
    # degrees of freedom.
    inverse = np.linalg.inv(exam.varcorr["school"].cov)
    for share in (0.5, 0.95):
        curve = ax.data[ax.data["part"] == str(share)][["x", "y"]].to_numpy()
        np.testing.assert_allclose(np.einsum("ij,jk,ik->i", curve, inverse, curve), stats.chi2.ppf(share, 2), rtol=1e-9)
    assert f"{exam.varcorr['school'].corr[0, 1]:.2f}" in ax.get_title(loc="left")
    with pytest.raises(OptionError, match="no two random effects"):
        lmer("normexam ~ 1 + (1 | school)", load_dataset("exam")).plot.correlation()


def test_fitted_lines(sleep: Any, exam: Any) -> None:
    data = sleep.plot.fitted().data
    assert data.loc[data["part"] == "data", "y"].tolist() == load_dataset("sleepstudy")["Reaction"].tolist()
    line = data[(data["part"] == "group") & (data["level"] == "308")]
    coef = sleep.coef()["Subject"].loc["308"]
    np.testing.assert_allclose(line["y"], coef["(Intercept)"] + coef["Days"] * line["x"])
    population = data[data["part"] == "population"]
    np.testing.assert_allclose(population["y"], sleep.fixef["(Intercept)"] + sleep.fixef["Days"] * population["x"])
    panels = sleep.plot.fitted(panels=True, levels=["308", "309"])
    assert [set(ax.data["level"]) for ax in panels] == [{"308"}, {"309"}]
    # Other variables at their mean or most frequent level in the group.
    frame = load_dataset("exam")
    line = exam.plot.fitted(levels=["2"]).data.query("part == 'group'")
    rows = frame[frame["school"].astype(str) == "2"]
    at = line["x"].iloc[0]
    assert at == pytest.approx(rows["standLRT"].min())
    new = {
        "standLRT": [at],
        "schgend": [str(rows["schgend"].mode()[0])],
        "schavg": [rows["schavg"].mean()],
        "school": ["2"],
    }
    assert line["y"].iloc[0] == pytest.approx(exam.predict(new).iloc[0])
    with pytest.raises(OptionError, match="at most 20"):
        exam.plot.fitted(panels=True, levels=[str(i) for i in range(1, 30)])
    with pytest.raises(OptionError, match="'999'"):
        exam.plot.fitted(levels=["999"])
    with pytest.raises(OptionError, match="is a factor"):
        exam.plot.fitted("schgend")


def test_fitted_lines_of_nested_groups_have_the_effects_of_both() -> None:
    m = lmer("math ~ year + (1 | schoolid/childid)", load_dataset("egsingle"))
    group = "childid:schoolid"
    level = next(iter(m.ranef()[group].index))
    line = m.plot.fitted(group=group, levels=[level]).data.query("part == 'group'")
    school = level.split(":")[1]
    constant = m.fixef["(Intercept)"] + m.ranef()[group].loc[level].iloc[0] + m.ranef()["schoolid"].loc[school].iloc[0]
    np.testing.assert_allclose(line["y"], constant + m.fixef["year"] * line["x"])
    many = m.plot.fitted(group=group)
    assert "500 of 1721 levels" in many.get_xlabel()


def test_residuals_and_scale(sleep: Any) -> None:
    data = sleep.plot.residuals("scaled").data
    np.testing.assert_allclose(data["fitted"], sleep.fittedvalues)
    np.testing.assert_allclose(data["residual"], sleep.residuals("scaled"))
    inside = data["fitted"].between(*np.quantile(data["fitted"], [0.01, 0.99]))
    assert data["trend"].notna().equals(inside)
    scale = sleep.plot.scale_location().data
    np.testing.assert_allclose(scale["root_residual"] ** 2, np.abs(sleep.rstudent()))


def test_missing_rows_are_left_out() -> None:
    d = load_dataset("sleepstudy").copy()
    d.loc[3, "Reaction"] = np.nan
    m = lmer("Reaction ~ Days + (Days | Subject)", d, na_action="exclude")
    assert len(m.plot.residuals().data) == 179
    assert len(m.plot.qq().data) == 179
    assert (m.plot.fitted().data["part"] == "data").sum() == 179


def test_local_trend_is_a_local_straight_line() -> None:
    """At one point, against weighted least squares written out."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=80), rng.normal(size=80)
    trend = local_trend(x, y)
    assert trend is not None
    at = trend.x[20]
    reach = np.sort(np.abs(x - at))[int(0.6 * 80) - 1]
    weight = np.clip(1 - (np.abs(x - at) / reach) ** 3, 0, None) ** 3
    assert trend.y[20] == pytest.approx(np.polyval(np.polyfit(x, y, 1, w=np.sqrt(weight)), at), rel=1e-5)
    straight = local_trend(x, 2 + 3 * x)
    assert straight is not None
    np.testing.assert_allclose(straight.y, 2 + 3 * straight.x)
    assert local_trend(np.repeat([0.0, 1.0], 20), y[:40]) is None


@pytest.mark.parametrize("which", ["small", "large"])
def test_normal_quantiles(which: str) -> None:
    r = reference()["quantiles"][which]
    frame = normal_quantiles(np.array(r["values"]))
    np.testing.assert_allclose(frame["sample"], sorted(r["values"]))
    np.testing.assert_allclose(frame["theoretical"], r["theoretical"], atol=1e-12)
    np.testing.assert_allclose(frame["line"], r["line"]["intercept"] + r["line"]["slope"] * frame["theoretical"])
    # An ordered uniform stays below its limit with the probability of at least that many successes.
    n = len(frame)
    p = stats.norm.cdf((frame["upper"] - r["line"]["intercept"]) / r["line"]["slope"])
    np.testing.assert_allclose([stats.binom.sf(i, n, p[i]) for i in range(n)], 0.975, rtol=1e-9)


def test_qq(sleep: Any) -> None:
    data = sleep.plot.qq().data
    np.testing.assert_allclose(data["sample"], np.sort(sleep.rstudent()))
    r = reference()["sleepstudy"]
    modes = sleep.plot.qq("Subject", "Days").data
    expected = np.array(r["ranef_days"]) / np.sqrt(r["sd_days"] ** 2 - np.array(r["condsd_days"]) ** 2)
    np.testing.assert_allclose(modes["sample"], np.sort(expected), rtol=1e-4)
    with pytest.raises(OptionError, match="'residuals' or a grouping factor, 'Subject'"):
        sleep.plot.qq("Days")


def test_no_variance_is_said() -> None:
    m = singular("Yield ~ 1 + (1 | Batch)", load_dataset("dyestuff2"))
    assert m.is_singular
    ax = m.plot.qq("Batch")
    assert "zero" in ax.texts[0].get_text().replace("\n", " ")
    assert "estimated as zero" in m.check(rng=1)[3].sentence


def test_simulated_residuals(sleep: Any) -> None:
    left, right = sleep.plot.simulated_residuals(100, rng=3)
    values = sleep.simulated_residuals(100, rng=3).residuals
    np.testing.assert_allclose(left.data["residual"], np.sort(values))
    np.testing.assert_allclose(left.data["expected"], np.arange(1, 181) / 181)
    np.testing.assert_allclose(sorted(right.data["residual"]), np.sort(values))
    np.testing.assert_allclose(right.data["fitted"], np.sort(sleep.predict(re="population")))
    assert (right.data["q25"] <= right.data["q75"]).all()


def test_influence(exam: Any) -> None:
    data = exam.plot.influence().data.set_index("level")
    changes = exam.influence("school").dfbetas
    np.testing.assert_allclose(data["change"].abs(), changes.abs().max(axis=1).loc[data.index])
    assert data.loc["54", "term"] == changes.loc["54"].abs().idxmax()


def test_coefficients(sleep: Any) -> None:
    other = lmer("Reaction ~ Days + I(Days^2) + (1 | Subject)", load_dataset("sleepstudy"))
    data = sleep.plot.coefficients(other, names=["a", "b"], level=0.9, intercept=True).data
    assert list(data["model"]) == ["a"] * 2 + ["b"] * 3
    np.testing.assert_allclose(data[data["model"] == "b"][["lower", "upper"]], other.conf_int(level=0.9))
    np.testing.assert_allclose(data[data["model"] == "b"]["estimate"], other.fixef)
    assert data["position"].is_unique
    with pytest.raises(OptionError, match="2 different texts"):
        sleep.plot.coefficients(other, names=["a", "a"])
    with pytest.raises(OptionError, match="intercept=True"):
        lmer("Reaction ~ 1 + (1 | Subject)", load_dataset("sleepstudy")).plot.coefficients()


def test_predictions(exam: Any) -> None:
    frame = load_dataset("exam")
    ax = exam.plot.predictions("standLRT", "schgend", level=0.9)
    data = ax.data
    girls = data[data["by"] == "girls"]
    assert [girls["x"].min(), girls["x"].max()] == pytest.approx([frame["standLRT"].min(), frame["standLRT"].max()])
    b, held = exam.fixef, frame["schavg"].mean()
    assert data.attrs["held"] == {"schavg": pytest.approx(held)}
    slope = b["standLRT"] + b["standLRT:schgend[T.girls]"]
    mean = b["(Intercept)"] + b["schgend[T.girls]"] + slope * girls["x"] + b["schavg"] * held
    np.testing.assert_allclose(girls["fit"], mean)
    np.testing.assert_allclose(girls["upper"] - girls["fit"], stats.norm.ppf(0.95) * girls["se"])
    row = pd.Series(0.0, index=b.index)
    row[["(Intercept)", "schgend[T.girls]"]] = 1.0
    row["schavg"] = held
    row[["standLRT", "standLRT:schgend[T.girls]"]] = girls["x"].iloc[5]
    assert girls["se"].iloc[5] == pytest.approx(float(np.sqrt(row @ exam.cov_params() @ row)))
    bars = exam.plot.predictions("schgend", at={"schavg": 1.0, "standLRT": 0.0}).data
    effects = pd.Series({"mixed": 0.0} | {g: b[f"schgend[T.{g}]"] for g in ("boys", "girls") if f"schgend[T.{g}]" in b})
    np.testing.assert_allclose(bars["fit"], b["(Intercept)"] + b["schavg"] + effects.loc[bars["x"]].to_numpy())
    wide = exam.plot.predictions("standLRT", interval="prediction").data
    assert (wide["upper"] - wide["lower"]).min() > 2 * 1.95 * exam.sigma
    lines = exam.plot.predictions("standLRT", "schavg").data
    assert lines["by"].nunique() == 3
    with pytest.raises(ColumnNotFoundError, match="'standLTR'"):
        exam.plot.predictions("standLTR")
    with pytest.raises(OptionError, match="another variable"):
        exam.plot.predictions("standLRT", "standLRT")
    with pytest.raises(ColumnNotFoundError):
        exam.plot.predictions("standLRT", at={"sex": "F"})


def test_numbers_used_as_a_factor_keep_their_values() -> None:
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"k": rng.integers(1, 4, 90) * 10, "g": np.repeat(np.arange(9), 10), "y": rng.normal(size=90)})
    m = singular("y ~ factor(k) + (1 | g)", d)
    assert list(m.plot.predictions("k").data["x"]) == ["10", "20", "30"]
    np.testing.assert_allclose(m.plot.predictions("k").data["fit"], m.predict({"k": [10, 20, 30]}, re="population"))


def test_offset_given_as_an_array() -> None:
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"x": rng.normal(size=60), "g": np.repeat(list("abcdef"), 10), "y": rng.normal(size=60)})
    m = singular("y ~ x + (1 | g)", d, offset=np.linspace(0, 4, 60))
    data = m.plot.predictions("x").data
    np.testing.assert_allclose(data["fit"], 2.0 + m.fixef["(Intercept)"] + m.fixef["x"] * data["x"])
    line = m.plot.fitted(levels=["a"]).data.query("part == 'group'")
    assert line["y"].notna().all()


def test_models_without_their_data_say_so(sleep: Any, tmp_path: Path) -> None:
    import ranef

    sleep.save(tmp_path / "m")
    loaded = ranef.load(tmp_path / "m")
    with pytest.raises(DataError, match="update"):
        loaded.plot.predictions("Days")
    assert len(loaded.plot.caterpillar()) == 2
    assert len(loaded.check(rng=1)) == 6


def test_axes_given(sleep: Any) -> None:
    figure, axes = plt.subplots(1, 3)
    assert sleep.plot.residuals(ax=axes[0]) is axes[0]
    assert list(sleep.plot.caterpillar(ax=axes[1:])) == list(axes[1:])
    with pytest.raises(OptionError, match="2 panels and ax has 1"):
        sleep.plot.caterpillar(ax=axes[0])
    with pytest.raises(RanefError, match="must be matplotlib Axes"):
        sleep.plot.residuals(ax="left")
    assert plt.get_fignums() == [figure.number]


def test_without_matplotlib(sleep: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for call in (sleep.plot.caterpillar, sleep.plot.qq, sleep.check, lambda: sleep.plot.predictions("Days")):
        with pytest.raises(MissingExtraError, match=r"pip install 'ranef\[plot\]'"):
            call()
    assert "caterpillar" in repr(sleep.plot)


def test_limits_of_many_quantiles_are_those_of_each() -> None:
    """Interpolated limits against those of scipy's beta distribution at every rank."""
    n = 6001
    frame = normal_quantiles(np.random.default_rng(4).normal(size=n))
    ranks = np.arange(1, n + 1)
    slope = (frame["line"].iloc[-1] - frame["line"].iloc[0]) / (
        frame["theoretical"].iloc[-1] - frame["theoretical"].iloc[0]
    )
    centre = frame["line"].iloc[n // 2]
    for column, p in (("lower", 0.025), ("upper", 0.975)):
        exact = centre + slope * stats.norm.ppf(stats.beta.ppf(p, ranks, n + 1 - ranks))
        assert frame[column].to_numpy() == pytest.approx(exact, abs=1e-5)


def test_shares_of_categories_rise_at_categories() -> None:
    """Between two categories there are no rows, so that the line is level there."""
    frame = pd.DataFrame({"y": [1.0, 2.0, 3.0], "observed": [0.2, 0.7, 1.0], "lower": [0.1, 0.6, 1.0], "upper": 1.0})
    axes = response_distribution(frame, "rating")
    line = axes.lines[0]
    assert line.get_drawstyle() == "steps-post"
    band = axes.collections[0].get_paths()[0].vertices
    assert sorted(set(band[np.isclose(band[:, 1], 0.1), 0].tolist())) == [1.0, 2.0]
