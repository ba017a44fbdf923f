"""Averages inside nests, transformed responses and follow-ups of means against emmeans
(tests/reference/emmeans_followups.json).
"""

import functools
import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ranef

FILE = Path(__file__).parents[1] / "reference" / "emmeans_followups.json"
REFERENCE: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
NAMES = {
    "estimate": ("emmean", "estimate", "response", "ratio", "odds.ratio", "effect.size", "x.trend"),
    "std_error": ("SE",),
    "df": ("df",),
    "statistic": ("t.ratio", "z.ratio"),
    "p_value": ("p.value",),
    "lower": ("lower.CL", "asymp.LCL"),
    "upper": ("upper.CL", "asymp.UCL"),
}
NESTED = [
    (model, weights, specs)
    for model, by_weights in REFERENCE["nested"]["means"].items()
    for weights, found in by_weights.items()
    for specs in found
]


def test_the_reference_is_what_was_made() -> None:
    assert hashlib.md5(FILE.read_bytes()).hexdigest() == FILE.with_suffix(".md5").read_text().strip()


@functools.cache
def fitted(formula: str, data: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ranef.RanefWarning)  # of columns dropped for nested factors
        return ranef.lmer(formula, pd.DataFrame(REFERENCE["data"][data]))


def compare(
    frame: pd.DataFrame, expected: dict[str, Any], labels: tuple[str, ...] = (), rtol: float = 1e-5, leave: str = ""
) -> None:
    r = {k: v if isinstance(v, list) else [v] for k, v in expected.items()}
    ours = list(map(tuple, frame[list(labels)].astype(str).to_numpy()))
    theirs = list(zip(*(map(str, r[n]) for n in labels), strict=True))
    order = [ours.index(label) for label in theirs] if labels else list(range(len(frame)))
    assert len(order) == len(frame)
    compared = 0
    for name, candidates in NAMES.items():
        column = next((c for c in candidates if c in r), None)
        if column is None or name in leave.split() or name not in frame:
            continue
        values = frame[name].to_numpy(dtype=float)[order]
        right = np.array([np.inf if v == "Inf" else v for v in r[column]], dtype=float)
        np.testing.assert_allclose(values, right, rtol=rtol, atol=rtol * 0.1, err_msg=name)
        compared += 1
    assert compared > 1


@pytest.mark.parametrize(("model", "weights", "specs"), NESTED)
def test_averages_are_made_inside_nests_first(model: str, weights: Any, specs: str) -> None:
    m = fitted(REFERENCE["nested"]["formulas"][model], "fields")
    means = m.emmeans(f"~ {specs}", weights=weights).to_frame()
    expected = REFERENCE["nested"]["means"][model][weights][specs]
    labels = [n for n in specs.split(":") if n != "1"]
    compare(means, expected, tuple(labels))


@pytest.mark.parametrize("response", REFERENCE["response"])
def test_responses_are_undone(response: str) -> None:
    expected = REFERENCE["response"][response]
    means = fitted(f"{response} ~ g + (1 | s)", "responses").emmeans("g")
    compare(means.response().to_frame(), expected["means"], ("g",), leave="statistic p_value")
    if "pairs" in expected:
        compare(means.pairs().response().to_frame(), expected["pairs"], ("contrast",), rtol=1e-4)


FOLLOW = REFERENCE["follow"]


@pytest.fixture(scope="module")
def model() -> Any:
    return fitted("y ~ a * b + x + I(x^2) + (1 | s)", "follow")


def test_simple_contrasts_of_every_variable(model: Any) -> None:
    frame = model.emmeans(["a", "b"]).contrast("pairwise", simple="each").to_frame()
    a, b = frame[frame["a"] == "."], frame[frame["b"] == "."]
    assert len(a) + len(b) == len(frame)
    for part, name, other in ((a, "simple contrasts for a", "b"), (b, "simple contrasts for b", "a")):
        compare(part, FOLLOW["simple"][name], ("contrast", other), rtol=1e-4)
    compare(model.emmeans("~ a * b").contrast(simple="b").to_frame(), FOLLOW["simple_b"], ("contrast", "a"))
    one = model.emmeans(["a", "b"], at={"b": ["u"]}).contrast(simple="each").to_frame()
    assert one["a"].tolist() == ["."] * 3
    with pytest.raises(ranef.OptionError, match="these are contrasts"):
        model.emmeans("a").pairs().contrast(simple="each")


