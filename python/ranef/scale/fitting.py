"""Survey, sums and fit in one call."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from ranef.data.batches import MANY_ROWS, Batches, lazy_batches, sources_of
from ranef.design.memory import memory_limit
from ranef.errors import ArgumentTypeError, DataError, OptionError
from ranef.fit.control import parse_control
from ranef.fit.progress import Progress
from ranef.fit.record import MixedFit
from ranef.fit.reml import choose_reml
from ranef.fit.request import LmmRequest
from ranef.fit.sums.absent_data import AbsentData
from ranef.options import Ddf
from ranef.results.linear import LinearMixedModel
from ranef.scale.asked import Asked
from ranef.scale.checkpoint import Checkpoint
from ranef.scale.distributed import summed_by
from ranef.scale.passes import Kind, read_twice
from ranef.scale.recipe import Recipe
from ranef.scale.rows import KeptRows, RowsAndSums
from ranef.scale.statistic import Statistic
from ranef.scale.survey import asked_of, described
from ranef.scale.way import surveyed_way


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
    executor: Any = None,
    start: Sequence[float] | Mapping[str, Any] | LinearMixedModel | None = None,
    control: Mapping[str, Any] | None = None,
    progress: Progress = False,
    n_threads: int | None = None,
    ddf: Ddf = "satterthwaite",
    checkpoint: str | os.PathLike[str] | None = None,
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
    executor : optional
        Who reads the parts: a Dask ``Client``, or anything with the methods of the executors of
        `concurrent.futures`, whose processes are not started by fork. The parts are those of a
        list, the files of a folder, pattern or dataset, or the partitions of a Dask DataFrame;
        whatever is one piece is read by one worker. Parts are merged in their order, so that every
        run and every executor gives the same numbers. The model itself is fitted here.
    start : array-like, dict or LinearMixedModel, optional
        As for `Statistic.fit`.
    REML, method, control, progress, n_threads, ddf
        As for `lmer`.
    weights, offset, subset, na_action, contrasts
        As for `survey`.
    checkpoint : path, optional
        A file in which the survey and the sums are kept as they come, so that the same call goes on
        from there when it was interrupted, with the same numbers bit by bit. The iterative solver
        reads the rows again, and its search goes on where it stood. The file must be of the same
        formula, arguments and data: of files their names, sizes and times of change are compared,
        of frames a checksum, of other sources the columns and the number of rows.

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
    request = LmmRequest(
        formula=formula,
        data=data,
        reml=choose_reml(REML, method),
        weights=weights,
        offset=offset,
        subset=subset,
        na_action=na_action,
        contrasts=contrasts,
        start=start,
        control=control,
        progress=progress,
        n_threads=n_threads,
        ddf=ddf,
        coding=None if recipe is None else recipe.coding,
        streams=fitted_again,
    )
    if executor is None:
        return _fitted(request, sources_of(data), recipe, checkpoint)
    if checkpoint is not None:
        raise OptionError("checkpoint is for data that this process reads, which an executor has others do; give one.")
    arguments: dict[str, Any] = {
        "weights": weights,
        "offset": offset,
        "subset": subset,
        "na_action": na_action,
        "contrasts": contrasts,
    }
    return _model(request, summed_by(executor, formula, data, recipe, arguments), once=False)


def fitted_again(request: LmmRequest) -> MixedFit:
    """The fit of a request for data that are always read in batches."""
    return _fitted(request, sources_of(request.data))._fit


def _fitted(
    request: LmmRequest,
    sources: list[Batches],
    recipe: Recipe | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> LinearMixedModel:
    asked = _asked(request, sources)
    once = any(s.stream is not None for s in sources)
    _see_that_it_can_go_on(sources, checkpoint)
    if recipe is None:
        sources = [s.again(asked.column_names(s.names)) for s in sources]
    else:
        _check_recipe(recipe, asked)
    kept = None if checkpoint is None else Checkpoint(checkpoint, asked, sources)
    with memory_limit(parse_control(request.control).memory):
        sums = read_twice(asked, sources, _kind(request), recipe=recipe, progress=request.progress, kept=kept)
    return _model(request, sums, once, kept)


def _asked(request: LmmRequest, sources: list[Batches]) -> Asked:
    return asked_of(
        request.formula,
        sources,
        coding=request.coding_rules,
        weights=request.weights,
        offset=request.offset,
        subset=request.subset,
        na_action=request.na_action,
        contrasts=request.contrasts,
    )


def _model(request: LmmRequest, sums: Statistic, once: bool, kept: Checkpoint | None = None) -> LinearMixedModel:
    """The model of sums, which is updated by reading the data again where that is possible."""
    made = sums._fit_kept(
        None if kept is None else kept.file,
        request.reml,
        request.start,
        control=request.control,
        progress=request.progress,
        n_threads=request.n_threads,
        ddf=request.ddf,
    )
    if once:
        request = replace(request, data=AbsentData({}, "streamed"), streams=None)
    if hasattr(request.start, "theta"):
        request = replace(request, start=None)
    return LinearMixedModel(made._fit, request)


def _kind(request: LmmRequest) -> Kind:
    """Sums, or the rows themselves where the iterative solver is asked for, or better."""
    control = parse_control(request.control)
    if control.solver == "exact":
        return lambda *_: Statistic
    if control.solver == "iterative":
        return lambda *_: KeptRows
    kinds = {"exact": Statistic, "hybrid": RowsAndSums, "iterative": KeptRows}
    return lambda found, recipe: Statistic if found is None else kinds[surveyed_way(found, recipe, control)]


def _see_that_it_can_go_on(sources: list[Batches], checkpoint: object) -> None:
    if checkpoint is not None and any(s.stream is not None for s in sources):
        raise OptionError(
            "checkpoint is for data that can be read again, which a stream cannot; give the path of files, or a "
            "function that returns a new stream."
        )


def _check_recipe(recipe: Recipe, asked: Asked) -> None:
    if not isinstance(recipe, Recipe):
        raise ArgumentTypeError(f"recipe is a {type(recipe).__name__}; survey(...).freeze() gives one.")
    if described(recipe.asked) != described(asked):
        raise DataError("the recipe was made for another formula or other arguments; survey the data with these.")


def fit_request(
    request: LmmRequest, source: Batches, checkpoint: str | os.PathLike[str] | None = None
) -> LinearMixedModel | None:
    """Fit what `lmer` was asked for, in batches.

    Returns
    -------
    LinearMixedModel or None
        None where the source has too few rows to be worth it, or the model needs all rows at once:
        then the columns are read into memory.
    """
    arguments = (request.weights, request.offset, request.subset)
    if not all(a is None or isinstance(a, str) for a in arguments):
        return None
    asked, once = _asked(request, [source]), source.stream is not None
    _see_that_it_can_go_on([source], checkpoint)
    if once:
        names = asked.column_names(source.names)
        source = source.again(names)
    if source.n_rows() < MANY_ROWS or not asked.can_be_streamed():
        if not once:
            return None
        read = replace(request, data=source.read(names))
        return LinearMixedModel(read.fitted(), read)
    kept = None if checkpoint is None else Checkpoint(checkpoint, asked, [source])
    with memory_limit(parse_control(request.control).memory):
        sums = read_twice(asked, [source], _kind(request), progress=request.progress, kept=kept)
    return _model(replace(request, streams=large_again), sums, once, kept)


def large_again(request: LmmRequest) -> MixedFit:
    """The fit of a request for data that are read in batches if they are many."""
    source = lazy_batches(request.data)
    found = None if source is None else fit_request(request, source)
    return replace(request, streams=None).fitted() if found is None else found._fit
