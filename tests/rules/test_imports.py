"""Imports between layers go down only, as ``pyproject.toml`` writes them."""

import ast
import subprocess
import sys
from pathlib import Path

import ranef

ROOT = Path(__file__).parents[2]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_layers() -> None:
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = run(sys.executable, "-c", script)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_only_fit_and_inference_call_the_compiled_module() -> None:
    """import-linter does not see compiled modules, so their importers are looked for here."""
    package = Path(ranef.__file__).parent
    callers = set()
    for file in package.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "_core" in text else ():
            if isinstance(node, ast.ImportFrom):
                names = {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
            else:
                continue
            if "ranef._core" in names:
                callers.add(file.relative_to(package).parts[0])
    assert callers
    assert callers <= {"fit", "inference", "scale", "design"}


def test_import_is_light() -> None:
    """Importing the package brings nothing heavier than numpy, and nothing optional."""
    script = (
        "import sys, ranef\nheavy = {'pandas', 'scipy', 'pyarrow', 'polars', 'narwhals', 'matplotlib', 'formulaic', "
        "'typer', 'rich', 'sklearn', 'tqdm',\n         'marginaleffects', 'maketables', 'arviz', "
        "'jinja2'}\nprint(sorted(heavy & set(sys.modules)))"
    )
    done = run(sys.executable, "-W", "error", "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_public_names_exist() -> None:
    missing = [name for name in ranef.__all__ if not hasattr(ranef, name)]
    assert not missing
    assert sorted(ranef.__all__) == list(ranef.__all__), "keep __all__ sorted"
    assert set(ranef.__all__) <= set(dir(ranef))
