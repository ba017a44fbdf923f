"""Modules import each other in one direction, and at the top of the file.

Exceptions have reasons.
"""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import ranef
from rules.circles import circles

PACKAGE = Path(ranef.__file__).parent

# From one layer into another inside functions: what only some methods need is loaded when they are
# called, so that importing the package and fitting stay quick.
LOADED_WHEN_CALLED = {
    ("results", "presentation"): "tables and texts, some with pandas",
    ("results", "plots"): "pictures need matplotlib, an extra",
    ("results", "diagnostics"): "each is for one method",
    ("results", "inference"): "each is for one method",
    ("results", "estimates"): "frames of pictures",
    ("results", "translation"): "other programs' languages are for one method each",
    ("results", "datasets"): "reports name bundled data",
    ("results", "fit"): "archives are for saving only",
    ("results", "ranef"): "the version, which the package defines after its imports",
    ("fit", "ranef"): "the version, which the package defines after its imports",
    ("design", "_core"): "how much memory is free is counted in one place",
    ("fit", "_core"): "the compiled core is loaded by the first fit",
    ("inference", "_core"): "the compiled core is loaded by the first fit",
    ("inference", "ranef"): "the compiled core is loaded by the first fit",
    ("api", "presentation"): "tables are for one verb each",
    ("api", "scale"): "most data are in memory",
    ("api", "inference"): "power is for one verb",
    ("api", "results"): "bootstraps are for one verb",
    ("cli", "ranef"): "a command loads what it needs",
    ("cli", "data"): "a command loads what it needs",
    ("cli", "families"): "a command loads what it needs",
    ("cli", "datasets"): "a command loads what it needs",
    ("cli", "presentation"): "a command loads what it needs",
    ("cli", "translation"): "a command loads what it needs",
}

# Inside one layer, by the module that imports.
INSIDE = {
    "ranef.cli": "the commands need typer, an extra",
    "ranef.design.evaluate": "expressions call functions, whose arguments are expressions",
    "ranef.design.functions": "expressions call functions, whose arguments are expressions",
    "ranef.inference.bootstrap.result": "files of bootstraps and ArviZ data are for one method each",
    "ranef.results.model.tests": "the models of a step are models of this layer",
    "ranef.results.model.intervals": "profiles are for one method each",
    "ranef.results.model.tables": "reports need jinja2, an extra",
    "ranef.results.model.resampling": "bootstraps are for one method each",
}

# Modules that import each other, if only inside functions.
CIRCLES = (
    {f"ranef.design.{name}" for name in ("bases", "evaluate", "factors", "functions", "rows")},
    {f"ranef.inference.bootstrap.{name}" for name in ("files", "result")},
)


def modules() -> dict[str, Path]:
    found = {}
    for file in PACKAGE.rglob("*.py"):
        parts = ("ranef", *file.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


MODULES = modules()


def imports(body: Iterable[ast.AST], inside: bool = False) -> Iterator[tuple[str, bool]]:
    """Modules of the package that are imported at run time, and whether inside a function."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            yield from imports(node.orelse, inside)
        elif isinstance(node, ast.ImportFrom):
            if (node.module or "").split(".")[0] == "ranef":
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    yield whole if whole in MODULES else str(node.module), inside
        elif isinstance(node, ast.Import):
            yield from ((a.name, inside) for a in node.names if a.name.split(".")[0] == "ranef")
        else:
            parts = [n for n in ast.iter_child_nodes(node) if isinstance(n, ast.stmt | ast.ExceptHandler)]
            yield from imports(parts, inside or isinstance(node, ast.FunctionDef))


def layer(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else parts[0]


@cache
def found() -> list[tuple[str, str, bool]]:
    return [
        (module, target, inside)
        for module, file in MODULES.items()
        for target, inside in imports(ast.parse(file.read_text(encoding="utf-8")).body)
    ]


def test_no_module_is_imported_inside_a_function_without_a_reason() -> None:
    wrong = [
        f"{module} imports {target}"
        for module, target, inside in found()
        if inside
        and (layer(module), layer(target)) not in LOADED_WHEN_CALLED
        and not (layer(module) == layer(target) and module in INSIDE)
    ]
    assert not wrong, "; ".join(wrong)


def test_reasons_are_still_needed() -> None:
    pairs = {(layer(module), layer(target)) for module, target, inside in found() if inside}
    assert set(LOADED_WHEN_CALLED) <= pairs


def test_no_circles() -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    for module, target, _ in found():
        if target in MODULES and target != module:
            graph[module].add(target)
    unknown = [c for c in circles(graph) if not any(c <= known for known in CIRCLES)]
    assert not unknown
