"""``ranef report``: a model as a web page."""

from typing import Annotated

import typer

from ranef.cli import arguments as given
from ranef.cli.command import command
from ranef.cli.data import find_data
from ranef.cli.ending import say
from ranef.cli.models import converged, fitted, quietly
from ranef.cli.output import checked_output
from ranef.errors import OptionError


@command(
    "Write a web page on a model.",
    'ranef report "Reaction ~ Days + (Days | Subject)" sleepstudy --output sleep.html',
    'ranef report "use ~ age + (1 | district)" Contraception --family binomial -o use.html',
)
def report(
    formula: given.Formula,
    data: given.Data,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="The page to write.", show_default=False)
    ],
    family: given.Family = None,
    zi_formula: given.ZeroFormula = None,
    disp_formula: given.DispersionFormula = None,
    nominal: given.Nominal = None,
    scale: given.ScaleFormula = None,
    threshold: given.Threshold = None,
    param: given.Parameters = None,
    start: given.Starts = None,
    variance: given.Variance = None,
    n_quad: given.Quadrature = None,
    ml: given.MaximumLikelihood = False,
    weights: given.Weights = None,
    offset: given.Offset = None,
    subset: given.Subset = None,
    na_action: given.MissingRows = given.NaAction.OMIT,
    title: Annotated[
        str | None, typer.Option("--title", metavar="TEXT", help="Heading of the page.", show_default=False)
    ] = None,
    author: Annotated[
        str | None, typer.Option("--author", metavar="TEXT", help="Who made it.", show_default=False)
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label", metavar="NAME=TEXT", help="What readers call a variable; repeatable.", show_default=False
        ),
    ] = None,
) -> int:
    """Fit a model and write a report on it: one web page with tables, pictures and words. Needs the
    extra 'report'.

    Exits with 0 when the fit converged, 1 when it did not, 2 when the input cannot be used.
    """
    from ranef.presentation.report.page import check_report_file, require_report_libraries

    require_report_libraries()
    path = checked_output(output, "the report", data)
    check_report_file(path)
    shared = {"weights": weights, "offset": offset, "subset": subset, "na_action": na_action.value}
    beside = given.beside(zi_formula, disp_formula, nominal, scale, threshold, param, start, variance)
    with quietly():
        model = fitted(formula, find_data(data), family, n_quad, ml, shared, beside)
        made = model.report(path, title=title, author=author, labels=_labels(label or []) or None)
        say(f"the report is in {made}")
    return converged(model)


def _labels(given_labels: list[str]) -> dict[str, str]:
    """Labels by name, from ``NAME=TEXT``."""
    out: dict[str, str] = {}
    for text in given_labels:
        name, mark, label = text.partition("=")
        if not (name and mark and label):
            raise OptionError(f"--label is NAME=TEXT, such as Days=Day, not {text!r}.")
        out[name] = label
    return out
