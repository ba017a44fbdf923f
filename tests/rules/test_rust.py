"""The core's folders use each other in one direction; its lines are as short as those of Python;
what the compiler cannot prove is proved in a comment.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from rules.circles import circles

ROOT = Path(__file__).parents[2]
CORE = ROOT / "crates/core/src"

Module = tuple[str, ...]

#: Widths of lines of code, and of comments.
CODE, COMMENT = 120, 100


def modules() -> dict[Module, Path]:
    found = {}
    for file in CORE.rglob("*.rs"):
        parts = file.relative_to(CORE).with_suffix("").parts
        found[parts[:-1] if parts[-1] in ("mod", "lib") else parts] = file
    return found


MODULES = modules()


def paths(text: str) -> Iterator[list[str]]:
    """The paths from ``crate``, ``super`` or ``self`` in a file, those in braces one by one."""
    text = re.split(r"#\[cfg\(test\)\]\s*mod \w+ *\{", re.sub(r"//[^\n]*", "", text))[0]
    for match in re.finditer(r"\b(crate|super|self)((?:::\w+)*)(?:::(\{))?", text):
        head = [match[1], *filter(None, match[2].split("::"))]
        if not match[3]:
            yield head
            continue
        depth, part = 1, ""
        for letter in text[match.end() :]:
            depth += {"{": 1, "}": -1}.get(letter, 0)
            if depth == 0 or (depth == 1 and letter == ","):
                yield head + [p.strip() for p in part.split("{")[0].split("::") if p.strip()]
                part = ""
                if depth == 0:
                    break
            else:
                part += letter


def module_of(path: list[str], user: Module) -> Module:
    """The module that a path in a file leads to."""
    at = {"crate": (), "super": user[:-1], "self": user}[path[0]]
    names = path[1:]
    while names and names[0] == "super":
        at, names = at[:-1], names[1:]
    known = [(*at, *names[:k]) for k in range(len(names) + 1)]
    return next((m for m in reversed(known) if m in MODULES), ())


def test_folders_use_each_other_in_one_direction() -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    for module, file in MODULES.items():
        for path in paths(file.read_text(encoding="utf-8")):
            target = module_of(path, module)
            if module and target and module[0] != target[0]:
                graph[module[0]].add(target[0])
    assert len(graph) > 4
    assert not circles(graph)


def test_lines_are_as_short_as_those_of_python() -> None:
    long = []
    for file in sorted((ROOT / "crates").rglob("*.rs")):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            comment = line.lstrip().startswith("//")
            # rows of tables cannot be wrapped
            if len(line) > (COMMENT if comment else CODE) and not line.startswith("//! |"):
                long.append(f"{file.relative_to(ROOT)}:{number}")
    assert not long


def test_no_file_of_tests_is_left_out() -> None:
    """Cargo does not look for them: they are modules of one program."""
    folder = ROOT / "crates/core/tests"
    named = re.findall(r"^mod (\w+);", (folder / "mod.rs").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(named) > 10
    assert sorted(named) == sorted({p.stem for p in folder.iterdir()} - {"mod"})


#: Places where the compiler takes our word, and why they are needed.
UNSAFE = {"crates/core/src/dense/kernels.rs": 2}  # a kernel compiled for AVX2, and its call where there is AVX2


def test_every_unsafe_block_is_proved() -> None:
    """No ``unsafe`` is added in passing; a block has its proof in a comment above it."""
    found: dict[str, int] = defaultdict(int)
    unproved = []
    for file in sorted((ROOT / "crates").rglob("*.rs")):
        lines = file.read_text(encoding="utf-8").splitlines()
        name = file.relative_to(ROOT).as_posix()
        for number, line in enumerate(lines):
            code = line.split("//")[0]
            found[name] += len(re.findall(r"\bunsafe\b", code))
            if re.search(r"\bunsafe\s*\{", code):
                above = number - 1
                while above >= 0 and lines[above].lstrip().startswith("//") and "// SAFETY: " not in lines[above]:
                    above -= 1
                if "// SAFETY: " not in lines[above]:
                    unproved.append(f"{name}:{number + 1}")
    assert {name: n for name, n in found.items() if n} == UNSAFE
    assert not unproved
