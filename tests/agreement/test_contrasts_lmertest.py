"""Contrasts against lmerTest's ``contest`` (tests/reference/contrasts.json,
made by generate/contrasts.R), and the layout of its summaries.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ranef
from reference.store import load_data

FILE = Path(__file__).parents[1] / "reference" / "contrasts.json"
MODELS = {
    "sleepstudy": ("sleepstudy", "Reaction ~ Days + (Days | Subject)"),
    "cake": ("cake", "angle ~ recipe * temp + (1 | recipe:replicate)"),
    "machines": ("Machines", "score ~ Machine + (1 | Worker) + (1 | Worker:Machine)"),
}


def reference() -> dict[str, Any]:
    content = FILE.read_bytes()
    assert hashlib.md5(content).hexdigest() == FILE.with_suffix(".md5").read_text().strip()
    stored: dict[str, Any] = json.loads(content)
    return stored


def model(name: str) -> Any:
    data, formula = MODELS[name]
    return ranef.lmer(formula, load_data(data))


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
@pytest.mark.parametrize("name", MODELS)
def test_contrasts(name: str, ddf: str) -> None:
    stored = reference()["tests"][name]
    m = model(name)
    theirs = stored[ddf]["single"]
    single = m.test(stored["L"], rhs=stored["rhs"], ddf=ddf, joint=False, level=0.9)
    for ours, column in {
        "estimate": "Estimate",
        "std_error": "Std. Error",
        "df": "df",
        "statistic": "t value",
        "lower": "lower",
        "upper": "upper",
    }.items():
        np.testing.assert_allclose(single[ours], theirs[column], rtol=1e-5, atol=1e-7, err_msg=ours)
    np.testing.assert_allclose(single["p_value"], theirs["Pr(>|t|)"], rtol=1e-4)
    theirs = stored[ddf]["joint"]
    joint = m.test(stored["L"], rhs=stored["rhs"], ddf=ddf).iloc[0]
    assert joint["num_df"] == theirs["NumDF"]
    assert joint["den_df"] == pytest.approx(theirs["DenDF"], rel=1e-5)
    assert joint["f_value"] == pytest.approx(theirs["F value"], rel=1e-5)
    assert joint["p_value"] == pytest.approx(theirs["Pr(>F)"], rel=1e-4)


def test_text_and_names_say_the_same_as_the_matrix() -> None:
    m = model("sleepstudy")
    stored = reference()["tests"]["sleepstudy"]
    by_matrix = m.test(stored["L"], rhs=stored["rhs"], joint=False).to_numpy()
    by_text = m.test(["(Intercept) + 5*Days = 290", "8 == Days"], joint=False).to_numpy().copy()
    by_text[1, [0, 3]] *= -1  # 8 - Days
    by_text[1, [5, 6]] = -by_text[1, [6, 5]]
    np.testing.assert_allclose(by_text, by_matrix, rtol=1e-12)
    np.testing.assert_allclose(m.test({"(Intercept)": 1, "Days": 5}, rhs=290).to_numpy(), by_matrix[:1], rtol=1e-12)


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
def test_summary_is_laid_out_as_lmertest_prints_it(ddf: str) -> None:
    # The estimates that lme4's optimiser reaches here agree to all the digits that are printed.
    ours = [line.rstrip() for line in str(model("sleepstudy").summary(ddf)).splitlines()]
    # but for the name of R's class, which is not ours
    theirs = [
        re.sub(r" \[$", "", line.rstrip())
        for line in reference()["print"][ddf]
        if not re.match(r" +Data:|Control:|tight|Formula|lmerModLmerTest", line)
    ]
    missing = [line for line in theirs if line and line not in ours]
    assert not missing, "\n".join(missing)
