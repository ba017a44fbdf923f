"""The commands of the command line with their arguments and options, as definition lists."""

from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive


class CommandOptions(Directive):
    """All commands with their arguments and options."""

    def run(self) -> list[Any]:
        """Look at the application."""
        import typer

        from ranef.cli.app import build_app

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
    app.add_directive("command-options", CommandOptions)
    return {"parallel_read_safe": True}
