"""The command line: ``ranef fit``, ``ranef explain``, ``ranef datasets``.

Exit codes: 0 when the fit converged, 1 when it ended without convergence, 2 for bad usage or input.
Results go to standard output, all that is said about them to standard error.
"""

import difflib
import json
import math
import sys
import warnings
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ranef import __version__
from ranef.errors import DataError, OptionError, RanefError, RanefWarning

if TYPE_CHECKING:
    from collections.abc import Callable

    import typer

    from ranef.options import Ddf
    from ranef.presentation.summary import Summary
    from ranef.results.generalized import GeneralizedLinearMixedModel
    from ranef.results.linear import LinearMixedModel
    from ranef.results.model.mixed import MixedModel

OK, NOT_CONVERGED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

_MISSING_EXTRA = (
    "the command line needs typer and rich, which are not installed. Install them with: pip install 'ranef[cli]'"
)


class NaAction(StrEnum):
    """What to do with rows that have a missing value."""

    OMIT = "omit"
    EXCLUDE = "exclude"
    ERROR = "error"


class DdfMethod(StrEnum):
    """Degrees of freedom of the t tests."""

    SATTERTHWAITE = "satterthwaite"
    KENWARD_ROGER = "kenward-roger"
    RESIDUAL = "residual"
    NONE = "none"


def main() -> None:
    """Run the command line."""
    try:
        import rich  # noqa: F401
        import typer  # noqa: F401
    except ImportError:
        _say(_MISSING_EXTRA)
        sys.exit(BAD_INPUT)
    build_app()()


def build_app() -> "typer.Typer":
    """Define the commands.

    Typer is only imported here, so that the module can say when it is missing.
    """
    import typer

    app = typer.Typer(
        name="ranef",
        help="Mixed-effects models as lme4 specifies them.",
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )

    def show_version(value: bool) -> None:
        if value:
            typer.echo(f"ranef {__version__}")
            raise typer.Exit(OK)

    @app.callback()
    def _options(
        version: Annotated[
            bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
        ] = False,
    ) -> None:
        pass

    @app.command()
    def fit(
        formula: Annotated[str, typer.Argument(help="The model, such as 'y ~ x + (x | g)'.", show_default=False)],
        data: Annotated[
            str, typer.Argument(help="A file of data, or the name of a bundled data set.", show_default=False)
        ],
        family: Annotated[
            str | None,
            typer.Option(
                help="Family of a generalized model, such as 'poisson' or 'binomial(probit)'.", show_default=False
            ),
        ] = None,
        n_quad: Annotated[
            int | None,
            typer.Option(
                help="Quadrature nodes of a generalized model; 1 is Laplace's approximation.", show_default=False
            ),
        ] = None,
        ml: Annotated[bool, typer.Option("--ml", help="Fit by maximum likelihood instead of REML.")] = False,
        weights: Annotated[str | None, typer.Option(help="Column with prior weights.")] = None,
        offset: Annotated[str | None, typer.Option(help="Column with a known part of the linear predictor.")] = None,
        subset: Annotated[str | None, typer.Option(help="Rows to use, such as 'age > 20'.")] = None,
        na_action: Annotated[
            NaAction, typer.Option(help="What to do with rows that have a missing value.")
        ] = NaAction.OMIT,
        as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document instead of the summary.")] = False,
        ddf: Annotated[
            DdfMethod | None,
            typer.Option(
                help="Degrees of freedom of the t tests of a linear model; with none there are no tests. [default: "
                "satterthwaite]",
                show_default=False,
            ),
        ] = None,
        digits: Annotated[int, typer.Option(min=1, max=15, help="Significant digits of the summary.")] = 4,
        report: Annotated[
            str | None,
            typer.Option(
                metavar="FILE",
                help="Write a report to this file, too: one web page with tables, pictures and words. Needs the extra "
                "'report'.",
                show_default=False,
            ),
        ] = None,
    ) -> None:
        """Fit a linear mixed model, or with --family a generalized one, and print its summary.

        Exits with 0 when the fit converged, 1 when it did not, 2 when the input cannot be used.
        """
        shared = {"weights": weights, "offset": offset, "subset": subset, "na_action": na_action.value}
        method = None if ddf is None else ddf.value
        try:
            with warnings.catch_warnings():
                # What the warning says is in the summary and in the document.
                warnings.simplefilter("ignore", RanefWarning)
                if family is None:
                    if n_quad is not None:
                        raise OptionError("--n-quad is for generalized models: give --family too.")
                    model, document = _fit_linear(formula, data, not ml, shared, method)
                else:
                    if ml or method is not None:
                        raise OptionError("--ml and --ddf are for linear models and do not go with --family.")
                    model, document = _fit_generalized(formula, data, family, n_quad, shared)
            if as_json:
                text = json.dumps(document(), ensure_ascii=False, indent=2, allow_nan=False)
            else:
                summary = model.summary() if method is None else model.summary(method)
                text = summary.text(digits)
            if report is not None:
                _say(f"the report is in {model.report(report)}")
        except RanefError as error:
            _say(str(error))
            raise typer.Exit(BAD_INPUT) from None
        except KeyboardInterrupt:
            _say("interrupted")
            raise typer.Exit(INTERRUPTED) from None
        if as_json or not sys.stdout.isatty() or not _printed_as_tables(summary, digits):
            typer.echo(text)
        if not model.convergence.ok:
            _say(f"the fit did not converge ({model.convergence.status.value}). {model.convergence.status.explanation}")
            raise typer.Exit(NOT_CONVERGED)

    @app.command()
    def explain(
        formula: Annotated[str, typer.Argument(help="The model, such as 'y ~ x + (x | g)'.", show_default=False)],
        family: Annotated[
            str | None, typer.Option(help="Family of a generalized model, such as 'binomial' or 'binomial(probit)'.")
        ] = None,
        ml: Annotated[bool, typer.Option("--ml", help="Maximum likelihood instead of REML.")] = False,
        n_quad: Annotated[
            int, typer.Option(min=0, max=100, help="Nodes of quadrature; 1 is Laplace's approximation.")
        ] = 1,
        factor: Annotated[
            list[str] | None, typer.Option(help="A categorical column; may be given several times.")
        ] = None,
        within: Annotated[
            list[str] | None,
            typer.Option(help="A column that does not vary within a group, as in 'schavg=school'; several times."),
        ] = None,
        weights: Annotated[str | None, typer.Option(help="Column with prior weights.")] = None,
    ) -> None:
        """Explain a model without data:
        its levels, its parameters, and its syntax in other programs.
        """
        from ranef.presentation.explanation import explain as explanation
        from ranef.translation import describe

        try:
            model = describe(
                formula,
                reml=not ml,
                family=family,
                n_quad=n_quad,
                weights=weights,
                categorical=factor or (),
                constant_within=dict(_pair(text) for text in within or ()),
            )
            text = explanation(model)
        except RanefError as error:
            _say(str(error))
            raise typer.Exit(BAD_INPUT) from None
        typer.echo(text)

    @app.command()
    def datasets() -> None:
        """List the bundled data sets."""
        _print_datasets()

    return app


