"""Survey, sums and fit in one call."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ranef.data.batches import Batches, sources_of
from ranef.fit.progress import Progress
from ranef.fit.request import LmmRequest
from ranef.options import Ddf
from ranef.results.linear import LinearMixedModel
from ranef.scale.asked import NotStreamedError
from ranef.scale.statistic import Statistic
from ranef.scale.survey import Survey, survey_of

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
    data : dataset, path, frame or list of these
        As for `survey`: a list is read part by part. Data are read twice.
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
    found = survey_of(
        formula,
        sources,
        weights=weights,
        offset=offset,
        subset=subset,
        na_action=na_action,
        contrasts=contrasts,
    )
    return summed(found, sources).fit(
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
    sums = Statistic(found.freeze())
    for source in sources:
        sums.update(source)
    return sums


def fit_request(request: LmmRequest, source: Batches) -> LinearMixedModel | None:
    """Fit what `lmer` was asked for, in batches.

    Returns
    -------
    LinearMixedModel or None
        None where the source has too few rows to be worth it, or the model needs all rows at once:
        then the columns are read into memory.
    """
    arguments = {name: getattr(request, name) for name in ("weights", "offset", "subset")}
    if not all(a is None or isinstance(a, str) for a in arguments.values()) or source.n_rows() < MANY_ROWS:
        return None
    try:
        found = survey_of(
            request.formula,
            [source],
            coding=request.coding_rules,
            na_action=request.na_action,
            contrasts=request.contrasts,
            **arguments,
        )
    except NotStreamedError:
        return None
    return summed(found, [source]).fit(
        REML=request.reml,
        start=request.start,
        control=request.control,
        progress=request.progress,
        n_threads=request.n_threads,
        ddf=request.ddf,
        data=request.data,
    )
