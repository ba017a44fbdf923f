"""The report's means of factors, rates, labels and author; values of emmeans 1.10 and lmerTest."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

import ranef
from ranef import glmer, lmer, load_dataset
from unit.report_page import Page, report, rows_of


def cake() -> pd.DataFrame:
    data = load_dataset("cake")
    hot = np.where(data["temp"] >= 200, "high", "low")
    return data.assign(hot=pd.Categorical(hot, ["low", "high"]))


@pytest.fixture(scope="module")
def factorial(tmp_path_factory: pytest.TempPathFactory) -> Page:
    model = lmer("angle ~ recipe * hot + (1 | recipe:replicate)", cake())
    return report(model, tmp_path_factory.mktemp("cake"))


def test_means_and_tests_of_a_factorial_design(factorial: Page) -> None:
    tests = rows_of(factorial, "Tests of terms (type III)")
    assert [r[0] for r in tests] == ["recipe", "hot", "recipe:hot"]
    assert [r[1:4] for r in tests] == [["2", "42", "0.25"], ["1", "222", "63.99"], ["2", "222", "0.32"]]
    assert [r[4] for r in tests] == ["0.781", "< 0.001", "0.730"]
    cells = rows_of(factorial, "Means by recipe and hot")
    assert [r[:2] for r in cells] == [[a, b] for b in ("low", "high") for a in "ABC"]
    # emmeans(m, ~ recipe * hot)
    assert [float(r[2]) for r in cells] == pytest.approx([30.5, 29.3, 29.5, 35.8, 34.0, 33.7], abs=0.06)
    assert float(cells[0][3]) == pytest.approx(1.81, abs=0.006)
    assert [float(v) for v in cells[0][4:]] == pytest.approx([26.9, 34.1], abs=0.06)
    order = [m.start() for m in re.finditer("<caption>Means by ", factorial.source)]
    titles = [factorial.source[i + 9 : factorial.source.index("<", i + 9)] for i in order]
    assert titles == ["Means by recipe and hot", "Means by hot", "Means by recipe"]


def test_simple_effects_in_words(factorial: Page) -> None:
    said = factorial.section("means")
    # pairs(emmeans(m, ~ recipe * hot), simple = "hot") and joint_tests(m, by = "hot")
    assert (
        "Where recipe is A, angle is higher by 5.27 with hot high than with low (95 % interval 3.27 to 7.26, p < 0.001)"
        in said
    )
    assert "Where recipe is C, angle is higher by 4.13 with hot high than with low (95 % interval 2.14 to 6.13" in said
    assert (
        "Where hot is high, the data leave open whether the means of the 3 levels of recipe differ "
        "(F(2, 49.4) = 0.39, p = 0.678); the largest difference, A minus C, is 2.09 (95 % interval -4.09 to 8.27)"
        in said
    )
    assert "The interaction of recipe and hot (F(2, 222) = 0.32, p = 0.730): the data leave open whether" in said
    assert "the levels of other factors having" in said
    pictures = [t for t in re.findall(r"<title[^>]*>(.*?)</title>", factorial.source) if t.startswith("Means")]
    assert pictures == ["Means by recipe and hot"]  # those of the main effects are in it


@pytest.mark.usefixtures("undrawn")
def test_probabilities_and_odds_ratios(tmp_path: Path) -> None:
    model = glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", load_dataset("cbpp"), family="binomial")
    page = report(model, tmp_path)
    means = rows_of(page, "Means by period")
    assert [float(r[1]) for r in means] == pytest.approx([0.1981, 0.0839, 0.0740, 0.0484], abs=2e-4)
    assert [float(v) for v in means[0][3:]] == pytest.approx([0.1357, 0.280], abs=2e-3)
    fixed = page.section("fixed")
    assert "the odds of incidence are multiplied by 0.371 (63 % lower)" in fixed
    # 0.206 times the odds of 99 / 842 are 0.0275, a probability of 2.7 %.
    assert "an odds ratio of 0.206 (period[T.4]) takes a probability of 12 %" in fixed
    assert "to 2.7 %: odds are" in fixed


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("given", ["formula", "argument"])
def test_rates_per_unit_of_what_the_offset_is_the_logarithm_of(given: str, tmp_path: Path) -> None:
    data = load_dataset("cbpp").rename(columns={"size": "animals"})
    if given == "formula":
        model = glmer("incidence ~ period + offset(log(animals)) + (1 | herd)", data, family="poisson")
    else:
        model = glmer("incidence ~ period + (1 | herd)", data, family="poisson", offset="log(animals)")
    page = report(model, tmp_path, labels={"animals": "animals at risk"})
    # emmeans(m, ~ period, type = "response", offset = 0)
    assert [float(r[1]) for r in rows_of(page, "Means by period")] == pytest.approx(
        [0.1925, 0.0828, 0.0732, 0.0479], abs=2e-4
    )
    assert "They are rates per unit of animals at risk." in page.section("means")
    fixed = page.section("fixed")
    assert "the expected count incidence per unit of animals at risk is multiplied by 0.430 (57 % lower)" in fixed
    assert "takes 0.118 per unit of animals at risk, the average of these data, to 0.0293" in fixed  # 99 of 842


@pytest.mark.usefixtures("undrawn")
def test_exposures_without_a_unit(tmp_path: Path) -> None:
    data = load_dataset("cbpp")
    model = glmer("incidence ~ period + (1 | herd)", data, family="poisson", offset=np.log(data["size"].to_numpy()))
    page = report(model, tmp_path)
    assert "per unit of exposure is multiplied by 0.430" in page.section("fixed")
    assert "They are for the average of the offset" in page.section("means")


def test_labels_and_author(tmp_path: Path) -> None:
    texts = {"angle": "Angle of break", "recipe": "Recipe", "hot[T.high]": "Hot oven", "recipe:replicate": "Batch"}
    model = lmer("angle ~ recipe * hot + (1 | recipe:replicate)", cake())
    page = report(model, tmp_path, labels=texts, author="A. Writer & B. Other", title="Cakes")
    assert [r[0] for r in rows_of(page, "Fixed effects")] == [
        "(Intercept)", "Recipe: B", "Recipe: C", "Hot oven", "Recipe: B × Hot oven", "Recipe: C × Hot oven",
    ]  # fmt: skip
    head = page.all("header")[0][1]
    assert "A. Writer & B. Other" in head
    assert [a["content"] for a, _ in page.all("meta") if a.get("name") == "author"] == ["A. Writer & B. Other"]
    assert "With Recipe B rather than A, Angle of break is" in page.section("fixed")
    assert "Where Recipe is A, Angle of break is higher by 5.27" in page.section("means")
    assert rows_of(page, "Means by Recipe")[0][0] == "A"
    assert rows_of(page, "Groups and the number of rows in each")[0][0] == "Batch"
    assert "From one Batch to another the level of Angle of break" in page.section("random")
    drawn = " ".join(re.findall(r"<text[^>]*>(.*?)</text>", page.source))
    assert "Recipe: B" in drawn
    assert "mean of Angle of break" in drawn
    # What is for computers keeps the names of the data.
    assert "lmer(angle ~ recipe * hot + (1 | recipe:replicate)" in page.section("programs")
    assert "angle = Angle of break" in page.section("model")


def test_bad_labels_and_authors(tmp_path: Path) -> None:
    model = lmer("angle ~ recipe + (1 | recipe:replicate)", load_dataset("cake"))
    with pytest.raises(ranef.RanefError, match="'recipes', which does not occur"):
        model.report(tmp_path / "r.html", labels={"recipes": "Recipe"})
    with pytest.raises(ranef.RanefError, match="labels must be a dict"):
        model.report(tmp_path / "r.html", labels=["Recipe"])  # type: ignore[arg-type]
    with pytest.raises(ranef.RanefError, match="author must be text"):
        model.report(tmp_path / "r.html", author=3)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("undrawn")
def test_contrasts_in_the_calls(tmp_path: Path) -> None:
    model = lmer("angle ~ recipe * hot + (1 | recipe:replicate)", cake(), contrasts={"recipe": "sum", "hot": "helmert"})
    page = report(model, tmp_path)
    programs = page.section("programs")
    assert "contrasts={'recipe': 'sum', 'hot': 'helmert'}" in programs
    assert '$recipe) <- "contr.sum"' in programs
    assert '$hot) <- "contr.helmert"' in programs
    assert "Tests of terms find effects of hot (p < 0.05); the data leave effects of recipe and recipe:hot open." in (
        page.section("short")
    )
    # Means do not depend on the coding.
    assert float(rows_of(page, "Means by recipe and hot")[0][2]) == pytest.approx(30.5, abs=0.06)


@pytest.mark.usefixtures("undrawn")
def test_models_without_factors_have_no_means(tmp_path: Path) -> None:
    page = report(lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy")), tmp_path)
    assert not any(a.get("id") == "means" for _, a in page.elements)


@pytest.mark.usefixtures("undrawn")
def test_nested_and_large_factors(tmp_path: Path) -> None:
    """A nested factor is no interaction, and a factor with many levels has no table."""
    rng = np.random.default_rng(2)
    n = 600
    data = pd.DataFrame(
        {"a": np.arange(n) % 3, "b": np.arange(n) // 3 % 2, "day": rng.integers(0, 40, n), "g": rng.integers(0, 15, n)}
    )
    data = data.astype({"a": str, "b": str, "day": str})
    data["y"] = rng.normal(size=n) + rng.normal(size=15)[data["g"]]
    page = report(lmer("y ~ a / b + day + (1 | g)", data), tmp_path)
    said = page.section("means")
    assert "The interaction of" not in said
    assert "day has more than 36 means" in said


def test_large_data(tmp_path: Path) -> None:
    """Clouds are drawn in part and outlines with few points, so that the page stays small."""
    rng = np.random.default_rng(1)
    n = 40_000
    data = pd.DataFrame({"x": rng.normal(size=n), "f": rng.choice(["a", "b"], n), "g": rng.integers(0, 400, n)})
    data["y"] = 0.3 * data["x"] + rng.normal(size=400)[data["g"]] + rng.normal(size=n)
    path = lmer("y ~ x * f + (1 | g)", data).report(tmp_path / "r.html")
    assert path.stat().st_size < 1.5e6
    assert "of 40,000 points are drawn." in path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("undrawn")
def test_levels_that_are_numbers(tmp_path: Path) -> None:
    model = lmer("angle ~ factor(temp) * recipe + (1 | recipe:replicate)", load_dataset("cake"))
    page = report(model, tmp_path)
    assert [r[0] for r in rows_of(page, "Means by temp")] == ["175", "185", "195", "205", "215", "225"]
    assert "the largest difference, 215 minus 175, is" in page.section("means")


@pytest.mark.usefixtures("undrawn")
def test_means_need_the_data(tmp_path: Path) -> None:
    lmer("angle ~ recipe + (1 | recipe:replicate)", load_dataset("cake")).save(tmp_path / "m")
    page = report(ranef.load(tmp_path / "m"), tmp_path)
    assert page.section("means").endswith("Means are not available: the data are not kept in a saved model.")
