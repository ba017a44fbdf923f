"""A fit as plain data frames: its terms, itself in one row, and its observations."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.column import Column
from ranef.data.table import Table
from ranef.diagnostics.leverage import cooks_distances, studentized_residuals
from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.criteria import criteria
from ranef.estimates.intervals import checked_level, normal_multiplier
from ranef.estimates.random_effects import conditional_covariances, random_effects
from ranef.estimates.residuals import residual_values
from ranef.estimates.rows import padded, row_index
from ranef.estimates.varcorr import varcorr
from ranef.fit.record import MixedFit
from ranef.fit.sums.absent_data import AbsentData
from ranef.inference.distributions import t_multiplier
from ranef.inference.fixed_effect_tests import FixedEffectTests
from ranef.inference.part_coefficients import part_coefficients
from ranef.inference.ratios import asked_ratios
from ranef.options import Ddf
from ranef.presentation.rows_used import n_missing

if TYPE_CHECKING:
    import pandas as pd

EFFECTS = ("fixed", "ran_pars", "ran_vals")
Row = dict[str, Any]
Floats = NDArray[np.float64]


def tidy_frame(
    tests: FixedEffectTests, effects: object, ddf: Ddf, conf_int: object, level: object, exponentiate: object = False
) -> "pd.DataFrame":
    """One row for each term.

    Parameters
    ----------
    tests : FixedEffectTests
        Of the fit that is shown.
    effects : str or sequence of str
        Of ``"fixed"`` (fixed effects, and under their own names thresholds and the like),
        ``"ran_pars"`` (standard deviations and correlations),
        ``"ran_vals"`` (conditional modes).
    ddf : {"satterthwaite", "kenward-roger", "residual", "none"}
        With ``"none"`` there is no column ``df``, and ``p_value`` only where tests are normal.
    conf_int : bool
        Whether to add intervals to fixed effects, by quantiles of the distribution that their tests
        have, and normal ones to conditional modes.
    level : float
    exponentiate : bool
        Whether fixed effects are shown as ratios.
    """
    import pandas as pd

    ratios = asked_ratios(exponentiate, tests.fit)
    chosen = (effects,) if isinstance(effects, str) else effects
    if not isinstance(chosen, list | tuple) or not chosen or not all(isinstance(e, str) for e in chosen):
        raise ArgumentTypeError(f"effects must be one or more of {', '.join(map(repr, EFFECTS))}, not {effects!r}.")
    unknown = [e for e in chosen if e not in EFFECTS]
    if unknown:
        raise OptionError(f"effects must be of {', '.join(map(repr, EFFECTS))}, not {unknown[0]!r}.")
    if not isinstance(conf_int, bool | np.bool_):
        raise ArgumentTypeError(f"conf_int must be True or False, not {conf_int!r}.")
    multiplier = normal_multiplier(level)
    makers: dict[str, Callable[[], list[Row]]] = {
        "fixed": lambda: _fixed(tests, ddf),
        "ran_pars": lambda: _parameters(tests.fit),
        "ran_vals": lambda: _values(tests.fit),
    }
    rows = [row for e in chosen for row in makers[e]()]
    if "fixed" in chosen:
        at = sum(row["effect"] == "fixed" for row in rows)
        rows[at:at] = _part_rows(tests.fit, ddf)
    numbers = [
        "estimate",
        "std_error",
        "statistic",
        *{"t": ["df", "p_value"], "z": ["p_value"], "untested": []}[tests.reference(ddf)],
    ]
    columns = ["effect", "group", *(["level"] if "ran_vals" in chosen else []), "term", *numbers]
    frame = pd.DataFrame(rows).reindex(columns=columns)
    frame[numbers] = frame[numbers].astype(float)
    if conf_int:
        multipliers = np.full(len(frame), multiplier)
        if "df" in frame:
            known = frame["df"].notna().to_numpy()
            multipliers[known] = t_multiplier(checked_level(level), frame["df"].to_numpy()[known])
        frame["conf_low"] = frame["estimate"] - multipliers * frame["std_error"]
        frame["conf_high"] = frame["estimate"] + multipliers * frame["std_error"]
    if ratios is not None:
        fixed = (frame["effect"] == "fixed").to_numpy()
        own = frame.loc[fixed]
        frame.loc[fixed, "std_error"] = ratios.std_error(own["estimate"].to_numpy(), own["std_error"].to_numpy())
        for name in ("estimate", *(("conf_low", "conf_high") if conf_int else ())):
            frame.loc[fixed, name] = ratios.of(own[name].to_numpy())
        frame.attrs["notes"] = (ratios.note,)
    return frame


def _fixed(tests: FixedEffectTests, ddf: Ddf) -> list[Row]:
    found = tests.coefficients(ddf)
    out: list[Row] = []
    for j, name in enumerate(tests.fit.x_names):
        row = {
            "effect": "fixed",
            "term": name,
            "estimate": found.estimate[j],
            "std_error": found.std_error[j],
            "statistic": found.statistic[j],
        }
        tested = tests.reference(ddf) != "untested"
        out.append({**row, "df": found.df[j], "p_value": found.p_value[j]} if tested else row)
    return out


def _part_rows(fit: MixedFit, ddf: Ddf) -> list[Row]:
    """Effects of linear predictors beside the first, such as thresholds."""
    out: list[Row] = []
    for part in fit.part_effects():
        found = part_coefficients(part, ddf)
        for j, name in enumerate(part.names):
            row = {"effect": part.name, "term": name, "estimate": found.estimate[j], "std_error": found.std_error[j]}
            row |= {"df": found.df[j], "statistic": found.statistic[j]}
            out.append({**row, "p_value": found.p_value[j]} if part.tested else row)
    return out


def _parameters(fit: MixedFit) -> list[Row]:
    out: list[Row] = []
    for key, block in varcorr(fit).items():
        if block.parameters:
            # the names that bootstrap has
            terms = [(name if "__" in name else f"{name}__common", v) for name, v in block.parameters.items()]
            out.extend({"effect": "ran_pars", "group": key, "term": t, "estimate": v} for t, v in terms)
            continue
        for i, name in enumerate(block.names):
            out.append({"effect": "ran_pars", "group": key, "term": f"sd__{name}", "estimate": float(block.sd[i])})
        if not block.diagonal:
            pairs = [(i, j) for j in range(len(block.names)) for i in range(j + 1, len(block.names))]
            for i, j in pairs:
                term = f"cor__{block.names[j]}.{block.names[i]}"
                out.append({"effect": "ran_pars", "group": key, "term": term, "estimate": float(block.corr[i, j])})
    if fit.residual_sd is None:
        return out
    return [*out, {"effect": "ran_pars", "group": "Residual", "term": "sd__Observation", "estimate": fit.residual_sd}]


def _values(fit: MixedFit) -> list[Row]:
    out: list[Row] = []
    for g, covariance in zip(random_effects(fit), conditional_covariances(fit), strict=True):
        sd = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 0.0))
        for j, name in enumerate(g.names):
            triples = zip(g.levels, g.values[:, j].tolist(), sd[:, j].tolist(), strict=True)
            out.extend(
                {"effect": "ran_vals", "group": g.group, "level": v, "term": name, "estimate": b, "std_error": s}
                for v, b, s in triples
            )
    return out


def glance_frame(fit: MixedFit) -> "pd.DataFrame":
    """Return the fit in one row."""
    import pandas as pd

    c = criteria(fit)
    row = {
        "nobs": fit.nobs,
        "n_missing": n_missing(fit),
        "sigma": fit.sigma,
        **({"dispersion": fit.spread} if fit.family_shown else {}),
        "llf": c.llf,
        "aic": c.aic,
        "bic": c.bic,
        **({"reml_criterion": fit.deviance if fit.reml else math.nan} if fit.both_criteria else {}),
        "deviance": math.nan if fit.reml else fit.deviance,
        "df_resid": c.df_resid,
        "npar": fit.npar,
        "is_singular": fit.singular,
        "converged": fit.convergence.ok,
    }
    return pd.DataFrame([row])


def augment_frame(fit: MixedFit, data: Any) -> "pd.DataFrame":
    """Return the observations with what the fit has for each.

    Parameters
    ----------
    fit : MixedFit
    data : frame or AbsentData
        The data of the fit, of which the columns named in the formula are shown.
    """
    return beside_data(fit, data, _linear_values(fit) if fit.fixed_effects_profiled else _link_values(fit))


def _linear_values(fit: Any) -> dict[str, Floats]:
    """Values of the rows where the fitted values are a linear map of the responses."""
    fitted, hat = fit.means(), fit.hat_values()
    return {
        ".fitted": fitted,
        ".resid": residual_values(fit, "response", fitted),
        ".fixed": fit.fixed_part(),
        ".hat": hat,
        ".cooksd": cooks_distances(fit, hat),
        ".std_resid": studentized_residuals(fit, hat),
    }


def _link_values(fit: MixedFit) -> dict[str, Floats]:
    """Values of the rows where a link stands between linear predictor and mean."""
    own = {
        ".fitted": fit.means(),
        ".eta": fit.linear_predictor(),
        ".fixed": fit.fixed_part(),
        ".resid": residual_values(fit, "response"),
    }
    for kind in ("pearson", "deviance"):
        try:
            own[f".{kind}"] = residual_values(fit, kind)
        except OptionError:  # a family of the user's own need not have them
            continue
    return own


def beside_data(fit: MixedFit, data: Any, own: dict[str, NDArray[np.float64]]) -> "pd.DataFrame":
    """The columns of the data that the formula names, and values of the rows used beside them.

    Parameters
    ----------
    fit : MixedFit
    data : frame or AbsentData
        Without data there are only the values.
    own : dict
        Arrays (n,) by name.
    """
    import pandas as pd

    d, index = fit.design, row_index(fit)
    columns: dict[str, Any] = {}
    if not isinstance(data, AbsentData):
        table = Table.from_data(data)
        if table.n_rows != d.n_input:
            raise OptionError(f"the data have {table.n_rows} rows now and had {d.n_input} when the model was fitted.")
        rows = slice(None) if d.kept is None or d.na_action == "exclude" else d.kept
        for name in d.formula.names:
            if name in table:
                columns[name] = _plain(table.column(name), rows)
    columns |= {name: padded(fit, values) for name, values in own.items()}
    return pd.DataFrame(columns, index=index)


def _plain(column: Column, rows: "NDArray[np.int64] | slice") -> Any:
    """Values of a column for a pandas frame."""
    import pandas as pd

    if column.levels is not None and column.codes is not None:
        return pd.Categorical.from_codes(
            column.codes[rows].tolist(), categories=pd.Index(column.levels), ordered=column.ordered
        )
    values: Any = column.values if column.exact is None else column.exact
    if column.kind == "boolean" and column.missing is not None:
        return np.where(column.missing, None, values.astype(object))[rows]
    return values[rows]
