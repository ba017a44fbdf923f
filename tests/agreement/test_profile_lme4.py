"""Profile intervals against lme4's, for every stored model that was profiled there."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lme4_case import fitted

REFERENCE = Path(__file__).parents[1] / "reference"


@cache
def reference() -> dict[str, Any]:
    content = (REFERENCE / "profiles.json").read_bytes()
    assert hashlib.md5(content).hexdigest() == (REFERENCE / "profiles.md5").read_text().strip()
    cases: dict[str, Any] = json.loads(content)["cases"]
    return cases


def test_the_store_has_its_cases() -> None:
    assert len(reference()) == 23


@pytest.mark.parametrize("identifier", reference())
def test_limits(identifier: str) -> None:
    """To 1e-3 of the width of the interval: lme4 interpolates between points of its curves, here the equation is solved."""
    m, theirs = fitted(identifier), reference()[identifier]
    ours = m.conf_int("profile")
    assert len(ours) == len(theirs["rows"])
    assert list(ours.index[ours.index.get_loc("sigma") :]) == ["sigma", *m.fixef.index]
    limits = np.array(theirs["limits"])
    width = limits[:, 1] - limits[:, 0]
    assert np.abs((ours.to_numpy() - limits) / width[:, np.newaxis]).max() < 1e-3


@pytest.mark.parametrize("identifier", ["sleep_slope_reml", "pastes_nested_slash", "dyestuff2_ml", "exam_E3_ml"])
def test_curves_give_the_same_limits(identifier: str) -> None:
    m = fitted(identifier)
    exact, read = m.conf_int("profile"), m.profile().conf_int()
    assert list(exact.index) == list(read.index)
    width = (exact.upper - exact.lower).to_numpy()
    assert np.abs((exact - read).to_numpy() / width[:, np.newaxis]).max() < 1e-4
