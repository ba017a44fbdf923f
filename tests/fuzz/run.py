"""Run checks on cases, one or many."""

import multiprocessing
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from ranef import RanefError

from . import dense, free_search, invariance, other_starts
from .case import Case
from .cause import excuse_of
from .clmm_cases import clmm_case
from .families_cases import families_case
from .finding import Finding, Outcome
from .generalized_cases import generalized_case
from .linear_cases import linear_case

MAKE: dict[str, Callable[[int], Case]] = {
    "linear": linear_case,
    "generalized": generalized_case,
    "families": families_case,
    "clmm": clmm_case,
}
CHECKS = {
    "other starts": other_starts.check,
    "free search": free_search.check,
    "dense": dense.check,
    "invariance": invariance.check,
}


def run_case(case: Case, checks: Iterable[str]) -> Outcome:
    """Fit a case and check the fit;
    of one that does not say it converged, only whether something lower is found.
    """
    kind, family = case.kind, case.options.get("family", "")
    begun = time.perf_counter()
    try:
        model = case.fit()
    except RanefError as problem:
        return Outcome(case.seed, kind, family, type(problem).__name__, False, float("nan"), (), 0.0, str(problem))
    except Exception as problem:
        wrong = Finding("fit", f"{type(problem).__name__} of a dependency", float("nan"), str(problem)[:300])
        return Outcome(
            case.seed, kind, family, type(problem).__name__, False, float("nan"), (wrong,), 0.0, str(problem)
        )
    seconds = time.perf_counter() - begun
    status = model.convergence.status
    wanted = checks if status.ok else [c for c in checks if c == "free search" and status.value != "separated"]
    found = without_consequences([f for name in wanted for f in _checked(name, case, model)])
    if found and (excuse := excuse_of(model._fit)):
        found = [replace(f, cause=excuse, note=f"{f.cause}; {f.note}") for f in found]
    return Outcome(case.seed, kind, family, status.value, status.ok, float(model.objective), tuple(found), seconds)


def _checked(name: str, case: Case, model: Any) -> list[Finding]:
    """The findings of one check.

    An error that is not one of the package, in a fit with other starts or other units, is a
    finding.
    """
    try:
        return CHECKS[name](case, model)
    except Exception as problem:
        where = traceback.extract_tb(problem.__traceback__)[-1]
        return [Finding(name, type(problem).__name__, float("inf"), f"{problem} ({where.filename}:{where.lineno})")]


def without_consequences(found: list[Finding]) -> list[Finding]:
    """Leave out what the error of the criterion explains by its size,
    where there is such a finding.
    """
    error = max((f.gap for f in found if f.check == "dense"), default=0.0)
    return [f for f in found if f.check == "dense" or not f.gap < 10 * error]


def run_seed(model: str, checks: tuple[str, ...], seed: int) -> Outcome:
    """The same from the number of a case."""
    return run_case(MAKE[model](seed), checks)


def run_many(model: str, seeds: Iterable[int], checks: tuple[str, ...], jobs: int = 1) -> Iterator[Outcome]:
    """Outcomes as they come, from one process or several."""
    one = partial(run_seed, model, checks)
    if jobs == 1:
        yield from map(one, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(one, seeds, chunksize=20)
