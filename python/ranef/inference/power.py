"""Power by simulation: the share of drawn data sets in which a test of a fixed effect is
significant.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.errors import ArgumentTypeError, DataError, DesignError, OptionError
from ranef.estimates.simulate import simulated_responses
from ranef.families.custom import CustomFamily
from ranef.fit.again import fit_again
from ranef.fit.assumed import assumed, assumed_without, design_of_columns
from ranef.fit.control import FitControl
from ranef.fit.record import MixedFit
from ranef.inference.bootstrap.arguments import Counter, check_drawable
from ranef.inference.bootstrap.nested import nested_replicates
from ranef.inference.bootstrap.one_by_one import generator_of
from ranef.inference.bootstrap.rows import design_of_groups, design_of_rows, rows_by_level
from ranef.inference.fixed_effect_tests import FixedEffectTests
from ranef.inference.likelihood_ratio import chi_square_p
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

    def row(self) -> dict[str, object]:
        """The values of :meth:`to_frame` by column."""
        return {
            "effect": self.effect,
            "test": self.test,
            "alpha": self.alpha,
            "nobs": self.nobs,
            **self.n_groups,
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


def changed_effects(fit: MixedFit, fixef: object) -> Floats:
    """Fixed effects with those replaced that the user names."""
    beta = fit.beta.copy()
    if fixef is None:
        return beta
    if not isinstance(fixef, Mapping):
        raise ArgumentTypeError(f"fixef must be a dict such as {{'Days': 5.0}}, not {fixef!r}.")
    for name, value in fixef.items():
        if name not in fit.x_names:
            raise OptionError(f"fixef has no fixed effect {name!r}; they are {', '.join(fit.x_names)}.")
        beta[fit.x_names.index(name)] = finite(value, f"fixef[{name!r}]")
    return beta


def model_to_draw(
    fit: MixedFit, fixef: object, sigma: object, dispersion: object, extend: object, within: object
) -> MixedFit:
    """The fit with the fixed effects, sigma or dispersion, and rows that are to be simulated."""
    check_drawable(fit, "parametric")
    beta, spread = changed_effects(fit, fixef), _spread(fit, sigma, dispersion)
    design = extended(fit.design, extend, within)
    if fit.dropped:
        design = design_of_columns(design, list(fit.kept))
    return assumed(fit, design, beta, spread)


def _spread(fit: MixedFit, sigma: object, dispersion: object) -> float:
    """The parameter of the spread of responses, under its name or as sigma."""
    family = fit.family
    if sigma is not None:
        if fit.residual_sd is None:
            other = "" if family.dispersion_name is None else " Give dispersion=."
            raise OptionError(f"sigma is for models that have one, and the {family.name} family has none.{other}")
        return positive(sigma, "sigma")
    if dispersion is not None:
        if fit.spread_name is None:
            why = "has none" if family.dispersion_name is None else f"holds it at {fit.spread:g}"
            raise OptionError(
                f"dispersion is for models that estimate one, and the {family.name} family of this model {why}."
            )
        return positive(dispersion, "dispersion")
    return fit.spread


def finite(value: object, name: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise ArgumentTypeError(f"{name} must be a number, not {value!r}.")
    if not math.isfinite(value):
        raise OptionError(f"{name} must be finite, not {value!r}.")
    return float(value)


def positive(value: object, name: str) -> float:
    """A finite number above zero."""
    number = finite(value, name)
    if not number > 0:
        raise OptionError(f"{name} must be positive, not {value!r}.")
    return number


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


def simulated_power(
    fit: MixedFit,
    effect: object,
    n: int,
    test: object,
    alpha: object,
    fixef: object,
    sigma: object,
    dispersion: object,
    extend: object,
    within: object,
    seed: int,
    control: FitControl,
    n_threads: int,
    progress: Counter | None,
) -> Power:
    """Simulate, fit and test.

    Parameters
    ----------
    fit : MixedFit
        Gives the design and the covariance parameters.
    effect : str
    n : int
    test : {"satterthwaite", "kenward-roger", "residual", "none", "lrt"} or None
        By default ``"satterthwaite"``, for a generalized model ``"none"``. F or t test with degrees
        of freedom by that method, or likelihood ratio.
    alpha : float
    fixef, sigma, dispersion, extend, within
        See ``ranef.power``.
    seed : int
    control : FitControl
    n_threads : int
    progress : callable or None
    """
    if test is None:
        test = fit.ddf_choices[0]
    if not isinstance(test, str) or test not in TESTS:
        raise OptionError(f"test must be one of {', '.join(map(repr, TESTS))}, not {test!r}.")
    if test not in (*fit.ddf_choices, "lrt"):
        raise OptionError(
            f"test={test!r} is for linear models: tests in generalized models have no denominator degrees of freedom. "
            "Use 'none' (z and Wald chi-square) or 'lrt'."
        )
    level = finite(alpha, "alpha")
    if not 0 < level < 1:
        raise OptionError(f"alpha must be between 0 and 1, not {alpha!r}.")
    if sigma is not None and dispersion is not None:
        raise OptionError("sigma and dispersion are the same parameter: give one of them.")
    columns = tested_columns(fit, effect)
    assert isinstance(effect, str)
    model = model_to_draw(fit, fixef, sigma, dispersion, extend, within)
    if len(model.design.y) <= len(model.beta):
        raise OptionError(
            f"the design to simulate has {len(model.design.y)} rows for {len(model.beta)} fixed effects; it needs "
            "more rows."
        )
    if np.linalg.matrix_rank(model.x / np.maximum(np.sqrt((model.x**2).sum(axis=0)), TINY)) < len(model.beta):
        raise OptionError("the design to simulate does not determine all fixed effects: extend it to more groups.")
    if test == "lrt":
        p, interrupted = _by_likelihood_ratio(model, columns, n, seed, control, n_threads, progress)
    else:
        p, interrupted = _by_coefficient_tests(model, columns, n, test, seed, control, n_threads, progress)  # type: ignore[arg-type]
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
        n_groups={t.group: len(t.levels) for t in model.terms},
        p_values=p,
        seed=seed,
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
    model: MixedFit,
    columns: list[int],
    n: int,
    ddf: Ddf,
    seed: int,
    control: FitControl,
    n_threads: int,
    progress: Counter | None,
) -> tuple[Floats, bool]:
    """P-values of tests of coefficients, one simulation after the other: degrees of freedom or
    second derivatives are found for every fit.
    """
    rows = np.eye(len(model.beta))[columns]
    out = np.full(n, np.nan)
    finished = 0
    try:
        for i in range(n):
            y = simulated_responses(model, 1, "new", generator_of(seed, i))[:, 0]
            design = model.design.with_rows(y=np.ascontiguousarray(y))
            out[i] = _coefficient_test_p(model, design, rows, ddf, control, n_threads)
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
    model: MixedFit,
    columns: list[int],
    n: int,
    seed: int,
    control: FitControl,
    n_threads: int,
    progress: Counter | None,
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
    ours, theirs = nested_replicates(model, model, smaller, columns, n, seed, control, n_threads, progress)
    p = np.array([chi_square_p(max(0.0, t), len(columns)) for t in theirs.objective - ours.objective])
    failed = [a != "converged" or b != "converged" for a, b in zip(ours.status, theirs.status, strict=True)]
    p[np.array(failed, dtype=bool)] = np.nan
    return p, ours.interrupted
