"""Which solver data that are read in batches are kept for, by what a survey saw of them."""

from dataclasses import replace

import numpy as np

from ranef.design.evaluate import Evaluator
from ranef.design.memory import available_memory
from ranef.fit.control import FitControl
from ranef.fit.iterative.choice import ModelSize, Way, best_way, crossed_of
from ranef.fit.iterative.sampled import why_not_iterative
from ranef.fit.order import order_terms
from ranef.scale.asked import Asked, used_rows
from ranef.scale.recipe import Recipe
from ranef.scale.survey import Survey


def surveyed_way(found: Survey, recipe: Recipe, control: FitControl) -> Way:
    """How a model of data that were surveyed is solved, by bounds: which levels occur together is
    not known.
    """
    if control.solver != "auto":
        return "iterative" if control.solver == "iterative" else "exact"
    if why_not_iterative(replace(recipe.design, sums=None)) or recipe.unidentified:
        return "exact"
    size = ModelSize.of(recipe.design, order_terms(recipe.design.random), found.n_used)
    if size.is_small(range(len(size.factors))):
        return "exact"
    size, crossed = surveyed_size(found, recipe)
    if size.is_small(crossed):
        return "exact"
    cells = size.cells()
    of_factor, seconds = size.bounds(crossed, cells)
    # while runs of cells are joined, both are held
    exact = size.exact_cost(cells, (of_factor + 4.0 * cells, seconds), copies=2)
    return best_way(exact, size.iterative_cost(), available_memory()) or "exact"


def surveyed_size(found: Survey, recipe: Recipe) -> tuple[ModelSize, list[int]]:
    """The size of a model, and its factors that are not nested in all others, as far as the rows
    that the survey kept show.
    """
    table, _ = found.rows()
    asked: Asked = recipe.asked
    encoder, random = recipe.design.encoder, recipe.design.random
    order = order_terms(random)
    ev = Evaluator(table, asked.formula.text, encoder.states)
    used = used_rows(asked, table, ev)
    codes = []
    for members in order.factors:
        bar = next(b for b in asked.formula.random if b.group_label == random[members[0]].group)
        columns = np.stack([used.groups[label].codes[used.kept] for label in bar.group])
        codes.append(np.unique(columns, axis=1, return_inverse=True)[1].ravel().astype(np.int32))
    size = ModelSize.of(recipe.design, order, found.n_used)
    return size, crossed_of(codes, [int(c.max(initial=0)) + 1 for c in codes])