def test_means_are_left_out(model: Any) -> None:
    means, both = model.emmeans("a"), model.emmeans(["a", "b"])
    compare(means.contrast(exclude=0).to_frame(), FOLLOW["exclude"], ("contrast",))
    compare(means.contrast(exclude=["p"]).to_frame(), FOLLOW["exclude"], ("contrast",))
    control = both.contrast("trt.vs.ctrl", exclude=[1, 2], adjust="none")
    compare(control.to_frame(), FOLLOW["exclude_control"], ("contrast",))
    compare(both.contrast("eff", exclude=["p u"], adjust="none").to_frame(), FOLLOW["exclude_eff"], ("contrast",))
    with pytest.raises(ranef.OptionError, match="exclude names 'p w'"):
        both.contrast(exclude="p w")


def test_families_are_joined_and_rows_chosen(model: Any) -> None:
    joined = model.emmeans("a").pairs() + model.emmeans("b").pairs()
    compare(joined.to_frame(), FOLLOW["joined"], ("contrast",))
    compare(joined.test(adjust="sidak"), FOLLOW["joined_sidak"], ("contrast",), leave="lower upper")
    both = model.emmeans(["a", "b"])
    compare(both[:2].to_frame(), FOLLOW["some"], ("a", "b"))
    compare(both.pairs()[[0, 3]].test(adjust="bonferroni"), FOLLOW["some_pairs"], ("contrast",), leave="lower upper")
    assert [len(one) for one in both] == [1] * 6
    with pytest.raises(ranef.OptionError, match="different kinds"):
        both + both.pairs()


@pytest.mark.parametrize("adjust", ["none", "holm", "tukey", "bonferroni"])
def test_equivalence(model: Any, adjust: str) -> None:
    pairs = model.emmeans(["a", "b"]).pairs()
    compare(pairs.test(delta=1.5, adjust=adjust), FOLLOW["delta"][adjust], ("contrast",), rtol=1e-4)


def test_margins_on_one_side(model: Any) -> None:
    pairs = model.emmeans(["a", "b"]).pairs(adjust="none")
    for side, name in (("greater", "noninferior"), ("less", "nonsuperior")):
        compare(pairs.test(delta=0.5, alternative=side), FOLLOW["delta"][name], ("contrast",))


def test_effect_sizes(model: Any) -> None:
    # emmeans takes the degrees of freedom of the means; those of the contrasts are taken here.
    for edf, name in ((40, "eff"), (np.inf, "eff_inf")):
        sizes = model.emmeans("a").eff_size(edf=edf).to_frame()
        compare(sizes, FOLLOW[name], ("contrast",), leave="df p_value lower upper")
    assert (model.emmeans("a").eff_size(edf=30).to_frame()["df"] == 30).all()


def test_trends_of_second_degree(model: Any) -> None:
    # emmeans takes the slope a little beside the mean of x; here it is that of one degree.
    curved = fitted("y ~ a * poly(x, 2) + (1 | s)", "follow")
    for m, name in ((model, "trend2"), (curved, "trend_poly")):
        found = m.emtrends("a", "x", max_degree=2).to_frame()
        expected = {
            k: [v for v, d in zip(c, FOLLOW[name]["degree"], strict=True) if d == "quadratic"]
            for k, c in FOLLOW[name].items()
        }
        compare(found[found["degree"] == "quadratic"], expected, ("a",))
        slopes = found[found["degree"] == "linear"].drop(columns="degree")
        pd.testing.assert_frame_equal(slopes, m.emtrends("a", "x").to_frame())


