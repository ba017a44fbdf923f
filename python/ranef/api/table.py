"""Fitted models side by side."""

import numbers
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from ranef.api.caller_names import named_models
from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.intervals import checked_level
from ranef.known_arguments import known_arguments
from ranef.options import Ddf, checked_ddf
from ranef.results.model.mixed import MixedModel

if TYPE_CHECKING:
    from ranef.presentation.apa_table import ApaTable
    from ranef.presentation.model_column import ModelColumn
    from ranef.presentation.regression_table import RegressionTable


STYLES = ("columns", "apa")


@known_arguments
def table(
    *models: MixedModel,
    style: Literal["columns", "apa"] = "columns",
    names: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    below: Literal["se", "ci", "p", "none"] = "se",
    level: float = 0.95,
    stars: bool | Mapping[str, float] = False,
    exponentiate: bool = False,
    ddf: Ddf | None = None,
    digits: int | None = None,
    statistics: Sequence[str] | None = None,
    title: str | None = None,
) -> "RegressionTable | ApaTable":
    """Put models side by side in a regression table, or one model in a table of its own.

    A coefficient or random effect that a model does not have, or had to drop, is blank. Notes below
    say what is needed to read the table: what is in brackets, which models cannot be compared
    because they were estimated differently, boundary fits, dropped columns.

    Parameters
    ----------
    *models : LinearMixedModel or GeneralizedLinearMixedModel
        One or more.
    style : {"columns", "apa"}
        ``"columns"``: models in columns, what is below an estimate in brackets. ``"apa"``: one
        model as the American Psychological Association has it, with estimate, standard error,
        interval, test and p-value side by side, and a note. Its intervals go by the degrees of
        freedom of its tests.
    names : sequence of str, optional
        Headings of the columns; by default the names of the variables that hold the models where
        ``table`` is called, or ``m1, m2, …`` if some model has none.
    labels : dict, optional
        Texts for names of coefficients, random effects and grouping factors, such as ``{"standLRT":
        "Reading score", "sex[T.M]": "Boy"}``. Labels of interactions are made from those of their
        parts (``Reading score × Boy``), and a label of a factor stands for all its columns.
    below : {"se", "ci", "p", "none"}
        What stands below an estimate: standard error, Wald interval, p-value, or nothing.
    level : float
        Level of the intervals.
    stars : bool or dict
        True marks estimates by p < 0.001, 0.01 and 0.05; a dict gives marks and limits, such as
        ``{"+": 0.1}``. Off by default.
    exponentiate : bool
        Whether to show fixed effects as ratios, as in ``model.tidy``: odds ratios (OR), rate ratios
        (IRR), hazard ratios (HR), or ratios of means.
    ddf : {"satterthwaite", "kenward-roger", "between-within", "residual", "none"}, optional
        Method of the degrees of freedom of p-values of linear models; by default that of the
        models. Tests of generalized models are normal, with sampling weights by the number of
        clusters.
    digits : int, optional
        Significant digits of the smallest standard error in a row, 3 by default, and one less than
        those of the smallest standard deviation; all numbers of the row have as many decimals. With
        ``style="apa"`` 2 by default, and at least two decimals.
    statistics : sequence of str, optional
        Of ``"nobs"``, ``"groups"``, ``"dispersion"``, ``"shape"``, ``"icc"``, ``"r2_marginal"``,
        ``"r2_conditional"``, ``"llf"``, ``"aic"``, ``"bic"``; all by default.
    title : str, optional
        Heading; what kind of models they are by default.

    Returns
    -------
    RegressionTable or ApaTable
        A record with ``str()``, an HTML form for notebooks, ``save(path)`` for files of Word,
        LaTeX, Typst, HTML, Markdown and CSV, ``to_html()``, ``to_markdown()``, ``to_latex()``,
        ``to_typst()``, ``to_frame()`` and ``notes``.

    Examples
    --------
    >>> import ranef
    >>> sleep = ranef.load_dataset("sleepstudy")
    >>> intercepts = ranef.lmer("Reaction ~ Days + (1 | Subject)", sleep)
    >>> slopes = ranef.lmer("Reaction ~ Days + (Days | Subject)", sleep)
    >>> print(ranef.table(intercepts, slopes, statistics=["nobs", "aic"]))
    Linear mixed models
    <BLANKLINE>
                                               intercepts    slopes
    Fixed effects
    (Intercept)                                  251.41    251.41
                                                  (9.75)    (6.82)
    Days                                          10.467    10.467
                                                  (0.804)   (1.546)
    Random effects
    SD (Intercept), Subject                       37.12     24.74
    SD Days, Subject                                         5.922
    Correlation (Intercept) with Days, Subject               0.07
    SD residual                                   30.99     25.59
    Fit
    Observations                                 180       180
    AIC                                         1794.5    1755.6
    Estimated by                                     REML      REML
    <BLANKLINE>
    intercepts: Reaction ~ Days + (1 | Subject)
    slopes: Reaction ~ Days + (Days | Subject)
    Standard errors in brackets.
    """
    from ranef.presentation.apa_table import ApaTable, apa_title
    from ranef.presentation.column_rows import names_of, with_common_groups
    from ranef.presentation.model_column import STATISTICS, column_of
    from ranef.presentation.regression_table import BELOW, STARS, RegressionTable
    from ranef.presentation.term_labels import checked_labels

    for model in models:
        if not isinstance(model, MixedModel):
            raise ArgumentTypeError(
                f"table shows models fitted by lmer and glmer, not {type(model).__name__}."
                + (" Give the models of a list one by one: table(*models)." if isinstance(model, list | tuple) else "")
            )
    if not models:
        raise OptionError("table needs at least one model.")
    if style not in STYLES:
        raise OptionError(f"style must be one of {', '.join(map(repr, STYLES))}, not {style!r}.")
    if below not in BELOW:
        raise OptionError(f"below must be one of {', '.join(map(repr, BELOW))}, not {below!r}.")
    apa = style == "apa"
    digits = (2 if apa else 3) if digits is None else digits
    if isinstance(digits, bool) or not isinstance(digits, numbers.Integral):
        raise ArgumentTypeError(f"digits must be a whole number, not {digits!r}.")
    if not 1 <= digits <= 10:
        raise OptionError(f"digits must be between 1 and 10, not {digits}.")
    if title is not None and not isinstance(title, str):
        raise ArgumentTypeError(f"title must be text, not {title!r}.")
    level = checked_level(level)
    chosen = tuple(STATISTICS) if statistics is None else _statistics(statistics, tuple(STATISTICS))
    marks = _marks(stars, STARS)
    tested = bool(marks) or below == "p"
    if ddf is not None:
        checked_ddf(ddf, "none")
    if apa and len(models) > 1:
        raise OptionError(f"style='apa' shows one model, and {len(models)} were given; leave it out for columns.")
    if apa and (marks or below != "se"):
        raise OptionError("stars and below are for models in columns: style='apa' has intervals and p-values anyway.")
    columns = []
    for m, name in zip(models, named_models(names, models), strict=True):
        # a table may show models of which some have no degrees of freedom: these keep their normal
        # tests
        asymptotic, method = m._fit.asymptotic_tests, checked_ddf(ddf, m.ddf)
        if asymptotic and method not in m._tests.ddf_choices:
            method = m.ddf
        # as conf_int has them
        limits = method if apa or asymptotic else "none"
        shown = None if apa and m._tests.reference(method) == "untested" else method if apa or tested else None
        column = column_of(m._fit, m._tests, name, level, shown, interval_ddf=limits, exponentiate=exponentiate)
        columns.append(column)
    columns = with_common_groups(columns)
    texts = checked_labels(labels, names_of(columns))
    if apa:
        heading = apa_title(columns[0]) if title is None else title
        return ApaTable(columns[0], texts, float(level), int(digits), chosen, heading)
    heading = _title(columns) if title is None else title
    return RegressionTable(tuple(columns), texts, below, float(level), marks, int(digits), chosen, heading)


