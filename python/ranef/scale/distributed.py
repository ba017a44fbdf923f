"""Surveys and sums of parts of data by other processes: of any executor, or of Dask."""

import contextlib
import dataclasses
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ranef.data.batches import Batches
from ranef.data.table import is_dask_frame
from ranef.errors import ArgumentTypeError, DataError, OptionError, RanefError
from ranef.formula import parse_formula
from ranef.scale.asked import Asked
from ranef.scale.merging import merge_statistics, merge_surveys
from ranef.scale.pieces import Piece, pieces_of
from ranef.scale.placed import placed
from ranef.scale.recipe import Recipe
from ranef.scale.statistic import Statistic
from ranef.scale.survey import Survey, asked_of, described, look

#: Seconds after which a wait for a part begins anew.
INTERVAL = 0.5

#: Parts that wait in an executor for each of its workers, so that results do not pile up.
WAITING = 2

#: Workers of an executor that does not say how many it has.
WORKERS = 16

#: Results that Dask merges in one task.
WIDTH = 8

#: How often Dask repeats a task whose worker was lost.
RETRIES = 2

#: What a task gives: bytes, or the error that the data are to blame for. It is given, not raised,
#: so that nobody tries again.
Answer = bytes | RanefError


def survey_task(asked: Asked, after: bytes | None, piece: Piece) -> Answer:
    """One look at a part, after that at all parts."""
    try:
        with placed(piece.what):
            begun = Survey(asked) if after is None else Survey.from_bytes(after).following()
            return look(begun, [piece.source()]).to_bytes()
    except RanefError as problem:
        return problem


def sums_task(recipe: bytes, piece: Piece) -> Answer:
    """The sums of a part."""
    try:
        with placed(piece.what):
            sums = Statistic(Recipe.from_bytes(recipe))
            sums.update(piece.source(), part=piece.name)
            return sums.to_bytes()
    except RanefError as problem:
        return problem


def names_task(piece: Piece) -> tuple[str, ...] | RanefError:
    """The columns of a part."""
    try:
        return piece.source().names
    except RanefError as problem:
        return problem


def merge_task(kind: str, answers: Sequence[Answer]) -> Answer:
    """Surveys or sums of several parts as one."""
    try:
        merged: Any = (merge_surveys if kind == "survey" else merge_statistics)(_bytes(a) for a in answers)
        content: bytes = merged.to_bytes()
        return content
    except RanefError as problem:
        return problem


def _bytes(answer: Answer) -> bytes:
    if isinstance(answer, RanefError):
        raise answer
    return answer


def summed_by(executor: Any, formula: str, data: Any, recipe: Recipe | None, arguments: dict[str, Any]) -> Statistic:
    """The sums of all parts, merged in their order."""
    pool = _Dask(executor) if _is_dask(executor) else _Executor(executor)
    if is_dask_frame(data):
        return _sums(pool, formula, pool.partitions(data), recipe, arguments)
    parsed = parse_formula(formula)

    def used(names: list[str]) -> list[str]:
        return asked_of(formula, [_columns(names)], **arguments).column_names(names)

    pieces = pieces_of(data, used)
    names: Any = () if not parsed.has_dot else next(pool.each(names_task, [(pieces[0],)], pieces))
    if isinstance(names, RanefError):
        raise names
    return _sums(pool, formula, pieces, recipe, arguments, list(names))


def _columns(names: Iterable[str]) -> Batches:
    return Batches(tuple(names), lambda _: iter(()), lambda: 0, "the data")


def _sums(
    pool: "_Executor",
    formula: str,
    pieces: list[Piece],
    recipe: Recipe | None,
    arguments: dict[str, Any],
    names: Sequence[str] = (),
) -> Statistic:
    coding = None if recipe is None else recipe.coding
    asked = asked_of(formula, [_columns(names)], coding=coding, **arguments)
    asked.check()
    n_input = None
    if recipe is None:
        after: Any = None
        while True:
            looks = pool.merged("survey", survey_task, [(asked, after, p) for p in pieces], pieces)
            found = merge_surveys(map(_bytes, looks))
            if found.complete or not found.n_input:
                break
            after = pool.sent(found.to_bytes())
        recipe, n_input = found.freeze(), found.n_input
    elif not isinstance(recipe, Recipe):
        raise ArgumentTypeError(f"recipe is a {type(recipe).__name__}; survey(...).freeze() gives one.")
    elif described(recipe.asked) != described(asked):
        raise DataError("the recipe was made for another formula or other arguments; survey the data with these.")
    sent = pool.sent(recipe.to_bytes())
    sums = merge_statistics(map(_bytes, pool.merged("sums", sums_task, [(sent, p) for p in pieces], pieces)))
    if n_input is not None and sums.n_input != n_input:
        raise DataError(
            f"the data had {n_input:,} rows when they were surveyed and {sums.n_input:,} when they were read again."
        )
    return sums


def _is_dask(executor: Any) -> bool:
    return type(executor).__module__.partition(".")[0] == "distributed"


