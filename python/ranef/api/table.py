"""Fitted models side by side."""

import numbers
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.intervals import normal_multiplier
from ranef.inference.coefficient_rows import model_names
from ranef.known_arguments import known_arguments
from ranef.options import Ddf, checked_ddf
from ranef.results.model.mixed import MixedModel

if TYPE_CHECKING:
    from ranef.presentation.model_column import ModelColumn
    from ranef.presentation.regression_table import RegressionTable


@known_arguments
def table(
    *models: MixedModel,
    names: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    below: Literal["se", "ci", "p", "none"] = "se",
    level: float = 0.95,
    stars: bool | Mapping[str, float] = False,
    ddf: Ddf | None = None,
    digits: int = 3,
    statistics: Sequence[str] | None = None,
    title: str | None = None,
) -> "RegressionTable":
    """Put models side by side in a regression table.

    A coefficient or random effect that a model does not have, or had to drop, is blank. Notes below
    say what is needed to read the table: what is in brackets, which models cannot be compared
    because they were estimated differently, boundary fits, dropped columns.

    Parameters
    ----------
    *models : LinearMixedModel or GeneralizedLinearMixedModel
        One or more.
    names : sequence of str, optional
        Headings of the columns; ``m1, m2, …`` by default.
    labels : dict, optional
        Texts for names of coefficients, random effects and grouping factors, such as ``{"standLRT":
        "Reading score"}``.
    below : {"se", "ci", "p", "none"}
        What stands below an estimate: standard error, Wald interval, p-value, or nothing.
    level : float
        Level of the intervals.
    stars : bool or dict
        True marks estimates by p < 0.001, 0.01 and 0.05; a dict gives marks and limits, such as
        ``{"+": 0.1}``. Off by default.
    ddf : {"satterthwaite", "kenward-roger", "residual", "none"}, optional
        Method of the degrees of freedom of p-values of linear models; by default that of the
        models. Tests of generalized models are normal.
    digits : int
        Significant digits of the smallest standard error in a row; estimates have as many decimals.
    statistics : sequence of str, optional
        Of ``"nobs"``, ``"groups"``, ``"dispersion"``, ``"icc"``, ``"r2_marginal"``,
        ``"r2_conditional"``, ``"llf"``, ``"aic"``, ``"bic"``; all by default.
    title : str, optional
        Heading; what kind of models they are by default.

    Returns
    -------
    RegressionTable
        A record with ``str()``, an HTML form for notebooks, ``to_html()``, ``to_markdown()``,
        ``to_latex()``, ``to_frame()`` and ``notes``.

    Examples
    --------
    >>> import ranef
    >>> sleep = ranef.load_dataset("sleepstudy")
    >>> m1 = ranef.lmer("Reaction ~ Days + (1 | Subject)", sleep)
    >>> m2 = ranef.lmer("Reaction ~ Days + (Days | Subject)", sleep)
    >>> print(ranef.table(m1, m2, names=["intercepts", "slopes"], statistics=["nobs", "aic"]))
    Linear mixed models
    <BLANKLINE>
                                               intercepts  slopes
    Fixed effects
    (Intercept)                                    251.41  251.41
                                                   (9.75)  (6.82)
    Days                                           10.467  10.467
                                                  (0.804) (1.546)
    Random effects
    SD (Intercept), Subject                         37.12   24.74
    SD Days, Subject                                        5.922
    Correlation (Intercept) with Days, Subject               0.07
    SD residual                                     30.99   25.59
    Fit
    Observations                                      180     180
    AIC                                            1794.5  1755.6
    Estimated by                                     REML    REML
    <BLANKLINE>
    intercepts: Reaction ~ Days + (1 | Subject)
    slopes: Reaction ~ Days + (Days | Subject)
    Standard errors in brackets.
    """
    from ranef.presentation.model_column import STATISTICS, column_of
    from ranef.presentation.regression_table import BELOW, STARS, RegressionTable

    for model in models:
        if not isinstance(model, MixedModel):
            raise ArgumentTypeError(f"table shows models fitted by lmer and glmer, not {type(model).__name__}.")
    if not models:
        raise OptionError("table needs at least one model.")
    if below not in BELOW:
        raise OptionError(f"below must be one of {', '.join(map(repr, BELOW))}, not {below!r}.")
    if isinstance(digits, bool) or not isinstance(digits, numbers.Integral):
        raise ArgumentTypeError(f"digits must be a whole number, not {digits!r}.")
    if not 1 <= digits <= 10:
        raise OptionError(f"digits must be between 1 and 10, not {digits}.")
    if labels is not None and not (
        isinstance(labels, Mapping) and all(isinstance(t, str) for pair in labels.items() for t in pair)
    ):
        raise ArgumentTypeError(f"labels must be a dict of names and texts, not {labels!r}.")
    if title is not None and not isinstance(title, str):
        raise ArgumentTypeError(f"title must be text, not {title!r}.")
    normal_multiplier(level)
    chosen = tuple(STATISTICS) if statistics is None else _statistics(statistics, tuple(STATISTICS))
    marks = _marks(stars, STARS)
    tested = bool(marks) or below == "p"
    if ddf is not None:
        checked_ddf(ddf, "none")
    columns = []
    for m, name in zip(models, model_names(names, len(models)), strict=True):
        # a table may show models of which some have no degrees of freedom: these keep their normal
        # tests
        method = "none" if m._fit.asymptotic_tests else checked_ddf(ddf, m.ddf)
        columns.append(column_of(m._fit, m._tests, name, level, method if tested else None))
    heading = _title(columns) if title is None else title
    return RegressionTable(tuple(columns), dict(labels or {}), below, float(level), marks, int(digits), chosen, heading)


def _title(columns: "Sequence[ModelColumn]") -> str:
    generalized = [bool(c.family) for c in columns]
    if all(generalized):
        return "Generalized linear mixed models"
    return "Mixed models" if any(generalized) else "Linear mixed models"


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
