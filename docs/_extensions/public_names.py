"""What is public: functions, kinds of fitted models with the members of their chapters, the classes
that these return, families and errors. Found by looking, so that what is added appears by itself.
"""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, is_dataclass
from functools import cache
from types import FunctionType
from typing import Any

import ranef
from ranef.families.family import Family
from ranef.families.names import NAMES, parse_family
from ranef.results.generalized import GeneralizedLinearMixedModel
from ranef.results.linear import LinearMixedModel
from ranef.results.model.mixed import MixedModel


def summary(thing: Any) -> str:
    """The first sentence of the docstring, in one line."""
    text = (inspect.getdoc(thing) or "").split("\n\n", 1)[0]
    text = re.sub(r":\w+:`~?([^`]*)`", r"``\1``", " ".join(text.split()))
    return re.split(r"(?<=[^.]\.)\s", text, maxsplit=1)[0]


def function_of(member: Any) -> Any:
    """The function behind a property, a cached property or a method."""
    if isinstance(member, property):
        return member.fget
    return getattr(member, "func", getattr(member, "__func__", member))


def is_method(member: Any) -> bool:
    """Whether a member is called."""
    return isinstance(member, FunctionType | classmethod | staticmethod)


def public_members(kind: type) -> dict[str, Any]:
    """Methods and properties that the package defines for a class, its bases among them.

    Constants, fields of records and what Python's own classes bring are left out.
    """
    found = {}
    for name in sorted({name for base in kind.__mro__ for name in vars(base)}):
        if name.startswith("_") or not owner_of(kind, name).__module__.startswith("ranef"):
            continue
        member = inspect.getattr_static(kind, name)
        if inspect.isfunction(function_of(member)):
            found[name] = member
    return found


def owner_of(kind: type, name: str) -> type:
    """The class that defines a member."""
    return next(base for base in kind.__mro__ if name in vars(base))


# ---- fitted models


def fitted_models() -> list[type]:
    """The kinds of fitted models."""
    kinds = [LinearMixedModel, GeneralizedLinearMixedModel]
    return kinds + [kind for kind in MixedModel.__subclasses__() if kind not in kinds]


@dataclass(frozen=True)
class Chapter:
    """Members of all kinds of models on one subject."""

    name: str
    title: str
    about: str
    members: dict[str, Any]


TITLES = {
    "estimates": "Estimates",
    "tests": "Tests",
    "intervals": "Confidence intervals and profiles",
    "marginal_means": "Marginal means",
    "rows": "Fitted values, predictions, simulation",
    "resampling": "Bootstrap and refits",
    "diagnostics": "Diagnostics",
    "plots": "Pictures",
    "tables": "Summaries, tables, reports",
    "mixed": "The fit: convergence, update, save",
}
"""Titles of the chapters, in the order of a manual; a module that is new gets its own name."""


def chapters() -> list[Chapter]:
    """The members that all kinds of models share, by chapter."""
    by_module: dict[str, dict[str, Any]] = {name: {} for name in TITLES}
    for name, member in public_members(MixedModel).items():
        module = owner_of(MixedModel, name).__module__.rsplit(".", 1)[1]
        by_module.setdefault("mixed" if module == "fitted" else module, {})[name] = member
    return [
        Chapter(name, TITLES.get(name, name.replace("_", " ").capitalize()), about(name), members)
        for name, members in by_module.items()
        if members
    ]


def about(chapter: str) -> str:
    """What a chapter holds, from the docstring of its module."""
    return summary(importlib.import_module(f"ranef.results.model.{chapter}"))


def own_members(kind: type) -> dict[str, Any]:
    """Members that one kind of model alone has."""
    shared = public_members(MixedModel)
    return {name: member for name, member in public_members(kind).items() if name not in shared}


# ---- functions, families, errors


def functions() -> dict[str, Any]:
    """The functions of the package."""
    return {name: getattr(ranef, name) for name in ranef.__all__ if inspect.isroutine(getattr(ranef, name))}


def families() -> dict[str, type]:
    """The families of distributions."""
    return {name: kind for name, kind in public_classes().items() if issubclass(kind, Family)}


def family_names(kind: type) -> list[str]:
    """Names that the argument ``family`` takes for a family."""
    return [name for name in NAMES if type(parse_family(name)) is kind]


def errors() -> dict[str, type]:
    """Errors and warnings."""
    return {name: kind for name, kind in public_classes().items() if issubclass(kind, BaseException)}


