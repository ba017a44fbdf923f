"""One version everywhere, and the lowest supported version of everything that is needed."""

import re
import tomllib
from pathlib import Path

import ranef

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CARGO = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))


def test_one_version() -> None:
    version = PYPROJECT["project"]["version"]
    assert CARGO["workspace"]["package"]["version"] == version
    assert ranef.__version__ == version
    newest = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert newest is not None
    assert newest.group(1) == version


def test_installed_version() -> None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        installed = version("ranef")
    except PackageNotFoundError:  # run from the sources, beside a core built in place
        return
    assert installed == PYPROJECT["project"]["version"]


def test_crates_share_the_version() -> None:
    for member in CARGO["workspace"]["members"]:
        manifest = ROOT / member / "Cargo.toml"
        package = tomllib.loads(manifest.read_text(encoding="utf-8"))["package"]
        assert package["version"] == {"workspace": True}, manifest


def test_lowest_versions_are_stated() -> None:
    project = PYPROJECT["project"]
    assert project["requires-python"] == ">=3.11"
    for requirement in project["dependencies"]:
        assert re.fullmatch(r"[\w.-]+>=\d[\w.]*(,<[\w.]+)?", requirement), f"no lowest version: {requirement}"
    assert CARGO["workspace"]["package"]["rust-version"]


def test_dependencies_are_few() -> None:
    """What an installation brings; formulaic is for tests only (see CONTRIBUTING.md)."""
    names = {re.split(r"[<>=]", r)[0] for r in PYPROJECT["project"]["dependencies"]}
    assert names == {"numpy", "scipy", "pandas", "narwhals", "pyarrow"}


def test_version_and_dependencies_of_the_other_descriptions() -> None:
    """The citation has the version; the conda recipe that and the same lowest versions."""
    version = PYPROJECT["project"]["version"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert f"version: {version}" in citation
    recipe = (ROOT / "conda/recipe.yaml").read_text(encoding="utf-8")
    assert f'  version: "{version}"\n' in recipe
    assert f'  python_min: "{PYPROJECT["project"]["requires-python"].removeprefix(">=")}"\n' in recipe
    run = re.search(r"^  run:\n((?:    - .*\n)+)", recipe, flags=re.MULTILINE)
    assert run is not None
    listed = {line.strip(" -").replace(" ", "") for line in run[1].splitlines()}
    assert listed - {"python>=${{python_min}}"} == set(PYPROJECT["project"]["dependencies"])


def test_every_version_is_named_for_users() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "Python 3.11" in readme
    assert CARGO["workspace"]["package"]["rust-version"] in readme
