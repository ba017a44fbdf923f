"""From a stored generalized model of lme4
or glmmTMB to the call of ``ranef.glmer`` that fits it.
"""

import functools
import re
import warnings
from typing import Any

import ranef
from reference.store import load_case, load_data

#: The canonical links, for which observed and expected curvature are the same.
CANONICAL = {("binomial", "logit"), ("poisson", "log")}


def family_of(case: dict[str, Any]) -> Any:
    """The family of a case."""
    name, link = case["family"], case["link"]
    fixed = re.fullmatch(r"Negative Binomial\((.*)\)", name)
    if fixed:
        return ranef.NegativeBinomial(link=link, size=float(fixed[1]))
    if name.startswith("negative binomial"):
        return ranef.NegativeBinomial(link=link)
    return f"{name}({link})"


def arguments(case: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments that mean what R's call says."""
    found: dict[str, Any] = {"family": family_of(case), "n_quad": 1 if case["nAGQ"] is None else case["nAGQ"]}
    for ours in ("weights", "offset", "subset"):
        if case[f"{ours}_arg"] is not None:
            found[ours] = case[f"{ours}_arg"]
    assert case["contrasts_arg"] is None
    assert case["start_arg"] is None
    return found


@functools.cache
def fitted(identifier: str) -> Any:
    """Our fit of a case."""
    case = load_case(identifier)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ranef.RanefWarning)
        return ranef.glmer(case["formula"], load_data(case["data"]), **arguments(case))


def is_canonical(case: dict[str, Any]) -> bool:
    """Whether lme4 maximises the same likelihood as we do."""
    return (case["family"], case["link"]) in CANONICAL
