"""Power by simulation of tests in generalized models: what is drawn, and the p-values of the draws."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ranef.errors import DataError, DesignError, OptionError
from ranef.estimates.simulate import simulated_responses
from ranef.families.custom import CustomFamily
from ranef.fit.control import FitControl
from ranef.fit.glmm import GlmmStart, fit_glmm, likelihood_of
from ranef.fit.glmm_core import core_options, core_point
from ranef.fit.glmm_record import GlmmFit
from ranef.fit.glmm_system import LazyGlmmSystem
from ranef.fit.order import order_terms
from ranef.inference.bootstrap.arguments import Counter
from ranef.inference.bootstrap.draw_glmm import check_glmm_type
from ranef.inference.fixed_effect_tests import FixedEffectTests
from ranef.inference.likelihood_ratio import chi_square_p
from ranef.inference.power import changed_effects, extended, positive, with_columns

Floats = NDArray[np.float64]

TESTS = ("none", "lrt")


def glmm_to_draw(fit: GlmmFit, fixef: object, sigma: object, given: object, extend: object, within: object) -> GlmmFit:
    """The fit with the fixed effects, the dispersion (under its name or as sigma) and the rows that are to be simulated."""
    check_glmm_type(fit, "parametric")
    beta, dispersion = changed_effects(fit, fixef), fit.dispersion
    if sigma is not None:
        if not fit.family.scaled:
            other = "" if fit.family.dispersion_name is None else " Give dispersion=."
            raise OptionError(f"sigma is for models that have one, and the {fit.family.name} family has none.{other}")
        dispersion = positive(sigma, "sigma")
    if given is not None:
        if not fit.dispersion_estimated:
            why = "has none" if fit.family.dispersion_name is None else f"holds it at {fit.dispersion:g}"
            raise OptionError(
                f"dispersion is for models that estimate one, and the {fit.family.name} family of this model {why}."
            )
        dispersion = positive(given, "dispersion")
    design = extended(fit.design, extend, within)
    if fit.dropped:
        design = with_columns(design, list(fit.kept))
    order = order_terms(design.random)
    parts = {o.formula: fit.theta[o.theta_start : o.theta_stop] for o in fit.order.spans}
    return replace(
        fit,
        design=design,
        order=order,
        system=LazyGlmmSystem(design, order, fit.family),
        theta=np.concatenate([parts[o.formula] for o in order.spans]),
        beta=beta,
        dispersion=dispersion,
        sigma=fit.family.sigma(dispersion),
        kept=tuple(range(len(beta))),
        dropped=(),
    )


def wald_p_values(
    model: GlmmFit, columns: list[int], n: int, seed: int, control: FitControl, n_threads: int, progress: Counter | None
) -> tuple[Floats, bool]:
    """P-values of z tests (of several columns: of Wald chi-squares), one simulation after the other: each needs the second derivatives of its fit."""
    rows = np.eye(len(model.beta))[columns]
    out = np.full(n, np.nan)
    start = None if model.singular else GlmmStart(model.theta, model.beta, model.core_dispersion)
    finished = 0
    try:
        for i in range(n):
            generator = np.random.default_rng([seed & 0xFFFFFFFF, seed >> 32, i])
            out[i] = _wald_p(model, rows, start, generator, control, n_threads)
            finished = i + 1
            if progress is not None:
                progress(finished, n)
    except KeyboardInterrupt:
        return out[:finished], True
    return out, False


def _wald_p(
    model: GlmmFit,
    rows: Floats,
    start: GlmmStart | None,
    generator: np.random.Generator,
    control: FitControl,
    n_threads: int,
) -> float:
    design = model.design.with_rows(y=np.ascontiguousarray(simulated_responses(model, 1, "new", generator)[:, 0]))
    try:
        new = fit_glmm(design, likelihood_of(model), start, control, None, n_threads, model.order)
    except (DataError, DesignError):
        return math.nan
    if not new.convergence.ok:
        return math.nan
    tests = FixedEffectTests(new)
    if len(rows) == 1:
        return float(tests.single(rows, None, "none").p_value[0])
    return tests.joint(rows, None, "none").p_value


def likelihood_ratio_p_values(
    model: GlmmFit, columns: list[int], n: int, seed: int, control: FitControl, n_threads: int, progress: Counter | None
) -> tuple[Floats, bool]:
    """P-values of likelihood-ratio tests, simulated and fitted in the core."""
    from ranef import _core

    if isinstance(model.family, CustomFamily):
        raise OptionError(
            "test='lrt' is simulated in the core, which has no random numbers of a family of Python functions: use test='none'."
        )
    rest = [j for j in range(len(model.beta)) if j not in columns]
    without = with_columns(model.design, rest)
    smaller = replace(
        model,
        design=without,
        system=LazyGlmmSystem(without, model.order, model.family),
        beta=model.beta[rest],
        kept=tuple(range(len(rest))),
    )
    warm = not model.singular
    members = [(m.system.get(n_threads), core_point(m), core_options(m, control, warm)) for m in (model, smaller)]
    out = _core.bootstrap_glmm_nested(members[0][0], core_point(model), members, n, seed, n_threads, progress)
    ours, theirs = out
    p = np.array([chi_square_p(max(0.0, t), len(columns)) for t in theirs.objective - ours.objective])
    failed = [a != "converged" or b != "converged" for a, b in zip(ours.status, theirs.status, strict=True)]
    p[np.array(failed, dtype=bool)] = np.nan
    return p, ours.interrupted
