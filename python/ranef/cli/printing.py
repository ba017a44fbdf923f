"""Summaries on a terminal and in a pipe, and JSON."""

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ranef.cli.ending import show

if TYPE_CHECKING:
    from ranef.presentation.summary import Summary


def show_summary(summary: "Summary", digits: int) -> None:
    """Show tables on a terminal that is wide enough, otherwise the text laid out as lme4 prints
    it.
    """
    if sys.stdout.isatty():
        from rich.console import Console

        from ranef.presentation.console import fits, print_document
        from ranef.presentation.document import summary_document

        document, console = summary_document(replace(summary, digits=digits)), Console(highlight=False)
        if fits(document, console):
            print_document(document, console)
            return
    show(summary.text(digits))


def show_json(document: dict[str, Any]) -> None:
    """Show a JSON document."""
    show(json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False))
