"""``ranef datasets``: what comes with the package."""

import sys

from ranef.cli.command import command
from ranef.cli.ending import show


@command("List the bundled data sets.", "ranef datasets", "ranef datasets | cut -f 1")
def datasets() -> None:
    """List the bundled data sets."""
    from ranef.datasets import registry

    entries = sorted(registry().items(), key=lambda item: item[0].lower())
    rows = [(name, str(entry["rows"]), str(entry["title"])) for name, entry in entries]
    if not sys.stdout.isatty():
        # One line each with tabs between the columns, for other programs.
        show("".join("\t".join(row) + "\n" for row in rows))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    table.add_column("name")
    table.add_column("rows", justify="right")
    table.add_column("title")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, markup=False).print(table)
