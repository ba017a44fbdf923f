"""Check: what must not change a fit, or must change it in a known way:
order of rows, names of levels, units, threads.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ranef import RanefError

from .dense import linear_criterion
from .finding import Finding
from .other_starts import GAP_WHOLE

GAP = 2e-6
#: Families of several predictors whose criterion moves with the unit of the response alone.
UNITS = ("gaussian", "t", "skewnormal", "Gamma", "lognormal", "tweedie")


def changes(case: Any, model: Any) -> Iterator[tuple[str, dict[str, Any], float]]:
    """What is changed, how the fit is called then, and what the criterion goes up by."""
    data, fit = case.data, model._fit
    rng = np.random.default_rng([5, case.seed])
    yield "order of rows", {"data": data.iloc[rng.permutation(len(data))].reset_index(drop=True)}, 0.0
    renamed = data.copy()
    for name in [v for v in ("g", "h", "s", "i") if v in data]:
        values = sorted(data[name].unique())
        renamed[name] = data[name].map(
            dict(zip(values, [f"{k:03d} ü" for k in rng.permutation(len(values))], strict=True))
        )
    yield "names of levels", {"data": renamed}, 0.0
    yield "threads", {"n_threads": 3}, 0.0
    if case.model == "linear":
        nu = fit.nobs - (len(fit.beta) if fit.reml else 0)
        for factor in (1e-4, 1e5):
            scaled = data.assign(y=data["y"] * factor)
            if fit.design.offset is None:
                yield f"y times {factor:g}", {"data": scaled}, 2 * nu * np.log(factor)
        if "w" in case.options.values():
            yield "weights times 1000", {"data": data.assign(w=1000 * data["w"])}, 0.0
    if case.model == "families" and fit.design.offset is None and fit.family.name in UNITS:
        y = data["y"].to_numpy()
        rows = np.ones(len(y)) if fit.design.weights is None else data["w"].to_numpy()
        shift = 2 * np.log(1000.0) * float(rows[(y > 0) | (fit.family.support == "real")].sum())
        yield "y times 1000", {"data": data.assign(y=1000.0 * y)}, shift
    if "0 +" not in case.formula or case.model == "generalized":
        yield "x times 1e-4", {"data": data.assign(x=data["x"] * 1e-4)}, np.nan


def check(case: Any, model: Any) -> list[Finding]:
    """Fit again with each change."""
    most = GAP_WHOLE if case.model in ("families", "clmm") else GAP
    out = []
    for name, changed, shift in changes(case, model):
        try:
            other = case.fit(**changed)
        except RanefError as problem:
            out.append(Finding("invariance", f"{name}: refused", np.nan, str(problem)[:200]))
            continue
        if np.isnan(shift):
            if len(other._fit.beta) != len(model._fit.beta):
                out.append(
                    Finding(
                        "invariance", f"{name}: other columns", np.nan, f"{model._fit.dropped} and {other._fit.dropped}"
                    )
                )
                continue
            shift = _log_volume(other) - _log_volume(model) if model._fit.reml else 0.0
        gap = abs(float(other.objective - model.objective - shift))
        status = other.convergence.status.value
        if case.model == "linear" and gap > GAP:
            apart = (
                linear_criterion(other._fit, other._fit.theta) - linear_criterion(model._fit, model._fit.theta) - shift
            )
            if abs(apart) < gap / 2:  # the same point, at which the core's criterion has an error
                out.append(Finding("invariance", "criterion", gap, name, model.theta.tolist(), other.theta.tolist()))
                continue
        if gap > most and (other.convergence.ok or other.objective < model.objective):
            out.append(
                Finding(
                    "invariance",
                    name,
                    gap,
                    f"{status} {other.objective:.7f}, expected {model.objective + shift:.7f}",
                    model.theta.tolist(),
                    other.theta.tolist(),
                )
            )
        elif not other.convergence.ok:
            out.append(Finding("invariance", f"{name}: {status}", gap, "", model.theta.tolist(), other.theta.tolist()))
    return out


def _log_volume(model: Any) -> float:
    """Log determinant of X'X, by which the REML criterion moves with the units of X."""
    x = model._fit.x
    size = np.linalg.norm(x, axis=0)
    r = np.linalg.qr(x / size, mode="r")
    return float(2 * np.log(size).sum() + 2 * np.log(np.abs(np.diag(r))).sum())