class _Executor:
    """Anything with ``submit``, which gives futures with ``result``."""

    def __init__(self, executor: Any):
        if not callable(getattr(executor, "submit", None)):
            raise ArgumentTypeError(
                f"executor is a {type(executor).__name__}; it is a Dask Client, or has the methods of the executors of "
                "concurrent.futures."
            )
        context = getattr(executor, "_mp_context", None)
        if context is not None and context.get_start_method() == "fork":
            raise OptionError(
                "the executor starts its processes by 'fork', which threads do not survive: give it "
                "mp_context=multiprocessing.get_context('spawn')."
            )
        self.executor = executor

    def partitions(self, data: Any) -> list[Piece]:
        """The partitions of a Dask DataFrame."""
        raise OptionError("the partitions of a Dask DataFrame need executor=dask.distributed.Client(...), or none.")

    def sent(self, content: Any) -> Any:
        """What is sent to workers with every task."""
        return content

    def merged(
        self, kind: str, task: Callable[..., Answer], arguments: list[tuple[Any, ...]], pieces: list[Piece]
    ) -> Iterator[Answer]:
        """Answers for all parts, in order."""
        return self.each(task, arguments, pieces)

    def each(self, task: Callable[..., Any], arguments: list[tuple[Any, ...]], pieces: list[Piece]) -> Iterator[Any]:
        """Results of tasks, in order."""
        workers = getattr(self.executor, "_max_workers", None)
        most = WAITING * (workers if isinstance(workers, int) else WORKERS)
        waiting: deque[tuple[Any, Piece]] = deque()
        left = iter(zip(arguments, pieces, strict=False))
        try:
            while True:
                while len(waiting) < most and (one := next(left, None)) is not None:
                    waiting.append((self._future(task, one[0], one[1]), one[1]))
                if not waiting:
                    return
                future, piece = waiting.popleft()
                yield self._result(future, piece)
        finally:
            for future, _ in waiting:
                if callable(getattr(future, "cancel", None)):
                    future.cancel()

    def _future(self, task: Callable[..., Any], arguments: tuple[Any, ...], piece: Piece) -> Any:
        try:
            return self.executor.submit(task, *arguments)
        except Exception as problem:  # of whatever class the executor has
            raise _lost(piece.what, problem) from problem

    def _result(self, future: Any, piece: Piece) -> Any:
        try:
            while not future.done():
                # a wait without end may miss a signal that comes as it begins
                with contextlib.suppress(TimeoutError):
                    return future.result(timeout=INTERVAL)
            return future.result()
        except RanefError:
            raise
        except Exception as problem:  # of whatever class the executor has
            raise _lost(piece.what, problem) from problem


def _lost(what: str, problem: BaseException) -> DataError:
    name = type(problem).__name__
    if name in ("KilledWorker", "BrokenProcessPool"):
        why = (
            "the processes that read it ended, and so did others that tried again"
            if name == "KilledWorker"
            else "a process of the executor ended while it, or another part, was read"
        )
        return DataError(f"{what} could not be read: {why}; perhaps it takes more memory than they have.")
    return DataError(f"{what} could not be read by the executor: {name}: {problem}")


class _Dask(_Executor):
    """A client of Dask: results stay on its workers, and are merged there."""

    def __init__(self, executor: Any):
        super().__init__(executor)
        self._frames: dict[str, Any] = {}

    def partitions(self, data: Any) -> list[Piece]:
        """The partitions of a Dask DataFrame; each is computed where it is read."""
        delayed = data.to_delayed(optimize_graph=True)
        return [Piece(f"partition {i}", f"partition {i} of the frame", d) for i, d in enumerate(delayed)]

    def sent(self, content: Any) -> Any:
        """Send to all workers once."""
        return self.executor.scatter(content, broadcast=True, hash=False)

    def each(self, task: Callable[..., Any], arguments: list[tuple[Any, ...]], pieces: list[Piece]) -> Iterator[Any]:
        """Results of tasks, in order."""
        for one, piece in zip(arguments, pieces, strict=False):
            yield self._result(self._submitted(task, one, f"ranef-{uuid.uuid4().hex}"), piece)

    def merged(
        self, kind: str, task: Callable[..., Answer], arguments: list[tuple[Any, ...]], pieces: list[Piece]
    ) -> Iterator[Answer]:
        """Answers for all parts, merged by some at a time."""
        run = uuid.uuid4().hex
        named = {f"ranef-{kind}-{run}-{i}": piece for i, piece in enumerate(pieces)}
        level = [self._submitted(task, one, key) for one, key in zip(arguments, named, strict=True)]
        everything = list(level)
        submit = self.executor.submit
        while len(level) > WIDTH:
            groups = [level[i : i + WIDTH] for i in range(0, len(level), WIDTH)]
            level = [submit(merge_task, kind, group, retries=RETRIES, pure=False) for group in groups]
            everything = level
        try:
            for future in level:
                yield self._answer(future, named)
        finally:
            self.executor.cancel(everything)

    def _submitted(self, task: Callable[..., Any], arguments: tuple[Any, ...], key: str) -> Any:
        *first, piece = arguments
        if hasattr(piece.data, "dask"):
            from dask.delayed import delayed

            # the partition is an argument of its own, so that Dask computes it before the task
            bare = dataclasses.replace(piece, data=None)
            made = delayed(frame_task, pure=False)(task, first, bare, piece.data, dask_key_name=key)
            return self.executor.compute(made, retries=RETRIES, optimize_graph=False)
        return self.executor.submit(task, *arguments, key=key, retries=RETRIES, pure=False)

    def _answer(self, future: Any, named: dict[str, Piece]) -> Any:
        try:
            return future.result()
        except RanefError:
            raise
        except Exception as problem:  # of whatever class Dask has
            # a task that ends its worker is known by its key
            piece = named.get(str(getattr(problem, "task", "")))
            raise _lost("a part of the data" if piece is None else piece.what, problem) from problem


def frame_task(task: Callable[..., Answer], first: Sequence[Any], piece: Piece, frame: Any) -> Answer:
    """A task on a partition that is in memory."""
    return task(*first, dataclasses.replace(piece, data=frame))
