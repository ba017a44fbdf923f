"""``ranef fit``: a model and its summary."""

from typing import Annotated

import typer

from ranef.cli import arguments as given
from ranef.cli.command import command
from ranef.cli.data import find_data
from ranef.cli.documents import document_of
from ranef.cli.ending import say
from ranef.cli.models import converged, fitted, quietly
from ranef.cli.output import checked_output
from ranef.cli.printing import show_json, show_summary
from ranef.errors import OptionError
from ranef.options import checked_ddf


@command(
    "Fit a model and print its summary.",
    'ranef fit "Reaction ~ Days + (Days | Subject)" sleepstudy',
    'ranef fit "y ~ x + (1 | school)" study.csv --subset "age > 20" --json',
    'ranef fit "use ~ age + (1 | district)" Contraception --family binomial',
    'ranef fit "total.fruits ~ amd + (1 | popu)" Arabidopsis --family nbinom2 --zi-formula "~ amd"',
    'ranef fit "rating ~ temp + (1 | judge)" wine --family "cumulative(probit)" --nominal "~ contact"',
    'ranef fit "circumference ~ SSlogis(age, Asym, xmid, scal) ~ (Asym | Tree)" Orange',
    'zcat study.csv.gz | ranef fit "y ~ x + (1 | g)" - --save study.ranef',
)
def fit(
    formula: given.Formula,
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
    weights: given.Weights = None,
    offset: given.Offset = None,
    subset: given.Subset = None,
    na_action: given.MissingRows = given.NaAction.OMIT,
    as_json: given.AsJson = False,
    ddf: given.Tests = None,
    digits: given.Digits = 4,
    save: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write the model to this file, which ranef.load reads.", show_default=False),
    ] = None,
) -> int:
    """Fit a linear mixed model, with --family a generalized one or one of ordered categories, or a
    curve, and print its summary.

    Exits with 0 when the fit converged, 1 when it did not, 2 when the input cannot be used.
    """
    if family is not None and ddf is not None:
        raise OptionError("--ml and --ddf are for linear models and do not go with --family.")
    path = None if save is None else checked_output(save, "the model", data)
    shared = {"weights": weights, "offset": offset, "subset": subset, "na_action": na_action.value}
    beside = given.beside(zi_formula, disp_formula, nominal, scale, threshold, param, start, variance)
    method = None if ddf is None else checked_ddf(ddf.value)
    # What a warning says is in the summary and in the document.
    with quietly():
        model = fitted(formula, find_data(data), family, n_quad, ml, shared, beside)
        if as_json:
            show_json(document_of(model, method))
        else:
            show_summary(model.summary(method), digits)
        if path is not None:
            model.save(path)
            say(f"the model is in {path}")
    return converged(model)
