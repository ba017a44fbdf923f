"""Survey, sums and fit in one call."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from ranef.data.batches import Batches, sources_of
from ranef.errors import ArgumentTypeError, DataError
from ranef.fit.absent_data import AbsentData
from ranef.fit.progress import Progress
from ranef.fit.request import LmmRequest
from ranef.options import Ddf
from ranef.results.linear import LinearMixedModel
from ranef.scale.asked import Asked
from ranef.scale.recipe import Recipe
from ranef.scale.statistic import Statistic
from ranef.scale.survey import Survey, asked_of, described, survey_of

#: Rows from which a source that can be read in batches is: fewer fit into any memory, and a model
#: that has its rows can do more.
MANY_ROWS = 1_000_000


def fit(
    formula: str,
    data: Any,
    *,
    REML: bool | None = None,
    method: Literal["REML", "ML"] | None = None,
    weights: str | None = None,
    offset: str | None = None,
    subset: str | None = None,
    na_action: Literal["omit", "exclude", "error"] = "omit",
    contrasts: Mapping[str, Any] | None = None,
    recipe: Recipe | None = None,
    start: Sequence[float] | Mapping[str, Any] | None = None,
    control: Mapping[str, Any] | None = None,
    progress: Progress = False,
    n_threads: int | None = None,
    ddf: Ddf = "satterthwaite",
) -> LinearMixedModel:
    """Fit a linear mixed model to data that are read in batches, in memory that does not grow with
    the rows.

    Parameters
    ----------
    formula : str
        As for `survey`.
    data : path, dataset, frame, stream or list of these
        As for `survey`: a list is read part by part. Data are read twice, text files three times.
        The columns of an iterator, which can be read once only, are kept in a temporary file.
    recipe : Recipe, optional
        From a survey of data that have all levels: data are then read once, and no temporary file
        is needed.
    REML, method, start, control, progress, n_threads, ddf
        As for `lmer`.
    weights, offset, subset, na_action, contrasts
        As for `survey`.

    Returns
    -------
    LinearMixedModel
        Without rows.

    Raises
    ------
    RanefError
        One of its subclasses, for input that cannot be used.

    Examples
    --------
    >>> from ranef import load_dataset, scale
    >>> data = load_dataset("penicillin")
    >>> m = scale.fit("diameter ~ 1 + (1 | plate) + (1 | sample)", [data[:70], data[70:]])
    >>> round(m.objective, 4)
    330.8606
    """
    sources = sources_of(data)
    arguments: dict[str, Any] = {
        "weights": weights,
        "offset": offset,
        "subset": subset,
        "na_action": na_action,
        "contrasts": contrasts,
    }
    if recipe is None:
        asked = asked_of(formula, sources, **arguments)
        sources = [s.again(asked.column_names(s.names)) for s in sources]
        sums = summed(survey_of(asked, sources), sources)
    else:
        _check_recipe(recipe, asked_of(formula, sources, coding=recipe.coding, **arguments))
        sums = Statistic(recipe)
        for source in sources:
            sums.update(source)
    return sums.fit(
        REML=REML,
        method=method,
        start=start,
        control=control,
        progress=progress,
        n_threads=n_threads,
        ddf=ddf,
    )


def summed(found: Survey, sources: list[Batches]) -> Statistic:
    """The sums of sources that were surveyed."""
    recipe = found.freeze()
    notes = (*(note for source in sources for note in source.notes), *recipe.design.notes)
    sums = Statistic(replace(recipe, design=replace(recipe.design, notes=tuple(dict.fromkeys(notes)))))
    for source in sources:
        sums.update(source)
    if sums.n_input != found.n_input:
        raise DataError(
            f"the data had {found.n_input:,} rows when they were surveyed and {sums.n_input:,} when they were read "
            "again; data that can be read once only are given by a function that returns a new reader."
        )
    return sums


def _check_recipe(recipe: Recipe, asked: Asked) -> None:
    if not isinstance(recipe, Recipe):
        raise ArgumentTypeError(f"recipe is a {type(recipe).__name__}; survey(...).freeze() gives one.")
    if described(recipe.asked) != described(asked):
        raise DataError("the recipe was made for another formula or other arguments; survey the data with these.")


def fit_request(request: LmmRequest, source: Batches) -> LinearMixedModel | None:
    """Fit what `lmer` was asked for, in batches.

    Returns
    -------
    LinearMixedModel or None
        None where the source has too few rows to be worth it, or the model needs all rows at once:
        then the columns are read into memory.
    """
    arguments = {name: getattr(request, name) for name in ("weights", "offset", "subset")}
    if not all(a is None or isinstance(a, str) for a in arguments.values()):
        return None
    asked = asked_of(
        request.formula,
        [source],
        coding=request.coding_rules,
        na_action=request.na_action,
        contrasts=request.contrasts,
        **arguments,
    )
    data = request.data
    if source.stream is not None:
        names = asked.column_names(source.names)
        source, data = source.again(names), AbsentData({}, "streamed")
        if source.n_rows() < MANY_ROWS or not asked.can_be_streamed():
            read = replace(request, data=source.read(names))
            return LinearMixedModel(read.fitted(), read)
    elif source.n_rows() < MANY_ROWS or not asked.can_be_streamed():
        return None
    return summed(survey_of(asked, [source]), [source]).fit(
        REML=request.reml,
        start=request.start,
        control=request.control,
        progress=request.progress,
        n_threads=request.n_threads,
        ddf=request.ddf,
        data=data,
    )
