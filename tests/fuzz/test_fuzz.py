"""A short run of the fuzzer: every fit of fifty random models
that says it converged is the best that is known, with the right criterion.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from .acceptance import KINDS, WRONG, failures, wrong_valleys
from .case import Case
from .clmm_cases import clmm_case
from .clmm_criterion import dense_laplace
from .criterion import criterion_of
from .families_cases import families_case
from .generalized_cases import generalized_case
from .linear_cases import linear_case
from .other_starts import GAP_WHOLE, whole_starts
from .run import CHECKS, MAKE, run_many
from .sampled import integrated_by_level, sampled_criterion
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


#: Seeds that have every kind of linear models.
LINEAR = [range(10), range(20, 30), range(43, 55)]


@pytest.mark.parametrize("seeds", LINEAR, ids=str)
def test_linear(seeds: range) -> None:
    assert_right("linear", seeds)


@pytest.mark.parametrize("first", [4, 8, 13])
def test_generalized(first: int) -> None:
    assert_right("generalized", range(first, first + 3))


@pytest.mark.parametrize("seeds", [range(1003, 1006), range(1025, 1027), range(1028, 1029)], ids=str)
def test_families(seeds: range) -> None:
    assert_right("families", seeds, ("other starts", "dense"))


@pytest.mark.parametrize("first", [2, 14])
def test_clmm(first: int) -> None:
    assert_right("clmm", range(first, first + 4), ("other starts", "dense"))


def test_a_descent_that_creeps_is_given_up() -> None:
    """One restart of this search falls by 0.0003 in fifty evaluations, far above the optimum."""
    model = clmm_case(10).fit()
    assert model.convergence.evaluations < 500
    assert model.objective == pytest.approx(dense_laplace(model), abs=1e-6)


def test_a_lower_end_of_categories_is_an_artefact() -> None:
    """With two rows a level random slopes run to infinity, where Laplace's approximation is far
    above the likelihood that it stands for.
    """
    criterion = criterion_of(clmm_case(14).fit())
    thresholds = [-121674.85, -121644.64, -121622.23, -121600.58]
    there = criterion.numbers(np.array([789740.6, -7894.91, 7.54]), np.array([-1216.25, 71.85, -127.88, *thresholds]))
    assert criterion.value(there)[0] < criterion.own_value - 1.0
    assert criterion.integrated(there) > criterion.integrated(criterion.own) + 10.0


@pytest.mark.parametrize(
    ("seed", "start"),
    [
        (69, "other shapes"),
        (187, "one term only"),
        (347, "large"),
        (480, "identity"),
        (784, "small"),
        (842, "one term only"),
        (876, "one term only"),
        (967, "large"),
    ],
)
def test_a_lower_optimum_is_found(seed: int, start: str) -> None:
    case = families_case(seed)
    model = case.fit()
    theta, beta = whole_starts(model, seed)[start]
    other = criterion_of(model).system.fit(1, "observed", theta, beta, None, None, 2000, 1e-10, 1, None)
    assert other.ending.status in ("converged", "separated")
    assert model.objective < other.ending.objective + GAP_WHOLE


@pytest.fixture(scope="module")
def where_modes_meet() -> Any:
    return families_case(655).fit()


def test_an_optimum_above_where_modes_meet_is_kept_and_said(where_modes_meet: Any) -> None:
    model = where_modes_meet
    criterion = criterion_of(model)
    theta, beta = whole_starts(model, 655)["identity"]
    other = criterion.system.fit(1, "observed", theta, beta, None, None, 2000, 1e-10, 1, None)
    point = criterion.numbers(other.solution.theta, other.solution.beta)
    # the approximation is lower there, and the likelihood by quadrature is not
    assert criterion.integrated(point) > criterion.integrated(criterion.own) + 1.0
    assert model.convergence.ok
    assert any("at no optimum" in said for said in model.convergence.limits)


def test_a_slant_at_its_limit_is_an_artefact() -> None:
    model = families_case(204).fit()
    criterion = criterion_of(model)
    theta, beta = whole_starts(model, 204)["one term only"]
    other = criterion.system.fit(1, "observed", theta, beta, None, None, 2000, 1e-10, 1, None)
    point = criterion.numbers(other.solution.theta, other.solution.beta)
    assert other.ending.objective < model.objective - 1.0
    # where rows are nearly half normal, so is what is known of random effects, and no mode tells it
    assert integrated_by_level(criterion, point) > integrated_by_level(criterion, criterion.own) + 1.0
    assert integrated_by_level(criterion, criterion.own) == pytest.approx(model.objective, abs=0.2)


def test_sampling_finds_the_likelihood_of_quadrature(where_modes_meet: Any) -> None:
    criterion = criterion_of(where_modes_meet)
    assert abs(sampled_criterion(criterion, criterion.own) - criterion.integrated(criterion.own)) < 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_that_once_failed(kind: str) -> None:
    # the smaller ones of those with slopes, at each distance of the covariate from zero
    assert not list(failures(kind, 4, 5004))


@pytest.mark.parametrize("effects", ["conditional", "new"])
def test_no_replicate_ends_in_the_wrong_valley(effects: str) -> None:
    found = wrong_valleys(100, 1, effects)
    assert not any(found[k] for k in WRONG), found
    assert abs(found["wrong sign: best"] - found["wrong sign: bootstrap"]) <= 5, found


@pytest.mark.parametrize("make", [linear_case, generalized_case, families_case, clmm_case])
def test_a_number_makes_one_case(make: Callable[[int], Case]) -> None:
    a, b = make(11), make(11)
    assert a.formula == b.formula
    assert a.options == b.options
    assert a.data.equals(b.data)
    assert not a.data.equals(make(12).data)
    assert f"{a.model}_case(11)" in a.snippet()
