"""Power by simulation: the share of drawn data sets in which a test of a fixed effect is
significant.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.design.checks import check_random_term
from ranef.design.record import Design
from ranef.errors import ArgumentTypeError, DataError, DesignError, OptionError
from ranef.estimates.simulate import simulated_responses
from ranef.families.custom import CustomFamily
from ranef.fit.control import FitControl
from ranef.fit.conventions import has_conventions
from ranef.fit.record import MixedFit
from ranef.fit.refits.again import fit_again
from ranef.fit.stated.assumed import assumed, assumed_without, design_of_columns
from ranef.fit.stated.numbers import finite
from ranef.fit.stated.parameters import Stated, parameters
from ranef.inference.bootstrap.arguments import Counter, check_drawable
from ranef.inference.bootstrap.nested import nested_replicates
from ranef.inference.bootstrap.one_by_one import generator_of
from ranef.inference.bootstrap.rows import design_of_groups, design_of_rows, rows_by_level
from ranef.inference.fixed_effect_tests import FixedEffectTests
from ranef.inference.likelihood_ratio import chi_square_p
from ranef.inference.tested_replicates import tested_replicates
from ranef.options import Ddf

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

TESTS = ("satterthwaite", "kenward-roger", "residual", "none", "lrt")

#: What lengths of columns are divided by at least.
TINY = 1e-300


@dataclass(frozen=True, slots=True, eq=False)
class Power:
    """Power of a test by simulation. Made by ``ranef.power``.

    Attributes
    ----------
    effect : str
        The fixed effect or term tested.
    test : str
    alpha : float
        Level of the test.
    power : float
        Share of the finished simulations whose p-value is below ``alpha``; a failed fit counts as
        not significant.
    lower, upper : float
        Exact binomial limits (Clopper and Pearson 1934).
    n : int
        Number of simulations finished.
    n_failed : int
        How many of them had a fit that failed.
    nobs : int
        Rows of a simulated data set.
    n_groups : dict
        Levels of every grouping factor in it.
    p_values : (n,) array
        NaN where a fit failed.
    seed : int
    interrupted : bool
    """

    effect: str
    test: str
    alpha: float
    power: float
    lower: float
    upper: float
    n: int
    n_failed: int
    nobs: int
    n_groups: dict[str, int]
    p_values: Floats
    seed: int
    interrupted: bool

    def to_frame(self) -> "pd.DataFrame":
        """Return one row.

        Returns
        -------
        DataFrame
            Columns ``effect, test, alpha, nobs``, one for each grouping factor, ``power, lower,
            upper, n, n_failed``.
        """
        import pandas as pd

        return pd.DataFrame([self.row()])

    def row(self, within: Mapping[str, int] | None = None) -> dict[str, object]:
        """The values of :meth:`to_frame` by column; ``within``, numbers of rows in each level by
        grouping factor, has columns of its own.
        """
        return {
            "effect": self.effect,
            "test": self.test,
            "alpha": self.alpha,
            "nobs": self.nobs,
            **self.n_groups,
            **{f"rows_per_{g}": m for g, m in (within or {}).items()},
            "power": self.power,
            "lower": self.lower,
            "upper": self.upper,
            "n": self.n,
            "n_failed": self.n_failed,
        }

    def __repr__(self) -> str:
        groups = ", ".join(f"{k} {g}" for g, k in self.n_groups.items())
        lines = [
            f"Power for {self.effect!r} ({self.test}, alpha {self.alpha:g}): {100 * self.power:.1f} % "
            f"({100 * self.lower:.1f}, {100 * self.upper:.1f})",
            f"{self.n} simulations, {self.n_failed} failed, of {self.nobs} rows; groups: {groups}",
        ]
        return "\n".join(lines)


def extended(design: Design, extend: object, within: object) -> Design:
    """A design with other numbers of groups, or of rows within groups, made of copies of the rows.

    Parameters
    ----------
    design : Design
    extend : dict or None
        Number of levels by grouping factor. Groups are taken in turn, the first again after the
        last; fewer than there are keeps the first ones.
    within : dict or None
        Number of rows in each level by grouping factor, its rows taken in turn.
    """
    for group, m in _sizes(design, extend, "extend"):
        levels = len(next(t.levels for t in design.random if t.group == group))
        design = design_of_groups(design, group, [i % levels for i in range(m)])
    for group, m in _sizes(design, within, "within"):
        term = next(t for t in design.random if t.group == group)
        parts = rows_by_level(term.codes, len(term.levels))
        design = design_of_rows(design, np.concatenate([np.resize(p, m) for p in parts]), {})
    return design


def _sizes(design: Design, given: object, name: str) -> list[tuple[str, int]]:
    if given is None:
        return []
    if not isinstance(given, Mapping):
        raise ArgumentTypeError(f"{name} must be a dict such as {{'school': 100}}, not {given!r}.")
    groups = list(dict.fromkeys(t.group for t in design.random))
    out = []
    for group, m in given.items():
        if group not in groups:
            raise OptionError(
                f"{name} has no grouping factor {group!r}; the model's are {', '.join(map(repr, groups))}."
            )
        if isinstance(m, bool) or not isinstance(m, int | np.integer):
            raise ArgumentTypeError(f"{name}[{group!r}] must be a whole number, not {m!r}.")
        if m < (2 if name == "extend" else 1):
            raise OptionError(f"{name}[{group!r}] must be at least {2 if name == 'extend' else 1}, not {m}.")
        out.append((str(group), int(m)))
    return out


def model_to_draw(fit: MixedFit, stated: Stated, extend: object, within: object) -> MixedFit:
    """The fit with the parameters and rows that are to be simulated."""
    check_drawable(fit, "parametric")
    truth = parameters(fit, stated)
    design = extended(fit.design, extend, within)
    if fit.dropped:
        design = design_of_columns(design, list(fit.kept))
    return assumed(fit, design, truth)


def tested_columns(fit: MixedFit, effect: object) -> list[int]:
    """Columns of X of a fixed effect, or of a term of the formula."""
    if not isinstance(effect, str):
        raise ArgumentTypeError(f"effect must be the name of a fixed effect or of a term, not {effect!r}.")
    if effect in fit.x_names:
        return [fit.x_names.index(effect)]
    design = fit.design
    if effect in design.fixed_terms:
        number = design.fixed_terms.index(effect) + 1
        columns = [k for k, j in enumerate(fit.kept) if design.x_assign[j] == number]
        if columns:
            return columns
    terms = [t for t in design.fixed_terms if t not in fit.x_names]
    raise OptionError(
        f"there is no fixed effect or term {effect!r}; the effects are {', '.join(fit.x_names)}"
        + (f", the terms {', '.join(terms)}." if terms else ".")
    )


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """What is simulated and tested, whatever the numbers of groups.

    Attributes
    ----------
    fit : MixedFit
        Gives the design and the parameters.
    effect : str
    test : {"satterthwaite", "kenward-roger", "residual", "none", "lrt"} or None
        By default ``"satterthwaite"``, for a generalized model ``"none"``. F or t test with degrees
        of freedom by that method, or likelihood ratio.
    alpha : float
    stated : Stated
        Parameters in the place of those of the fit.
    seed : int
    control : FitControl
    n_threads : int
    """

    fit: MixedFit
    effect: object
    test: object
    alpha: object
    stated: Stated
    seed: int
    control: FitControl
    n_threads: int


def simulated_power(study: Study, n: int, extend: object, within: object, progress: Counter | None) -> Power:
    """Simulate, fit and test.

    Parameters
    ----------
    study : Study
    n : int
    extend, within : dict or None
        See ``ranef.power``.
    progress : callable or None
    """
    fit, effect = study.fit, study.effect
    test = fit.ddf_choices[0] if study.test is None else study.test
    if not isinstance(test, str) or test not in TESTS:
        raise OptionError(f"test must be one of {', '.join(map(repr, TESTS))}, not {test!r}.")
    if test not in (*fit.ddf_choices, "lrt"):
        raise OptionError(
            f"test={test!r} is for linear models: tests in generalized models have no denominator degrees of freedom. "
            "Use 'none' (z and Wald chi-square) or 'lrt'."
        )
    level = finite(study.alpha, "alpha")
    if not 0 < level < 1:
        raise OptionError(f"alpha must be between 0 and 1, not {study.alpha!r}.")
    columns = tested_columns(fit, effect)
    assert isinstance(effect, str)
    model = model_to_draw(fit, study.stated, extend, within)
    if len(model.design.y) <= len(model.beta):
        raise OptionError(
            f"the design to simulate has {len(model.design.y)} rows for {len(model.beta)} fixed effects; it needs "
            "more rows."
        )
    if np.linalg.matrix_rank(model.x / np.maximum(np.sqrt((model.x**2).sum(axis=0)), TINY)) < len(model.beta):
        raise OptionError("the design to simulate does not determine all fixed effects: extend it to more groups.")
    for term in model.terms:
        check_random_term(term, model.nobs, "lmm" if model.normal_responses else "glmm")
    if test == "lrt":
        p, interrupted = _by_likelihood_ratio(study, model, columns, n, progress)
    else:
        p, interrupted = _by_coefficient_tests(study, model, columns, n, test, progress)  # type: ignore[arg-type]
    if not len(p):
        raise KeyboardInterrupt
    hits = int(np.count_nonzero(p < level))
    lower, upper = exact_limits(hits, len(p))
    return Power(
        effect=effect,
        test=test,
        alpha=level,
        power=hits / len(p),
        lower=lower,
        upper=upper,
        n=len(p),
        n_failed=int(np.isnan(p).sum()),
        nobs=model.nobs,
        n_groups={t.group: t.n_groups for t in model.terms},
        p_values=p,
        seed=study.seed,
        interrupted=interrupted,
    )


def exact_limits(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's limits of a proportion."""
    from scipy.stats import beta

    tail = (1 - level) / 2
    lower = 0.0 if hits == 0 else float(beta.ppf(tail, hits, n - hits + 1))
    upper = 1.0 if hits == n else float(beta.ppf(1 - tail, hits + 1, n - hits))
    return lower, upper


