"""Profile intervals against lme4's, for every stored model that was profiled there;
and where lme4 goes wrong, against an independent search.
"""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lme4_case import fitted

from unit.held_likelihood import HeldLikelihood

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
    """To 1e-3 of the width of the interval:
    lme4 interpolates between points of its curves, here the equation is solved.
    """
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


# Limits of vector-valued random effects that lme4 misses, found by an independent search to be
# none: case, parameter (ours, and as the search names it), side.
MISSED = [
    ("machines_full", "cor_Machine[T.B].(Intercept)|Worker", ("cor", 0, 1), 0),
    ("machines_full", "cor_Machine[T.B].(Intercept)|Worker", ("cor", 0, 1), 1),
    ("machines_full", "cor_Machine[T.C].Machine[T.B]|Worker", ("cor", 1, 2), 1),
    ("early_growth", "cor_age.(Intercept)|id", ("cor", 0, 1), 1),
    ("igf_slope", "sd_(Intercept)|Lot", ("sd", 0, 1), 1),
    ("igf_slope", "(Intercept)", ("beta", 0, 1), 1),
]


@cache
def vector_reference() -> dict[str, Any]:
    content = (REFERENCE / "profiles_vector.json").read_bytes()
    assert hashlib.md5(content).hexdigest() == (REFERENCE / "profiles_vector.md5").read_text().strip()
    cases: dict[str, Any] = json.loads(content)["cases"]
    return cases


@cache
def by_likelihood(identifier: str) -> Any:
    return fitted(identifier).update(REML=False)


@pytest.mark.filterwarnings("ignore::ranef.RanefWarning")
@pytest.mark.parametrize(("identifier", "name", "held", "side"), MISSED)
def test_limits_that_lme4_misses(identifier: str, name: str, held: tuple[str, int, int], side: int) -> None:
    """Ours is where the deviance has risen by 3.84; at lme4's it has risen by something else."""
    m = by_likelihood(identifier)
    ours = m.conf_int("profile", parm=name)
    place = list(m.conf_int("profile").index).index(name)
    theirs = float(vector_reference()[identifier]["limits"][place][side])
    likelihood = HeldLikelihood(m)
    kind, i, j = held
    rise = 1.959963984540054**2
    assert likelihood.rise(kind, float(ours.iloc[0, side]), i, j) == pytest.approx(rise, abs=1e-4)
    if abs(theirs) == 1:  # the singular fit itself, or one like it, would be at the end of what is possible
        theirs *= 1 - 1e-9
    assert abs(likelihood.rise(kind, theirs, i, j) - rise) > 0.02


@pytest.mark.filterwarnings("ignore::ranef.RanefWarning")
@pytest.mark.parametrize(
    ("identifier", "rows"), [("machines_full", [0, 3, 5, 6, 7, 8, 9]), ("early_growth", [0, 2, 3, 4, 5, 6, 7])]
)
def test_the_limits_that_lme4_does_not_miss(identifier: str, rows: list[int]) -> None:
    """The same models where lme4's search holds.

    The upper limits of the standard deviations of ``early_growth`` lie beyond the boundary of its
    fit.
    """
    ours = by_likelihood(identifier).conf_int("profile")
    limits = np.array(vector_reference()[identifier]["limits"], float)
    width = (ours.upper - ours.lower).to_numpy()
    assert (np.abs(ours.to_numpy() - limits)[rows] < 1e-3 * width[rows, np.newaxis]).all()
