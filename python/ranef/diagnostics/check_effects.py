"""Random effects on the diagnostic panel:
conditional modes in units of the spread that the model gives them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.chance import two_sided_chance
from ranef.diagnostics.check_part import CheckPart
from ranef.diagnostics.check_sentences import effect_shape_sentence
from ranef.diagnostics.normal_quantiles import normal_quantiles
from ranef.diagnostics.normal_shape import FEW, Shape, shape
from ranef.estimates.effect_intervals import standardized_effects
from ranef.estimates.random_effects import conditional_covariances, random_effects
from ranef.estimates.varcorr import varcorr
from ranef.fit.record import MixedFit

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: Fewer modes than this have no quantiles.
FEWEST_MODES = 3


def standardized_modes(fit: MixedFit) -> "pd.DataFrame":
    """Conditional modes divided by the standard deviations that the model gives them.

    Columns as in :func:`standardized_effects`.
    """
    variances: dict[str, Floats] = {}
    blocks = list(varcorr(fit).values())
    for g, members in zip(random_effects(fit), fit.order.factors, strict=True):
        own = [np.diagonal(b.cov) for b, s in zip(blocks, fit.order.spans, strict=True) if s.formula in members]
        relation = fit.design.random[members[0]].relation
        sizes = np.ones(1) if relation is None else relation.sizes()
        variances[g.group] = sizes[:, None] * np.concatenate(own)
    modes = {
        g.group: (_frame(g.values, g.levels, g.names), c)
        for g, c in zip(random_effects(fit), conditional_covariances(fit), strict=True)
    }
    return standardized_effects(modes, variances)


def _frame(values: Floats, levels: "NDArray[np.object_]", names: tuple[str, ...]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(values, index=pd.Index(levels), columns=pd.Index(names))


def effects_part(fit: MixedFit, simulated: Sequence[tuple[Floats, ...]] = ()) -> CheckPart:
    """The random effect whose modes look least normal.

    Parameters
    ----------
    fit : MixedFit
    simulated : sequence of tuples of (levels, k) arrays
        Modes of every random term for responses simulated from the model, for models whose modes
        are not normal: they are skewed and discrete where groups have few counts.
    """
    samples = _among(fit, simulated) if len(simulated) else _standard(fit)
    looked_at = [(name, s) for name, s in samples.items() if s.p_value is not None]
    if looked_at:
        name, sample = min(looked_at, key=lambda item: (item[1].p_value, -item[1].size))
    else:
        name, sample = max(samples.items(), key=lambda item: item[1].size)
    return _part_of(name, sample, len(looked_at), len(samples))


def every_effect(fit: MixedFit) -> tuple[CheckPart, ...]:
    """Each random effect in turn; chances are those of each alone."""
    return tuple(_part_of(name, sample, 1, 1) for name, sample in _standard(fit).items())


def _part_of(name: tuple[str, str], sample: "_Sample", tests: int, looked_at: int) -> CheckPart:
    """The picture of an effect that was chosen among some."""
    group, effect = name
    known = sample.values[~np.isnan(sample.values)]
    frame = normal_quantiles(known, None) if len(known) >= FEWEST_MODES else _empty()
    p = None if sample.p_value is None else min(1.0, sample.p_value * tests)
    return CheckPart(
        "effect_quantiles",
        f"Random effects: {effect} of {group}",
        "standardised mode",
        frame,
        effect_shape_sentence(known, sample.shape, p, f"{effect} of {group}", looked_at),
    )


def _empty() -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(columns=["theoretical", "sample", "line", "lower", "upper"], dtype=float)


class _Sample:
    """Modes of one random effect; with 20 or more their shape and the chance of one as far from
    normal.
    """

    def __init__(self, values: Floats, others: Sequence[Floats] = ()):
        known = values[~np.isnan(values)]
        self.values = values
        self.size = float(np.max(np.abs(known))) if len(known) >= FEWEST_MODES else -1.0
        self.shape: Shape | None = None
        self.p_value: float | None = None
        if len(known) < FEW or np.ptp(known) == 0:
            return
        self.shape = shape(known)
        if not len(others):
            self.p_value = min(self.shape.p_values)
            return
        shapes = [shape(o) for o in others]
        skew = two_sided_chance(self.shape.skew_size, np.array([s.skew_size for s in shapes]))
        tail = two_sided_chance(self.shape.tail_size, np.array([s.tail_size for s in shapes]))
        self.p_value = min(1.0, 2 * min(skew, tail))


def _standard(fit: MixedFit) -> dict[tuple[str, str], _Sample]:
    return {
        (str(g), str(e)): _Sample(part["standardized"].to_numpy())
        for (g, e), part in standardized_modes(fit).groupby(["group", "effect"], sort=False)
    }


def _among(fit: MixedFit, simulated: Sequence[tuple[Floats, ...]]) -> dict[tuple[str, str], _Sample]:
    """Modes in units of the mean and spread that those of a level have among simulations."""
    samples = {}
    for i, term in enumerate(fit.terms):
        every = np.stack([fit.b[i], *(modes[i] for modes in simulated)])
        spread = every.std(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            every = np.where(spread > 0, (every - every.mean(axis=0)) / spread, np.nan)
        for j, name in enumerate(term.names):
            own, *others = every[:, :, j]
            samples[term.group, name] = _Sample(own, [o[~np.isnan(o)] for o in others])
    return samples
