"""Ordered categories in words: what the model says of them, and how the data lie in them."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ranef.fit.record import MixedFit
from ranef.presentation.document import Grid
from ranef.presentation.report.phrases import listed, number, percent

if TYPE_CHECKING:
    import pandas as pd

#: Distribution functions by link, as a sentence has them.
_LAWS = {
    "logit": "logistic",
    "probit": "normal",
    "cloglog": "extreme value (skewed to the left)",
    "loglog": "extreme value (skewed to the right)",
    "cauchit": "Cauchy",
}

#: Categories that are named one by one.
_MOST = 9


def category_paragraph(fit: MixedFit, response: str) -> str:
    """What a model of ordered categories takes for given."""
    k = fit.categories
    named = ", ".join(k) if len(k) <= _MOST else f"{k[0]} to {k[-1]}"
    law = _LAWS[fit.family.link]
    scale = (
        "the scale of the latent variable has effects of its own, below"
        if "scale" in fit.components
        else "its scale is the same in all rows"
    )
    return (
        f"{response} has {len(k)} ordered categories ({named}). A latent variable stands behind them, and "
        f"{len(k) - 1} thresholds on it: a row is in the category between the two thresholds that its value lies "
        "between. Fixed and random effects move the latent variable: a positive effect means higher categories. Around "
        f"its location it has {'an' if law[0] in 'aeiou' else 'a'} {law} distribution ({fit.family.link} link); "
        f"{scale}."
    )


def latent_sentence(fit: MixedFit) -> str:
    """What is left from row to row."""
    law = _LAWS[fit.family.link]
    if fit.family.link == "cauchit":
        return f"Around its location the latent variable has a {law} distribution, which has no variance."
    variance = fit.variance_around_predictor
    assert variance is not None
    average = ", on average over the rows" if "scale" in fit.components else ""
    return (
        f"Around its location the latent variable has a standard deviation of {number(float(np.sqrt(variance)))}"
        f"{average}, by the choice of the link: variances above are in these units."
    )


def category_grid(fit: MixedFit, title: str) -> Grid:
    """How many rows are in each category."""
    y = fit.design.y.astype(int)
    counts = np.bincount(y - 1, minlength=len(fit.categories)).tolist()
    rows = tuple((k, str(n), percent(n / len(y))) for k, n in zip(fit.categories, counts, strict=True))
    return Grid(title, ("category", "rows", "share"), rows, 1)


def thresholds_about(fit: MixedFit) -> str:
    """What threshold parameters are."""
    names = [f"{a}|{b}" for a, b in pairwise(fit.categories)]
    return (
        f"Where one category ends and the next begins on the latent variable ({listed(names)}), where all effects are "
        "zero. Their size has no meaning by itself; distances between them show how wide the categories are."
    )


def nominal_about(fit: MixedFit) -> str:
    """What nominal effects are."""
    odds = (
        " With exp(coefficient) the odds of a category up to it are multiplied." if fit.family.link == "logit" else ""
    )
    return (
        "Effects on every threshold by itself: a positive one moves the threshold up, so that categories up to it are "
        f"more probable.{odds}"
    )


def scale_about() -> str:
    """What effects on the scale are."""
    return (
        "Effects on the logarithm of the scale of the latent variable: where it is larger, answers lie more towards "
        "both ends. With exp(coefficient) the standard deviation is multiplied."
    )


def probability_grids(frames: Sequence[tuple[tuple[str, ...], "pd.DataFrame"]], category: str) -> tuple[Grid, ...]:
    """Tables of probabilities, one row for each combination of levels.

    Parameters
    ----------
    frames : sequence of (factors, frame)
        Names of the factors as they are shown; columns of these, of the category, and
        ``estimate``.
    category : str
        The column of the category.
    """
    out = []
    for factors, frame in frames:
        levels = list(dict.fromkeys(frame[category]))
        rows: list[tuple[Any, ...]] = []
        for key, own in frame.groupby(list(factors), sort=False, dropna=False):
            values = key if isinstance(key, tuple) else (key,)
            by = dict(zip(own[category], own["estimate"], strict=True))
            rows.append((*(str(v) for v in values), *(f"{float(by[k]):.3f}" for k in levels)))
        title = f"Probabilities of the categories by {listed(list(factors))}"
        out.append(Grid(title, (*factors, *map(str, levels)), tuple(rows), len(factors)))
    return tuple(out)
