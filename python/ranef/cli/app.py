"""The commands together, with what they share: help, version, completion."""

from typing import Annotated

import typer

from ranef import __version__
from ranef.cli.anova import anova
from ranef.cli.datasets import datasets
from ranef.cli.ending import OK, show
from ranef.cli.explain import explain
from ranef.cli.fit import fit
from ranef.cli.power import power
from ranef.cli.report import report
from ranef.cli.translate import translate


def build_app() -> typer.Typer:
    """Define the commands."""
    app = typer.Typer(
        name="ranef",
        help="Mixed-effects models as lme4 specifies them.",
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    def show_version(value: bool) -> None:
        if value:
            show(f"ranef {__version__}")
            raise typer.Exit(OK)

    @app.callback(invoke_without_command=True, epilog=_EXAMPLES)
    def _options(
        context: typer.Context,
        version: Annotated[
            bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
        ] = False,
    ) -> None:
        if context.invoked_subcommand is None:
            show(context.get_help())

    for command in (fit, anova, report, power, explain, translate, datasets):
        app.command(short_help=command.summary, epilog=command.examples)(command.call)
    return app


_EXAMPLES = """\b
Examples:
  ranef fit "Reaction ~ Days + (Days | Subject)" sleepstudy
  ranef fit "y ~ x + (1 | g)" study.csv --json | jq .fixef
  ranef anova "y ~ 1 + (1 | g)" "y ~ x + (1 | g)" study.sav
  ranef report "y ~ x + (1 | g)" study.xlsx --output study.html
"""
