"""Writes the page of the bundled data sets from their registry when the site is built."""

from pathlib import Path
from typing import Any

from ranef.datasets.bundled import registry

HEAD = """# Data sets

They come with the package and need no network: `ranef.load_dataset("sleepstudy")`, the name in any case,
as a pandas frame, or `frame="polars"` or `"pyarrow"`. `ranef.list_datasets()` lists them. They are
other people's data: cite the source when you publish something made of them.

| name | rows | |
| --- | ---: | --- |
"""


def anchor(name: str) -> str:
    """The place of a data set on the page."""
    return f"data-{name.lower()}"


def write_page(app: Any) -> None:
    """One table, then a section for each."""
    entries = sorted(registry().items(), key=lambda item: item[0].lower())
    text = HEAD + "".join(f"| [{n}](#{anchor(n)}) | {e['rows']:,} | {e['title']} |\n" for n, e in entries)
    for name, entry in entries:
        columns = ", ".join(f"`{column}`" for column in entry["columns"])
        text += (
            f"\n({anchor(name)})=\n## {name}\n\n**{entry['title']}.** {' '.join(entry['description'].split())}\n\n"
            f"- {entry['rows']:,} rows; columns {columns}\n- Source: {entry['source']}\n"
            f"- Exported from: {entry['origin']}; licence of that copy: {entry['licence']}\n"
        )
    (Path(app.srcdir) / "data_sets.md").write_text(text, encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", write_page)
    return {"parallel_read_safe": True}
