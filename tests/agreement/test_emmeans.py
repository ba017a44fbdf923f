"""Marginal means, contrasts, trends and joint tests against emmeans."""

import functools
import hashlib
import json
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lme4_case import fitted as fitted_case

import ranef
from ranef.inference.marginal_means.max_t import LargestT, range_tail

FOLDER = Path(__file__).parents[1] / "reference"
OWN: dict[str, Any] = json.loads((FOLDER / "emmeans.json").read_text(encoding="utf-8"))
CASES: dict[str, Any] = json.loads((FOLDER / "emmeans_cases.json").read_text(encoding="utf-8"))["cases"]
TOLERANCE = 1e-5
R_NAMES = {
    "estimate": ("emmean", "estimate", "response", "ratio", "odds.ratio"),
    "std_error": ("SE",),
    "df": ("df",),
    "lower": ("lower.CL", "asymp.LCL"),
    "upper": ("upper.CL", "asymp.UCL"),
    "statistic": ("t.ratio", "z.ratio"),
    "p_value": ("p.value",),
}


@pytest.mark.parametrize("name", ["emmeans", "emmeans_cases"])
def test_the_file_is_the_one_its_script_wrote(name: str) -> None:
    file = FOLDER / f"{name}.json"
    assert hashlib.md5(file.read_bytes()).hexdigest() == file.with_suffix(".md5").read_text().strip()


