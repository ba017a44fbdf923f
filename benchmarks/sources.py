"""Where the data come from: bundled sets, a folder of further files, and generators;
and how R gets the same bytes.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

# Sets of the Julia community's benchmarks; not bundled, so their folder is an argument.
FOLDER_SETS = frozenset({"kb07", "kwdyz11", "d3", "poems"})


class SourceMissingError(Exception):
    """A data set is not at hand; the message says why."""


@dataclass(slots=True)
class Sources:
    """Loads each set once, by name."""

    folder: Path | None
    _loaded: dict[str, pd.DataFrame]

    @classmethod
    def at(cls, folder: Path | None) -> "Sources":
        return cls(folder, {})

    def load(self, name: str) -> pd.DataFrame:
        """The data frame of that name, from wherever it lives."""
        if name not in self._loaded:
            self._loaded[name] = self._read(name)
        return self._loaded[name]

    def _read(self, name: str) -> pd.DataFrame:
        if name == "factorial_small":
            return factorial((3, 4, 5, 6, 7))
        if name == "factorial_large":
            return factorial((4, 6, 8, 10, 12))
        if name == "bernoulli":
            return bernoulli()
        if name in FOLDER_SETS:
            if self.folder is None:
                raise SourceMissingError(
                    f"{name} is not bundled: give the folder that holds {name}.parquet with --folder"
                )
            path = self.folder / f"{name}.parquet"
            if not path.is_file():
                raise SourceMissingError(f"there is no {name}.parquet in the folder given")
            return pd.read_parquet(path)
        from ranef import load_dataset

        return with_plain_columns(name, load_dataset(name))


def with_plain_columns(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Add what a formula computes as columns, for programs that take plain columns only."""
    if name == "cbpp":
        return frame.assign(healthy=frame["size"] - frame["incidence"])
    if name == "verbagg":
        return frame.assign(r2_yes=(frame["r2"] == "Y").astype("int32"))
    if name == "contraception":
        return frame.assign(use_yes=(frame["use"] == "Y").astype("int32"), age_squared=frame["age"] ** 2)
    return frame


def bernoulli(rows: int = 1_000_000, groups: int = 10_000, seed: int = 73) -> pd.DataFrame:
    """0/1 responses of a logistic model with a random intercept."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, groups, rows)
    x = rng.normal(size=rows)
    eta = -0.5 + 0.8 * x + rng.normal(scale=0.7, size=groups)[group]
    y = (rng.random(rows) < 1 / (1 + np.exp(-eta))).astype(np.int32)
    return pd.DataFrame({"y": y, "x": x, "g": group.astype(np.int32)})


def factorial(levels: tuple[int, ...], seed: int = 591) -> pd.DataFrame:
    """One observation in each cell of a complete factorial,
    with noise of every main effect and pair.
    """
    rng = np.random.default_rng(seed)
    grid = np.indices(levels).reshape(len(levels), -1)
    names = "abcdefgh"[: len(levels)]
    y = 10 + rng.normal(size=grid.shape[1])
    for i, n_i in enumerate(levels):
        y += rng.normal(scale=0.6, size=n_i)[grid[i]]
        for j in range(i + 1, len(levels)):
            y += rng.normal(scale=0.3, size=n_i * levels[j])[grid[i] * levels[j] + grid[j]]
    columns: dict[str, object] = {"y": y}
    for name, codes, n in zip(names, grid, levels, strict=True):
        columns[name] = pd.Categorical.from_codes(codes, [f"{name}{k + 1}" for k in range(n)])
    return pd.DataFrame(columns)


def growing(n: int, per_group: int, seed: int = 1) -> pd.DataFrame:
    """n rows in groups of ``per_group`` on average, with random intercepts and slopes.

    The group is an integer column.
    """
    rng = np.random.default_rng(seed)
    n_groups = max(10, n // per_group)
    g = rng.integers(0, n_groups, size=n)
    x = rng.normal(size=n)
    b0, b1 = rng.normal(scale=0.5, size=n_groups), rng.normal(scale=0.3, size=n_groups)
    y = 1.0 + 0.5 * x + b0[g] + b1[g] * x + rng.normal(size=n)
    return pd.DataFrame({"y": y, "x": x, "g": g.astype(np.int32)})


def columns_of(formula: str, frame: pd.DataFrame) -> list[str]:
    """The columns of the frame that the formula names."""
    import re

    named = set(re.findall(r"[A-Za-z.][\w.]*", formula))
    return [name for name in frame.columns if name in named]


def write_for_r(frame: pd.DataFrame, directory: Path) -> None:
    """Write a frame as plain binary columns
    that base R reads without any package: every bit is kept.
    """
    directory.mkdir(parents=True, exist_ok=True)
    kinds = []
    for i, name in enumerate(frame.columns, start=1):
        column = frame[name]
        if isinstance(column.dtype, pd.CategoricalDtype) or not pd.api.types.is_numeric_dtype(column.dtype):
            as_factor = column if isinstance(column.dtype, pd.CategoricalDtype) else column.astype("category")
            codes = as_factor.cat.codes.to_numpy(np.int32) + 1
            codes.astype("<i4").tofile(directory / f"{i}.bin")
            levels = [str(level) for level in as_factor.cat.categories]
            (directory / f"{i}.levels").write_text("\n".join(levels) + "\n", encoding="utf-8")
            kinds.append("factor")
        elif pd.api.types.is_integer_dtype(column.dtype):
            column.to_numpy("<i4").tofile(directory / f"{i}.bin")
            kinds.append("integer")
        else:
            column.to_numpy("<f8").tofile(directory / f"{i}.bin")
            kinds.append("double")
    rows = [f"{name}\t{kind}" for name, kind in zip(frame.columns, kinds, strict=True)]
    (directory / "columns.tsv").write_text(f"{len(frame)}\n" + "\n".join(rows) + "\n", encoding="utf-8")
