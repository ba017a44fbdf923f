"""``ranef explain``: a model in words, without data."""

from typing import Annotated

import typer

from ranef.cli import arguments as given
from ranef.cli.command import command
from ranef.cli.ending import show


@command(
    "Explain a model without data.",
    'ranef explain "normexam ~ standLRT * schavg + (standLRT | school)" --within schavg=school',
    'ranef explain "use ~ age + (1 | district)" --family binomial',
)
def explain(
    formula: given.Formula,
    family: given.Family = None,
    ml: Annotated[bool, typer.Option("--ml", help="Maximum likelihood instead of REML.")] = False,
    n_quad: Annotated[int, typer.Option(min=0, max=100, help="Nodes of quadrature; 1 is Laplace's approximation.")] = 1,
    factor: Annotated[list[str] | None, typer.Option(help="A categorical column; may be given several times.")] = None,
    within: Annotated[
        list[str] | None,
        typer.Option(help="A column that does not vary within a group, as in 'schavg=school'; several times."),
    ] = None,
    weights: given.Weights = None,
) -> None:
    """Explain a model without data:
    its levels, its parameters, and its syntax in other programs.
    """
    from ranef.presentation.explanation import explain as explanation
    from ranef.translation import describe

    model = describe(
        formula,
        reml=not ml,
        family=family,
        n_quad=n_quad,
        weights=weights,
        categorical=factor or (),
        constant_within=given.pairs(within, "--within", "schavg=school"),
    )
    show(explanation(model))
