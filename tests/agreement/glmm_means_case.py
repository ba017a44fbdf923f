"""The generalized models of ``tests/reference/glmm_means.json``, fitted here once."""

import functools
import json
from pathlib import Path
from typing import Any

import pandas as pd

import ranef

FILE = Path(__file__).parents[1] / "reference" / "glmm_means.json"
STORED: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
RESULTS: dict[str, Any] = STORED["results"]

_FAMILIES = {
    "binomial()": ranef.Binomial(),
    'binomial("cloglog")': ranef.Binomial(link="cloglog"),
    'binomial("probit")': ranef.Binomial(link="probit"),
    "poisson()": ranef.Poisson(),
    'poisson("sqrt")': ranef.Poisson(link="sqrt"),
    "nbinom2()": ranef.NegativeBinomial(),
    'Gamma("log")': ranef.Gamma(link="log"),
    "beta_family()": ranef.Beta(),
}


def data_of(model: str) -> pd.DataFrame:
    """The data of a model."""
    name = STORED["models"][model]["data"]
    return ranef.load_dataset("cbpp") if name == "cbpp" else pd.DataFrame(STORED["data"][name])


@functools.cache
def fitted(model: str) -> Any:
    """A model, which tests must not change."""
    said = STORED["models"][model]
    return ranef.glmer(said["formula"], data_of(model), family=_FAMILIES[said["family"]])


def cluster_of(model: str) -> str:
    """The grouping factor that contains all others."""
    return "herd" if STORED["models"][model]["data"] == "cbpp" else "g"


def first_factor(model: str) -> str:
    """The factor of whose levels means were taken."""
    return "period" if STORED["models"][model]["data"] == "cbpp" else "a"
