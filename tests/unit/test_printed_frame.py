"""Frames that print all of their columns, each in one notation."""

import math
import pickle
import re

import numpy as np
import pandas as pd
import pytest

from ranef import anova, glmer, lmer, load_dataset, power_curve
from ranef.presentation.printed_frame import PrintedFrame, number_column, printed


@pytest.fixture(scope="module")
def cake():
    return lmer("angle ~ recipe * temperature + (1 | recipe:replicate)", load_dataset("cake"))


@pytest.fixture(scope="module")
def herds():
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    return glmer(formula, load_dataset("cbpp"), family="binomial")


def smaller(m):
    """The model without one of its terms."""
    formula = "cbind(incidence, size - incidence) ~ 1 + (1 | herd)"
    return m.update(formula if "herd" in m.ngroups else ". ~ recipe + (1 | recipe:replicate)")


TABLES = {
    "anova": lambda m: m.anova(),
    "tidy": lambda m: m.tidy(conf_int=True),
    "glance": lambda m: m.glance(),
    "augment": lambda m: m.augment(),
    "drop1": lambda m: m.drop1(),
    "ranova": lambda m: m.ranova(),
    "step": lambda m: m.step().fixed,
    "test": lambda m: m.test("(Intercept) = 1"),
    "anova of two": lambda m: anova(m, smaller(m)),
    "power_curve": lambda m: power_curve(
        m, m.fixef.index[-1], 20, test="lrt", extend={next(iter(m.ngroups)): [45, 60]}, rng=1
    ),
    "means.test": lambda m: m.emmeans(m.anova().index[0]).test(),
    "means.conf_int": lambda m: m.emmeans(m.anova().index[0]).conf_int(),
}


@pytest.mark.parametrize("name", TABLES)
def test_no_column_is_hidden(name, cake, herds):
    for m in (cake, herds):
        table = TABLES[name](m)
        assert isinstance(table, PrintedFrame)
        text, html = str(table), table._repr_html_()
        assert "..." not in text
        for column in table.columns:
            assert column in text
            assert f">{column}</th>" in html
        assert repr(table) == text
        assert max(map(len, text.split("\n")[: len(table)])) <= 120
        part = table.iloc[:1, :2]
        assert type(part) is pd.DataFrame
        assert type(table[table.columns[0]]) is pd.Series
        pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(table)), table)


def test_one_notation_a_column():
    frame = printed(pd.DataFrame({
        "term": ["a", "b", None],
        "estimate": [0.5633, 251.4, -0.00123],
        "std_error": [0.0125, 6.8, 0.0001],
        "df": [57.2, 4050.1, math.inf],
        "statistic": [45.18, 36.8, -12.3],
        "p_value": [1e-300, 3.264e-06, 0.7661],
        "n": [1, 2, 3],
        "ok": [True, False, True],
        "size": [1e-5, 2e7, 3.0],
    }))  # fmt: skip
    assert str(frame).split("\n") == [
        "  term  estimate std_error     df statistic   p_value n    ok  size",
        "0 a      0.56330   0.01250   57.2    45.180    <2e-16 1  True 1e-05",
        "1 b    251.40000   6.80000 4050.1    36.800 3.264e-06 2 False 2e+07",
        "2       -0.00123   0.00010    Inf   -12.300    0.7661 3  True 3e+00",
    ]


def test_estimates_and_their_errors_have_one_notation():
    frame = printed(pd.DataFrame({"estimate": [251.4, 1.047e6], "std_error": [9.747, 8.042e4]}))
    assert str(frame).split("\n")[1:] == ["0 2.514e+02 9.747e+00", "1 1.047e+06 8.042e+04"]
    frame["lower"], frame["upper"] = [np.nan, 1e6], [np.inf, 2e6]
    assert str(frame).split("\n")[1].split() == ["0", "2.514e+02", "9.747e+00", "Inf"]


def test_p_values_as_r_prints_them():
    assert [t.strip() for t in number_column("p_value", [1e-20, 0.04, 1e-5])] == ["<2e-16", "0.04", "1e-05"]
    assert [t.strip() for t in number_column("p_value_boundary", [0.0])] == ["<2e-16"]
    assert [t.strip() for t in number_column("den_df", [4050.1234, 3.0])] == ["4050.1", "3.0"]


def test_many_rows_are_shortened_and_counted():
    frame = printed(pd.DataFrame({"estimate": np.arange(1e5), "p_value": np.linspace(0, 1, 100_000)}))
    lines = str(frame).split("\n")
    assert len(lines) == 13
    assert lines[6].split() == ["…", "…", "…"]
    assert lines[-1] == "[100000 rows × 2 columns]"
    assert [line.split()[0] for line in (lines[1], lines[-2])] == ["0", "99999"]
    assert "100000 rows" in frame._repr_html_()


def test_wide_frames_continue_below(monkeypatch):
    frame = printed(pd.DataFrame(np.ones((2, 40)), columns=[f"column {j}" for j in range(40)]))
    lines = str(frame).split("\n")
    assert max(map(len, lines)) <= 120
    assert re.findall(r"column \d+", "\n".join(lines)) == list(frame.columns)


def test_empty_frames_print():
    assert "estimate" in str(printed(pd.DataFrame({"estimate": [], "term": []})))
    assert str(printed(pd.DataFrame())) == ""


def test_html_escapes(cake):
    frame = printed(pd.DataFrame({"<b>": ["<i>"]}, index=["<u>"]))
    frame.attrs = {"heading": "<h>", "notes": ("<n>",)}
    html = frame._repr_html_()
    assert not re.search("<(b|i|u|h|n)>", html)
