"""Wrong arguments, files and new data have an answer of ours: an error that says what to do."""

from typing import Any

import numpy as np
import pytest

import ranef
from ranef import (
    ArgumentTypeError,
    DataError,
    NewLevelError,
    OptionError,
    RanefError,
    lmer,
    load_dataset,
)
from unit.refusals import INTERCEPT, SLOPE, refused, sleep

# ---- new data


def test_unseen_level() -> None:
    m = lmer(SLOPE, sleep())
    new = {"Days": [1.0, 2.0], "Subject": ["308", "999"]}
    refused(lambda: m.predict(new), NewLevelError, "999", "Subject", "new_levels")
    p = m.predict(new, new_levels="population")
    assert p.iloc[1] == pytest.approx(251.405104848484 + 2 * 10.4672859595964, rel=1e-8)
    assert m.predict(new, re="population").iloc[0] == pytest.approx(251.405104848484 + 10.4672859595964, rel=1e-8)


def test_missing_column_in_new_data() -> None:
    m = lmer(SLOPE, sleep())
    refused(lambda: m.predict({"Dayz": [1.0], "Subject": ["308"]}), KeyError, "'Days'", "Dayz")
    refused(lambda: m.predict({"Days": [1.0]}), KeyError, "'Subject'")
    assert len(m.predict({"Days": [1.0]}, re="population")) == 1


def test_new_level_of_a_predictor() -> None:
    d = sleep(f=list("abc") * 60)
    m = lmer("Reaction ~ f + (1 | Subject)", d)
    refused(lambda: m.predict({"f": ["z"], "Subject": ["308"]}), RanefError, "z", "f")


def test_predictor_of_another_type_in_new_data() -> None:
    m = lmer(SLOPE, sleep())
    refused(lambda: m.predict({"Days": ["one"], "Subject": ["308"]}), RanefError, "Days")


def test_offset_given_as_array_is_asked_for_again() -> None:
    """lme4 forgets it without a word."""
    m = lmer(INTERCEPT, sleep(), offset=np.arange(180.0))
    refused(lambda: m.predict({"Days": [1.0], "Subject": ["308"]}), RanefError, "offset")
    assert len(m.predict({"Days": [1.0], "Subject": ["308"]}, offset=[2.0])) == 1


# ---- wrong types of arguments

WRONG_TYPES: list[tuple[str, dict[str, Any]]] = [
    ("formula", {"formula": 3}),
    ("formula", {"formula": None}),
    ("formula", {"formula": ["Reaction ~ Days + (1 | Subject)"]}),
    ("data", {"data": None}),
    ("data", {"data": 5}),
    ("data", {"data": [1, 2, 3]}),
    ("data", {"data": lmer}),
    ("REML", {"REML": "yes"}),
    ("REML", {"REML": 2}),
    ("method", {"method": 1}),
    ("weights", {"weights": 3}),
    ("weights", {"weights": {"a": 1}}),
    ("weights", {"weights": np.ones((180, 2))}),
    ("offset", {"offset": 3.5}),
    ("offset", {"offset": np.ones((180, 2))}),
    ("subset", {"subset": 3}),
    ("subset", {"subset": lambda d: d}),
    ("na_action", {"na_action": 1}),
    ("contrasts", {"contrasts": "sum"}),
    ("contrasts", {"contrasts": {"Subject": 3}}),
    ("start", {"start": "one"}),
    ("start", {"start": object()}),
    ("control", {"control": 5}),
    ("max_evaluations", {"control": {"max_evaluations": "many"}}),
    ("tolerance", {"control": {"tolerance": "small"}}),
    ("progress", {"progress": "yes"}),
    ("n_threads", {"n_threads": "two"}),
    ("n_threads", {"n_threads": 1.5}),
]


@pytest.mark.parametrize(("name", "wrong"), WRONG_TYPES, ids=lambda value: value if isinstance(value, str) else "")
def test_wrong_type(name: str, wrong: dict[str, Any]) -> None:
    arguments = {
        "formula": "Reaction ~ Days + Subject + (1 | Subject)" if name == "contrasts" else INTERCEPT,
        "data": sleep(),
        **wrong,
    }
    formula, data = arguments.pop("formula"), arguments.pop("data")
    refused(lambda: lmer(formula, data, **arguments), (TypeError, ValueError), name)  # type: ignore[arg-type]