def _title(columns: "Sequence[ModelColumn]") -> str:
    kinds = list(dict.fromkeys(c.kind for c in columns))
    return f"{kinds[0][0].upper()}{kinds[0][1:]}s" if len(kinds) == 1 else "Mixed models"


def _statistics(wanted: object, allowed: tuple[str, ...]) -> tuple[str, ...]:
    names = () if isinstance(wanted, str) or not isinstance(wanted, Sequence) else tuple(wanted)
    if isinstance(wanted, str) or not isinstance(wanted, Sequence) or any(n not in allowed for n in names):
        raise OptionError(f"statistics must be a list of some of {', '.join(map(repr, allowed))}, not {wanted!r}.")
    return names


def _marks(stars: object, usual: Mapping[str, float]) -> dict[str, float]:
    if isinstance(stars, bool):
        return dict(usual) if stars else {}
    if not isinstance(stars, Mapping):
        raise ArgumentTypeError(f"stars must be True, False, or a dict of marks and limits, not {stars!r}.")
    for mark, limit in stars.items():
        if (
            not isinstance(mark, str)
            or isinstance(limit, bool)
            or not isinstance(limit, numbers.Real)
            or not 0 < float(limit) <= 1
        ):
            raise OptionError(f"stars must have texts with limits between 0 and 1, not {mark!r}: {limit!r}.")
    return {str(m): float(v) for m, v in stars.items()}