def _by_coefficient_tests(
    study: Study, model: MixedFit, columns: list[int], n: int, ddf: Ddf, progress: Counter | None
) -> tuple[Floats, bool]:
    """P-values of tests of coefficients.

    Simulations of a linear model are made in the core; others, and those of models with variances
    by convention, one after the other.
    """
    rows = np.eye(len(model.beta))[columns]
    if model.fixed_effects_profiled and not has_conventions(model):
        return tested_replicates(model, rows, n, ddf, study.seed, study.control, study.n_threads, progress)
    out = np.full(n, np.nan)
    finished = 0
    try:
        for i in range(n):
            y = simulated_responses(model, 1, "new", generator_of(study.seed, i))[:, 0]
            design = model.design.with_rows(y=np.ascontiguousarray(y))
            out[i] = _coefficient_test_p(model, design, rows, ddf, study.control, study.n_threads)
            finished = i + 1
            if progress is not None:
                progress(finished, n)
    except KeyboardInterrupt:
        return out[:finished], True
    return out, False


def _coefficient_test_p(
    model: MixedFit, design: Design, rows: Floats, ddf: Ddf, control: FitControl, n_threads: int
) -> float:
    warm = bool(np.all(np.isfinite(model.theta)))
    try:
        new = fit_again(model, design, warm=warm, control=control, n_threads=n_threads, order=model.order)
    except (DataError, DesignError):
        return math.nan
    if not new.convergence.ok:
        return math.nan
    tests = FixedEffectTests(new)
    if len(rows) == 1:
        return float(tests.single(rows, None, ddf).p_value[0])
    return tests.joint(rows, None, ddf).p_value


def _by_likelihood_ratio(
    study: Study, model: MixedFit, columns: list[int], n: int, progress: Counter | None
) -> tuple[Floats, bool]:
    """P-values of likelihood-ratio tests by maximum likelihood, simulated and fitted in the
    core.
    """
    if isinstance(model.family, CustomFamily):
        raise OptionError(
            "test='lrt' is simulated in the core, which has no random numbers of a family of Python functions: use "
            "test='none'."
        )
    smaller = assumed_without(model, columns)
    ours, theirs = nested_replicates(
        model, model, smaller, columns, n, study.seed, study.control, study.n_threads, progress
    )
    p = np.array([chi_square_p(max(0.0, t), len(columns)) for t in theirs.objective - ours.objective])
    failed = [a != "converged" or b != "converged" for a, b in zip(ours.status, theirs.status, strict=True)]
    p[np.array(failed, dtype=bool)] = np.nan
    return p, ours.interrupted