def test_means_on_another_scale() -> None:
    means = fitted("log(y) ~ g + (1 | s)", "responses").emmeans("g").regrid()
    compare(means.to_frame(), FOLLOW["regrid"]["means"], ("g",))
    compare(means.pairs(adjust="none").to_frame(), FOLLOW["regrid"]["pairs"], ("contrast",))
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    # lme4's expected curvature and its tolerances.
    herds = ranef.glmer(formula, ranef.load_dataset("cbpp"), family="binomial").emmeans("period")
    names = [f"period{i} - period{j}" for i in range(1, 4) for j in range(i + 1, 5)]
    risk = herds.regrid().pairs(adjust="none").to_frame()
    ratio = herds.regrid("log").pairs(adjust="none").response().to_frame()
    assert risk["contrast"].tolist() == names
    compare(risk, FOLLOW["regrid"]["risk"], rtol=3e-2)
    compare(ratio, FOLLOW["regrid"]["log"], rtol=3e-2)
    plain = fitted("y ~ g + (1 | s)", "responses").emmeans("g")
    pd.testing.assert_frame_equal(plain.regrid().to_frame(), plain.to_frame())


def test_update_of_joined_families() -> None:
    # emmeans: update(rbind(c1, c2), adjust = ) with c1 the pairs of recipes and c2 the consecutive
    # differences of temperatures.
    m = ranef.lmer("angle ~ recipe + temperature + (1 | recipe:replicate)", ranef.load_dataset("cake"))
    both = m.emmeans("recipe").pairs() + m.emmeans("temperature").contrast("consec")
    expected = {
        "none": "0.5506484 0.5387812 0.9856492 0.03931921 0.1256270 0.4292108 0.0001587249 0.6088335",
        "bonferroni": "1 1 1 0.3145537 1 1 0.001269799 1",
        "sidak": "0.9983378 0.9979523 1 0.2745076 0.6583559 0.9887331 0.001269094 0.9994519",
        "holm": "1 1 1 0.2752345 0.7537620 1 0.001269799 1",
        "fdr": "0.6958097 0.6958097 0.9856492 0.1572768 0.3350054 0.6958097 0.001269799 0.6958097",
    }
    for adjust, texts in expected.items():
        p = both.update(adjust=adjust).to_frame()["p_value"]
        np.testing.assert_allclose(p, [float(t) for t in texts.split()], rtol=2e-5)
    # By simulation in emmeans.
    p = both.update(adjust="mvt").to_frame()["p_value"]
    np.testing.assert_allclose(p, [0.99336, 0.99216, 1, 0.24455, 0.59028, 0.97257, 0.00128, 0.99766], atol=1.5e-3)
    ends = both.update(adjust="sidak").conf_int()[["lower", "upper"]].to_numpy()
    np.testing.assert_allclose(ends[[0, 7]], [[-5.573155, 8.528711], [-3.115560, 2.137782]], rtol=2e-5)
    means = m.emmeans(["recipe", "temperature"])
    by_recipe = means.contrast("consec", by="recipe", adjust="holm")
    pd.testing.assert_frame_equal(
        by_recipe.update(by=None, adjust="none").update(by="recipe", adjust="holm").to_frame(), by_recipe.to_frame()
    )
    assert by_recipe.update(by=None).to_frame()["p_value"].max() >= by_recipe.to_frame()["p_value"].max()
    assert (by_recipe.update(alternative="greater", adjust="none").to_frame()["upper"] == np.inf).all()


def test_letters_are_shared_by_means_that_do_not_differ(model: Any) -> None:
    means = model.emmeans(["a", "b"])
    frame = means.cld(0.1)
    p = means.pairs().to_frame()["p_value"].to_numpy()
    pairs = [(i, j) for i in range(6) for j in range(i + 1, 6)]
    assert (p < 0.1).any()
    for (i, j), value in zip(pairs, p, strict=True):
        assert bool(set(frame["letters"][i]) & set(frame["letters"][j])) == (value >= 0.1)
