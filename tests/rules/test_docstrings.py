"""Every public thing says what it is.

What users call names each of its parameters and what it returns.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ranef

PACKAGE = Path(ranef.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
# Their annotation is the whole of the documentation of a return value that is the object itself or
# nothing.
SELF_EXPLAINING = {"None", "Self", "Never", "NoReturn"}


def public_definitions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Functions, classes and methods whose whole path is public."""

    def walk(node: ast.Module | ast.ClassDef, path: str) -> Iterator[tuple[str, ast.AST]]:
        for child in node.body:
            if not isinstance(child, ast.FunctionDef | ast.ClassDef) or child.name.startswith("_"):
                continue
            decorators = {ast.unparse(d).rsplit(".", 1)[-1] for d in child.decorator_list}
            if decorators & {"overload", "setter"}:
                continue
            yield f"{path}{child.name}", child
            if isinstance(child, ast.ClassDef):
                yield from walk(child, f"{path}{child.name}.")

    yield from walk(tree, "")


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_everything_public_is_documented(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    public: list[tuple[str, Any]] = list(public_definitions(tree))
    documented = {name: bool(ast.get_docstring(node)) for name, node in public}
    # A method that several classes of the file have in common is described once: in their protocol
    # or base.
    described = {name.rsplit(".", 1)[-1] for name, has in documented.items() if has and "." in name}
    bare = [] if ast.get_docstring(tree) else ["the module"]
    bare += [n for n, has in documented.items() if not has and not ("." in n and n.rsplit(".", 1)[-1] in described)]
    assert not bare, f"without a docstring: {', '.join(bare)}"


def sections(text: str) -> dict[str, str]:
    """NumPy-style sections of a docstring by title."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def called_by_users() -> list[tuple[str, object]]:
    """The functions of the package, and the methods of what they return."""
    from ranef.results.generalized import GeneralizedLinearMixedModel
    from ranef.results.linear import LinearMixedModel

    found: list[tuple[str, object]] = []
    for name in ranef.__all__:
        thing = getattr(ranef, name)
        if inspect.isfunction(thing):
            found.append((name, thing))
    for model in (LinearMixedModel, GeneralizedLinearMixedModel):
        for name, method in inspect.getmembers(model, inspect.isfunction):
            if not name.startswith("_"):
                found.append((f"{model.__name__}.{name}", method))
    return found


@pytest.mark.parametrize(("name", "thing"), called_by_users(), ids=lambda x: x if isinstance(x, str) else "")
def test_sections(name: str, thing: object) -> None:
    text = inspect.getdoc(thing)
    assert text, "no docstring"
    found = sections(text)
    signature = inspect.signature(thing)  # type: ignore[arg-type]
    parameters = [p for p in signature.parameters.values() if p.name != "self"]
    if parameters:
        assert "Parameters" in found, f"{name} has no section Parameters"
        for p in parameters:
            stars = {p.VAR_POSITIONAL: r"\*", p.VAR_KEYWORD: r"\*\*"}.get(p.kind, "")
            pattern = rf"^{stars}{p.name}\b|^[\w, *]*, {stars}{p.name}\b"
            assert re.search(pattern, found["Parameters"], flags=re.MULTILINE), f"{name} does not describe {p.name}"
    returns = signature.return_annotation
    if returns is not inspect.Signature.empty and str(returns) not in SELF_EXPLAINING and returns is not None:
        assert "Returns" in found, f"{name} has no section Returns"


def test_options_are_written_in_words() -> None:
    """Every way a fit can end has its explanation."""
    from ranef.status import FitStatus

    for status in FitStatus:
        assert len(status.explanation) > 20
