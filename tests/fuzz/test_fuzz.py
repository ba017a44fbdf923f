"""A short run of the fuzzer: every fit of a few hundred random models
that says it converged is the best that is known, with the right criterion.
"""

from collections.abc import Callable

import pytest

from .acceptance import KINDS, WRONG, failures, wrong_valleys
from .case import Case
from .families_cases import families_case
from .generalized_cases import generalized_case
from .linear_cases import linear_case
from .run import CHECKS, MAKE, run_many
from .tally import misses

#: Where standard deviations are 10,000 times the residual's and more, the criterion has fewer
#: digits.
FAR, DIGITS = ("large_sd", "exact"), 2e-3


def assert_right(model: str, seeds: range, checks: tuple[str, ...] = tuple(CHECKS)) -> None:
    wrong = misses(list(run_many(model, seeds, checks)))
    told = [
        f"{f.check}, {f.cause}: {f.gap:.3g}. {f.note}\n{MAKE[model](o.seed).snippet(f.better or None)}"
        for o, f in wrong
        if o.kind not in FAR or not f.gap < DIGITS
    ]
    assert not told, "\n\n".join(told[:5])


@pytest.mark.parametrize("first", range(0, 100, 20))
def test_linear(first: int) -> None:
    assert_right("linear", range(first, first + 20))


@pytest.mark.parametrize("first", [4, 8, 13])
def test_generalized(first: int) -> None:
    assert_right("generalized", range(first, first + 4))


@pytest.mark.parametrize("first", [1003, 1025])
def test_families(first: int) -> None:
    assert_right("families", range(first, first + 8), ("other starts", "dense"))


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_that_once_failed(kind: str) -> None:
    assert not list(failures(kind, 6, 5000))


@pytest.mark.parametrize("effects", ["conditional", "new"])
def test_no_replicate_ends_in_the_wrong_valley(effects: str) -> None:
    found = wrong_valleys(100, 1, effects)
    assert not any(found[k] for k in WRONG), found
    assert abs(found["wrong sign: best"] - found["wrong sign: bootstrap"]) <= 5, found


@pytest.mark.parametrize("make", [linear_case, generalized_case, families_case])
def test_a_number_makes_one_case(make: Callable[[int], Case]) -> None:
    a, b = make(11), make(11)
    assert a.formula == b.formula
    assert a.options == b.options
    assert a.data.equals(b.data)
    assert not a.data.equals(make(12).data)
    assert f"{a.model}_case(11)" in a.snippet()
