"""The same linear mixed model fitted to the rows of each of many groups."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ranef.data.batches import sources_of
from ranef.data.frame_file import FrameFile
from ranef.data.table import Table
from ranef.design.build import build_design
from ranef.design.coding_rules import CodingRules
from ranef.design.evaluate import Evaluator
from ranef.design.record import Design, ModelRows, TermRows
from ranef.design.rows import check_finite, check_weights
from ranef.design.shared_effects import shared_effects
from ranef.errors import ArgumentTypeError, DesignError, OptionError, RanefError
from ranef.fit.control import FitControl, parse_control
from ranef.fit.order import order_terms, theta_names
from ranef.fit.progress import Progress, Report, reported
from ranef.fit.refits.groups import GroupFits, GroupRows
from ranef.fit.refits.row_subset import design_of_rows
from ranef.fit.reml import choose_reml
from ranef.fit.threads import parse_n_threads
from ranef.formula import expand_dot, parse_formula, require_random, require_response
from ranef.inference.bootstrap.quantities import random_quantities, random_values
from ranef.inference.distributions import t_tails
from ranef.inference.information import VarianceInformation
from ranef.inference.satterthwaite import contrast_df
from ranef.known_arguments import known_arguments
from ranef.scale.asked import Asked, used_rows
from ranef.scale.columns import table_of_rows
from ranef.scale.group_labels import GroupLabels, group_labels
from ranef.scale.partitions import MOST_ROWS, n_partitions, partitions, whole
from ranef.scale.recipe import Recipe
from ranef.scale.survey import survey_of

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

DDF = ("satterthwaite", "residual", "none")


@known_arguments
def fit_each(
    formula: str,
    data: Any,
    by: str | Sequence[str],
    *,
    to: str | os.PathLike[str] | None = None,
    REML: bool | None = None,
    method: Literal["REML", "ML"] | None = None,
    weights: str | None = None,
    offset: str | None = None,
    subset: str | None = None,
    na_action: Literal["omit", "error"] = "omit",
    contrasts: Mapping[str, Any] | None = None,
    control: Mapping[str, Any] | None = None,
    progress: Progress = False,
    n_threads: int | None = None,
    ddf: Literal["satterthwaite", "residual", "none"] = "satterthwaite",
) -> "pd.DataFrame | None":
    """Fit one linear mixed model to the rows of every group, such as every gene.

    Nothing is shared between groups: estimates are those of `lmer` with the rows of the group.
    Levels of grouping factors are those that occur there; factors among the effects have the levels
    of all the data, so that coefficients mean the same in every group, and functions that learn
    from a column (``scale``, ``poly``, splines) learn from all its rows.

    Parameters
    ----------
    formula : str
        As for `lmer`.
    data : frame, dict, path, dataset or list of these
        Anything that `lmer` or `fit` takes. More than four million rows that are not in memory yet
        are sorted into temporary files by group first; functions that need all rows at once
        (``poly``, ``bs``…) are refused then.
    by : str or list of str
        Column, or columns, whose values make the groups.
    to : path, optional
        A Parquet file to write the results to, instead of the frame returned.
    REML, method, contrasts, control
        As for `lmer`.
    weights, offset, subset : str, optional
        Names of columns, or expressions in them.
    na_action : {"omit", "error"}
        Rows with a missing value, that of ``by`` included, are left out; or refused.
    progress : bool, "tqdm" or callable
        True shows the number of groups that are fitted on standard error; a function is called with
        it and the number of all.
    n_threads : int, optional
        Threads to use at most; by default one for each physical core. Results do not depend on it.
    ddf : {"satterthwaite", "residual", "none"}
        Degrees of freedom of the tests; with ``"none"`` they are infinite.

    Returns
    -------
    DataFrame or None
        One row for each group, in the order of the values of ``by``: these values, the fixed
        effects, ``se(...)``, ``df(...)`` and ``p(...)`` of each, standard deviations and
        correlations of the random effects (``sd_x|g``), ``sigma``, ``theta(...)``, the
        log-likelihood ``llf`` (restricted under REML), ``nobs``, ``singular``, and ``status``:
        ``"converged"``, or why there are no estimates. None with ``to``.

    Raises
    ------
    RanefError
        One of its subclasses, for input that can be used for no group.

    Examples
    --------
    >>> from ranef import load_dataset, scale
    >>> data = load_dataset("oats")
    >>> fits = scale.fit_each("yield ~ nitro + (1 | Block)", data, by="Variety")
    >>> fits[["Variety", "nitro", "df(nitro)", "sd_(Intercept)|Block", "status"]].round(2)
           Variety  nitro  df(nitro)  sd_(Intercept)|Block     status
    0  Golden Rain  75.33       17.0                 15.70  converged
    1   Marvellous  64.58       17.0                 15.96  converged
    2      Victory  81.08       17.0                 21.60  converged
    """
    names = [by] if isinstance(by, str) else list(by) if isinstance(by, list | tuple) else []
    if not names or not all(isinstance(n, str) for n in names):
        raise ArgumentTypeError(f"by must be the name of a column or a list of names, not {by!r}.")
    if ddf not in DDF:
        raise OptionError(f"ddf is {ddf!r}; many fits have one of {', '.join(map(repr, DDF))}.")
    if na_action not in ("omit", "error"):
        raise OptionError(f"na_action is {na_action!r}; it is 'omit' or 'error' here.")
    sources = sources_of(data)
    parsed = parse_formula(formula)
    if parsed.has_dot:
        # all is written out: the columns of the groups are none of the effects
        parsed = replace(expand_dot(parsed, [n for n in sources[0].names if n not in names]), has_dot=False)
    require_random(parsed)
    require_response(parsed)
    asked = Asked(parsed, weights, offset, subset, na_action, contrasts, CodingRules.of_session())
    for name, argument in (("weights", weights), ("offset", offset), ("subset", subset)):
        if argument is not None and not isinstance(argument, str):
            raise ArgumentTypeError(
                f"{name} must be the name of a column or an expression in columns, not {type(argument).__name__}."
            )
    how = _How(choose_reml(REML, method), parse_control(control), ddf, parse_n_threads(n_threads))
    out = FrameFile(to, names)
    with reported(progress, "groups") as show, out:
        for design, groups in _parts(asked, sources, names):
            out.add(_frame(design, groups, how, show))
    return out.frame


@dataclass(frozen=True, slots=True)
class _How:
    """How groups are fitted."""

    reml: bool
    control: FitControl
    ddf: str
    n_threads: int


def _parts(asked: Asked, sources: list[Any], by: list[str]) -> Iterator[tuple[Design, GroupLabels]]:
    """Designs, each with all rows of some of the groups."""
    columns = [*dict.fromkeys(n for s in sources for n in [*asked.column_names(s.names), *by] if n in s.names)]
    sources = [s.again(columns) for s in sources]
    count = 1 if all(s.held is not None for s in sources) else n_partitions(sources, MOST_ROWS)
    if count == 1:
        table = whole(sources, columns)
        design = build_design(
            asked.formula,
            table,
            weights=asked.weights,
            offset=asked.offset,
            subset=asked.subset,
            na_action=asked.na_action,
            contrasts=asked.contrasts,
            coding=asked.coding,
        )
        _check_shared(design)
        missing = None if design.missing is None else np.flatnonzero(design.missing)
        yield design, group_labels(table, by, asked.na_action, design.kept, missing)
        return
    recipe = survey_of(asked, sources).freeze()
    for table in partitions(sources, columns, by, count):
        yield _coded(recipe, table, by)


def _check_shared(design: Design) -> None:
    shared = shared_effects(design.random)
    if shared:
        a, b = design.random[shared[0].base], design.random[shared[0].others[0]]
        raise DesignError(
            f"the random-effects terms ({a.text}) and ({b.text}) have the same effects of the same groups, so that "
            "their variances cannot be told apart; leave one of them out."
        )


def _coded(recipe: Recipe, table: Table, by: list[str]) -> tuple[Design, GroupLabels]:
    """Rows coded by a recipe."""
    asked, encoder, n = recipe.asked, recipe.design.encoder, table.n_rows
    ev = Evaluator(table, asked.formula.text, encoder.states)
    used = used_rows(asked, table, ev)
    missing = np.setdiff1d(np.arange(n), used.kept) if used.n_missing else None
    groups = group_labels(table, by, asked.na_action, used.kept, missing)
    rows = table_of_rows(table, asked.names(table), used.kept) if len(used.kept) < n else table
    new = encoder.new_rows(rows, need_response=True, need_weights=True)
    assert new.y is not None
    response = asked.formula.response
    check_finite(new.y, "response" if response is None else response.name, rows, None)
    if new.weights is not None:
        check_weights(new.weights, "weights", rows, None)
    random = tuple(
        replace(t, rows=TermRows(np.ascontiguousarray(r.codes, dtype=np.int32), np.asfortranarray(r.z)))
        for t, r in zip(recipe.design.random, new.random, strict=True)
    )
    own = ModelRows(new.y, np.asfortranarray(new.x), new.weights, new.offset, n)
    return replace(recipe.design, rows=own, random=random, sums=None), groups


def _frame(design: Design, groups: GroupLabels, how: _How, show: Report | None) -> "pd.DataFrame":
    """Results of all groups of a design."""
    import pandas as pd

    of_rows = groups.of_rows
    if (of_rows < 0).any():  # the group is missing
        used = np.flatnonzero(of_rows >= 0)
        design, of_rows = design_of_rows(design, used), of_rows[used]
    order = order_terms(design.random)
    rows = GroupRows.of(design, order, of_rows, len(groups))
    satterthwaite = how.ddf == "satterthwaite"
    fits, left = rows.fit(how.reml, how.control, satterthwaite, how.n_threads, show)
    for group in left:
        _put(fits, group, rows, how)
    p = fits.beta.shape[1]
    df = fits.df
    if not satterthwaite:
        known = (fits.nobs - p)[:, None].astype(float) if how.ddf == "residual" else np.inf
        df = np.where(np.isfinite(fits.se), known, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        tails = t_tails(fits.beta / fits.se, df)
    p_value = np.where(np.isnan(df), np.nan, tails)
    names = design.x_names
    columns: dict[str, Any] = dict(groups.columns())
    columns.update(zip(names, fits.beta.T, strict=True))
    for what, values in (("se", fits.se), ("df", df), ("p", p_value)):
        columns.update((f"{what}({n})", c) for n, c in zip(names, values.T, strict=True))
    terms = [design.random[s.formula] for s in order.spans]
    quantities = random_quantities(terms, order)
    values = np.hstack(random_values(order, fits.theta, fits.sigma))
    columns.update((q.name, c) for q, c in zip(quantities, values.T, strict=True))
    columns["sigma"] = fits.sigma
    columns.update((f"theta({n})", c) for n, c in zip(theta_names(order, design.random), fits.theta.T, strict=True))
    columns["llf"] = -0.5 * fits.objective
    columns["nobs"] = fits.nobs
    columns["singular"] = fits.singular
    columns["status"] = fits.status
    return pd.DataFrame(columns)


def _put(fits: GroupFits, group: int, rows: GroupRows, how: _How) -> None:
    """Fit a group that the core leaves, as `lmer` would, and put its results in place."""
    try:
        fit = rows.single(group, how.reml, how.control)
        df: Any = np.nan
        if how.ddf == "satterthwaite":
            info = VarianceInformation.of_core(fit.satterthwaite(), fit)
            df = contrast_df(info, np.eye(len(fit.beta)))
    except RanefError:
        return
    fits.objective[group], fits.sigma[group], fits.singular[group] = fit.objective, fit.sigma, fit.singular
    fits.beta[group], fits.se[group], fits.df[group] = fit.beta, np.sqrt(np.diagonal(fit.vcov)), df
    fits.theta[group] = fit.theta
    fits.status[group] = fit.convergence.status.value
