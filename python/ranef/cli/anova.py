"""``ranef anova``: tests of the terms of a model, or models against each other."""

from enum import StrEnum
from typing import Annotated

import typer

from ranef.cli import arguments as given
from ranef.cli.command import command
from ranef.cli.data import complete_data, find_data
from ranef.cli.documents import table_document
from ranef.cli.ending import NOT_CONVERGED, OK, show
from ranef.cli.models import fitted, said
from ranef.cli.printing import show_json
from ranef.errors import OptionError


class Comparison(StrEnum):
    """How models are compared."""

    CHISQ = "chisq"
    BOOTSTRAP = "pb"


@command(
    "Test terms, or compare models.",
    'ranef anova "Reaction ~ Days + (Days | Subject)" sleepstudy --ddf kenward-roger',
    'ranef anova "y ~ 1 + (1 | g)" "y ~ x + (1 | g)" "y ~ x + (x | g)" study.csv',
    'ranef anova "y ~ 1 + (1 | g)" "y ~ x + (1 | g)" study.csv --test pb --n 2000 --seed 1',
)
def anova(
    formulas: Annotated[
        list[str],
        typer.Argument(
            metavar="FORMULA...",
            help="One model, or several of the same data.",
            show_default=False,
            autocompletion=complete_data,
        ),
    ],
    data: given.Data,
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
    type: Annotated[int | None, typer.Option(help="Type of the tests of terms: 1, 2 or 3.", show_default=False)] = None,
    ddf: given.Tests = None,
    test: Annotated[
        Comparison | None,
        typer.Option(
            help="Of several models: chi-square or parametric bootstrap. [default: chisq]", show_default=False
        ),
    ] = None,
    n: Annotated[int, typer.Option(min=1, help="Replicates of a bootstrap.")] = 1000,
    seed: given.Seed = None,
    weights: given.Weights = None,
    offset: given.Offset = None,
    subset: given.Subset = None,
    na_action: given.MissingRows = given.NaAction.OMIT,
    as_json: given.AsJson = False,
) -> int:
    """Test the terms of one model, or compare several models by likelihood ratios.

    Exits with 0 when all fits converged, 1 when one did not, 2 when the input cannot be used.
    """
    import ranef

    several = len(formulas) > 1
    if several and (type is not None or ddf is not None):
        raise OptionError("--type and --ddf are for the terms of one model; several models are compared as they are.")
    if not several and test is not None:
        raise OptionError("--test is for several models; the terms of one model have F tests, or z tests.")
    shared = {"weights": weights, "offset": offset, "subset": subset, "na_action": na_action.value}
    beside = given.beside(zi_formula, disp_formula, nominal, scale, threshold, param, start, variance)
    found = find_data(data)
    with said():
        models = [fitted(f, found, family, n_quad, ml, shared, beside) for f in formulas]
        if several:
            table = ranef.anova(*models, test=(test or Comparison.CHISQ).value, n=n, rng=seed)
        else:
            method = None if ddf is None else ddf.value
            table = models[0].anova(3 if type is None else type, method)  # type: ignore[arg-type]
    if as_json:
        show_json(table_document(table, "model" if several else "term"))
    else:
        show(str(table))
    return OK if all(m.convergence.ok for m in models) else NOT_CONVERGED
