"""Hurdle models whose zero part and positive part share nothing: their likelihood is a product, so
that each part is fitted by itself.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ranef.fit.components.design import Piece
from ranef.fit.components.system import WholeModel
from ranef.fit.control import FitControl
from ranef.fit.ending.convergence import Ending
from ranef.fit.ending.valleys import Search
from ranef.fit.order import TermOrder, order_terms
from ranef.fit.progress import Report
from ranef.fit.refits.row_subset import design_of_rows
from ranef.status import FitStatus

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: What becomes of zero in a hurdle, and in its positive part.
POSITIVE = {"hurdle": "plain", "truncated_hurdle": "truncated"}


@dataclass(frozen=True, slots=True, eq=False)
class FittedApart:
    """The fits of both parts as one.

    Attributes
    ----------
    theta : (m,) array
        In the core's order of the whole model.
    beta : (p,) array
        Of the columns in use of all predictors.
    covariance : (m + p, m + p) array or None
    ending : Ending
    objective : float
        The sum of both.
    """

    theta: Floats
    beta: Floats
    covariance: Floats | None
    ending: Ending
    objective: float


def fitted_apart(
    model: WholeModel,
    kept: Ints,
    n_quad: int,
    curvature: str,
    control: FitControl,
    n_threads: int,
    progress: Report | None,
) -> FittedApart | None:
    """Fit both parts; None where they share random effects, or where one has no estimates, or has
    columns that only both together determine.

    Parameters
    ----------
    model : WholeModel
    kept : (p,) int array
        Columns in use of all predictors.
    n_quad, curvature, control, n_threads, progress
        Of the fit.
    """
    last = len(model.x) - 1
    positive = np.flatnonzero(model.design.y > 0)
    mixed = any(len({p.predictor == last for p in pieces}) > 1 for pieces in model.pieces)
    if model.zero not in POSITIVE or mixed or not len(positive):
        return None
    zeros = _part(model, [last], np.arange(len(model.design.y)))
    design = zeros.design.with_rows(y=(model.design.y == 0).astype(np.float64))
    parts = (
        (_part(model, range(last), positive), range(last)),
        (replace(zeros, design=design, density="binomial", link="logit", zero="plain"), [last]),
    )
    first = np.concatenate([[0], np.cumsum([x.shape[1] for x in model.x])])
    m, size = model.order.n_theta, model.order.n_theta + len(kept)
    theta, beta = np.empty(m), np.empty(len(kept))
    covariance: Floats | None = np.full((size, size), 0.0)
    endings: list[Ending] = []
    objective = 0.0
    for part, predictors in parts:
        system = part.system()
        columns = np.concatenate([np.arange(first[c], first[c + 1]) for c in predictors])
        own = columns[np.asarray(system.kept, dtype=np.intp)]
        if not np.array_equal(own, kept[np.isin(kept, columns)]):
            return None
        nodes = n_quad if part.order.spans else min(n_quad, 1)
        found = system.fit(
            nodes, curvature, None, None, None, None, control.max_evaluations, control.tolerance, n_threads, progress
        )
        solution = found.solution
        if solution is None or not math.isfinite(found.ending.objective):
            return None
        objective += found.ending.objective
        at_theta = _places_of_theta(model, part.order, predictors)
        at_beta = np.searchsorted(kept, own)
        theta[at_theta], beta[at_beta] = solution.theta, solution.beta
        place = np.concatenate([at_theta, m + at_beta])
        if covariance is not None:
            if found.covariance is None:
                covariance = None
            else:
                covariance[np.ix_(place, place)] = found.covariance
        endings.append(_in_whole(Ending.of(found), part.order, model, predictors))
    return FittedApart(theta, beta, covariance, _joined(endings), objective)


def _part(model: WholeModel, predictors: Sequence[int], rows: Ints) -> WholeModel:
    """Some predictors in some rows, their random terms alone."""
    own = [i for i, pieces in enumerate(model.pieces) if pieces[0].predictor in predictors]
    whole = len(rows) == len(model.design.y)
    design = replace(model.design, random=tuple(model.design.random[i] for i in own))
    design = design if whole else design_of_rows(design, rows)
    pieces = tuple(
        tuple(Piece(p.predictor - predictors[0], p.term, p.start, p.size) for p in model.pieces[i]) for i in own
    )
    return replace(
        model,
        design=design,
        order=order_terms(design.random),
        pieces=pieces,
        x=tuple(np.asfortranarray(model.x[c][rows]) for c in predictors),
        offsets=tuple(None if (o := model.offsets[c]) is None else np.ascontiguousarray(o[rows]) for c in predictors),
        zero=POSITIVE[model.zero],
        keys=tuple(model.keys[c] for c in predictors),
        names=tuple(model.names[c] for c in predictors),
    )


def _terms_of(model: WholeModel, predictors: Sequence[int]) -> list[int]:
    return [i for i, pieces in enumerate(model.pieces) if pieces[0].predictor in predictors]


def _places_of_theta(model: WholeModel, order: TermOrder, predictors: Sequence[int]) -> Ints:
    """Where the covariance parameters of a part, in the core's order, are in those of the whole."""
    own = _terms_of(model, predictors)
    whole = {span.formula: span for span in model.order.spans}
    out = np.empty(order.n_theta, dtype=np.intp)
    for span in order.spans:
        there = whole[own[span.formula]]
        here = order.theta_of_core[span.theta_start : span.theta_stop]
        out[here] = model.order.theta_of_core[there.theta_start : there.theta_stop]
    return out


def _in_whole(ending: Ending, order: TermOrder, model: WholeModel, predictors: Sequence[int]) -> Ending:
    """An ending with the terms of the whole model."""
    own = _terms_of(model, predictors)
    null = [0] * len(model.order.spans)
    whole = {span.formula: span for span in model.order.spans}
    for span in order.spans:
        null[whole[own[span.formula]].core_term] = ending.null_dimensions[span.core_term]
    return replace(ending, null_dimensions=null)


def _joined(endings: Sequence[Ending]) -> Ending:
    """How both ended: as the one that ended worse."""
    first, second = endings
    worst = second if first.status is FitStatus.CONVERGED else first
    a, b = first.search, second.search
    return Ending(
        status=worst.status,
        gradient_norm=math.hypot(first.gradient_norm, second.gradient_norm),
        evaluations=first.evaluations + second.evaluations,
        decrement=first.decrement + second.decrement,
        certificate=max(first.certificate, second.certificate),
        null_dimensions=[x + y for x, y in zip(first.null_dimensions, second.null_dimensions, strict=True)],
        search=Search(
            a.runs + b.runs,
            a.looks + b.looks,
            a.complete and b.complete,
            a.moved_on or b.moved_on,
            beyond=a.beyond + b.beyond,
        ),
    )
