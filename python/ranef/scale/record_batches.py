"""Surveys and sums of one partition of rows, from record batches to record batches, as engines want
them whose workers call a function on an iterator: Spark's ``mapInArrow``, for example.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ranef.data.batches import Batches
from ranef.errors import ArgumentTypeError, DataError
from ranef.scale.recipe import Recipe
from ranef.scale.statistic import Statistic
from ranef.scale.survey import Survey, asked_of, described, look

#: Rows that are put together before they are added: engines give some thousands at a time.
ROWS = 131_072


def partition_survey(
    formula: str,
    batches: Iterable[Any],
    *,
    weights: str | None = None,
    offset: str | None = None,
    subset: str | None = None,
    na_action: str = "omit",
    contrasts: Mapping[str, Any] | None = None,
    after: Survey | bytes | None = None,
    part: str | None = None,
) -> Iterator[Any]:
    """Survey one partition.

    Parameters
    ----------
    formula, weights, offset, subset, na_action, contrasts
        As for `survey`.
    batches : iterable of pyarrow.RecordBatch
        The rows of the partition.
    after : Survey or bytes, optional
        The merged survey of all partitions, where that is not yet ``complete``.
    part : str, optional
        Its name; within a task of Spark the number of the partition if it is not given.

    Yields
    ------
    pyarrow.RecordBatch
        One row with the columns ``part`` (string, empty without a name) and ``bytes`` (binary, for
        `merge_surveys`); none for a partition without batches.

    Raises
    ------
    RanefError
        For rows that cannot be used.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from ranef import load_dataset, scale
    >>> rows = pa.RecordBatch.from_pandas(load_dataset("sleepstudy"))
    >>> found = list(scale.partition_survey("Reaction ~ Days + (1 | Subject)", iter([rows])))
    >>> scale.merge_surveys(b.column("bytes")[0].as_py() for b in found).n_used
    180
    """
    source = _source(batches)
    if source is None:
        return
    asked = asked_of(
        formula,
        [source],
        weights=weights,
        offset=offset,
        subset=subset,
        na_action=na_action,
        contrasts=contrasts,
    )
    asked.check()
    if after is None:
        begun = Survey(asked)
    else:
        before = Survey.from_bytes(after) if isinstance(after, bytes) else after
        if described(before.asked) != described(asked):
            raise DataError("the survey given as after is that of another model.")
        begun = before.following()
    yield _row(_name(part), look(begun, [source]).to_bytes())


def partition_statistic(recipe: Recipe | bytes, batches: Iterable[Any], *, part: str | None = None) -> Iterator[Any]:
    """Sums of one partition.

    Parameters
    ----------
    recipe : Recipe or bytes
        Or what `Recipe.to_bytes` wrote.
    batches : iterable of pyarrow.RecordBatch
        The rows of the partition.
    part : str, optional
        Its name, which counts once in sums that are merged; within a task of Spark the number of
        the partition if it is not given.

    Yields
    ------
    pyarrow.RecordBatch
        One row with the columns ``part`` (string, empty without a name) and ``bytes`` (binary, for
        `merge_statistics`); none for a partition without batches.

    Raises
    ------
    RanefError
        For rows that cannot be used.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from ranef import load_dataset, scale
    >>> data = load_dataset("sleepstudy")
    >>> recipe = scale.survey("Reaction ~ Days + (1 | Subject)", data).freeze()
    >>> rows = pa.RecordBatch.from_pandas(data)
    >>> found = list(scale.partition_statistic(recipe, iter([rows]), part="all"))
    >>> scale.merge_statistics(b.column("bytes")[0].as_py() for b in found).parts
    ('all',)
    """
    known = Recipe.from_bytes(recipe) if isinstance(recipe, bytes) else recipe
    sums = Statistic(known)
    source = _source(batches)
    if source is None:
        return
    name = _name(part)
    sums.update(source, part=name or None)
    yield _row(name, sums.to_bytes())


def _source(batches: Iterable[Any]) -> Batches | None:
    """The batches as a source that is read once, in larger ones."""
    import pyarrow as pa

    rest = iter(batches)
    first = next(rest, None)
    if first is None:
        return None
    if not isinstance(first, pa.RecordBatch | pa.Table):
        raise ArgumentTypeError(f"batches must be pyarrow.RecordBatch, not {type(first).__name__}.")

    def together() -> Iterator[Any]:
        held, n = [first], first.num_rows
        for batch in rest:
            if n >= ROWS:
                yield _table(held)
                held, n = [], 0
            held.append(batch)
            n += batch.num_rows
        yield _table(held)

    def read(names: list[str]) -> Iterator[Any]:
        return (t.select(names) for t in together())

    return Batches(tuple(first.schema.names), read, lambda: 0, "the partition")


def _table(batches: list[Any]) -> Any:
    import pyarrow as pa

    return pa.concat_tables([b if isinstance(b, pa.Table) else pa.Table.from_batches([b]) for b in batches])


def _name(part: str | None) -> str:
    if part is not None:
        return str(part)
    spark = sys.modules.get("pyspark")
    context = None if spark is None else spark.TaskContext.get()
    return "" if context is None else f"partition {context.partitionId()}"


def _row(part: str, content: bytes) -> Any:
    import pyarrow as pa

    return pa.RecordBatch.from_arrays(
        [pa.array([part], pa.string()), pa.array([content], pa.binary())], names=["part", "bytes"]
    )
