"""A model without a fit: a formula, rows and parameters that are stated."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.table import Table
from ranef.design.build import build_design
from ranef.design.record import Design
from ranef.errors import ArgumentTypeError, ColumnNotFoundError, DataError
from ranef.families.family import Family
from ranef.families.gaussian import Gaussian
from ranef.fit.ending.convergence import Convergence
from ranef.fit.generalized import GlmmFit
from ranef.fit.linear import LmmFit
from ranef.fit.order import order_terms
from ranef.fit.outcome import Kind
from ranef.fit.record import MixedFit
from ranef.fit.stated.assumed import assumed
from ranef.fit.stated.parameters import Stated, parameters
from ranef.fit.system import LazySystem
from ranef.formula import Formula, expand_dot, one_sided, parse_formula, require_random
from ranef.formula.syntax import Call
from ranef.status import FitStatus

Floats = NDArray[np.float64]


def planned_fit(
    formula: str,
    data: Any,
    family: Family,
    stated: Stated,
    weights: Any,
    offset: Any,
    contrasts: Mapping[str, Any] | None,
    n_threads: int,
) -> MixedFit:
    """The record of a model with the parameters that are stated, as if they had been estimated.

    Its response is zero and what depends on it NaN. Rows with a missing value have none.

    Parameters
    ----------
    formula : str
        With or without a response, which is not read: but ``cbind(successes, failures)``, as far as
        it has the numbers of trials.
    data : frame, dict or path
    family : Family
        ``Gaussian("identity")`` makes a linear model.
    stated : Stated
        All parameters.
    weights, offset : str or array, optional
    contrasts : dict, optional
    n_threads : int
    """
    if data is None:
        raise ArgumentTypeError("data must be given: a data frame, a dict of columns, or the path of a file.")
    parsed, table = parse_formula(formula), Table.from_data(data)
    if parsed.has_dot:
        parsed = expand_dot(parsed, table.names)
    require_random(parsed)
    arguments = {"weights": weights, "offset": offset, "na_action": "exclude", "contrasts": contrasts}
    # Any numbers of levels can be drawn, whether or not a fit could tell their effects apart.
    if family.support == "proportion" and _has_counts(parsed):
        design = _with_trials(parsed, table, arguments)
        kind: Kind = "counts"
    else:
        design = build_design(one_sided(parsed), table, response=False, model="drawn", **arguments)
        kind = "value" if family.support != "proportion" else "binary" if design.weights is None else "proportion"
    design = design.with_rows(y=np.zeros(len(design.x)))
    blank = _blank(design, family, kind, n_threads)
    return assumed(blank, design, parameters(blank, stated))


def _has_counts(formula: Formula) -> bool:
    return formula.response is not None and isinstance(formula.response.expr, Call) and (
        formula.response.expr.function == "cbind"
    )  # fmt: skip


def _with_trials(formula: Formula, table: Table, arguments: dict[str, Any]) -> Design:
    """The design with the numbers of trials of ``cbind(successes, failures)`` as weights."""
    try:
        design = build_design(formula, table, model="drawn", **arguments)
    except ColumnNotFoundError as e:
        raise DataError(
            f"the numbers of trials cannot be found: {e} Or leave out the left side of the formula and give them as "
            "weights='trials'."
        ) from None
    trials = design.y.sum(axis=1)
    if np.any(trials < 0):
        raise DataError("the left side of the formula has a negative number of trials.")
    return design.with_rows(weights=trials if design.weights is None else trials * design.weights)


def _blank(design: Design, family: Family, kind: Kind, n_threads: int) -> MixedFit:
    """A record without estimates: the parameters are NaN, and the random effects zero."""
    order = order_terms(design.random)
    n, p, q = len(design.y), design.x.shape[1], order.n_theta
    effects = tuple(np.zeros((len(design.random[s.formula].levels), s.size)) for s in order.spans)
    square, row = np.full((p, p), np.nan), np.full(n, np.nan)
    shared: dict[str, Any] = {
        "design": design,
        "order": order,
        "theta": np.full(q, np.nan),
        "objective": np.nan,
        "kept": tuple(range(p)),
        "dropped": (),
        "beta": np.full(p, np.nan),
        "u": effects,
        "b": effects,
        "convergence": Convergence(FitStatus.CONVERGED, 0.0, 0, "none", 0.0, 0.0, {}),
        "messages": design.notes,
        "n_threads": n_threads,
    }
    if isinstance(family, Gaussian) and family.link == "identity":
        return LmmFit(
            **shared,
            system=LazySystem(design, order),
            reml=True,
            sigma=np.nan,
            reml_criterion=np.nan,
            ml_deviance=np.nan,
            vcov_unscaled=square,
            pwrss=np.nan,
            ldl2=np.nan,
            ldrx2=np.nan,
        )
    held = family.fixed_dispersion
    return GlmmFit(
        **shared,
        system=LazySystem(design, order, family),
        reml=False,
        family=family,
        response_kind=kind,
        sigma=1.0 if held is None else family.sigma(held),
        dispersion=np.nan if held is None else held,
        eta=row,
        mu=row,
        vcov_beta=square,
        hessian=None,
        joint_vcov=None,
        gradient=None,
    )
