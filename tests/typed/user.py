"""What a user writes, checked by mypy and pyright against the installed package; it also runs."""

from typing import assert_type

import pandas as pd

import ranef
from ranef import RanefError, glmer, lmer, load_dataset
from ranef.results.generalized import GeneralizedLinearMixedModel
from ranef.results.linear import LinearMixedModel


def fitted(data: pd.DataFrame) -> LinearMixedModel:
    """A model that an editor knows everything about."""
    return lmer("Reaction ~ Days + (Days | Subject)", data, ddf="satterthwaite", n_threads=1)


def by_group(m: LinearMixedModel | GeneralizedLinearMixedModel) -> dict[str, float]:
    """Both kinds of models have the same members."""
    return {name: float(value) for name, value in m.fixef.items() if isinstance(name, str)}


def attempt(data: pd.DataFrame) -> str:
    try:
        return str(lmer("Reaction ~ Dys + (1 | Subject)", data).formula)
    except RanefError as problem:
        return str(problem)


def main() -> None:
    sleep = load_dataset("sleepstudy")
    m = fitted(sleep)
    assert_type(m, LinearMixedModel)
    assert_type(m.fixef, "pd.Series[float]")
    assert_type(m.is_singular, bool)
    assert_type(m.nobs, int)
    assert_type(m.llf, float)
    assert_type(m.convergence.ok, bool)
    text: str = str(m.summary())
    table: pd.DataFrame = m.conf_int()
    lower: float = float(table["lower"].iloc[0])
    g = glmer(
        "cbind(incidence, size - incidence) ~ period + (1 | herd)", load_dataset("cbpp"), family="binomial", n_quad=5
    )
    assert_type(g, GeneralizedLinearMixedModel)
    found = {**by_group(m), **by_group(g)}
    assert len(found) == 5, (found, text, lower)
    assert "Did you mean 'Days'?" in attempt(sleep)
    assert ranef.__version__


if __name__ == "__main__":
    main()
