"""What a user asked ``glmer`` for: checked once, kept with the model, changed by ``update``."""

import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.errors import ArgumentTypeError, OptionError
from ranef.families.family import Family
from ranef.families.names import parse_family
from ranef.fit.control import parse_control
from ranef.fit.glmm import GlmmStart, Likelihood, fit_glmm
from ranef.fit.glmm_record import GlmmFit
from ranef.fit.order import TermOrder, order_terms
from ranef.fit.outcome import outcome_of
from ranef.fit.progress import reported
from ranef.fit.request import (
    ModelRequest,
    check_changes,
    replaced_request,
    replaced_response,
    requested_design,
    warn_once,
)
from ranef.fit.start import parse_start
from ranef.fit.threads import parse_n_threads

Floats = NDArray[np.float64]

CURVATURES = ("observed", "expected")

#: More nodes than this gain nothing in double precision.
MOST_NODES = 100


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class GlmmRequest(ModelRequest):
    """The arguments of one call of ``glmer``."""

    family: Family
    n_quad: int = 1
    curvature: str = "observed"

    # A frozen dataclass with slots gets methods of its own for pickles unless it names them.
    __getstate__ = ModelRequest.__getstate__
    __setstate__ = ModelRequest.__setstate__


def choose_n_quad(n_quad: object, nAGQ: object) -> int:
    """Settle ``n_quad`` and ``nAGQ``; ``None`` means not given."""
    for name, value in (("n_quad", n_quad), ("nAGQ", nAGQ)):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, numbers.Integral):
            raise ArgumentTypeError(f"{name} must be a whole number of quadrature nodes, not {value!r}.")
        if not 0 <= int(value) <= MOST_NODES:
            raise OptionError(
                f"{name} must be from 0 to {MOST_NODES}, not {value}: 1 is Laplace's approximation, more is adaptive quadrature, 0 the fast penalised form."
            )
    if n_quad is not None and nAGQ is not None and n_quad != nAGQ:
        raise OptionError(f"n_quad={n_quad} and nAGQ={nAGQ} disagree; give one of them.")
    chosen = n_quad if n_quad is not None else nAGQ
    return 1 if chosen is None else int(chosen)  # type: ignore[call-overload]


def checked_curvature(curvature: object) -> str:
    """Check the ``curvature`` argument."""
    if not isinstance(curvature, str):
        raise ArgumentTypeError(f"curvature must be 'observed' or 'expected', not {curvature!r}.")
    if curvature not in CURVATURES:
        raise OptionError(f"curvature must be 'observed' or 'expected', not {curvature!r}.")
    return curvature


def fit_glmm_request(request: GlmmRequest) -> GlmmFit:
    """Parse, build the design, fit, and issue at most one warning."""
    n_threads = parse_n_threads(request.n_threads)
    control = parse_control(request.control)
    design, kind = outcome_of(requested_design(request, "glmm"), request.family)
    if request.response is not None:
        design = design.with_rows(y=replaced_response(request.response, design))
    order = order_terms(design.random)
    start = parse_glmm_start(request.start, order, design)
    likelihood = Likelihood(request.family, kind, request.n_quad, request.curvature)
    with reported(request.progress, "evaluations") as show:
        fit = fit_glmm(design, likelihood, start, control, show, n_threads, order)
    warn_once(fit.messages)
    return fit


def parse_glmm_start(start: object, order: TermOrder, design: Design) -> GlmmStart:
    """Check the ``start`` argument.

    Parameters
    ----------
    start : array-like, dict or None
        Theta in lme4's order; or a dict with ``theta``, ``fixef`` (in the order of the columns, or by name) and ``dispersion``, as far as known; or values of theta by name.
    order : TermOrder
    design : Design
    """
    if not isinstance(start, Mapping) or not {"theta", "fixef", "dispersion"} & set(start):
        return GlmmStart(parse_start(start, order, design.random))
    unknown = [str(k) for k in start if k not in ("theta", "fixef", "dispersion")]
    if unknown:
        raise OptionError(
            f"start has no part {', '.join(map(repr, unknown))}; its parts are theta, fixef and dispersion."
        )
    theta = None if "theta" not in start else parse_start(start["theta"], order, design.random)
    dispersion = start.get("dispersion")
    if dispersion is not None and (isinstance(dispersion, bool) or not isinstance(dispersion, numbers.Real)):
        raise ArgumentTypeError(f"start['dispersion'] must be a positive number, not {dispersion!r}.")
    if dispersion is not None and not (np.isfinite(float(dispersion)) and float(dispersion) > 0):
        raise OptionError(f"start['dispersion'] must be a positive number, not {dispersion!r}.")
    return GlmmStart(
        theta, _fixed_start(start.get("fixef"), design.x_names), None if dispersion is None else float(dispersion)
    )


def _fixed_start(fixef: Any, names: tuple[str, ...]) -> Floats | None:
    if fixef is None:
        return None
    if isinstance(fixef, Mapping):
        unknown = [str(k) for k in fixef if k not in names]
        if unknown:
            raise OptionError(
                f"start['fixef'] names no fixed effect: {', '.join(map(repr, unknown))}. They are {', '.join(names)}."
            )
        fixef = [fixef.get(n, 0.0) for n in names]
    try:
        values = np.array(fixef, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"start['fixef'] must hold numbers, not {fixef!r}.") from None
    if values.shape != (len(names),) or not np.isfinite(values).all():
        raise OptionError(f"start['fixef'] must have {len(names)} finite values, for {', '.join(names)}.")
    return values


def changed_glmm_request(request: GlmmRequest, formula: str | None, changed: dict[str, Any]) -> GlmmRequest:
    """The request of ``update``: a formula that may use ``.`` for the old one, and other arguments of ``glmer``."""
    check_changes(request, changed, "glmer", more=("nAGQ",))
    if "family" in changed:
        changed["family"] = parse_family(changed["family"])
    if "n_quad" in changed or "nAGQ" in changed:
        changed["n_quad"] = choose_n_quad(changed.pop("n_quad", None), changed.pop("nAGQ", None))
    if "curvature" in changed:
        changed["curvature"] = checked_curvature(changed["curvature"])
    return replaced_request(request, formula, changed)
