"""The error of Laplace's approximation, or of too few nodes, on the diagnostic panel."""

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.check_part import CheckPart
from ranef.diagnostics.check_sentences import no_quadrature_sentence, quadrature_sentence
from ranef.errors import OptionError
from ranef.fit.quadrature import check_quadrature
from ranef.fit.quadrature_step import quadrature_step
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]

#: Nodes with which Laplace's approximation is compared; the last is taken for the truth.
NODES = (1, 5, 7, 9, 11, 15, 21)

#: Most nodes with several random effects for each level, from so many effects on.
MOST_NODES, SEVERAL = 11, 2

#: So close to the estimates by most nodes, in standard errors, others are good enough.
ENOUGH = 0.05


def accuracy_part(fit: MixedFit) -> CheckPart:
    """What quadrature with more nodes makes of -2 log-likelihood and of the estimates."""
    import pandas as pd

    title = "Accuracy of Laplace's approximation"
    try:
        check_quadrature(NODES[-1], *fit.integrated)
    except OptionError:
        order, design = fit.integrated
        groups = len(order.factors)
        rows = fit.nobs / max(len(t.levels) for t in design.random)
        nothing = pd.DataFrame({"nodes": [], "change": []})
        return CheckPart("laplace", title, "", nothing, no_quadrature_sentence(groups, rows))
    effects = sum(s.size for s in fit.integrated[0].spans)
    used = max(fit.n_quad, 1)
    nodes = sorted({k for k in NODES if effects < SEVERAL or k <= MOST_NODES} | {used})
    found = {k: quadrature_step(fit, k) for k in nodes}
    frame = pd.DataFrame({"nodes": nodes, "change": [found[k][0] - found[1][0] for k in nodes]})
    best = found[nodes[-1]]
    enough = next((k for k in nodes if _farthest(found[k][1] - best[1]) < ENOUGH), nodes[-1])
    # What the optimum by the nodes used is off from where it was sought is no error of theirs.
    shift = best[1] - found[used][1]
    name = "" if np.isnan(shift).all() else _parameters(fit)[int(np.nanargmax(np.abs(shift)))]
    sentence = quadrature_sentence(best[0] - found[used][0], _farthest(shift), name, used, nodes[-1], enough)
    return CheckPart("laplace", title, "", frame, sentence)


def _parameters(fit: MixedFit) -> list[str]:
    """What the parameters of a step are, in words."""
    blocks = sorted(fit.covariance_blocks(), key=lambda b: b.span.theta_start)
    of_theta = [f"the variation of {b.group}" for b in blocks for _ in range(b.span.theta_stop - b.span.theta_start)]
    named = sorted(fit.coefficient_names, key=lambda own: own[2])
    effects = [name if component == "cond" else f"{component}:{name}" for component, name, _ in named]
    return [*of_theta, *effects, *((fit.spread_name,) if fit.spread_name else ())]


def _farthest(step: Floats) -> float:
    return float(np.nanmax(np.abs(step))) if not np.isnan(step).all() else float("nan")
