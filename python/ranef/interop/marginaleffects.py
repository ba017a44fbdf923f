"""Fitted models for the marginaleffects package: ``predictions``, ``comparisons``, ``slopes`` and
``hypotheses``.

Importing this module needs marginaleffects (extra ``interop``), which needs a polars before version
2.
"""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ranef.data.column import Column
from ranef.data.table import Table
from ranef.errors import ArgumentTypeError, DataError, OptionError
from ranef.fit.sums.absent_data import AbsentData
from ranef.formula.formula import Formula
from ranef.formula.syntax import names_in
from ranef.interop.population_laws import law_of
from ranef.interop.requirement import require
from ranef.results.model.mixed import MixedModel

require("marginaleffects", "marginaleffects", "the adapters of ranef.interop.marginaleffects")

from marginaleffects.classes import ModelAbstract, ModelVault  # noqa: E402

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]

# Names of its own columns, which marginaleffects does not allow in data.
RESERVED = frozenset(
    [
        "rowid",
        "type",
        "group",
        "estimate",
        "std_error",
        "p_value",
        "s_value",
        "conf_low",
        "conf_high",
        "term",
        "contrast",
        "statistic",
    ],
)


def adapt(model: MixedModel, data: Any = None, *, type: Literal["response", "link"] = "response") -> "AdaptedModel":
    """Make a fitted model one that marginaleffects takes.

    Predictions are those of the population, with random effects of zero, and their standard errors
    come from the covariance of the fixed effects by the delta method. Tests and intervals are
    normal, as those of R's marginaleffects for lme4's models by default; ``m.test`` has
    Satterthwaite's and Kenward and Roger's degrees of freedom.

    Those of a generalized model are means of a typical group, whose random effects are zero, or
    with ``type="link"`` linear predictors; of models with zeros, dispersion and shape means of the
    response, zeros included, with the uncertainty of all coefficients. Ordered categories have a
    probability for each, in a column ``group``, and curves their values.

    Give ``slopes`` and ``avg_slopes`` the argument ``eps_vcov=1.0``: their standard errors are
    difference quotients of difference quotients, and marginaleffects' own step loses digits, for
    any model (several percent in small data). Predictions of linear models, and linear predictors,
    are linear in the fixed effects, so that a large step is exact; for means of generalized models
    take ``eps_vcov=1e-5``.

    Parameters
    ----------
    model : fitted model
        What ``lmer`` or ``glmer`` returns.
    data : frame, optional
        The data of the fit, needed for models that were saved or pickled, which do not keep them.
    type : {"response", "link"}
        What is predicted by a generalized model; ``comparisons`` and ``slopes`` are of the same.

    Returns
    -------
    AdaptedModel
        The first argument of ``marginaleffects.predictions`` and its kin. What else one asks it for
        is answered by the model itself.

    Examples
    --------
    >>> from marginaleffects import avg_predictions, avg_slopes
    >>> from ranef import lmer, load_dataset
    >>> from ranef.interop.marginaleffects import adapt
    >>> m = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    >>> slope = avg_slopes(adapt(m), variables="Days", eps_vcov=1.0)
    >>> round(slope["estimate"][0], 4), round(slope["std_error"][0], 4)
    (10.4673, 1.5458)
    """
    if not isinstance(model, MixedModel):
        raise ArgumentTypeError(f"model must be a mixed model of ranef, not {model.__class__.__name__}.")
    if type not in ("response", "link"):
        raise OptionError(f"type must be 'response' or 'link', not {type!r}.")
    data = model._request.data if data is None else data
    if isinstance(data, AbsentData):
        raise DataError(f"{data.reason}; give them again: adapt(model, data=...).")
    return AdaptedModel(model, data, type)


