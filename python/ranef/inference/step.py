"""Backward elimination: random effects first, then fixed terms."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ranef.errors import DataError, OptionError, RanefWarning
from ranef.fit.record import MixedFit
from ranef.fit.request import ModelRequest
from ranef.fit.sums.absent_data import AbsentData
from ranef.fit.sums.fewer_terms import reductions
from ranef.formula import formula_text
from ranef.formula.syntax import Binary
from ranef.formula.terms import Term
from ranef.inference.anova.deletion_tests import deletion_f_tests
from ranef.inference.drop1 import compare_deletions
from ranef.inference.fixed_effect_tests import FixedEffectTests, JointTest
from ranef.inference.ranova import compare_reductions
from ranef.inference.reduced import Criterion, comparison_control
from ranef.options import Ddf


@dataclass(frozen=True, slots=True)
class RandomStep:
    """The test of one random effect; ``eliminated`` says as which one it went, 0 that it stayed."""

    eliminated: int
    label: str
    model: Criterion
    statistic: float
    df: float
    p_value: float
    p_boundary: float


@dataclass(frozen=True, slots=True)
class FixedStep:
    """The test of one fixed term: by F, or by the likelihood ratio with the model without it."""

    eliminated: int
    label: str
    p_value: float
    f_test: JointTest | None = None
    sigma: float = math.nan
    model: Criterion | None = None
    statistic: float = math.nan
    df: float = math.nan


@dataclass(frozen=True, slots=True, eq=False)
class Elimination:
    """A backward elimination.

    Attributes
    ----------
    random : tuple of RandomStep
    fixed : tuple of FixedStep
        First what was eliminated, in that order; then what stayed, with its last test.
    fit : MixedFit
    request : ModelRequest
        The model that is left.
    notes : tuple of str
    """

    random: tuple[RandomStep, ...]
    fixed: tuple[FixedStep, ...]
    fit: MixedFit
    request: ModelRequest
    notes: tuple[str, ...]


def eliminate(
    fit: MixedFit,
    request: ModelRequest,
    alpha_random: float,
    alpha_fixed: float,
    test: str,
    ddf: Ddf,
    *,
    random: bool,
    fixed: bool,
) -> Elimination:
    """Leave out, one at a time, the random effect and then the fixed term with the largest p-value,
    while it is above a limit.

    Parameters
    ----------
    fit : MixedFit
    request : ModelRequest
    alpha_random, alpha_fixed : float
    test : {"f", "chisq"}
        For the fixed terms; F tests are for linear models.
    ddf : {"satterthwaite", "kenward-roger", "residual", "none"}
        For F tests.
    random, fixed : bool
        Which parts may be made smaller.

    Returns
    -------
    Elimination
    """
    for name, alpha in (("alpha_random", alpha_random), ("alpha_fixed", alpha_fixed)):
        if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 <= alpha <= 1:
            raise OptionError(f"{name} must be between 0 and 1, not {alpha!r}.")
    if test not in ("f", "chisq"):
        raise OptionError(f"test must be 'f' or 'chisq', not {test!r}.")
    notes: list[str] = []
    if fit.singular:
        notes.append(
            f"the model to begin with is singular ({', '.join(fit.convergence.boundary)}): what has no variance has a "
            "statistic of 0"
        )
    random_steps: list[RandomStep] = []
    fixed_steps: list[FixedStep] = []
    if random:
        fit, request, random_steps = _random_part(fit, request, alpha_random, notes)
    if fixed:
        fit, request, fixed_steps = _fixed_part(fit, request, alpha_fixed, test, ddf)
    if fit.singular:
        notes.append(f"the final model is singular ({', '.join(fit.convergence.boundary)})")
    if not fit.convergence.ok:
        notes.append(f"the final model did not converge ({fit.convergence.status.value})")
    return Elimination(tuple(random_steps), tuple(fixed_steps), fit, request, tuple(notes))


def _random_part(
    fit: MixedFit, request: ModelRequest, alpha: float, notes: list[str]
) -> tuple[MixedFit, ModelRequest, list[RandomStep]]:
    gone: list[RandomStep] = []
    while True:
        c = compare_reductions(fit, comparison_control(request.control), every_part=False)
        ways = reductions(fit.design)
        rows = [
            RandomStep(0, c.names[i], c.models[i], c.statistic[i], c.df[i], c.p_value[i], c.p_boundary[i])
            for i in range(1, len(c.names))
        ]
        worst = max((i for i, r in enumerate(rows) if r.p_value > alpha), key=lambda i: rows[i].p_value, default=None)
        if worst is not None and not ways[worst].random:
            notes.append(
                f"{rows[worst].label} could be left out as well, but is the last random effect; without it the model "
                f"is {fit.without_random}"
            )
            worst = None
        if worst is None:
            return fit, request, [*gone, *rows]
        gone.append(replace(rows[worst], eliminated=len(gone) + 1))
        if len({t.group for t in ways[worst].random}) < 2 and (request.control or {}).get("solver") == "iterative":
            request = replace(request, control={**(request.control or {}), "solver": "auto"})
        fit, request = _refitted(
            fit, request, _formula(fit, fit.design.formula.fixed, ways[worst].texts), rows[worst].label
        )


def _fixed_part(
    fit: MixedFit, request: ModelRequest, alpha: float, test: str, ddf: Ddf
) -> tuple[MixedFit, ModelRequest, list[FixedStep]]:
    gone: list[FixedStep] = []
    while True:
        rows = _fixed_tests(fit, request, test, ddf)
        worst = max((i for i, r in enumerate(rows) if r.p_value > alpha), key=lambda i: rows[i].p_value, default=None)
        terms = fit.design.formula.fixed
        if worst is None or (len(terms) == 1 and not fit.design.formula.intercept):
            return fit, request, [*gone, *rows]
        gone.append(replace(rows[worst], eliminated=len(gone) + 1))
        rest = [t for t in terms if t.label != rows[worst].label]
        fit, request = _refitted(
            fit, request, _formula(fit, rest, [t.written for t in fit.design.random]), rows[worst].label
        )


def _fixed_tests(fit: MixedFit, request: ModelRequest, test: str, ddf: Ddf) -> list[FixedStep]:
    if test == "f":
        f = deletion_f_tests(FixedEffectTests(fit), None, ddf)
        return [
            FixedStep(0, n, t.p_value, f_test=t, sigma=s) for n, t, s in zip(f.names, f.tests, f.sigmas, strict=True)
        ]
    c = compare_deletions(fit, None, comparison_control(request.control))
    return [
        FixedStep(0, c.names[i], c.p_value[i], model=c.models[i], statistic=c.statistic[i], df=c.df[i])
        for i in range(1, len(c.names))
    ]


def _formula(fit: MixedFit, terms: Sequence[Term], bars: Sequence[str]) -> str:
    """The text of a formula of some of the fixed terms and given random ones."""
    formula = fit.design.formula
    parts = [":".join(f"({v.label})" if isinstance(v.expr, Binary) else v.label for v in t.variables) for t in terms]
    parts += [v.label for v in formula.offsets]
    response = None if formula.response is None else formula.response.label
    right = [*(parts or ["1"]), *bars] if formula.intercept else [*(["0"] if not parts else []), *parts, *bars]
    return formula_text(response, right, intercept=formula.intercept or not parts)


def _refitted(fit: MixedFit, request: ModelRequest, formula: str, without: str) -> tuple[MixedFit, ModelRequest]:
    if isinstance(request.data, AbsentData):
        raise DataError(
            f"step fits the model without {without} again, and {request.data.reason}; give them back first: "
            "model.update(data=...).step()."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RanefWarning)  # the outcome is among the notes
        changed = request.changed(formula)
        new = changed.fitted()
    if new.nobs != fit.nobs:
        raise DataError(
            f"without {without} the model would use {new.nobs} rows instead of {fit.nobs}, because a variable that is "
            "left out has missing values. "
            "Fit the model to the rows that are complete in all variables."
        )
    return new, changed
