"""What a fit says about how it ended."""

import warnings
from typing import Any

import numpy as np
import pytest

import ranef
from ranef.fit.ending.convergence import Convergence, boundary_directions
from ranef.status import FitStatus


def fitted(formula: str, data: str = "sleepstudy", **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ranef.RanefWarning)
        return ranef.lmer(formula, ranef.load_dataset(data), **options)


def test_a_good_fit_is_said_to_be_good() -> None:
    c = fitted("Reaction ~ Days + (Days | Subject)").convergence
    assert c.explanation.startswith(
        f"The fit converged after {c.evaluations} evaluations: the estimates are those of an optimum."
    )
    assert "boundary" not in c.explanation
    assert " ".join(str(c).split()) == c.explanation
    assert max(map(len, str(c).splitlines())) <= 100


def test_an_effect_without_variance_is_named() -> None:
    c = fitted("Yield ~ 1 + (1 | Batch)", "Dyestuff2").convergence
    assert c.directions == ("in Batch, (Intercept) has no variance",)
    assert "in Batch, (Intercept) has no variance" in c.explanation
    assert "leave out what has no variance" in c.explanation
    assert "correlation" not in c.explanation


def test_a_correlation_of_one_is_named() -> None:
    data = ranef.load_dataset("sleepstudy")
    # one random effect, seen twice: intercepts and slopes of the subjects are proportional
    u = np.repeat(np.random.default_rng(3).normal(size=18), 10)
    noise = np.random.default_rng(4).normal(size=180)
    data["y"] = u * (40.0 + 15.0 * data["Days"]) + noise * 20.0
    with pytest.warns(ranef.RanefWarning, match="singular"):
        m = ranef.lmer("y ~ Days + (Days | Subject)", data)
    assert m.convergence.directions == ("in Subject, the correlation of (Intercept) and Days is 1",)
    assert "diag(...)" in m.convergence.explanation
    assert "conf_int('profile')" in m.convergence.explanation


def test_the_limit_on_evaluations() -> None:
    c = fitted("Reaction ~ Days + (Days | Subject)", control={"max_evaluations": 2}).convergence
    assert not c.ok
    assert c.explanation.startswith("The fit did not converge: it ended after 2 evaluations (max_evaluations).")
    assert "Do not use the estimates" in c.explanation
    assert "control={'max_evaluations': 10000}" in c.explanation


@pytest.mark.parametrize("status", list(FitStatus))
def test_every_ending_has_its_words(status: FitStatus) -> None:
    c = Convergence(status, 3.0, 7, "", 0.2, 0.0, {})
    assert ("did not converge" in str(c)) == (not status.ok)
    assert len(c.explanation) > 80


def test_directions() -> None:
    names = ("a", "b", "c")
    assert boundary_directions("g", names, np.eye(3)) == ()
    zero = np.diag([1.0, 0.0, 2.0])
    assert boundary_directions("g", names, zero) == ("in g, b has no variance",)
    twins = np.array([[1.0, 0, 0], [-2.0, 0, 0], [0.3, 0.4, 0]])
    assert boundary_directions("g", names, twins) == ("in g, the correlation of a and b is -1",)
    # c = (a + b) / sqrt(2): three effects in a plane, no two of them proportional
    plane = np.array([[1.0, 0, 0], [0, 1.0, 0], [0.5, 0.5, 0]])
    (text,) = boundary_directions("g", names, plane)
    assert text == "in g, the combination -0.71·a - 0.71·b + 1.00·c of the standardised effects has no variance"
