"""Known covariance matrices of levels, as users give them: a matrix with names, its inverse, or a
pedigree.

A matrix K is used through a root C, K = C C', so that the effects of the levels are C times
independent ones. That of a pedigree is sparse: an animal is half of each parent and a Mendelian
sampling term of its own, whose variance depends on the inbreeding of the parents (Henderson 1976;
Quaas 1976).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.labels import as_objects
from ranef.data.table import Table
from ranef.design.memory import GIGABYTE, available_memory
from ranef.errors import ArgumentTypeError, DataError, MemoryLimitError, OptionError

Floats = NDArray[np.float64]
Labels = NDArray[np.object_]

#: Difference between an entry and its mirror image, as a share of the diagonal, that is rounding.
ASYMMETRIC = 1e-8
#: Eigenvalues up to this share of the largest are zero.
NULL = 1e-10
#: Matrices that are held while a root is made.
COPIES = 5
#: Names of the columns of a pedigree; others are taken by position.
_PARENTS = (("id", "animal", "individual"), ("sire", "father"), ("dam", "mother"))


@dataclass(frozen=True, slots=True, eq=False)
class KnownMatrix:
    """A matrix of q levels, or what it is made of.

    Attributes
    ----------
    levels : (q,) array of str
    matrix : (q, q) array or None
        None for a pedigree.
    parents : (q, 2) int array or None
        Of a pedigree the numbers of sire and dam, -1 where one is unknown; parents come first.
    notes : tuple of str
    """

    levels: Labels
    matrix: Floats | None = None
    parents: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class LevelRelation:
    """How the effects of q levels are made of r independent ones.

    Attributes
    ----------
    name : str
        The name of the matrix in the formula.
    levels : (q,) array of str
    start, column, weight : arrays
        The root (q, r), a sparse matrix by rows.
    n_columns : int
        r.
    n_recorded : int
        Number of levels that rows have.
    is_pedigree : bool
    """

    name: str
    levels: Labels
    start: NDArray[np.int64]
    column: NDArray[np.int32]
    weight: Floats
    n_columns: int
    n_recorded: int
    is_pedigree: bool

    def root(self) -> Any:
        """The root (q, r) as a sparse matrix."""
        from scipy.sparse import csr_array

        return csr_array((self.weight, self.column, self.start), shape=(len(self.levels), self.n_columns))

    def sizes(self) -> Floats:
        """The diagonal (q,) of the matrix."""
        rows = np.repeat(np.arange(len(self.levels)), np.diff(self.start))
        return np.asarray(np.bincount(rows, self.weight**2, len(self.levels)), np.float64)

    def reported(self, values: Floats) -> Floats:
        """Effects (q, k) of the levels from the independent ones (r, k)."""
        return np.asarray(self.root() @ values, dtype=np.float64)


def read_known(known: object) -> dict[str, KnownMatrix]:
    """The argument ``known`` of the verbs.

    Raises
    ------
    ArgumentTypeError
        When it is no dict.
    DataError
        When a matrix has no names, is not square or symmetric, or a pedigree is impossible.
    """
    if known is None:
        return {}
    if not isinstance(known, Mapping):
        raise ArgumentTypeError(f"known must be a dict such as {{'A': matrix}}, not a {type(known).__name__}.")
    return {str(k): v if isinstance(v, KnownMatrix) else _read(str(k), v) for k, v in known.items()}


def _read(name: str, value: Any) -> KnownMatrix:
    what = f"known[{name!r}]"
    if isinstance(value, tuple) and len(value) == 2:
        matrix, names = value
        return _matrix(what, _dense(what, matrix), [str(v) for v in names])
    if isinstance(value, np.ndarray) or hasattr(value, "tocsr"):
        raise DataError(f"{what} has no names of its levels; give a data frame with them, or the pair (matrix, names).")
    if isinstance(value, str | Path):
        raise ArgumentTypeError(f"{what} is a text; read the matrix or the pedigree from its file and give a frame.")
    try:
        table = Table.from_data(value)
    except ArgumentTypeError:
        raise ArgumentTypeError(
            f"{what} should be a data frame with the names of the levels, a pair (matrix, names), or a pedigree with "
            f"three columns; this is of type {type(value).__name__}."
        ) from None
    columns = [str(c) for c in table.names]
    n, index = table.n_rows, getattr(value, "index", None)
    if n == len(columns) and index is not None and [str(v) for v in index] == columns:
        return _matrix(what, _dense(what, value.to_numpy()), columns)
    kinds = [table.column(c).kind for c in table.names] if len(columns) in (3, n, n + 1) else []
    if kinds and n == len(columns) and all(k == "numeric" for k in kinds):
        return _matrix(what, _stacked(table, table.names), columns)
    if kinds and n + 1 == len(columns) and kinds[0] != "numeric" and all(k == "numeric" for k in kinds[1:]):
        rows = table.column(table.names[0]).as_factor()
        assert rows.codes is not None
        assert rows.levels is not None
        names = [str(rows.levels[c]) for c in rows.codes]
        if names != columns[1:]:
            raise DataError(f"the rows and columns of {what} do not have the same names in the same order.")
        return _matrix(what, _stacked(table, table.names[1:]), names)
    if len(columns) == 3:
        return _pedigree(what, table)
    raise DataError(
        f"{what} is neither a square matrix with the same names of its {n} rows and {len(columns)} columns, nor a "
        "pedigree with three columns: the animal, its sire and its dam."
    )


def _stacked(table: Table, names: list[str]) -> Floats:
    return np.column_stack([np.asarray(table.column(c).values, dtype=np.float64) for c in names])


def _dense(what: str, matrix: Any) -> Floats:
    shape: tuple[int, ...] = getattr(matrix, "shape", ())
    if len(shape) != 2 or shape[0] != shape[1]:
        raise DataError(f"{what} is not a square matrix.")
    room, needed = available_memory(), 8 * COPIES * shape[0] ** 2
    if room is not None and needed > room:
        raise MemoryLimitError(
            f"the root of {what} with {shape[0]} levels would take {needed / GIGABYTE:.2g} GB, of "
            f"{room / GIGABYTE:.2g} GB that are free; give a pedigree, or only the levels that are needed.",
            needed,
            room,
        )
    values = np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix)
    try:
        if values.dtype.kind == "c":
            raise TypeError
        return values.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{what} holds something else than real numbers.") from None


def _matrix(what: str, matrix: Floats, names: list[str]) -> KnownMatrix:
    if len(names) != len(matrix):
        raise DataError(f"{what} has {len(matrix)} rows and {len(names)} names.")
    if len(set(names)) < len(names):
        twice = next(v for v in names if names.count(v) > 1)
        raise DataError(f"{what} has the level {twice!r} more than once.")
    if not np.isfinite(matrix).all():
        raise DataError(f"{what} has values that are missing or not finite.")
    size = np.abs(np.diagonal(matrix)).max(initial=0.0)
    if size == 0.0:
        raise DataError(f"{what} has zeros on the diagonal only, so that its levels have no variance.")
    far = np.abs(matrix - matrix.T)
    if far.max(initial=0.0) > ASYMMETRIC * size:
        i, j = np.unravel_index(int(far.argmax()), far.shape)
        raise DataError(
            f"{what} is not symmetric: {names[i]!r} and {names[j]!r} have {matrix[i, j]:.6g} and {matrix[j, i]:.6g}."
        )
    return KnownMatrix(as_objects(names), 0.5 * (matrix + matrix.T))


def _pedigree(what: str, table: Table) -> KnownMatrix:
    by_name = {str(c).lower(): c for c in table.names}
    found = [next((by_name[n] for n in names if n in by_name), None) for names in _PARENTS]
    chosen = table.names if None in found else found
    columns: list[list[str | None]] = []
    for name in chosen:
        column = table.column(str(name)).as_factor()
        assert column.codes is not None
        assert column.levels is not None
        columns.append([None if c < 0 else str(column.levels[c]) for c in column.codes])
    ids, sires, dams = columns
    if None in ids:
        raise DataError(f"{what}: the pedigree has a row without an animal.")
    parents: dict[str, tuple[str | None, str | None]] = {}
    for animal, sire, dam in zip(ids, sires, dams, strict=True):
        assert animal is not None
        if parents.get(animal, (sire, dam)) != (sire, dam):
            raise DataError(f"{what}: the pedigree has {animal!r} twice, with other parents.")
        parents[animal] = (sire, dam)
    others = [p for pair in parents.values() for p in pair if p is not None and p not in parents]
    for founder in dict.fromkeys(others):
        parents[founder] = (None, None)
    both = next((s for s in dict.fromkeys(sires) if s is not None and s in set(dams)), None)
    notes = () if both is None else (f"the pedigree has {both!r} as a sire and as a dam",)
    order = _parents_first(what, parents)
    number = {animal: i for i, animal in enumerate(order)}
    numbers = [[-1 if p is None else number[p] for p in parents[animal]] for animal in order]
    return KnownMatrix(as_objects(order), None, np.array(numbers, dtype=np.int64).reshape(-1, 2), notes)


def _parents_first(what: str, parents: dict[str, tuple[str | None, str | None]]) -> list[str]:
    """All animals, those without a known parent first."""
    waiting = {a: len({p for p in pair if p is not None}) for a, pair in parents.items()}
    children: dict[str, list[str]] = {}
    for animal, pair in parents.items():
        for p in dict.fromkeys(pair):
            if p is not None:
                children.setdefault(p, []).append(animal)
    order = [a for a, n in waiting.items() if n == 0]
    for animal in order:
        for child in children.get(animal, ()):
            waiting[child] -= 1
            if waiting[child] == 0:
                order.append(child)
    if len(order) < len(parents):
        looped = next(a for a, n in waiting.items() if n > 0)
        raise DataError(f"{what}: in the pedigree {looped!r} descends from itself, or from such an animal.")
    return order


def relation_of(name: str, known: KnownMatrix, recorded: Labels, group: str, inverse: bool) -> LevelRelation:
    """The root of a matrix for a factor of which some levels occur.

    Raises
    ------
    DataError
        When the matrix lacks one of these, or is not positive semidefinite.
    """
    place = {level: i for i, level in enumerate(known.levels.tolist())}
    absent = [v for v in recorded.tolist() if v not in place]
    if absent:
        shown = ", ".join(map(repr, absent[:5])) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
        raise DataError(
            f"known[{name!r}] lacks levels of {group!r} that the data have: {shown}. Its names must be those of the "
            "levels."
        )
    numbers = np.array([place[v] for v in recorded.tolist()], dtype=np.intp)
    if known.parents is not None:
        if inverse:
            raise OptionError(f"known[{name!r}] is a pedigree, of which there is no inverse to give; drop inverse=.")
        root = _pedigree_root(known.parents)
    else:
        assert known.matrix is not None
        root = _root(name, known.matrix, numbers, inverse)
    return LevelRelation(
        name,
        known.levels,
        root.indptr.astype(np.int64),
        root.indices.astype(np.int32),
        np.ascontiguousarray(root.data),
        int(root.shape[1]),
        len(numbers),
        known.parents is not None,
    )


def _root(name: str, matrix: Floats, recorded: NDArray[np.intp], inverse: bool) -> Any:
    """A root of a matrix in which levels that rows have need no columns beside their own ones."""
    from scipy.linalg import solve_triangular
    from scipy.sparse import csr_array

    n = len(matrix)
    rest = np.setdiff1d(np.arange(n), recorded)
    order = np.concatenate([rest, recorded] if inverse else [recorded, rest])
    ordered = matrix[np.ix_(order, order)]
    lower = _cholesky(ordered)
    if lower is None and inverse:
        raise DataError(f"known[{name!r}] is not the inverse of a covariance matrix: it is not positive definite.")
    if lower is None:
        lower = _semidefinite_root(name, ordered)
    elif inverse:
        lower = solve_triangular(lower, np.eye(n), lower=True).T
    out = np.empty_like(lower)
    out[order] = lower
    return csr_array(out)


def _cholesky(matrix: Floats) -> Floats | None:
    """The lower factor; None where it does not exist, or hardly."""
    try:
        lower = np.asarray(np.linalg.cholesky(matrix), dtype=np.float64)
    except np.linalg.LinAlgError:
        return None
    left = np.diagonal(lower) ** 2
    return lower if np.all(left > NULL * np.diagonal(matrix)) else None


def _semidefinite_root(name: str, matrix: Floats) -> Floats:
    values, vectors = np.linalg.eigh(matrix)
    if values[0] < -NULL * len(values) * values[-1]:
        raise DataError(
            f"known[{name!r}] is not a covariance matrix: its smallest eigenvalue is {values[0]:.3g} (the largest "
            f"{values[-1]:.3g})."
        )
    keep = values > NULL * values[-1]
    out: Floats = vectors[:, keep] * np.sqrt(values[keep])
    return out


def null_directions(relation: LevelRelation) -> int:
    """How many directions the matrix has no variance in."""
    return len(relation.levels) - relation.n_columns


def _pedigree_root(parents: NDArray[np.int64]) -> Any:
    """T D^1/2: shares of ancestors times the standard deviations of their Mendelian sampling."""
    from scipy.sparse import csr_array

    n = len(parents)
    columns: list[NDArray[np.int64]] = []
    shares: list[Floats] = []
    variance = np.ones(n)
    inbreeding = np.zeros(n)
    for i in range(n):
        known = [int(p) for p in parents[i] if p >= 0]
        # 1 - a quarter of each known parent's 1 + F
        variance[i] = 1.0 - 0.25 * sum(1.0 + inbreeding[p] for p in known)
        own, half = [np.array([i])], [np.ones(1)]
        for p in known:
            own.append(columns[p])
            half.append(0.5 * shares[p])
        found, where = np.unique(np.concatenate(own), return_inverse=True)
        share = np.asarray(np.bincount(where, np.concatenate(half)), np.float64)
        columns.append(found)
        shares.append(share)
        inbreeding[i] = float(share**2 @ variance[found]) - 1.0
    start = np.concatenate([[0], np.cumsum([len(c) for c in columns])])
    column = np.concatenate(columns)
    weight = np.concatenate(shares) * np.sqrt(variance[column])
    return csr_array((weight, column, start), shape=(n, n))
