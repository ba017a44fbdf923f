"""Mixed-effects models as lme4 specifies them, in Python on a Rust core."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ranef.errors import (
    ArgumentTypeError,
    ColumnNotFoundError,
    DataError,
    DesignError,
    FormulaError,
    MemoryLimitError,
    MissingExtraError,
    NewLevelError,
    OptionError,
    RanefError,
    RanefWarning,
    UnknownMemberError,
)
from ranef.known_names import about_verb
from ranef.options import options  # at once: the name of the function is that of its module

if TYPE_CHECKING:
    from ranef import priors as priors
    from ranef import structures as structures
    from ranef.api.anova import anova
    from ranef.api.clmm import clmm
    from ranef.api.glmer import glmer, glmer_nb
    from ranef.api.gls import gls
    from ranef.api.lmer import lmer
    from ranef.api.load import load
    from ranef.api.load_bootstrap import load_bootstrap
    from ranef.api.mmrm import mmrm
    from ranef.api.nlmer import nlmer
    from ranef.api.power import power, power_curve
    from ranef.api.simulate import simulate
    from ranef.api.table import table
    from ranef.api.translate import translate
    from ranef.datasets import list_datasets, load_dataset
    from ranef.families import (
        Beta,
        BetaBinomial,
        Binomial,
        ConwayMaxwellPoisson,
        CustomFamily,
        Gamma,
        Gaussian,
        GeneralizedPoisson,
        InverseGaussian,
        LogNormal,
        NegativeBinomial,
        OrderedBeta,
        Poisson,
        SkewNormal,
        StudentT,
        Truncated,
        Tweedie,
        ZeroOneInflatedBeta,
    )

__version__ = "0.1.0"

__all__ = [
    "ArgumentTypeError",
    "Beta",
    "BetaBinomial",
    "Binomial",
    "ColumnNotFoundError",
    "ConwayMaxwellPoisson",
    "CustomFamily",
    "DataError",
    "DesignError",
    "FormulaError",
    "Gamma",
    "Gaussian",
    "GeneralizedPoisson",
    "InverseGaussian",
    "LogNormal",
    "MemoryLimitError",
    "MissingExtraError",
    "NegativeBinomial",
    "NewLevelError",
    "OptionError",
    "OrderedBeta",
    "Poisson",
    "RanefError",
    "RanefWarning",
    "SkewNormal",
    "StudentT",
    "Truncated",
    "Tweedie",
    "ZeroOneInflatedBeta",
    "anova",
    "clmm",
    "glmer",
    "glmer_nb",
    "gls",
    "list_datasets",
    "lmer",
    "load",
    "load_bootstrap",
    "load_dataset",
    "mmrm",
    "nlmer",
    "options",
    "power",
    "power_curve",
    "simulate",
    "table",
    "translate",
]

# Where each public name lives; it is imported when it is first used, so that `import ranef` stays
# quick.
_VERBS = {
    "ZeroOneInflatedBeta": "ranef.families",
    "Tweedie": "ranef.families",
    "Truncated": "ranef.families",
    "StudentT": "ranef.families",
    "SkewNormal": "ranef.families",
    "OrderedBeta": "ranef.families",
    "LogNormal": "ranef.families",
    "GeneralizedPoisson": "ranef.families",
    "ConwayMaxwellPoisson": "ranef.families",
    "BetaBinomial": "ranef.families",
    "Beta": "ranef.families",
    "Binomial": "ranef.families",
    "CustomFamily": "ranef.families",
    "Gamma": "ranef.families",
    "Gaussian": "ranef.families",
    "InverseGaussian": "ranef.families",
    "NegativeBinomial": "ranef.families",
    "Poisson": "ranef.families",
    "anova": "ranef.api.anova",
    "clmm": "ranef.api.clmm",
    "glmer": "ranef.api.glmer",
    "glmer_nb": "ranef.api.glmer",
    "gls": "ranef.api.gls",
    "lmer": "ranef.api.lmer",
    "load": "ranef.api.load",
    "load_bootstrap": "ranef.api.load_bootstrap",
    "list_datasets": "ranef.datasets",
    "mmrm": "ranef.api.mmrm",
    "nlmer": "ranef.api.nlmer",
    "power": "ranef.api.power",
    "power_curve": "ranef.api.power",
    "simulate": "ranef.api.simulate",
    "load_dataset": "ranef.datasets",
    "translate": "ranef.api.translate",
    "table": "ranef.api.table",
}


if not TYPE_CHECKING:  # or a misspelled name would be of any type

    def __getattr__(name: str) -> Any:
        if name in ("priors", "structures"):
            return import_module(f"ranef.{name}")
        if name not in _VERBS:
            raise _unknown(name)
        value = getattr(import_module(_VERBS[name]), name)
        globals()[name] = value
        return value


def _unknown(name: str) -> Exception:
    text = f"module 'ranef' has no attribute {name!r}"
    if name.startswith("_"):
        return AttributeError(text)
    model = import_module("ranef.results.model.mixed").MixedModel
    reason = about_verb(name, __all__, dir(model))
    return UnknownMemberError(f"{text}: {reason}." if reason else f"{text}.", name=name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
