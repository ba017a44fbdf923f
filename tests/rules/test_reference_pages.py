"""Nothing public is missing in the reference of the site.

The pages are made by `docs/_extensions`; what must have one is found here in other ways: from the
names of the package, the source of the classes, and objects that fitted models in fact return.
"""

import ast
import inspect
import pkgutil
import re
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import ranef
from ranef import glmer, lmer, load_dataset
from ranef.errors import RanefError
from ranef.families import Family
from ranef.results.model.mixed import MixedModel

EXTENSIONS = Path(__file__).parents[2] / "docs" / "_extensions"
sys.path.insert(0, str(EXTENSIONS))
import reference_pages  # noqa: E402  (an extension of the site)

PAGES = reference_pages.pages()
TEXT = "\n".join(PAGES.values())
DOCUMENTED = {
    target.removeprefix("ranef."): directive
    for directive, target in re.findall(r"^ *\.\. auto(\w+):: (\S+)$", TEXT, re.MULTILINE)
}


def members_in_source(kind: type) -> list[str]:
    """Names of the public methods and properties in the source of a class and its bases."""
    names = []
    for base in kind.__mro__:
        if base.__module__.startswith("ranef"):
            body = ast.parse(inspect.cleandoc("\n" + inspect.getsource(base))).body[0]
            assert isinstance(body, ast.ClassDef)
            names += [f.name for f in body.body if isinstance(f, ast.FunctionDef) and not f.name.startswith("_")]
    return sorted(set(names))


def kinds_of_models() -> list[type]:
    """Classes of fitted models in all modules of results."""
    import ranef.results

    for module in pkgutil.walk_packages(ranef.results.__path__, "ranef.results."):
        import_module(module.name)
    return MixedModel.__subclasses__()


@pytest.mark.parametrize("name", sorted({*ranef.__all__, *dir(ranef)} - {"__version__"}))
def test_public_name(name: str) -> None:
    """A page of its own, with a line in the index."""
    assert name in DOCUMENTED
    assert any(page.rsplit("/", 1)[-1] == name for page in PAGES)
    assert re.search(rf"`{name} </reference/\w+/{name}>`", PAGES["index"])


@pytest.mark.parametrize("kind", kinds_of_models(), ids=lambda kind: kind.__name__)
def test_members_of_models(kind: type) -> None:
    """Each member is documented once, and found in the tables of the class's own page."""
    full = f"{kind.__module__}.{kind.__name__}"
    shared = "results.model.mixed.MixedModel"
    page = PAGES[f"models/{kind.__name__}"]
    for name in members_in_source(kind):
        assert f"{shared}.{name}" in DOCUMENTED or f"{full.removeprefix('ranef.')}.{name}" in DOCUMENTED, name
        assert re.search(rf"`{name} <ranef\.results\.\S+\.{name}>` \| \S", page), name


@pytest.mark.parametrize("name", sorted({*ranef.__all__} - {"options"}))
def test_family_or_error(name: str) -> None:
    """Families and errors stand among their kind."""
    thing = getattr(ranef, name)
    if inspect.isclass(thing) and issubclass(thing, Family):
        assert f"families/{name}" in PAGES
    if inspect.isclass(thing) and issubclass(thing, RanefError):
        assert f"errors/{name}" in PAGES


def returned_objects() -> dict[str, Any]:
    """What fitted models and functions return, by the call."""
    sleep = lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    herds = glmer("incidence ~ period + offset(log(size)) + (1 | herd)", load_dataset("cbpp"), family="poisson")
    found: dict[str, Any] = {
        "bootstrap": sleep.bootstrap(5, rng=1),
        "influence by row": sleep.influence(),
        "influence by refits": herds.influence("herd"),
        "pb_lrt": sleep.pb_lrt(sleep.update(". ~ . - Days"), 5, rng=1),
        "refit": sleep.refit(sleep.simulate(2, rng=1)),
        "profile": sleep.profile(["sigma"]),
        "step": sleep.step(),
        "emmeans": herds.emmeans("period"),
        "contrast": herds.emmeans("period").contrast("pairwise"),
        "power": ranef.power(sleep, "Days", 5, rng=1),
        "power_curve": ranef.power_curve(sleep, "Days", 5, extend={"Subject": [4, 8]}, rng=1),
        "table": ranef.table(sleep, sleep),
        "translate": ranef.translate("mixed y x || g: x", source="stata"),
        "varcorr": sleep.varcorr["Subject"],
        "status": sleep.convergence.status,
        "overdispersion": herds.overdispersion(5, rng=1),
        "zero_inflation": herds.zero_inflation(5, rng=1),
        "simulated_residuals": herds.simulated_residuals(20, rng=1),
    }
    for model in (sleep, herds):
        for name in members_in_source(type(model)):
            member = inspect.getattr_static(type(model), name)
            calls = not isinstance(member, property) and inspect.isfunction(member)
            required = calls and any(
                p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self"
                for p in inspect.signature(member).parameters.values()
            )
            slow = name in ("bootstrap", "profile", "influence", "check", "simulated_residuals", "pb_lrt", "step")
            if not required and not slow and name not in SPECIAL:
                value = getattr(model, name)
                found[f"{type(model).__name__}.{name}"] = value() if calls else value
    return found


#: What is called above, needs more than a model, or is of other models than these.
SPECIAL = ("overdispersion", "zero_inflation", "report", "update", "heritability")


def test_returned_objects() -> None:
    """The class of everything that is returned has a page."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        objects = returned_objects()
    missing = {
        call: type(value).__name__
        for call, value in objects.items()
        if type(value).__module__.startswith("ranef")
        # Frames and dictionaries that print themselves are frames and dictionaries.
        and not isinstance(value, MixedModel | pd.DataFrame | dict)
        and not any(f"{folder}/{type(value).__name__}" in PAGES for folder in ("results", "families"))
    }
    assert not missing


def test_members_of_results() -> None:
    """Public methods and properties of the classes that are returned are documented with them."""
    for page in PAGES:
        if page.startswith("results/") and page != "results/index":
            (target,) = re.findall(r"^\.\. autoclass:: (\S+)$", PAGES[page], re.MULTILINE)
            module, name = target.rsplit(".", 1)
            kind = getattr(import_module(module), name)
            documented = set(re.findall(rf"\.\. auto(?:method|property):: {re.escape(target)}\.(\w+)", PAGES[page]))
            assert set(members_in_source(kind)) <= documented, page


@pytest.mark.parametrize("name", sorted(name for name in ranef.__all__ if inspect.isroutine(getattr(ranef, name))))
def test_functions_have_examples(name: str) -> None:
    assert ">>>" in (inspect.getdoc(getattr(ranef, name)) or "")


def test_methods_have_examples() -> None:
    """Methods of fitted models and of their pictures; what is only read needs none."""
    from ranef.results.model_plots import ModelPlots

    bare = [
        f"{kind.__name__}.{name}"
        for kind in (*kinds_of_models(), ModelPlots)
        for name in members_in_source(kind)
        if inspect.isfunction(inspect.getattr_static(kind, name)) and ">>>" not in (getattr(kind, name).__doc__ or "")
    ]
    assert not bare, f"without an example in its docstring: {', '.join(bare)}"
