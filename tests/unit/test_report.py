"""The report page: what it says, what is in it, and that everything in it is its own."""

import itertools
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

import ranef
from ranef import glmer, lmer, load_dataset
from ranef.presentation.report.phrases import listed, number, p_cell, p_words, percent
from reference.store import load_case
from unit.report_page import Page, report, rows_of

MODEL5 = "normexam ~ standLRT * schavg + (standLRT | school)"


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return report(lmer(MODEL5, load_dataset("exam")), tmp_path_factory.mktemp("exam"))


def test_numbers_are_those_of_lme4(exam: Page) -> None:
    """Fixed effects, variances and criteria of the tutorial's fifth model."""
    case = load_case("exam_E5_reml")
    best = case["best"]
    table = rows_of(exam, "Fixed effects")
    names = ["(Intercept)", "standLRT", "schavg", "standLRT:schavg"]
    assert [r[0] for r in table] == names
    for row, name in zip(table, names, strict=True):
        assert float(row[1]) == pytest.approx(best["beta"][name], abs=6e-4)
        assert float(row[2]) == pytest.approx(best["se"][name], abs=6e-4)
    tests = case["derived"]["summary_satterthwaite"]
    column = {name: [r[i] for r in tests["values"]] for i, name in enumerate(tests["colnames"])}
    assert [float(r[5]) for r in table] == pytest.approx(column["df"], abs=0.06)
    assert [float(r[6]) for r in table] == pytest.approx(column["t value"], abs=0.006)
    assert [r[7] for r in table] == [p_cell(p) for p in column["Pr(>|t|)"]]
    variances = rows_of(exam, "Variance components")
    assert [float(r[3]) for r in variances] == pytest.approx(
        [*best["varcorr"]["school"]["sd"], best["sigma"]], rel=1e-3
    )
    assert float(variances[1][4]) == pytest.approx(best["varcorr"]["school"]["corr"]["values"][0][1], abs=0.006)
    fit = rows_of(exam, "Fit")[0]
    assert [float(v) for v in (fit[0], fit[2], fit[3])] == pytest.approx(
        [best["objective"], best["AIC"], best["BIC"]], abs=0.06
    )


def test_it_reads_without_python(exam: Page) -> None:
    short, fixed, random = (exam.section(s) for s in ("short", "fixed", "random"))
    assert "Converged." in short
    assert "normexam by standLRT, schavg and standLRT:schavg" in short
    assert "4059 rows in 65 levels of school" in short
    assert (
        "Where standLRT is higher by 1, normexam is higher by 0.558 on average, other predictors being equal and "
        "where schavg is 0" in fixed
    )
    assert "This is the average; the effect itself differs between the levels of school." in fixed
    assert "For each increase of schavg by 1, the effect of standLRT on normexam changes by +0.162" in fixed
    assert "the level of normexam differs with a standard deviation of 0.276 where standLRT is 0" in random
    # 0.5579 +- 1.96 * 0.1106
    assert "95 % of the groups have an effect between 0.341 and 0.775" in random
    assert "a higher intercept (the level where standLRT is 0) tends to go with a higher effect of standLRT" in random
    model = lmer(MODEL5, load_dataset("exam"))
    assert f"{percent(model.icc().adjusted)} lies between the levels of school" in random
    assert f"account for {percent(model.r2().marginal)} of the variance" in random