WRONG_VALUES: list[tuple[str, dict[str, Any]]] = [
    ("method", {"method": "reml"}),
    ("disagree", {"method": "ML", "REML": True}),
    ("na_action", {"na_action": "drop"}),
    ("contrasts", {"contrasts": {"Subject": "sums"}}),
    ("start", {"start": [1.0, 2.0]}),
    ("start", {"start": [np.nan]}),
    ("start", {"start": {"Days": 1.0}}),
    ("maxeval", {"control": {"maxeval": 5}}),
    ("max_evaluations", {"control": {"max_evaluations": 0}}),
    ("tolerance", {"control": {"tolerance": -1.0}}),
    ("n_threads", {"n_threads": 0}),
]


@pytest.mark.parametrize(("word", "wrong"), WRONG_VALUES, ids=lambda value: value if isinstance(value, str) else "")
def test_wrong_value(word: str, wrong: dict[str, Any]) -> None:
    formula = "Reaction ~ Days + Subject + (1 | Days)" if word == "contrasts" else INTERCEPT
    refused(lambda: lmer(formula, sleep(), **wrong), ValueError, word)


def test_unknown_argument_is_pythons_own_error() -> None:
    with pytest.raises(TypeError, match="familly"):
        lmer(INTERCEPT, sleep(), familly="gaussian")  # type: ignore[call-arg]


def test_wrong_types_of_methods() -> None:
    m = lmer(SLOPE, sleep())
    new = {"Days": [1.0], "Subject": ["308"]}
    refused(lambda: m.predict(5), ArgumentTypeError, "newdata|data")
    refused(lambda: m.predict(new, re="all"), RanefError, "re")
    refused(lambda: m.predict(new, re=3), RanefError, "re")
    refused(lambda: m.predict(new, re="~ (1 | school)"), RanefError, "school")
    refused(lambda: m.predict(new, type="mean"), OptionError, "type")
    refused(lambda: m.predict(new, new_levels="zero"), OptionError, "new_levels")
    refused(lambda: m.predict(new, interval="credible"), OptionError, "interval")
    refused(lambda: m.predict(new, interval="confidence", level=95), OptionError, "level")
    refused(lambda: m.residuals(type="studentized"), OptionError, "type")
    refused(lambda: m.simulate(n=0), RanefError, "n")
    refused(lambda: m.simulate(n="three"), RanefError, "n")
    refused(lambda: m.simulate(re="old"), OptionError, "re")
    refused(lambda: m.simulate(rng="seed"), RanefError, "rng")
    refused(lambda: m.refit("Reaction"), RanefError, "y")
    refused(lambda: m.refit(np.ones(7)), DataError, "7", "180")
    refused(lambda: m.refit(np.full(180, np.nan)), DataError, "missing")
    refused(lambda: m.update(data=None), RanefError, "data")
    refused(lambda: m.update(3), ArgumentTypeError, "formula")
    refused(lambda: m.update(family="binomial"), OptionError, "family")
    refused(lambda: m.ranef(condvar="yes"), ArgumentTypeError, "condvar")
    refused(lambda: m.conf_int(method="magic"), OptionError, "method")
    refused(lambda: m.conf_int(level=2), OptionError, "level")
    refused(lambda: m.conf_int(parm="Dayz"), RanefError, "Dayz")
    refused(lambda: m.save(3), ArgumentTypeError, "path")  # type: ignore[arg-type]


def test_wrong_files(tmp_path: Any) -> None:
    refused(lambda: lmer(INTERCEPT, tmp_path / "absent.csv"), RanefError, "absent.csv")
    refused(lambda: ranef.load(tmp_path / "absent.ranef"), RanefError, "absent.ranef")
    (tmp_path / "notes.ranef").write_text("hello")
    refused(lambda: ranef.load(tmp_path / "notes.ranef"), RanefError, "notes.ranef")
    (tmp_path / "notes.xyz").write_text("hello")
    refused(lambda: lmer(INTERCEPT, tmp_path / "notes.xyz"), RanefError, "notes.xyz|xyz")
    (tmp_path / "broken.parquet").write_text("hello")
    refused(lambda: lmer(INTERCEPT, tmp_path / "broken.parquet"), RanefError, "broken.parquet")


def test_data_set_that_is_not_there() -> None:
    refused(lambda: load_dataset("sleepstudies"), ValueError, "sleepstudy")
    refused(lambda: load_dataset("exam", frame="spark"), OptionError, "spark")
    refused(lambda: load_dataset(3), ArgumentTypeError)  # type: ignore[arg-type]


def test_columns_of_different_length() -> None:
    refused(lambda: lmer("y ~ x + (1 | g)", {"y": [1.0, 2.0], "x": [1.0], "g": ["a", "b"]}), DataError, "length|rows")


def test_covariance_structure_that_is_not_there() -> None:
    refused(lambda: lmer("Reaction ~ Days + arma(Days | Subject)", sleep()), RanefError, "arma")
