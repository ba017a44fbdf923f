"""Arguments that several commands have."""

from enum import StrEnum
from typing import Annotated

import typer

from ranef.cli.data import complete_data
from ranef.errors import OptionError


class NaAction(StrEnum):
    """What to do with rows that have a missing value."""

    OMIT = "omit"
    EXCLUDE = "exclude"
    ERROR = "error"


class DdfMethod(StrEnum):
    """Degrees of freedom of the t tests."""

    SATTERTHWAITE = "satterthwaite"
    KENWARD_ROGER = "kenward-roger"
    BETWEEN_WITHIN = "between-within"
    RESIDUAL = "residual"
    NONE = "none"


def _families(incomplete: str) -> list[str]:
    from ranef.families.names import NAMES

    return [n for n in (*NAMES, "cumulative") if n.lower().startswith(incomplete.lower())]


Formula = Annotated[str, typer.Argument(help="The model, such as 'y ~ x + (x | g)'.", show_default=False)]
Data = Annotated[
    str,
    typer.Argument(
        help="A file of data, - for standard input, or the name of a bundled data set.",
        show_default=False,
        autocompletion=complete_data,
    ),
]
Family = Annotated[
    str | None,
    typer.Option(
        help="Family of a generalized model, such as 'poisson' or 'binomial(probit)'; 'cumulative' is that of ordered "
        "categories.",
        show_default=False,
        autocompletion=_families,
    ),
]
ZeroFormula = Annotated[
    str | None,
    typer.Option(
        help="Formula of the probability of extra zeros, or of zero (a hurdle), such as '~ x'.", show_default=False
    ),
]
DispersionFormula = Annotated[
    str | None, typer.Option(help="Formula of the logarithm of the dispersion, such as '~ x'.", show_default=False)
]
Nominal = Annotated[
    str | None,
    typer.Option(
        help="Effects on every threshold of ordered categories (--family cumulative), such as '~ x'.",
        show_default=False,
    ),
]
ScaleFormula = Annotated[
    str | None,
    typer.Option(
        "--scale",
        help="Effects on the scale of the latent variable of ordered categories, such as '~ x'.",
        show_default=False,
    ),
]
Threshold = Annotated[
    str | None,
    typer.Option(
        help="Thresholds of ordered categories: flexible, equidistant, symmetric or symmetric2.", show_default=False
    ),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        metavar="NAME=FORMULA",
        help="Effects on a parameter of a curve, such as 'Asym=~ trt + (1 | id)'; repeatable.",
        show_default=False,
    ),
]
Starts = Annotated[
    list[str] | None,
    typer.Option(
        "--start",
        metavar="NAME=NUMBER",
        help="Where the search for a parameter of a curve begins; repeatable. Self-starting curves need none.",
        show_default=False,
    ),
]
Variance = Annotated[
    str | None,
    typer.Option(help="Standard deviations of the rows around a curve, such as 'power(fitted)'.", show_default=False),
]
Quadrature = Annotated[
    int | None,
    typer.Option(help="Quadrature nodes of a generalized model; 1 is Laplace's approximation.", show_default=False),
]
MaximumLikelihood = Annotated[bool, typer.Option("--ml", help="Fit by maximum likelihood instead of REML.")]
Weights = Annotated[str | None, typer.Option(help="Column with prior weights.")]
Offset = Annotated[str | None, typer.Option(help="Column with a known part of the linear predictor.")]
Subset = Annotated[str | None, typer.Option(help="Rows to use, such as 'age > 20'.")]
MissingRows = Annotated[NaAction, typer.Option(help="What to do with rows that have a missing value.")]
Tests = Annotated[
    DdfMethod | None,
    typer.Option(
        help="Degrees of freedom of the t tests of a linear model; with none there are no tests. [default: "
        "satterthwaite]",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print a JSON document instead.")]
Digits = Annotated[int, typer.Option(min=1, max=15, help="Significant digits of the summary.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Seed of the random numbers.", show_default=False)]


def pairs(given: list[str] | None, option: str, example: str) -> dict[str, str]:
    """What options such as ``--extend school=100`` say, by name."""
    out = {}
    for text in given or ():
        name, equals, value = text.rpartition("=")
        if not (name and equals and value):
            raise OptionError(f"{option} needs a name and a value, as in {example!r}, not {text!r}.")
        out[name] = value
    return out


def formulas(given: list[str] | None) -> dict[str, str] | None:
    """Formulas of parameters by their names, as ``--param`` gives them."""
    out = {}
    for text in given or ():
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise OptionError(f"--param needs a name and a formula, as in 'Asym=~ trt + (1 | id)', not {text!r}.")
        out[name] = value
    return out or None


def starts(given: list[str] | None) -> dict[str, float] | None:
    """Starting values by the names of parameters, as ``--start`` gives them."""
    found = pairs(given, "--start", "--start Asym=200")
    return {name: number(value, "--start") for name, value in found.items()} or None


def beside(
    zi_formula: str | None,
    disp_formula: str | None,
    nominal: str | None,
    scale: str | None,
    threshold: str | None,
    param: list[str] | None,
    start: list[str] | None,
    variance: str | None,
) -> dict[str, object]:
    """Arguments that one verb has, from options of a command; None where they were not given."""
    return {
        "zi_formula": zi_formula,
        "disp_formula": disp_formula,
        "nominal": nominal,
        "scale": scale,
        "threshold": threshold,
        "params": formulas(param),
        "start": starts(start),
        "variance": variance,
    }


def number(text: str, option: str) -> float:
    """A number in an option."""
    try:
        return float(text)
    except ValueError:
        raise OptionError(f"{option} needs a number, not {text!r}.") from None