def other_classes() -> dict[str, type]:
    """Classes of the package that are neither."""
    return {name: kind for name, kind in public_classes().items() if not issubclass(kind, Family | BaseException)}


def public_classes() -> dict[str, type]:
    """The classes of the package's own list of names."""
    return {name: getattr(ranef, name) for name in ranef.__all__ if inspect.isclass(getattr(ranef, name))}


# ---- classes that are returned


@dataclass
class Returned:
    """A class of objects that functions and members return."""

    kind: type
    givers: list[tuple[type | None, str]] = field(default_factory=list)


@cache
def imported_names(module: str) -> dict[str, str]:
    """Names that a module imports anywhere, for type checking too: name → module it comes from."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    return {
        alias.asname or alias.name: f"{node.module}:{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ranef")
        for alias in node.names
    }


def named_classes(annotation: Any, module: str) -> Iterator[type]:
    """The package's classes that an annotation of a module names."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "") or ""
    if not isinstance(annotation, str | type):
        text = re.sub(r"\b[a-z_][\w.]*\.(?=[A-Z])", "", str(annotation))
    for word in re.findall(r"(?<![.\w])[A-Z]\w*", text):
        source, _, name = imported_names(module).get(word, f"{module}:{word}").partition(":")
        kind = getattr(importlib.import_module(source), name, None)
        if inspect.isclass(kind) and kind.__module__.startswith("ranef"):
            yield kind


def documented_fields(kind: type) -> dict[str, tuple[Any, str]]:
    """Annotations of the fields of a record that its docstring lists as attributes, with the module
    they stand in.
    """
    _, _, text = (inspect.getdoc(kind) or "").partition("\nAttributes\n")
    names = {name for line in re.findall(r"^(\S.*?) : ", text, re.MULTILINE) for name in line.split(", ")}
    return {
        name: (annotation, base.__module__)
        for base in kind.__mro__
        if base.__module__.startswith("ranef") and is_dataclass(base)
        for name, annotation in vars(base).get("__annotations__", {}).items()
        if name in names
    }


def gives(kind: type) -> Iterator[tuple[str, type]]:
    """Members, items and documented fields of a class, with the classes of what they hold."""
    members = public_members(kind)
    if "__getitem__" in vars(kind):
        members["[…]"] = kind.__getitem__  # type: ignore[attr-defined]
    for name, member in members.items():
        function = function_of(member)
        for given in named_classes(function.__annotations__.get("return", ""), function.__module__):
            yield name, given
    for name, (annotation, module) in documented_fields(kind).items():
        for given in named_classes(annotation, module):
            yield name, given


def of_the_formula(kind: type) -> bool:
    """Whether a class is a part of a parsed formula, which is no interface."""
    return kind.__module__.startswith("ranef.formula")


def returned_classes() -> list[Returned]:
    """Classes of all that functions and models return, and of what these return in turn."""
    models = [*fitted_models(), MixedModel]
    found: dict[str, Returned] = {}
    waiting: list[tuple[type | None, str, type]] = [
        (None, name, kind)
        for name, function in functions().items()
        for kind in named_classes(function.__annotations__.get("return", ""), function.__module__)
    ]
    waiting += [(model, name, kind) for model in models for name, kind in gives(model)]
    while waiting:
        owner, name, kind = waiting.pop(0)
        a_family = issubclass(kind, Family) and kind is not Family
        if kind in models or kind.__name__.startswith("_") or a_family or of_the_formula(kind):
            continue
        entry = found.get(kind.__name__)
        if entry is None:
            entry = found[kind.__name__] = Returned(kind)
            waiting += [(kind, member, given) for member, given in gives(kind) if given is not kind]
        elif issubclass(kind, entry.kind) and kind is not entry.kind:  # what users hold is the subclass
            entry.kind = kind
            waiting += [(kind, member, given) for member, given in gives(kind) if given is not kind]
        if (owner, name) not in entry.givers:
            entry.givers.append((owner, name))
    return sorted(found.values(), key=lambda entry: entry.kind.__name__.lower())


def documented_names() -> dict[str, str]:
    """Names of classes in docstrings → the names they are documented by."""
    names = {kind.__name__: f"{kind.__module__}.{kind.__name__}" for kind in fitted_models()}
    names |= {entry.kind.__name__: f"{entry.kind.__module__}.{entry.kind.__name__}" for entry in returned_classes()}
    return names | {name: f"ranef.{name}" for name in public_classes()}
