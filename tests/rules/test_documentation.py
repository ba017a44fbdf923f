"""The examples in README, docs and docstrings run, and show what is printed."""

import contextlib
import doctest
import importlib
import io
import pkgutil
import re
import sys
from pathlib import Path

import pytest

import ranef

ROOT = Path(__file__).parents[2]
# By the build of the site.
GENERATED = ("_build", "reference", "agreement.md", "performance.md", "coverage.md", "data_sets.md")
PAGES = [
    ROOT / "README.md",
    *sorted(p for p in (ROOT / "docs").glob("**/*.md") if not set(p.relative_to(ROOT / "docs").parts) & set(GENERATED)),
]
# What the examples of a module or page need beyond the package; the extra `test` has it all.
NEEDS = {
    "ranef.interop.sklearn": ["sklearn"],
    "ranef.interop.marginaleffects": ["marginaleffects"],
    "ranef.interop.arviz": ["arviz"],
    "ranef.interop.tqdm": ["tqdm"],
    "ranef.interop.maketables": ["maketables"],
    "compare_models_in_a_table.md": ["docx"],
    "ecosystem.md": ["sklearn", "marginaleffects", "arviz", "maketables", "tqdm", "polars"],
}
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(ranef.__path__, "ranef.")
    if "_core" not in module.name and not module.name.startswith("ranef.cli")
)


def python_blocks(page: Path) -> list[tuple[int, str, str | None]]:
    """The Python code blocks of a page:
    first line, code, and the output shown in a text block right after it.
    """
    text = page.read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, match.start(1)) + 1, match.group(1), match.group(2))
        for match in re.finditer(
            r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```$)?", text, flags=re.MULTILINE | re.DOTALL
        )
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_page(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Blocks of a page share their names, from top to bottom.

    Prompts are compared with what is shown.
    """
    for library in NEEDS.get(page.name, ()):
        pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for line, block, shown in python_blocks(page):
        if ">>>" in block:
            test = doctest.DocTestParser().get_doctest(block, names, page.name, str(page), line)
            complaints: list[str] = []
            doctest.DocTestRunner(optionflags=FLAGS).run(test, out=complaints.append, clear_globs=False)
            assert not complaints, "".join(complaints)
            names.update(test.globs)
        else:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(block, f"{page.name}:{line}", "exec"), names)
            if shown is not None:
                assert doctest.OutputChecker().check_output(shown, printed.getvalue(), FLAGS), printed.getvalue()


@pytest.mark.parametrize("module", MODULES)
def test_docstrings(module: str) -> None:
    for library in NEEDS.get(module, ()):
        pytest.importorskip(library)
    result = doctest.testmod(importlib.import_module(module), optionflags=FLAGS)
    if "matplotlib.pyplot" in sys.modules:  # it warns where many figures are open
        sys.modules["matplotlib.pyplot"].close("all")
    assert result.failed == 0


def test_links_lead_somewhere() -> None:
    """Relative links of the pages point to files that exist."""
    pages = [*PAGES, *sorted(ROOT.glob("[C-S]*.md")), ROOT / "benchmarks" / "README.md"]
    links = [
        (page, target) for page in pages for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    ]
    made = {(ROOT / "docs" / name).resolve() for name in GENERATED}
    broken = [
        f"{p.name}: {t}"
        for p, t in links
        # the last are pages of the host, relative so that no address is written anywhere
        if not re.match(r"\w+:|\.\./\.\./actions/", t)
        and not (p.parent / t).exists()
        and (p.parent / t).resolve() not in made
    ]
    assert not broken


def test_readme_commands_are_marked() -> None:
    """`.ci/run` finds the commands of the README by their marks and runs them word for word."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("fit", "test", "docs"):
        found = re.findall(rf"^<!-- command: {name} -->\n```bash\n(.+)\n```$", readme, flags=re.MULTILINE)
        assert len(found) == 1
        assert found[0].startswith("pip install ")


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "tutorial").glob("*.md")), ids=lambda p: p.stem)
def test_tutorials_have_pictures_and_equations(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert ".equations()" in text or "$$" in text
    assert re.search(r"\.plot(\.\w+)?\(|plt\.", text)
