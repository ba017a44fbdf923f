"""Imports between layers go down only, as ``pyproject.toml`` writes them."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_layers() -> None:
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = run(sys.executable, "-c", script)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_import_is_light() -> None:
    """Importing the package brings nothing heavier than numpy, and nothing optional."""
    script = (
        "import sys, ranef\n"
        "heavy = {'pandas', 'scipy', 'pyarrow', 'polars', 'narwhals', 'matplotlib', 'formulaic', 'typer', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = run(sys.executable, "-W", "error", "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_public_names_exist() -> None:
    import ranef

    missing = [name for name in ranef.__all__ if not hasattr(ranef, name)]
    assert not missing
    assert sorted(ranef.__all__) == list(ranef.__all__), "keep __all__ sorted"
    assert set(ranef.__all__) <= set(dir(ranef))