class AdaptedModel(ModelAbstract):  # type: ignore[misc]
    """A fitted model as marginaleffects sees it. Made by :func:`adapt`."""

    def __init__(self, model: MixedModel, data: Any, type: str = "response"):
        self._law = law_of(model._fit, type == "link")
        formula = model._fit.design.formula
        self._predictors = _variables(model)
        clashing = [n for n in self._predictors if n in RESERVED]
        if clashing:
            raise OptionError(
                f"marginaleffects has columns called {', '.join(map(repr, clashing))} itself: rename those of the data "
                "and fit again."
            )
        vault = ModelVault(
            coef=self._law.coef,
            coefnames=np.array(self._law.names, dtype=object),
            formula="~ " + (" + ".join(f"`{n}`" for n in self._predictors) or "1"),
            modeldata=_model_data(model, formula, data, self._predictors),
            package="ranef",
            variable_names=[_response_name(formula), *self._predictors],
        )
        super().__init__(model, vault)
        # marginaleffects takes the degrees of freedom of all its t tests from here; infinite ones
        # make them normal
        own = model._fit.cluster_df
        self.df_resid = float("inf") if own is None else own

    def get_vcov(self, vcov: object = True) -> Floats | None:
        """Covariance matrix of the coefficients; None for False."""
        if vcov is None or vcov is False:
            return None
        if vcov is not True:
            raise OptionError(
                f"vcov must be True, False or a matrix, not {vcov!r}. The adjusted matrix of Kenward and Roger is "
                "vcov=m.cov_params('kenward-roger').to_numpy()."
            )
        return self._law.covariance(np.asarray(self.model.cov_params()))

    def get_df(self) -> int:
        """Denominator of joint F tests: that of clusters, else as good as infinite, since tests are
        normal, but an integer, which marginaleffects needs.
        """
        return 10**9 if math.isinf(self.df_resid) else int(self.df_resid)

    def get_autodiff_args(self) -> dict[str, Any] | None:
        """What marginaleffects needs for exact derivatives; it has no offsets and not all links,
        and takes difference quotients instead.
        """
        if self.model._fit.design.offset is not None or not self._law.is_linear:
            return None
        return {"model_type": "linear", "family": None, "link": None}

    def get_exog(self, newdata: Any) -> Floats:
        """New rows as predictions take them: columns of the fixed effects, and offsets."""
        return self._law.rows(newdata)

    def get_predict(self, params: Any, newdata: Any) -> "pl.DataFrame":
        """Predictions of the population, with random effects of zero, at any values of the
        coefficients; of ordered categories a row for each of them.
        """
        import polars as pl

        exog = newdata if isinstance(newdata, np.ndarray) else self.get_exog(newdata)
        values = self._law.predicted(np.asarray(params, dtype=np.float64).reshape(-1), exog)
        number = np.arange(len(exog), dtype=np.int32)
        groups = self._law.groups
        if not groups:
            return pl.DataFrame({"rowid": number, "estimate": values})
        names = np.repeat(np.array(groups, dtype=object), len(exog)).tolist()
        found = pl.DataFrame(
            {"rowid": np.tile(number, len(groups)), "group": names, "estimate": values.T.ravel()},
            schema_overrides={"group": pl.String},
        )
        return found.sort("group", "rowid")  # the order that marginaleffects expects


def _variables(model: MixedModel) -> list[str]:
    """Columns of the data that predictions of the population need."""
    fit = model._fit
    curve = fit.curve_rows
    formulas = [fit.design.formula, *(design.formula for _, design in fit.other_designs)]
    if curve is not None:
        formulas = [encoder.formula for encoder in curve.encoder.parameters]
    else:
        formulas += [part.formula for part in fit.design.encoder.parts]
    names = [n for f in formulas for t in f.fixed for v in t.variables for n in names_in(v.expr)]
    names += [n for f in formulas for v in f.offsets for n in names_in(v.expr)]
    names += [n for c in (() if curve is None else curve.curve.covariates) for n in names_in(c)]
    return _unique(names)


def _model_data(model: MixedModel, formula: Formula, data: Any, predictors: list[str]) -> "pl.DataFrame":
    """The rows of the fit: the variables of the model, and whatever other columns can be had, by
    which predictions may be averaged.
    """
    import polars as pl

    table = Table.from_data(data)
    design = model._fit.design
    if table.n_rows != design.n_input:
        raise DataError(f"data has {table.n_rows} rows; the data of the fit had {design.n_input}.")
    table.load(table.names)
    columns = {}
    for name in [*predictors, *(n for n in table.names if n not in predictors and n not in RESERVED)]:
        try:
            column = table.column(name)
        except DataError:
            if name in predictors:
                raise
            continue  # a column that no model could use
        columns[name] = _polars_series(column, design.kept)
    return pl.DataFrame(columns)


def _polars_series(column: Column, kept: NDArray[np.int64] | None) -> "pl.Series":
    import polars as pl

    chosen = slice(None) if kept is None else kept
    missing = column.missing
    if column.codes is not None:
        assert column.levels is not None
        codes = column.codes[chosen]
        labels = [None if c < 0 else column.levels[c] for c in codes.tolist()]
        return pl.Series(column.name, labels, dtype=pl.Enum([str(level) for level in column.levels]))
    values = column.values if column.exact is None else column.exact
    assert values is not None
    series = pl.Series(column.name, np.array(values[chosen]))
    if missing is None:
        return series
    return pl.select(pl.when(pl.Series(missing[chosen])).then(None).otherwise(series).alias(column.name)).to_series()


def _response_name(formula: Formula) -> str:
    assert formula.response is not None
    return formula.response.label


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
