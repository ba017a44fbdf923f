"""What may be in the repository's files."""

import re
import subprocess
from pathlib import Path

import pytest

import ranef

ROOT = Path(__file__).parents[2]
LONGEST_FILE = 600
# Of the package a file of this length is two; files that are longer, and why.
LONG_FILE = 500
LONG: dict[str, str] = {}
# What needs a program that is no Python package may be left out where that is not installed.
MAY_LEAVE_OUT = {"tests/unit/chromium.py"}
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "misc", "common", "lme4_compat"}
TEXT = {".py", ".pyi", ".rs", ".toml", ".md", ".R", ".json", ".txt", ".yml", ".yaml", ".cfg", ".sh", ""}

# Paths of the machine something was written on, and marks of unfinished work.
FORBIDDEN = {
    "an absolute path of somebody's machine": re.compile(
        # the slash first: that is what is searched for quickly
        r"/(?:(?<![\w.]/)(?:home|Users)/[A-Za-z]|(?<![\w.:/]/)(?:root|work|mnt|workspace)/\w)"
    ),
    "a drive of somebody's machine": re.compile(r":(?<=\b[A-Z]:)\\\\?Users\\"),
    "a mark of unfinished work": re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b"),
    "a switched-off test": re.compile(
        r"mark\.(?:sk" r"ip|xf" r"ail)|pytest\.(?:sk" r"ip|xf" r"ail)\(|unittest\.sk" r"ip"
    ),
}


def tracked() -> list[Path]:
    """The files under version control; in an unpacked archive, all that are not built."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        built = {"target", ".git", "__pycache__", ".venv"}
        paths = [p for p in ROOT.rglob("*") if p.is_file() and not built & set(p.relative_to(ROOT).parts)]
    return [p for p in paths if p.exists()]


def text_files() -> list[Path]:
    return [p for p in tracked() if p.suffix in TEXT and p.name != "Cargo.lock"]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nothing_forbidden(what: str) -> None:
    found = []
    for path in text_files():
        if what == "a switched-off test" and path.relative_to(ROOT).as_posix() in MAY_LEAVE_OUT:
            continue
        text = path.read_text(encoding="utf-8")
        for match in FORBIDDEN[what].finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(f"{path.relative_to(ROOT)}:{line}: {match.group()}")
    assert not found, f"{what}: " + "; ".join(found[:20])


def test_files_are_short() -> None:
    lines = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in tracked()
        if path.suffix in {".py", ".rs"}  # a compiled module has one stub, however long
    }
    long = {name: n for name, n in lines.items() if n > LONGEST_FILE}
    assert not long, f"over {LONGEST_FILE} lines: {long}"
    two = {n: k for n, k in lines.items() if k > LONG_FILE and n.startswith("python/") and n not in LONG}
    assert not two, f"over {LONG_FILE} lines: {two}"


def test_files_are_named_after_what_they_hold() -> None:
    vague = [
        str(p.relative_to(ROOT))
        for p in tracked()
        if p.suffix in {".py", ".rs"} and VAGUE_NAMES & {p.stem, *p.parent.parts}
    ]
    assert not vague


def test_package_is_marked_as_typed() -> None:
    assert (Path(ranef.__file__).parent / "py.typed").is_file()


def test_compiled_files_are_not_tracked() -> None:
    assert not [p.name for p in tracked() if p.suffix in {".so", ".pyd", ".pyc", ".whl"}]
