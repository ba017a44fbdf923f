"""The line about rows that were left out, wherever a model is shown."""

import copy
import json

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef.cli.documents import model_document


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    d = pd.DataFrame({"Frequency": rng.normal(size=1200), "g": np.repeat(np.arange(40), 30)})
    d["RT"] = d.Frequency + rng.normal(size=40)[d.g] + rng.normal(size=1200)
    d["trial"] = np.arange(1200)
    d.loc[:39, "RT"] = np.nan
    d.loc[100:114, "Frequency"] = np.nan
    return d


LINE = "1,145 of 1,200 rows used (55 missing: RT 40, Frequency 15)"


def test_the_line_is_in_all_that_is_shown(data):
    m = ranef.lmer("RT ~ Frequency + (1 | g)", data)
    assert LINE in str(m.summary()).splitlines()
    assert LINE in repr(m).splitlines()
    assert LINE in m.summary().to_html()
    assert LINE in m.summary().to_markdown()
    assert m.glance().n_missing.tolist() == [55]
    document = json.loads(json.dumps(model_document(m)))
    assert document["rows_used"] == LINE
    assert document["missing"] == {"RT": 40, "Frequency": 15}
    assert document["n_missing"] == 55


@pytest.mark.usefixtures("undrawn")
def test_the_report_says_it(data, tmp_path):
    pytest.importorskip("matplotlib")
    page = tmp_path / "m.html"
    ranef.lmer("RT ~ Frequency + (1 | g)", data).report(page)
    text = page.read_text(encoding="utf-8")
    assert LINE in text
    assert "55 rows were left out because a value is missing (RT 40, Frequency 15)" in text


def test_nothing_is_said_of_complete_data(data):
    m = ranef.lmer("RT ~ Frequency + (1 | g)", data.dropna())
    assert "rows used" not in str(m.summary()) + repr(m)
    assert m.glance().n_missing.tolist() == [0]
    assert model_document(m)["rows_used"] is None


def test_a_subset_is_told_from_missing_values(data):
    m = ranef.lmer("RT ~ Frequency + (1 | g)", data, subset="trial >= 30")
    line = "1,145 of 1,200 rows used (25 missing: RT 10, Frequency 15; 30 not in the subset)"
    assert m.summary().rows_used == line
    assert line in str(m.summary()).replace("\n", " ")  # wrapped at the width of a summary


def test_it_stays_with_copies_files_and_refits(data, tmp_path):
    m = ranef.lmer("RT ~ Frequency + (1 | g)", data, na_action="exclude")
    m.save(tmp_path / "m")
    for other in (copy.deepcopy(m), ranef.load(tmp_path / "m"), m.refit(m.simulate(1, rng=1).iloc[:, 0])):
        assert LINE in repr(other)