def _pair(text: str) -> tuple[str, str]:
    column, equals, group = text.partition("=")
    if not (column and equals and group):
        raise OptionError(f"--within needs a column and a group, as in 'schavg=school', not {text!r}.")
    return column, group


def find_data(name: str) -> Any:
    """Return the path of a file or, where there is none, the bundled data set of that name.

    Raises
    ------
    DataError
        When there is neither.
    """
    from ranef.datasets import load_dataset, registry

    names = {known.lower(): known for known in registry()}
    bundled = names.get(name.lower())
    if Path(name).is_file():
        if bundled is not None:
            _say(f"reading the file {name!r}; the bundled data set {bundled!r} has the same name and is not used")
        return name
    if bundled is not None:
        return load_dataset(bundled)
    close = [names[n] for n in difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.6)]
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    raise DataError(
        f"there is no file {name!r}, and no bundled data set has this name.{hint} Give the path of a file, or one of "
        "the names that 'ranef datasets' lists."
    )


def _fit_linear(
    formula: str, data: str, reml: bool, shared: dict[str, Any], method: str | None
) -> "tuple[Any, Callable[[], dict[str, Any]]]":
    """The fitted model, and a function that describes it by plain values."""
    from ranef import lmer
    from ranef.options import checked_ddf

    ddf = checked_ddf(method)
    model = lmer(formula, find_data(data), REML=reml, **shared)
    return model, lambda: model_document(model, ddf)


def _fit_generalized(
    formula: str, data: str, family: str, n_quad: int | None, shared: dict[str, Any]
) -> "tuple[Any, Callable[[], dict[str, Any]]]":
    from ranef import glmer

    model = glmer(formula, find_data(data), family=family, n_quad=n_quad, **shared)
    return model, lambda: generalized_document(model)


