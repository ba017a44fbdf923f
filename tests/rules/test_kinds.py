"""All kinds of fitted models have the same members, written once; each exception has its reason."""

import pytest

from ranef.results.generalized import GeneralizedLinearMixedModel
from ranef.results.linear import LinearMixedModel
from ranef.results.model.mixed import MixedModel
from ranef.results.one_kind import GENERALIZED, LINEAR


def members(kind: type) -> set[str]:
    """The public members of a class, and what notebooks call."""
    return {name for name in dir(kind) if not name.startswith("_") or name == "_repr_html_"}


def defined(kind: type) -> set[str]:
    """The public members that a class has of its own."""
    return {name for name in vars(kind) if not name.startswith("_") or name == "_repr_html_"}


def test_members() -> None:
    linear, generalized = members(LinearMixedModel), members(GeneralizedLinearMixedModel)
    assert linear - generalized == set(LINEAR)
    assert generalized - linear == set(GENERALIZED)


def test_what_all_kinds_have_is_written_once() -> None:
    """The class of a kind has what it alone has.

    What several have is in one chapter of ``results/model``.
    """
    assert defined(LinearMixedModel) == set(LINEAR)
    assert defined(GeneralizedLinearMixedModel) == set(GENERALIZED)
    chapters = [c for c in MixedModel.__mro__ if c is not object]
    places: dict[str, list[str]] = {}
    for chapter in chapters:
        for name in vars(chapter):
            if not (name.startswith("__") and name.endswith("__")) and name not in ("_fit", "_request"):
                places.setdefault(name, []).append(chapter.__name__)
    assert not {name: found for name, found in places.items() if len(found) > 1}


@pytest.mark.parametrize("reasons", [LINEAR, GENERALIZED])
def test_reasons(reasons: dict[str, str]) -> None:
    assert all(len(reason) > 20 for reason in reasons.values())