def test_nothing_comes_from_elsewhere(exam: Page) -> None:
    for tag, attributes in exam.elements:
        assert tag not in ("script", "iframe", "object", "embed", "form", "base"), tag
        for name in ("src", "href", "xlink:href", "data", "action", "poster", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, name, value)
        assert not any(n.startswith("on") for n in attributes), (tag, attributes)
    style = exam.all("style")[0][1]
    assert "@import" not in style
    assert "http" not in style
    assert not re.search(r"url\((?!#)", exam.source)
    policy = [a["content"] for a, _ in exam.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
    assert len(exam.source.encode()) < 1.5e6


def test_it_can_be_used_without_a_mouse_or_eyes(exam: Page) -> None:
    tags = [t for t, _ in exam.elements]
    for landmark in ("header", "nav", "main", "footer", "h1", "title"):
        assert tags.count(landmark) - (landmark == "title") * tags.count("svg") == 1, landmark
    assert exam.elements[0][1] == {"lang": "en"}
    identifiers = [a["id"] for _, a in exam.elements if "id" in a]
    assert len(identifiers) == len(set(identifiers))
    for attributes, text in exam.all("a"):
        assert str(attributes["href"])[1:] in identifiers
        assert text.strip()
    first = next(a for t, a in exam.elements if t == "a")
    assert first["href"] == "#main"
    levels = [int(t[1]) for t in tags if re.fullmatch(r"h[1-6]", t)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    assert all(a.get("scope") in ("col", "row") for a, _ in exam.all("th"))
    assert tags.count("caption") == tags.count("table")
    for attributes, _ in exam.all("section"):
        assert attributes["aria-labelledby"] in identifiers
    pictures = exam.all("svg")
    assert len(pictures) >= 9
    for attributes, _ in pictures:
        assert attributes["role"] == "img"
        title, description = (
            next(exam.texts[i] for i, (_, a) in enumerate(exam.elements) if a.get("id") == x)
            for x in str(attributes["aria-labelledby"]).split()
        )
        assert title.strip()
        assert len(description) > 20
        assert attributes.get("viewbox")


def test_pictures_take_the_colours_of_the_page(exam: Page) -> None:
    style = exam.all("style")[0][1]
    used = set(re.findall(r"var\(--(\w+)\)", exam.source.split("</style>", 1)[1]))
    assert {"ink", "quiet", "grid", "c0"} <= used
    for scheme in ("prefers-color-scheme: dark", "@media print"):
        block = style.split(scheme, 1)[1]
        assert all(f"--{name}:" in block for name in used), scheme
    drawn = "".join(re.findall(r"<svg.*?</svg>", exam.source, re.DOTALL))
    assert not re.search(r"(?:fill|stroke): #(?:000000|222222|ffffff)", drawn)


def test_words_in_data_are_texts(tmp_path: Path) -> None:
    n = 240
    rng = np.random.default_rng(5)
    levels = np.array([f'<b>level & "{i}"</b> $x_{i}$' for i in range(12)])
    data = pd.DataFrame(
        {
            "y": rng.normal(size=n) + rng.normal(size=12)[np.arange(n) // 2 % 12],
            "x": rng.normal(size=n),
            "a<b": np.array(["<script>alert(1)</script>", "</style>"])[np.arange(n) % 2],
            "g & h": levels[np.arange(n) // 2 % 12],
        }
    )
    page = report(lmer("y ~ x + `a<b` + (1 | `g & h`)", data), tmp_path, title="<i>A & B</i>")
    tags = {t for t, _ in page.elements}
    assert not tags & {"script", "b", "i"}
    assert page.all("h1")[0][1] == "<i>A & B</i>"
    assert "With a<b <script>alert(1)</script> rather than </style>" in page.section("fixed")
    assert '<b>level & "' in page.all("main")[0][1]


@pytest.mark.usefixtures("undrawn")
def test_missing_rows_and_boundary(tmp_path: Path) -> None:
    data = load_dataset("Dyestuff2")
    data.loc[[0, 1], "Yield"] = np.nan
    with pytest.warns(ranef.RanefWarning, match="singular"):
        model = lmer("Yield ~ 1 + (1 | Batch)", data)
    page = report(model, tmp_path)
    assert "28 rows of 30 rows were used (93 %). 2 rows were left out because a value is missing" in page.section(
        "data"
    )
    short, random = page.section("short"), page.section("random")
    assert "Converged, with caution." in short
    assert "There are only 6 levels of Batch" in short
    assert "No variance of the intercept between the levels of Batch was found" in random
    assert "fixed effects account" not in random  # there are none but the intercept


@pytest.mark.usefixtures("undrawn")
def test_a_fit_that_ended_early_is_no_result(tmp_path: Path) -> None:
    with pytest.warns(ranef.RanefWarning):
        model = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"), control={"max_evaluations": 2})
    page = report(model, tmp_path)
    assert "Do not use these results" in page.section("short")
    assert "intervals of" not in page.section("short")
    for part in ("fixed", "random"):
        assert "They are not results." in page.section(part)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("formula", "data", "said"),
    [
        ("diameter ~ 1 + (1 | plate) + (1 | sample)", "Penicillin", "plate are fully crossed"),
        ("strength ~ 1 + (1 | batch/cask)", "Pastes", "The levels of cask:batch are nested in batch"),
    ],
)
def test_several_factors(formula: str, data: str, said: str, tmp_path: Path) -> None:
    model = lmer(formula, load_dataset(data), REML=False)
    page = report(model, tmp_path)
    assert said in page.section("data")
    assert "fitted by maximum likelihood (ML)" in page.section("model")
    shares = model.icc(by_group=True)["adjusted"]
    for group, share in shares.items():
        assert f"{percent(float(share))} to {group}" in page.section("random")


@pytest.mark.usefixtures("undrawn")
def test_uncorrelated_and_curved(tmp_path: Path) -> None:
    page = report(lmer("height ~ poly(age, 2) + (age || Subject)", load_dataset("Oxboys")), tmp_path)
    assert "The coefficients of poly(age, 2)1 and poly(age, 2)2 belong to a curve or a coding" in page.section("fixed")
    assert page.section("model").count("has its own deviation in") == 2


@pytest.mark.usefixtures("undrawn")
def test_sums_to_zero_are_averages(tmp_path: Path) -> None:
    machines = load_dataset("machines")
    model = lmer("score ~ Machine + (Machine | Worker)", machines, contrasts={"Machine": "sum"})
    page = report(model, tmp_path)
    text = page.section("fixed")
    assert (
        "Where Machine is averaged over its levels, and with random effects of zero, the expected score is 59.7" in text
    )
    assert "where Machine is averaged over its levels" in page.section("random")
    reference = report(model.update(contrasts={"Machine": "treatment"}), tmp_path)
    assert "Where Machine is A, and with random effects of zero, the expected score is 52.4" in reference.section(
        "fixed"
    )


@pytest.mark.usefixtures("undrawn")
def test_articles(tmp_path: Path) -> None:
    model = glmer("Reaction ~ Days + (1 | Subject)", load_dataset("sleepstudy"), family="inverse.gaussian(identity)")
    assert "has an inverse Gaussian distribution" in (text := report(model, tmp_path).section("model"))
    assert "by an identity link" in text


@pytest.mark.usefixtures("undrawn")
def test_odds(tmp_path: Path) -> None:
    model = glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", load_dataset("cbpp"), family="binomial")
    best = load_case("cbpp_counts")["best"]["beta"]
    assert model.fixef.to_numpy() == pytest.approx(list(best.values()), rel=1e-3)
    page = report(model, tmp_path)
    fixed = page.section("fixed")
    ratio = float(np.exp(list(best.values())[1]))
    assert f"With period 2 rather than 1, the odds of incidence are multiplied by {number(ratio)}" in fixed
    probability = 1 / (1 + np.exp(-model.fixef["(Intercept)"]))
    assert f"the probability of incidence is {number(float(probability))}" in fixed
    # 99 of 842 animals fell ill.
    assert "842 trials together, of which 99 (12 %) are a success (incidence)" in page.section("data")
    assert "It cannot be written there: the binomial family" in page.section("programs")  # nlme
    sd = float(model.varcorr["herd"].sd[0])
    assert f"{number(float(np.exp(sd)))} times the typical value" in page.section("random")


@pytest.mark.usefixtures("undrawn")
def test_overdispersed_counts(tmp_path: Path) -> None:
    model = glmer("TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", load_dataset("grouseticks"), family="poisson")
    page = report(model, tmp_path)
    assert "Overdispersion: Pearson residuals vary" in page.section("short")
    rows = glmer("TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX)", load_dataset("grouseticks"), family="poisson")
    said = report(rows, tmp_path).section("trust")
    assert "Overdispersion:" not in said
    assert "Underdispersion:" not in said
    assert "No clear over- or underdispersion" in said
    assert "the expected count TICKS is multiplied by" in page.section("fixed")


@pytest.mark.usefixtures("undrawn")
def test_saved_models_have_reports(tmp_path: Path) -> None:
    lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy")).save(tmp_path / "m")
    page = report(ranef.load(tmp_path / "m"), tmp_path)
    assert "180 rows" in page.section("short")


def test_the_same_page_every_time(tmp_path: Path) -> None:
    model = lmer("Yield ~ 1 + (1 | Batch)", load_dataset("Dyestuff"))
    first, second = (
        re.sub(r"<dd>\d{4}-\d\d-\d\d \d\d:\d\d</dd>", "", report(model, tmp_path).source) for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("library", ["jinja2", "matplotlib"])
def test_a_missing_library_is_named(library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = lmer("Yield ~ 1 + (1 | Batch)", load_dataset("Dyestuff"))
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ranef.RanefError, match=rf"{library}.*pip install 'ranef\[report\]'"):
        model.report(tmp_path / "r.html")


@pytest.mark.usefixtures("undrawn")
def test_bad_arguments(tmp_path: Path) -> None:
    model = lmer("Yield ~ 1 + (1 | Batch)", load_dataset("Dyestuff"))
    with pytest.raises(ranef.RanefError, match="path must be a file name"):
        model.report(3)  # type: ignore[arg-type]
    with pytest.raises(ranef.RanefError, match="title must be text"):
        model.report(tmp_path / "r.html", title=3)  # type: ignore[arg-type]
    with pytest.raises(ranef.RanefError, match="level"):
        model.report(tmp_path / "r.html", level=95)
    with pytest.raises(ranef.RanefError, match="cannot be written"):
        model.report(tmp_path / "nowhere" / "r.html")
    assert not list(tmp_path.iterdir())


def test_phrases() -> None:
    assert [number(x) for x in (0.0, 1234.5, 0.012345, -0.5, 1e-9, 1e12)] == [
        "0", "1234", "0.0123", "-0.500", "1.00e-09", "1.00e+12",
    ]  # fmt: skip
    assert [percent(x) for x in (0, 0.0004, 0.031, 0.5, 1.0)] == ["0 %", "less than 0.1 %", "3.1 %", "50 %", "100 %"]
    assert listed(["a", "b", "c"], "or") == "a, b or c"
    assert (p_words(0.0001), p_words(0.0312), p_cell(float("nan"))) == ("p < 0.001", "p = 0.031", "")


def test_sentences_that_call_for_caution() -> None:
    from ranef.diagnostics.check_sentences import spread_sentence
    from ranef.diagnostics.spread import spread_trend

    x = np.linspace(1, 10, 400)
    roots = np.sqrt(np.abs(np.random.default_rng(3).normal(size=400)))
    assert spread_sentence(spread_trend(x, roots * np.sqrt(x))).concern
    assert not spread_sentence(spread_trend(x, roots)).concern
