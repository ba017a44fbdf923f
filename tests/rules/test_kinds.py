"""Both kinds of fitted models have the same members, which take the same arguments; each exception has its reason."""

import inspect

import pytest

from ranef.results.generalized import GeneralizedLinearMixedModel
from ranef.results.generalized_plots import GeneralizedPlots
from ranef.results.linear import LinearMixedModel
from ranef.results.model_plots import ModelPlots
from ranef.results.one_kind import GENERALIZED, LINEAR

# Methods of which one kind takes other arguments than the other.
ARGUMENTS: dict[str, str] = {}


def members(kind: type) -> set[str]:
    """The public members of a class, and what notebooks call."""
    return {name for name in dir(kind) if not name.startswith("_") or name == "_repr_html_"}


def arguments(kind: type, name: str) -> list[tuple[str, object]]:
    """Names and kinds of the arguments of a method; how a member is read that is none."""
    member = inspect.getattr_static(kind, name)
    if not inspect.isfunction(member):
        return [("no method", None)]
    found = [(p.name, p.kind) for p in inspect.signature(member).parameters.values()]
    # The order of keywords does not matter.
    keywords = sorted(f for f in found if f[1] == inspect.Parameter.KEYWORD_ONLY)
    return [f for f in found if f[1] != inspect.Parameter.KEYWORD_ONLY] + keywords


def test_members() -> None:
    linear, generalized = members(LinearMixedModel), members(GeneralizedLinearMixedModel)
    assert linear - generalized == set(LINEAR)
    assert generalized - linear == set(GENERALIZED)


@pytest.mark.parametrize("name", sorted(members(LinearMixedModel) & members(GeneralizedLinearMixedModel)))
def test_arguments(name: str) -> None:
    same = arguments(LinearMixedModel, name) == arguments(GeneralizedLinearMixedModel, name)
    assert same == (name not in ARGUMENTS)


def test_pictures() -> None:
    names = members(ModelPlots)
    assert names == members(GeneralizedPlots)
    assert not [n for n in names if arguments(ModelPlots, n) != arguments(GeneralizedPlots, n)]


@pytest.mark.parametrize("reasons", [LINEAR, GENERALIZED, ARGUMENTS])
def test_reasons(reasons: dict[str, str]) -> None:
    assert all(len(reason) > 20 for reason in reasons.values())
