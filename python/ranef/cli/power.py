"""``ranef power``: how likely an effect is to be found."""

import sys
from typing import Annotated, Any

import typer

from ranef.cli import arguments as given
from ranef.cli.command import command
from ranef.cli.data import find_data
from ranef.cli.documents import table_document
from ranef.cli.ending import INTERRUPTED, OK, show
from ranef.cli.models import fitted, said
from ranef.cli.printing import show_json
from ranef.errors import OptionError


@command(
    "Simulate the power of a test.",
    'ranef power "Reaction ~ Days + (Days | Subject)" sleepstudy Days --fixef Days=5 --seed 1',
    'ranef power "Reaction ~ Days + (Days | Subject)" sleepstudy Days --extend Subject=10,20,40',
    'ranef power "~ arm + (1 | clinic)" plan.csv arm --fixef "(Intercept)=0" --fixef arm=0.5 \\',
    "            --sd clinic=0.6 --sigma 1",
)
def power(
    formula: Annotated[
        str,
        typer.Argument(
            help="The model; without a response, '~ x + (1 | g)', it is stated by the options and not fitted.",
            show_default=False,
        ),
    ],
    data: given.Data,
    effect: Annotated[str, typer.Argument(help="The fixed effect or term to test.", show_default=False)],
    n: Annotated[int, typer.Option(min=1, help="Number of simulations.")] = 1000,
    fixef: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A fixed effect to simulate with; several times.", show_default=False),
    ] = None,
    sd: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GROUP=VALUE",
            help="Standard deviation of the intercepts of a group, or with GROUP:EFFECT=VALUE of another effect; "
            "several times.",
            show_default=False,
        ),
    ] = None,
    sigma: Annotated[
        float | None, typer.Option(help="Residual standard deviation to simulate with.", show_default=False)
    ] = None,
    extend: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GROUP=NUMBER[,NUMBER...]",
            help="Numbers of levels of a grouping factor; several make a curve.",
            show_default=False,
        ),
    ] = None,
    within: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GROUP=NUMBER[,NUMBER...]",
            help="Numbers of rows in each level of a grouping factor; several make a curve.",
            show_default=False,
        ),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(help="satterthwaite, kenward-roger, residual, none (z) or lrt.", show_default=False),
    ] = None,
    alpha: Annotated[float, typer.Option(help="Level of the test.")] = 0.05,
    seed: given.Seed = None,
    family: given.Family = None,
    weights: given.Weights = None,
    offset: given.Offset = None,
    as_json: given.AsJson = False,
) -> int:
    """Estimate the power of a test of a fixed effect by simulation.

    The model is fitted to the data, as of a pilot study, and drawn from with what the options
    change; or, without a response, all its parameters are given.
    """
    import ranef

    sizes = {"extend": _numbers(extend, "--extend"), "within": _numbers(within, "--within")}
    options: dict[str, Any] = {
        "fixef": {k: given.number(v, "--fixef") for k, v in given.pairs(fixef, "--fixef", "Days=5").items()} or None,
        "varcorr": _varcorr(sd),
        "sigma": sigma,
        "test": test,
        "alpha": alpha,
        "rng": seed,
        "progress": sys.stderr.isatty(),
    }
    parts = {"weights": weights, "offset": offset}
    model: Any = formula
    if formula.lstrip().startswith("~"):
        options |= {"data": find_data(data), "family": family, **parts}
    else:
        with said():
            model = fitted(formula, data, family, None, False, parts)
    if any(isinstance(v, list) for size in sizes.values() for v in size.values()):
        with said():
            curve = ranef.power_curve(
                model, effect, n, extend=sizes["extend"] or None, within=sizes["within"] or None, **options
            )
        if as_json:
            show_json(table_document(curve))
        else:
            show(str(curve))
        return OK if int(curve["n"].min()) == n else INTERRUPTED
    extended, filled = ({g: int(v) for g, v in s.items() if not isinstance(v, list)} for s in sizes.values())
    with said():
        found = ranef.power(model, effect, n, extend=extended or None, within=filled or None, **options)
    if as_json:
        show_json(table_document(found.to_frame()))
    else:
        show(str(found))
    return INTERRUPTED if found.interrupted else OK


def _numbers(texts: list[str] | None, option: str) -> dict[str, int | list[int]]:
    out: dict[str, int | list[int]] = {}
    for group, text in given.pairs(texts, option, "school=20,50,100").items():
        try:
            numbers = [int(part) for part in text.split(",")]
        except ValueError:
            raise OptionError(f"{option} needs whole numbers, as in 'school=20,50,100', not {text!r}.") from None
        out[group] = numbers if len(numbers) > 1 else numbers[0]
    return out


def _varcorr(texts: list[str] | None) -> dict[str, dict[str, float]] | None:
    """Standard deviations by group and effect."""
    out: dict[str, dict[str, float]] = {}
    for name, text in given.pairs(texts, "--sd", "school=0.5").items():
        group, colon, effect = name.rpartition(":")
        if not colon:
            group, effect = name, "(Intercept)"
        out.setdefault(group, {})[effect] = given.number(text, "--sd")
    return out or None