def generalized_document(model: "GeneralizedLinearMixedModel") -> dict[str, Any]:
    """Describe a fitted generalized model by plain values,
    under the names that the Python interface has for them; NaN becomes null.
    """
    summary = model.summary()
    document = {
        **_head(summary),
        "family": model.family.name,
        "link": model.family.link,
        "n_quad": model.n_quad,
        **_counts(model),
        "objective": model.objective,
        **_criteria(model),
        "fixef": model.fixef.to_dict(),
        "bse": model.bse.to_dict(),
        "zvalues": model.zvalues.to_dict(),
        "pvalues": model.pvalues.to_dict(),
        **_covariances(model),
        "dispersion": model.dispersion,
        "convergence": _ending(model),
        "notes": list(summary.notes),
    }
    plain: dict[str, Any] = _plain(document)
    return plain


def _head(summary: "Summary") -> dict[str, Any]:
    return {
        "ranef": __version__,
        "formula": summary.call.formula,
        "data": summary.call.data,
        "rows_used": summary.rows_used,
        "coding": summary.call.coding,
    }


def _counts(model: "MixedModel") -> dict[str, Any]:
    from ranef.presentation.rows_used import n_missing

    rows = model._fit.design.own_rows
    missing = {"n_missing": n_missing(model._fit), "missing": dict(rows.missing_counts)}
    return {"nobs": model.nobs, **missing, "npar": model.npar, "df_resid": model.df_resid, "ngroups": model.ngroups}


def _criteria(model: "MixedModel") -> dict[str, Any]:
    return {"llf": model.llf, "aic": model.aic, "bic": model.bic}


def _covariances(model: "MixedModel") -> dict[str, Any]:
    return {
        "cov_params": model.cov_params().to_numpy().tolist(),
        "varcorr": {
            key: {"names": list(b.names), "sd": b.sd.tolist(), "cov": b.cov.tolist(), "corr": b.corr.tolist()}
            for key, b in model.varcorr.items()
        },
        "sigma": model.sigma,
        "theta": model.theta.to_dict(),
    }


def _ending(model: "MixedModel") -> dict[str, Any]:
    convergence = model.convergence
    return {
        "ok": convergence.ok,
        "status": convergence.status.value,
        "explanation": convergence.status.explanation,
        "evaluations": convergence.evaluations,
        "gradient_norm": convergence.gradient_norm,
        "is_singular": model.is_singular,
        "boundary": dict(convergence.boundary),
    }


def model_document(model: "LinearMixedModel", ddf: "Ddf | None" = None) -> dict[str, Any]:
    """Describe a fitted model by plain values,
    under the names that the Python interface has for them; NaN becomes null.
    """
    summary = model.summary(ddf)
    tests = summary.tables["fixed_effects"]
    document = {
        **_head(summary),
        "method": "REML" if summary.criteria.reml else "ML",
        **_counts(model),
        "objective": model.objective,
        "reml_criterion": model.reml_criterion,
        "ml_deviance": model.ml_deviance,
        **_criteria(model),
        "fixef": model.fixef.to_dict(),
        "bse": model.bse.to_dict(),
        "tvalues": model.tvalues.to_dict(),
        "ddf": model.ddf if ddf is None else ddf,
        "df": tests["df"].to_dict() if "df" in tests else None,
        "pvalues": tests["p_value"].to_dict() if "p_value" in tests else None,
        **_covariances(model),
        "convergence": _ending(model),
        "notes": list(summary.notes),
    }
    plain: dict[str, Any] = _plain(document)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def _printed_as_tables(summary: "Summary", digits: int) -> bool:
    """Print tables to a terminal, if it is wide enough.

    Otherwise, and for pipes, there is the text laid out as lme4 prints it.
    """
    from rich.console import Console

    from ranef.presentation.console import fits, print_document
    from ranef.presentation.document import summary_document

    document, console = summary_document(replace(summary, digits=digits)), Console(highlight=False)
    if not fits(document, console):
        return False
    print_document(document, console)
    return True


def _print_datasets() -> None:
    from ranef.datasets import registry

    entries = sorted(registry().items(), key=lambda item: item[0].lower())
    rows = [(name, str(entry["rows"]), str(entry["title"])) for name, entry in entries]
    if not sys.stdout.isatty():
        # One line each with tabs between the columns, for other programs.
        sys.stdout.write("".join("\t".join(row) + "\n" for row in rows))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None)
    table.add_column("name")
    table.add_column("rows", justify="right")
    table.add_column("title")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, markup=False).print(table)


def _say(text: str) -> None:
    sys.stderr.write(f"ranef: {text}\n")
