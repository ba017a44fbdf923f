"""Both kinds of fitted models have the same members, which take the same arguments; each exception has its reason."""

import inspect

import pytest

from ranef.results.generalized import GeneralizedLinearMixedModel
from ranef.results.generalized_plots import GeneralizedPlots
from ranef.results.linear import LinearMixedModel
from ranef.results.model_plots import ModelPlots

# Members that only a linear model has.
LINEAR = {
    "tvalues": "the tests of a linear model are t tests; those of a generalized one are z tests: zvalues",
    "reml_criterion": "a generalized model is fitted by maximum likelihood: ml_deviance",
    "hatvalues": "no linear map takes responses to fitted values; influence() fits without each observation",
    "cooks_distance": "it comes from the hat values; influence().cooks_distance is that of fits without each observation",
    "rstudent": "it comes from the hat values; simulated_residuals() are standardised whatever the family",
}

# Members that only a generalized model has.
GENERALIZED = {
    "zvalues": "the tests of a generalized model are z tests; those of a linear one are t tests: tvalues",
    "n_quad": "the likelihood of a linear model needs no quadrature",
    "laplace_error": "the likelihood of a linear model is exact",
    "overdispersion": "sigma of a linear model takes any dispersion",
    "zero_inflation": "a normal response is zero with probability zero",
}

# Arguments that only one kind takes.
ARGUMENTS: dict[str, str] = {}

# Arguments of pictures that only one kind takes.
PICTURES = {
    "residuals": "n and rng are for simulated residuals, which are the usual ones of generalized models",
    "qq": "n and rng are for simulated residuals, which are the usual ones of generalized models",
}


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
    assert {n for n in names if arguments(ModelPlots, n) != arguments(GeneralizedPlots, n)} == set(PICTURES)


@pytest.mark.parametrize("reasons", [LINEAR, GENERALIZED, ARGUMENTS, PICTURES])
def test_reasons(reasons: dict[str, str]) -> None:
    assert all(len(reason) > 20 for reason in reasons.values())
