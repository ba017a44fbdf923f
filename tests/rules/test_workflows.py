"""Workflows are valid, pinned, and run what is in the repository."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_there_are_workflows() -> None:
    assert [f.stem for f in FILES] == ["ci", "docs", "release"]


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_schema(file: Path) -> None:
    """GitHub's own schema, which the checker brings along."""
    pytest.importorskip("check_jsonschema")
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_actions_are_pinned(file: Path) -> None:
    """A tag can be moved, a commit cannot; the comment says which version it is."""
    used = re.findall(r"uses: *(.*)", file.read_text(encoding="utf-8"))
    assert used
    for action in used:
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_one_version_of_each_action() -> None:
    pinned = {a for file in FILES for a in re.findall(r"uses: *(\S+)", file.read_text(encoding="utf-8"))}
    assert len({a.split("@")[0] for a in pinned}) == len(pinned)


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_scripts_exist(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for name in re.findall(r"(?:scripts/\w+\.py|\.ci/run)", text):
        assert (ROOT / name).is_file(), name
    assert re.search(r"^permissions:\n  contents: read$", text, flags=re.MULTILINE)
    assert not re.search(r"secrets\.", text)  # trusted publishing needs none


def test_every_version_is_tried() -> None:
    text = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    for version in ('"3.11"', '"3.12"', '"3.13"', '"3.14"', "3.14t", 'toolchain: [stable, "1.85"]'):
        assert version in text
    sets = set(re.findall(r"dependencies: (\w+) }", text))
    assert sets == {"newest", "lowest", "numpy1", "pandas2", "polars2"}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.stem)
def test_the_table_says_where_each_job_was_run(file: Path) -> None:
    """CONTRIBUTING.md names every job, and whether its steps were run by hand."""
    jobs = re.findall(
        r"^  ([\w-]+):\n(?=    )", file.read_text(encoding="utf-8").split("\njobs:\n")[1], flags=re.MULTILINE
    )
    assert jobs
    for job in jobs:
        assert f"| `{file.stem}` | `{job}` |" in CONTRIBUTING, job