@functools.cache
def fitted(model: str) -> Any:
    said = OWN["models"][model]
    data = ranef.load_dataset("cake") if said["data"] == "cake" else pd.DataFrame(OWN["data"][said["data"]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ranef.RanefWarning)  # of columns dropped for an empty cell
        return ranef.lmer(said["formula"], data, weights=said.get("weights"))


def listed(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def numbers(values: Any) -> np.ndarray:
    return np.array([math.nan if v is None else v for v in listed(values)], dtype=float)


def text(value: Any) -> str:
    return f"{value:.15g}" if isinstance(value, float | int) else str(value)


def compare(frame: pd.DataFrame, r: dict[str, Any], tolerance: float = TOLERANCE) -> None:
    """Compare rows with the same labels;
    where a whole column is missing in one of the two, something else was asked for.
    """
    r = {k: listed(v) for k, v in r.items()}
    labels = [k for k in r if k in frame.columns and k not in ("df", "null", "estimate")]
    ours = [tuple(map(text, row)) for row in frame[labels].itertuples(index=False)]
    theirs = list(zip(*([text(v) for v in r[c]] for c in labels), strict=True)) if labels else [()]
    assert sorted(ours) == sorted(theirs)
    order = [ours.index(label) for label in theirs]
    compared = 0
    for name, candidates in R_NAMES.items():
        column = next((c for c in [*candidates, *(k for k in r if k.endswith(".trend"))] if c in r), None)
        if column is None or (column.endswith(".trend") and name != "estimate"):
            continue
        values = frame[name].to_numpy(dtype=float)[order]
        values[np.isinf(values)] = np.nan  # R's infinite degrees of freedom are stored as null
        # Relative, but of numbers close to zero not of more digits than their standard errors have.
        np.testing.assert_allclose(values, numbers(r[column]), rtol=tolerance, atol=tolerance * 0.1, err_msg=name)
        compared += 1
    assert compared >= 4


# ---- the cases of lme4


def case_tables() -> list[tuple[str, str, str, str]]:
    return [
        (identifier, spec, mode, kind)
        for identifier, blocks in CASES.items()
        for spec, modes in (blocks.get("emmeans") or {}).items()
        for mode, tables in modes.items()
        for kind in ("emmeans", "pairs_tukey", "pairs_unadjusted")
        if tables.get(kind)
    ]


@pytest.mark.parametrize(("identifier", "spec", "mode", "kind"), case_tables())
def test_means_of_the_cases(identifier: str, spec: str, mode: str, kind: str) -> None:
    r = CASES[identifier]["emmeans"][spec][mode][kind]["columns"]
    # Above 3000 rows emmeans takes no degrees of freedom, whatever was asked for.
    ddf = "none" if mode == "asymptotic" or any(k.startswith("asymp") for k in r) else mode
    means = fitted_case(identifier).emmeans(spec, ddf=ddf)
    if kind != "emmeans":
        means = means.pairs(adjust="tukey" if kind == "pairs_tukey" else "none")
    p = r.pop("p.value") if kind == "pairs_tukey" else None
    limits = [r.pop(k) for k in list(r) if k.endswith(("CL", "LCL", "UCL"))] if kind == "pairs_tukey" else []
    frame = means.to_frame()
    compare(frame, r)
    if p is not None:
        # R's ptukey and qtukey stop at some 1e-6 and 1e-4: for three means and 5 df it gives
        # 0.0006525 where SciPy and we have 0.00065275.
        np.testing.assert_allclose(frame["p_value"], numbers(p), rtol=1e-5, atol=5e-7)
        for ours, theirs in zip(("lower", "upper"), limits, strict=True):
            np.testing.assert_allclose(frame[ours], numbers(theirs), rtol=1e-5, atol=1e-4 * frame["std_error"].max())


TRENDS = [(i, n) for i, blocks in CASES.items() for n in range(len(blocks.get("emtrends") or []))]


@pytest.mark.parametrize(("identifier", "number"), TRENDS)
def test_trends_of_the_cases(identifier: str, number: int) -> None:
    stored = CASES[identifier]["emtrends"][number]
    r = stored["trends"]["columns"]
    m = fitted_case(identifier)
    if identifier == "chick_growth":
        # emmeans differentiates forwards: its slope of Time is off by half a step (a thousandth of
        # the range, 21) times the second derivative. Its standard errors are those of a refit by
        # REML.
        off = m.fixef["I(Time^2)"] * 0.021
        ours = m.emtrends(stored["specs"], stored["var"], ddf="none").to_frame()["estimate"]
        np.testing.assert_allclose(ours + off, numbers(r["Time.trend"]), rtol=1e-6)
        return
    ddf = "none" if any(k.startswith("asymp") for k in r) else "kenward-roger"
    trends = m.emtrends(stored["specs"], stored["var"], ddf=ddf)
    compare(trends.to_frame(), r)
    compare(trends.pairs().to_frame(), stored["pairs"]["columns"], 1e-4)


# ---- our own models

Call = Callable[[Any], Any]
CALLS: dict[tuple[str, str], Call] = {
    ("two", "~ a * b"): lambda m: m.emmeans(["a", "b"]),
    ("two", "pairs ~ a * b"): lambda m: m.emmeans("~ a * b").pairs(),
    ("two", "at x"): lambda m: m.emmeans("~ x | b", at={"x": [0, 2, 4], "a": ["lo", "top"]}),
    ("two", "contrast ref 2"): lambda m: m.emmeans("a").contrast("trt.vs.ctrl", ref=1, adjust="none"),
    ("two", "contrast reverse"): lambda m: m.emmeans("a").pairs(reverse=True),
    ("two", "contrast custom"): lambda m: m.emmeans("a").contrast({"first": [1, -1, 0], "half": [0.5, 0.5, -1]}),
    ("two", "contrast by"): lambda m: m.emmeans("~ a * b").contrast("eff", by="b"),
    ("two", "contrast by trt.vs.ctrl"): lambda m: m.emmeans("~ a * b").contrast("trt.vs.ctrl", by="a", adjust="none"),
    ("two", "confint 90"): lambda m: m.emmeans("a", level=0.9),
    ("weighted", "~ z"): lambda m: m.emmeans("z"),
    ("weighted", "pairs ~ b | a"): lambda m: m.emmeans("b", by="a").pairs(),
    ("functions", "~ a"): lambda m: m.emmeans("a"),
    ("functions", "~ k"): lambda m: m.emmeans("k"),
    ("functions", "pairs ~ k"): lambda m: m.emmeans("pairwise ~ k").contrasts,
    ("functions", "~ x"): lambda m: m.emmeans("x", at={"x": [2, 3]}),
    ("squares", "~ a"): lambda m: m.emmeans("a"),
    ("squares", "trend a"): lambda m: m.emtrends("a", "x"),
    ("squares", "trend x | a"): lambda m: m.emtrends("~ x | a", "x", at={"x": [1, 2, 4]}),
    ("squares", "trend k"): lambda m: m.emtrends("~ 1", "k"),
    ("shifted", "response"): lambda m: m.emmeans("a", type="response"),
    ("logit", "response"): lambda m: m.emmeans("a", type="response"),
    ("logit", "pairs response"): lambda m: m.emmeans("a", type="response").pairs(),
    ("empty", "~ a"): lambda m: m.emmeans("a"),
    ("empty", "~ b"): lambda m: m.emmeans("b"),
    ("empty", "~ a * b"): lambda m: m.emmeans("~ a * b"),
    ("empty", "pairs ~ a | b"): lambda m: m.emmeans("~ a | b").pairs(adjust="none"),
    ("empty", "pairs ~ a"): lambda m: m.emmeans("a").pairs(adjust="none"),
    ("empty", "cells"): lambda m: m.emmeans("a", weights="cells"),
    ("empty", "flat"): lambda m: m.emmeans("b", weights="flat"),
    ("nested", "~ t"): lambda m: m.emmeans("t"),
    ("nested", "~ k"): lambda m: m.emmeans("k"),
    ("nested", "~ a"): lambda m: m.emmeans("a"),
    ("nested", "~ a | k"): lambda m: m.emmeans("~ a | k"),
    ("nested", "pairs ~ t"): lambda m: m.emmeans("t").pairs(),
    ("nested", "pairs ~ k"): lambda m: m.emmeans("k").pairs(),
    ("nested", "~ t proportional"): lambda m: m.emmeans("t", weights="proportional"),
    ("offset", "~ a"): lambda m: m.emmeans("a"),
}


for _ddf, _r in (("satterthwaite",) * 2, ("kenward-roger",) * 2, ("none", "asymptotic")):
    CALLS["two", f"~ a, {_r}"] = lambda m, d=_ddf: m.emmeans("~ a", ddf=d)
    CALLS["two", f"~ a | b, {_r}"] = lambda m, d=_ddf: m.emmeans("~ a | b", ddf=d)
    CALLS["two", f"pairs ~ a | b, {_r}"] = lambda m, d=_ddf: m.emmeans("~ a | b", ddf=d).pairs()
for _w in ("equal", "proportional", "outer", "cells", "flat"):
    CALLS["two", f"weights {_w}"] = CALLS["empty additive", f"weights {_w}"] = lambda m, w=_w: m.emmeans("a", weights=w)
    CALLS["two", f"weights one {_w}"] = lambda m, w=_w: m.emmeans("~ 1", weights=w)
    if _w != "flat":
        CALLS["weighted", f"weights {_w}"] = CALLS["two", f"weights {_w}"]
for _k in ("pairwise", "revpairwise", "trt.vs.ctrl", "trt.vs.ctrlk", "poly", "consec", "mean_chg", "eff", "del.eff"):
    CALLS["two", f"contrast {_k}"] = lambda m, k=_k: m.emmeans("~ a * b").contrast(k, adjust="none")
for _j in ("tukey", "holm", "hochberg", "hommel", "bonferroni", "sidak", "fdr", "BY", "scheffe", "none"):
    CALLS["two", f"adjust {_j}"] = lambda m, j=_j: m.emmeans("~ a * b").pairs(adjust=j)
for _j in ("bonferroni", "sidak", "scheffe"):
    CALLS["two", f"adjust means {_j}"] = lambda m, j=_j: m.emmeans("a", adjust=j)
for _t in ("log", "sqrt", "log10", "log2", "log1p"):
    CALLS[_t, "link"] = lambda m: m.emmeans("a")
    CALLS[_t, "response"] = lambda m: m.emmeans("a").response()
    CALLS[_t, "pairs link"] = lambda m: m.emmeans("a").pairs()
    CALLS[_t, "pairs response"] = lambda m: m.emmeans("a", type="response").pairs()


@pytest.mark.parametrize(("model", "call"), CALLS)
def test_tables(model: str, call: str) -> None:
    compare(CALLS[model, call](fitted(model)).to_frame(), OWN["results"][model][call])


@pytest.mark.parametrize("fixed", ["t * k + a", "k + a + t", "t:k + a"])
@pytest.mark.parametrize("specs", ["~ t", "~ k"])
def test_nesting_is_that_of_the_data(fixed: str, specs: str) -> None:
    """The same columns in other words.

    For the last of them emmeans finds no nesting, and no estimable mean.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ranef.RanefWarning)
        m = ranef.lmer(f"y ~ {fixed} + (1 | g)", pd.DataFrame(OWN["data"]["nested"]))
    compare(m.emmeans(specs).to_frame(), OWN["results"]["nested"][specs])
    # Levels chosen of another factor leave the nesting as it is.
    part = m.emmeans(specs, at={"a": ["top"]}).to_frame()
    assert len(part) == len(m.emmeans(specs).to_frame())
    assert np.isfinite(part["estimate"]).all()


def test_differences_of_slopes() -> None:
    # One of them is a hundredth of the slopes, so that the rounding of differences in R shows.
    compare(fitted("squares").emtrends("a", "x").pairs().to_frame(), OWN["results"]["squares"]["trend pairs"], 2e-4)


def test_contrasts_that_are_zero_whatever_the_effects() -> None:
    r = OWN["results"]["two"]["contrast poly k 4"]
    frame = fitted("two").emmeans("x", at={"x": [1, 2, 3, 4]}).contrast("poly").to_frame()
    np.testing.assert_allclose(frame["estimate"], numbers(r["estimate"]), rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(frame["statistic"], numbers(r["t.ratio"]), rtol=1e-6)


def test_null() -> None:
    compare(fitted("two").emmeans("a").test(null=7), OWN["results"]["two"]["test null"])


# ---- joint tests

# F and its numerator are emmeans'; its denominator is the smallest of the degrees of freedom of the
# parts, ours is Fai and Cornelius' as in lmerTest, so that ours are compared with emmeans' where
# there is one part, and with anova
# otherwise.


def compare_joint(frame: pd.DataFrame, r: dict[str, Any], labels: list[str]) -> None:
    rows = [i for i, t in enumerate(listed(r.get("model term", [""] * len(listed(r["df1"]))))) if t != "(confounded)"]
    theirs = {tuple(text(listed(r[c])[i]) for c in labels): i for i in rows}
    frame = frame.rename(columns={"term": "model term"})
    assert {tuple(text(row[c]) for c in labels) for row in frame.to_dict("records")} == set(theirs)
    for row in frame.to_dict("records"):
        i = theirs[tuple(text(row[c]) for c in labels)]
        assert row["num_df"] == listed(r["df1"])[i]
        assert row["f_value"] == pytest.approx(listed(r["F.ratio"])[i], abs=6e-4)  # rounded by emmeans
        if row["num_df"] == 1:
            assert row["den_df"] == pytest.approx(listed(r["df2"])[i], abs=6e-3)
            assert row["p_value"] == pytest.approx(listed(r["p.value"])[i], rel=2e-3)


@pytest.mark.parametrize("model", ["two", "functions", "empty", "nested"])
def test_joint_tests_of_terms(model: str) -> None:
    compare_joint(fitted(model).joint_tests().reset_index(), OWN["results"][model]["joint_tests"], ["model term"])


def test_joint_tests_in_groups() -> None:
    found = fitted("two").joint_tests("b").reset_index()
    compare_joint(found, OWN["results"]["two"]["joint_tests by"], ["model term", "b"])


def test_joint_tests_of_means() -> None:
    r, means = OWN["results"]["two"], fitted("two").emmeans("a")
    compare_joint(means.test(joint=True), r["test joint"], [])
    compare_joint(means.pairs().test(joint=True), r["test joint pairs"], [])
    compare_joint(fitted("two").emmeans("~ a * b").pairs(by="b").test(joint=True), r["test joint by"], ["b"])


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
def test_joint_tests_are_those_of_type_3(ddf: str) -> None:
    m = fitted("print")
    joint, anova = m.joint_tests(ddf=ddf), m.anova(3, ddf=ddf)
    assert list(joint.index) == list(anova.index)
    for column in ("num_df", "den_df", "f_value", "p_value"):
        np.testing.assert_allclose(joint[column], anova[column], rtol=1e-6)


# ---- distributions


@pytest.mark.parametrize("name", ["mvt 0", "mvt 7", "mvt 12"])
def test_largest_t(name: str) -> None:
    r = OWN["results"]["two"][name]
    largest = LargestT(np.array(r["corr"]))
    ours = [largest.tail(q, r["df"] or math.inf) for q in r["at"]]
    np.testing.assert_allclose(ours, r["p"], atol=3e-6)


@pytest.mark.parametrize("df", [2.5, 12.0, math.inf])
def test_largest_difference_is_the_range(df: float) -> None:
    """All differences of independent means,
    whose correlation is singular, have Tukey's distribution.
    """
    rows = np.array([np.eye(5)[i] - np.eye(5)[j] for i in range(5) for j in range(i)])
    largest = LargestT(rows @ rows.T / 2)
    for q in (1.0, 2.5, 4.0):
        assert largest.tail(q, df) == pytest.approx(range_tail(q * math.sqrt(2), 5, df), rel=2e-4)


# ---- print


def lines(output: str) -> list[str]:
    return [line.rstrip() for line in output.splitlines() if line.strip()]


def test_layout() -> None:
    m, r = fitted("print"), OWN["results"]["print"]
    shown = {
        "~ recipe": m.emmeans("recipe"),
        "pairs ~ recipe | temperature": m.emmeans("~ recipe | temperature").pairs(),
        "pairs recipe temperature": m.emmeans("~ recipe * temperature", at={"temperature": ["175", "185"]}).pairs(),
    }
    for name, table in shown.items():
        assert lines(str(table)) == lines("\n".join(r[name]))
