"""Make the files of ``ranef.datasets`` and enter their rows, columns and checksums in its registry.

usage: python scripts/bundle_datasets.py SOURCE

SOURCE is a folder with one ``NAME.parquet`` for each section of
``python/ranef/datasets/registry.toml``, as written by ``tests/reference/generate/export_data.R``
and ``csv_to_parquet.py``: the data frames of the R packages lme4, mlmRev and nlme, with every bit
of their numbers and with the levels of their factors in R's order. They are written again in a
compact form, whole numbers as int64 and factors as dictionaries with an index as narrow as
possible, and read back to check that no value has changed. ``tests/reference/datasets.json`` (from
R itself, by ``tests/reference/generate/datasets.R``) checks them once more.
"""

import argparse
import hashlib
import pathlib
import re
import sys

import pyarrow as pa
import pyarrow.parquet as pq

DATASETS = pathlib.Path(__file__).resolve().parents[1] / "python" / "ranef" / "datasets"


def compact(table: pa.Table) -> pa.Table:
    """The same values with int64 for whole numbers and the narrowest index for factors."""
    columns, fields = [], []
    for field in table.schema:
        column = table.column(field.name)
        if pa.types.is_dictionary(field.type):
            unified = column.unify_dictionaries()
            dictionary = unified.chunk(0).dictionary.cast(pa.string())
            width = pa.int8() if len(dictionary) < 2**7 else pa.int16() if len(dictionary) < 2**15 else pa.int32()
            indices = pa.concat_arrays([chunk.indices.cast(width) for chunk in unified.chunks])
            column = pa.DictionaryArray.from_arrays(indices, dictionary, ordered=field.type.ordered)
        elif pa.types.is_integer(field.type):
            column = column.cast(pa.int64())
        columns.append(column)
        fields.append(pa.field(field.name, column.type))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def levels(column: pa.ChunkedArray) -> list[str]:
    return column.unify_dictionaries().chunk(0).dictionary.to_pylist()


def check(original: pa.Table, written: pa.Table, name: str) -> None:
    """Stop if a value, a level, an order or a missing row differs."""
    if original.schema.names != written.schema.names:
        sys.exit(f"{name}: columns differ")
    for field in original.schema:
        before, after = original.column(field.name), written.column(field.name)
        if pa.types.is_dictionary(field.type):
            same = (
                levels(before) == levels(after)
                and field.type.ordered == after.type.ordered
                and before.to_pylist() == after.to_pylist()
            )
        elif pa.types.is_floating(field.type):
            same = before.combine_chunks().view(pa.int64()).equals(after.combine_chunks().view(pa.int64()))
        else:
            same = before.to_pylist() == after.to_pylist()
        if not same:
            sys.exit(f"{name}: column {field.name} differs")


def enter(registry: str, name: str, lines: dict[str, str]) -> str:
    """Replace the generated lines of one section."""
    section = re.compile(rf"(^\[{re.escape(name)}\]\n.*?)(?=^\[|\Z)", re.MULTILINE | re.DOTALL)
    found = section.search(registry)
    assert found is not None
    kept = [line for line in found.group(1).rstrip("\n").split("\n") if line.partition(" = ")[0] not in lines]
    text = "\n".join([*kept, *(f"{key} = {value}" for key, value in lines.items())]) + "\n\n"
    return registry[: found.start()] + text + registry[found.end() :]


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the files of ranef.datasets.")
    parser.add_argument("source", type=pathlib.Path, help="folder with NAME.parquet")
    source = parser.parse_args().source
    path = DATASETS / "registry.toml"
    registry = path.read_text(encoding="utf-8")
    total = 0
    for name in re.findall(r"^\[(\w+)\]$", registry, re.MULTILINE):
        original = pq.read_table(source / f"{name}.parquet")
        target = DATASETS / "files" / f"{name}.parquet"
        pq.write_table(
            compact(original), target, compression="zstd", compression_level=19, row_group_size=original.num_rows
        )
        check(original, pq.read_table(target), name)
        content = target.read_bytes()
        total += len(content)
        names = ", ".join(f'"{n}"' for n in original.schema.names)
        lines = {
            "rows": str(original.num_rows),
            "columns": f"[{names}]",
            "sha256": f'"{hashlib.sha256(content).hexdigest()}"',
        }
        registry = enter(registry, name, lines)
        print(f"{name:15s} {original.num_rows:6d} rows {len(content):8d} bytes")
    path.write_text(registry.rstrip("\n") + "\n", encoding="utf-8")
    print(f"{total} bytes in all")


if __name__ == "__main__":
    main()
