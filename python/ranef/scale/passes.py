"""The passes over streamed data: the survey, then the sums, with progress and a checkpoint."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from ranef.data.batches import Batches
from ranef.data.table import Table
from ranef.errors import DataError
from ranef.fit.progress import Line, Progress, Report, reported
from ranef.scale.asked import Asked
from ranef.scale.checkpoint import BATCHES, Checkpoint
from ranef.scale.placed import placed
from ranef.scale.recipe import Recipe
from ranef.scale.rows import KeptRows, RowsAndSums
from ranef.scale.statistic import Statistic
from ranef.scale.survey import Survey, survey_of

#: What the sums are held in, by what a survey saw, where there was one, and how rows are coded.
Kind = Callable[[Survey | None, Recipe], type[Statistic]]

#: Those that have the rows themselves, by their names in files.
OF_ROWS: dict[str, type[Statistic]] = {kind.__name__: kind for kind in (KeptRows, RowsAndSums)}


class Reading:
    """One pass over sources, file by file.

    Parameters
    ----------
    stage : str
        What the pass is for: ``"survey"`` or ``"sums"``.
    sources : sequence of Batches
    columns : callable
        Says which of the columns of a source are read.
    show : callable, optional
        Called with the rows so far and all rows.
    total : int, optional
        All rows, where they were counted before.
    """

    def __init__(
        self,
        stage: str,
        sources: Sequence[Batches],
        columns: Callable[[Sequence[str]], list[str]],
        show: Report | None,
        total: int | None = None,
    ):
        self._stage, self._columns, self._show = stage, columns, show
        #: Files, and sources that are not made of files.
        self.units = [part for source in sources for part in (source.parts or (source,))]
        self._rows = 0
        self._total = sum(s.n_rows() for s in sources) if total is None and show is not None else total

    def tables(self, units: int = 0, batches: int = 0) -> Iterator[tuple[int, int, Table]]:
        """The tables after so many units and batches of the next one, with the number of each."""
        for number, unit in enumerate(self.units):
            if number < units:
                self._rows += unit.n_rows() if self._show is not None else 0
                continue
            for count, table in enumerate(unit.tables(self._columns(unit.names))):
                self._rows += table.n_rows
                if number > units or count >= batches:
                    yield number, count, table
                self._report(number + 1)

    def _report(self, unit: int) -> None:
        if self._show is None or self._total is None:
            return
        if isinstance(self._show, Line):
            files = f"{unit} of {len(self.units)} files, " if len(self.units) > 1 else ""
            self._show.say(f"{self._stage}: {files}{_counted(self._rows)} of {_counted(self._total)} rows")
        else:
            self._show(self._rows, self._total)


def _counted(rows: int) -> str:
    """A number of rows as it is shown: 41M for many."""
    return f"{rows:,}" if rows < 1_000_000 else f"{rows / 1e6:.3g}M"


def read_twice(
    asked: Asked,
    sources: Sequence[Batches],
    kind: Kind = lambda *_: Statistic,
    *,
    recipe: Recipe | None = None,
    progress: Progress = False,
    kept: Checkpoint | None = None,
) -> Statistic:
    """The sums of sources, of a kind that is told by the survey and the recipe; they are surveyed
    first where there is no recipe.
    """
    with reported(progress, "rows") as show:
        sums = None if kept is None else kept.sums
        n_surveyed = None if kept is None else kept.n_surveyed
        if sums is None:
            found = None
            if recipe is None:
                found, recipe = _surveyed(asked, sources, show)
                n_surveyed = found.n_input
            assert recipe is not None
            taken = kind(found, recipe)
            del found
            if kept is None:
                sums = taken(recipe)
            else:
                rows = None if taken is Statistic else taken.__name__
                sums = kept.write(Statistic(recipe), (0, 0), n_surveyed, rows)
        of_sums = kept
        if kept is not None and kept.rows is not None:
            # rows are in no checkpoint: they are read again
            sums, of_sums = OF_ROWS[kept.rows](sums.recipe), None
        sums = _summed(sums, Reading("sums", sources, asked.column_names, show, n_surveyed), of_sums, n_surveyed)
    if n_surveyed is not None and sums.n_input != n_surveyed:
        raise DataError(
            f"the data had {n_surveyed:,} rows when they were surveyed and {sums.n_input:,} when they were read "
            "again; data that can be read once only are given by a function that returns a new reader."
        )
    return sums


def surveyed(asked: Asked, sources: Sequence[Batches], show: Report | None = None) -> Survey:
    """The survey of sources, with a report of each look at them."""

    def look(found: Survey, sources: Sequence[Batches]) -> Survey:
        for _, _, table in Reading("survey", sources, found.columns, show).tables():
            found.update(table)
        return found

    return survey_of(asked, sources, look)


def _surveyed(asked: Asked, sources: Sequence[Batches], show: Report | None) -> tuple[Survey, Recipe]:
    """What a survey saw, and how rows are coded."""
    found = surveyed(asked, sources, show)
    recipe = found.freeze()
    notes = (*(note for source in sources for note in source.notes), *recipe.design.notes)
    return found, replace(recipe, design=replace(recipe.design, notes=tuple(dict.fromkeys(notes))))


def _summed(sums: Statistic, reading: Reading, kept: Checkpoint | None, n_surveyed: int | None) -> Statistic:
    """Sums with all tables that are not in them yet."""
    if kept is None:
        for unit, _, table in reading.tables():
            with placed(_place(reading, unit, table)):
                sums.add(table)
        return sums
    since, last = 0, 0
    for unit, count, table in reading.tables(*kept.done):
        if unit != last and since >= BATCHES:
            sums, since = kept.write(sums, (unit, 0), n_surveyed), 0
        last = unit
        with placed(_place(reading, unit, table)):
            sums.add(table)
        since += 1
        # other sources may give their rows in another order the next time
        ordered = reading.units[unit].file is not None or reading.units[unit].held is not None
        if since >= BATCHES and ordered:
            sums, since = kept.write(sums, (unit, count + 1), n_surveyed), 0
    end = (len(reading.units), 0)
    return sums if kept.done == end else kept.write(sums, end, n_surveyed)


def _place(reading: Reading, unit: int, table: Table) -> str:
    """Where a table comes from, if there is more than one place."""
    return (table.place or reading.units[unit].what) if len(reading.units) > 1 else ""
