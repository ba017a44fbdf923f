"""Mixed-effects models as lme4 specifies them, in Python on a Rust core."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ranef.errors import (
    ArgumentTypeError,
    ColumnNotFoundError,
    DataError,
    DesignError,
    FormulaError,
    NewLevelError,
    OptionError,
    RanefError,
    RanefWarning,
)

if TYPE_CHECKING:
    from ranef.api.anova import anova
    from ranef.api.glmer import glmer, glmer_nb
    from ranef.api.lmer import lmer
    from ranef.api.load import load
    from ranef.datasets import list_datasets, load_dataset
    from ranef.families import (
        Beta,
        Binomial,
        CustomFamily,
        Gamma,
        Gaussian,
        InverseGaussian,
        NegativeBinomial,
        Poisson,
    )

__version__ = "0.1.0"

__all__ = [
    "ArgumentTypeError",
    "Beta",
    "Binomial",
    "ColumnNotFoundError",
    "CustomFamily",
    "DataError",
    "DesignError",
    "FormulaError",
    "Gamma",
    "Gaussian",
    "InverseGaussian",
    "NegativeBinomial",
    "NewLevelError",
    "OptionError",
    "Poisson",
    "RanefError",
    "RanefWarning",
    "anova",
    "glmer",
    "glmer_nb",
    "list_datasets",
    "lmer",
    "load",
    "load_dataset",
]

# Where each public name lives; it is imported when it is first used, so that `import ranef` stays quick.
_VERBS = {
    "Beta": "ranef.families",
    "Binomial": "ranef.families",
    "CustomFamily": "ranef.families",
    "Gamma": "ranef.families",
    "Gaussian": "ranef.families",
    "InverseGaussian": "ranef.families",
    "NegativeBinomial": "ranef.families",
    "Poisson": "ranef.families",
    "anova": "ranef.api.anova",
    "glmer": "ranef.api.glmer",
    "glmer_nb": "ranef.api.glmer",
    "lmer": "ranef.api.lmer",
    "load": "ranef.api.load",
    "list_datasets": "ranef.datasets",
    "load_dataset": "ranef.datasets",
}


def __getattr__(name: str) -> Any:
    if name not in _VERBS:
        raise AttributeError(f"module 'ranef' has no attribute {name!r}")
    value = getattr(import_module(_VERBS[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
