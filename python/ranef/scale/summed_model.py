"""The linear mixed model of sums over rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ranef.design.memory import memory_limit
from ranef.design.model_sums import LevelSums
from ranef.design.record import Design, random_shape
from ranef.errors import DesignError
from ranef.fit.control import parse_control
from ranef.fit.ending.warned import warn_once
from ranef.fit.linear import LmmFit, fit_lmm
from ranef.fit.order import TermOrder, order_terms
from ranef.fit.progress import Progress, reported
from ranef.fit.request import LmmRequest
from ranef.fit.start import parse_start
from ranef.fit.sums.absent_data import AbsentData
from ranef.fit.threads import parse_n_threads
from ranef.options import Ddf
from ranef.results.linear import LinearMixedModel
from ranef.scale.levels import with_levels
from ranef.scale.recipe import Recipe

if TYPE_CHECKING:
    from ranef._core import Statistic
    from ranef.fit.checkpoint_file import CheckpointFile


def summed_design(
    recipe: Recipe, held: "tuple[TermOrder, Statistic]", labels: Sequence[Sequence[str] | None]
) -> tuple[Design, TermOrder]:
    """The model with the levels that have rows, in their order, and with the sums.

    Parameters
    ----------
    recipe : Recipe
    held : TermOrder and Statistic of the core
        The sums, and the order of their terms.
    labels : sequence
        For every factor of the core its levels; None where they are those of the recipe.
    """
    design, (order, core) = recipe.design, held
    taken: list[list[int]] = []
    for f, members in enumerate(order.factors):
        counts = core.counts(f)
        present = [i for i, n in enumerate(counts) if n]
        known = labels[f]
        if known is None and len(present) == len(counts):
            taken.append(present)
            continue
        every = recipe.design.random[members[0]].levels.tolist() if known is None else known
        design, places = with_levels(design, members, [every[i] for i in present])
        taken.append([present[i] for i in places.tolist()])
    if design is not recipe.design:
        before, order = order, order_terms(design.random)
        core = core.renumbered(*_moved(before, order, taken))
    assert design.sums is not None
    values = np.frombuffer(core.to_bytes(rounded=True), dtype=np.uint8)
    sums = replace(
        design.sums, shape=random_shape(design.random), values=values, of_levels=_of_levels(design, order, core)
    )
    return replace(design, sums=sums), order


def _of_levels(design: Design, order: TermOrder, core: "Statistic") -> LevelSums | None:
    """The sums of every level of a factor, where they are kept."""
    found = core.level_products()
    if found is None:
        return None
    term = design.random[order.factors[found[0]][0]]
    return LevelSums(term.group, found[1].reshape(len(term.levels), -1))


def _moved(old: TermOrder, new: TermOrder, taken: list[list[int]]) -> tuple[list[tuple[int, list[int]]], Any]:
    """The core's factors, their terms and levels in another order of terms."""
    factors, levels = [], []
    for members in new.factors:
        f = next(i for i, before in enumerate(old.factors) if set(before) == set(members))
        factors.append((f, [old.factors[f].index(i) for i in members]))
        levels.append(taken[f])
    return factors, levels


def fit_summed(
    recipe: Recipe,
    design: Design,
    order: TermOrder,
    reml: bool,
    start: Sequence[float] | Mapping[str, Any] | LinearMixedModel | None,
    data: Any,
    *,
    control: Mapping[str, Any] | None,
    progress: Progress,
    n_threads: int | None,
    ddf: Ddf,
    checkpoint: "CheckpointFile | None" = None,
    fitted: Callable[..., LmmFit] = fit_lmm,
) -> LinearMixedModel:
    """Fit the model of a design that has sums by `fitted`, which takes what `fit_lmm` takes; other
    arguments as those of `Statistic.fit`.
    """
    if reml and recipe.unidentified:
        raise DesignError(
            f"the fixed effects explain the random effects of ({recipe.unidentified[0]}), so that REML says "
            "nothing of their variance; leave one of the two out, or fit by ML."
        )
    # of an earlier model only theta is needed
    theta = getattr(start, "theta", None)
    request = LmmRequest(
        formula=str(recipe.design.formula),
        data=AbsentData({}, "summed") if data is None else data,
        reml=reml,
        weights=recipe.weights,
        offset=recipe.offset,
        subset=recipe.subset,
        na_action=recipe.design.na_action,
        contrasts=recipe.contrasts,
        start=start if theta is None else None,
        control=control,
        progress=progress,
        n_threads=n_threads,
        ddf=ddf,
        coding=recipe.coding,
    )
    known = start if theta is None else {str(k): v for k, v in theta.items()}
    first = parse_start(known, order, design.random)
    options = replace(parse_control(control), checkpoint=checkpoint)
    with memory_limit(options.memory), reported(progress, "evaluations") as show:
        fit = fitted(design, reml, first, options, show, parse_n_threads(n_threads), order)
    warn_once(fit.messages)
    return LinearMixedModel(fit, request)
