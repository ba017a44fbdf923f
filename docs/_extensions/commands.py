"""The command line in the pages: what a command prints, and a table of its options."""

import os
import shlex
import subprocess
import sys
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive, directives


def shown(text: str, language: str) -> nodes.literal_block:
    """A block of text."""
    return nodes.literal_block(text, text, language=language)


class Command(Directive):
    """Run ``ranef`` with the arguments given, and show the line and what it prints.

    The option ``status`` is the exit code that is expected, 0 by default.
    """

    required_arguments = 1
    final_argument_whitespace = True
    option_spec: dict[str, Any] = {"status": directives.nonnegative_int}  # noqa: RUF012  (of docutils)

    def run(self) -> list[Any]:
        """Run it."""
        line = self.arguments[0]
        words = [sys.executable, "-c", "from ranef.cli import main; main()", *shlex.split(line)[1:]]
        done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "COLUMNS": "100"})
        if done.returncode != self.options.get("status", 0):
            raise self.error(f"{line} ended with {done.returncode}: {done.stderr}")
        return [shown(line, "bash"), shown((done.stdout + done.stderr).rstrip(), "text")]


class CommandOptions(Directive):
    """All commands with their arguments and options."""

    def run(self) -> list[Any]:
        """Look at the application."""
        import typer

        from ranef.cli import build_app

        group: Any = typer.main.get_command(build_app())
        found: list[Any] = []
        for name, command in group.commands.items():
            section = nodes.section(ids=[nodes.make_id(f"ranef-{name}")])
            section += nodes.title("", f"ranef {name}")
            text = (command.help or "").split("\f")[0].split("\n\n")
            section += [nodes.paragraph("", " ".join(part.split())) for part in text]
            items = nodes.definition_list(classes=["options"])
            for parameter in command.params:
                spelled = ", ".join(parameter.opts) if parameter.opts[0].startswith("-") else parameter.name.upper()
                label = nodes.term("", "", nodes.literal("", spelled))
                about = nodes.definition("", nodes.paragraph("", getattr(parameter, "help", None) or ""))
                if parameter.name != "help":
                    items += nodes.definition_list_item("", label, about)
            if len(items):
                section += items
            found.append(section)
        return found


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("command", Command)
    app.add_directive("command-options", CommandOptions)
    return {"parallel_read_safe": True}
