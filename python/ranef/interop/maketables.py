"""Fitted models in the tables of the maketables package.

Importing this module needs maketables (extra ``interop``).
"""

import math
from typing import TYPE_CHECKING, Any

from ranef.interop.requirement import require
from ranef.results.model.mixed import MixedModel

require("maketables", "maketables", "the tables of ranef.interop.maketables")

from maketables import extractors  # noqa: E402

if TYPE_CHECKING:
    import pandas as pd

#: Columns of ``tidy`` under the names that ``coef_fmt`` of a table uses.
COLUMNS = {
    "estimate": "b",
    "std_error": "se",
    "statistic": "t",
    "p_value": "p",
    "df": "df",
    "conf_low": "ci95l",
    "conf_high": "ci95u",
}
STATISTICS = {"N": "nobs", "ll": "llf", "aic": "aic", "bic": "bic", "df_resid": "df_resid"}


def register() -> None:
    """Let ``maketables.ETable`` know fitted models: their response, random effects and tests.

    Once in a session is enough. Without it maketables takes a fitted model for one of statsmodels,
    because members have the same names, and shows neither the name of the response nor anything of
    the random effects.

    Examples
    --------
    >>> import maketables
    >>> from ranef import lmer, load_dataset
    >>> from ranef.interop.maketables import register
    >>> register()
    >>> study = load_dataset("sleepstudy")
    >>> formulas = ["Reaction ~ Days + (1 | Subject)", "Reaction ~ Days + (Days | Subject)"]
    >>> models = [lmer(formula, study) for formula in formulas]
    >>> table = maketables.ETable(models)
    >>> table.df.loc[("stats", "SD (Intercept), Subject")].tolist()
    ['37.124', '24.740']
    """
    # Its own register_extractor appends, and the one for statsmodels, which comes earlier, takes
    # whatever has params, bse and pvalues.
    known = extractors._EXTRACTOR_REGISTRY
    if not any(isinstance(e, MixedModelExtractor) for e in known):
        known.insert(0, MixedModelExtractor())


class MixedModelExtractor:
    """What maketables asks of a model (its protocol ``ModelExtractor``)."""

    def can_handle(self, model: Any) -> bool:
        """Whether it is a fitted model of this package."""
        return isinstance(model, MixedModel)

    def coef_table(self, model: Any) -> "pd.DataFrame":
        """Fixed effects; p-values by the model's ``ddf``, NaN where it has no tests; of a
        generalized model those of z tests.
        """
        tidy: pd.DataFrame = model.tidy("fixed", conf_int=True)
        return tidy.set_index("term").rename_axis("Coefficient").reindex(columns=list(COLUMNS)).rename(columns=COLUMNS)

    def depvar(self, model: Any) -> str:
        """Name of the response."""
        response = model._fit.design.formula.response
        return "" if response is None else str(response.label)

    def fixef_string(self, model: Any) -> str | None:
        """None: there are no absorbed effects."""
        return None

    def stat(self, model: Any, key: str) -> Any:
        """A statistic by key; None where the model does not have it."""
        if key in STATISTICS:
            return getattr(model, STATISTICS[key])
        return {**_parameters(model), **_groups(model)}.get(key)

    def default_stat_keys(self, model: Any) -> list[str]:
        """Standard deviations and correlations of the random effects, counts, and criteria."""
        return [*_parameters(model), "N", *_groups(model), "ll", "aic", "bic"]

    def supported_stats(self, model: Any) -> set[str]:
        """All keys that have a value."""
        return {*self.default_stat_keys(model), *STATISTICS}

    def stat_labels(self, model: Any) -> dict[str, str] | None:
        """None: keys are labels, or have one in maketables."""
        return None

    def vcov_info(self, model: Any) -> dict[str, Any]:
        """Standard errors are those of the model."""
        return {"vcov_type": "model-based", "clustervar": None}

    def var_labels(self, model: Any) -> dict[str, str] | None:
        """None: variables have no labels."""
        return None

    def sample_split(self, model: Any) -> str | None:
        """None: a model has one sample."""
        return None


def _parameters(model: Any) -> dict[str, float]:
    out: dict[str, float] = {}
    for key, block in model.varcorr.items():
        k = len(block.names)
        out |= {f"SD {block.names[i]}, {key}": float(block.sd[i]) for i in range(k)}
        if not block.diagonal:
            out |= {
                f"Corr. {block.names[i]} and {block.names[j]}, {key}": float(block.corr[j, i])
                for j in range(k)
                for i in range(j)
            }
    if math.isfinite(model.dispersion):
        name = "SD residual" if not model._fit.family_shown else "Dispersion"
        out[name] = model.dispersion
    return out


def _groups(model: Any) -> dict[str, int]:
    return {f"Groups: {name}": count for name, count in model.ngroups.items()}
