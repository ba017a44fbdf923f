"""Tolerances and steps in numerical code have names,
beside which stands why they are what they are.
"""

import ast
import re
from pathlib import Path

import pytest

import ranef

PACKAGE = Path(ranef.__file__).parent

# How many numbers such as 1e-8 still stand in functions; these only become fewer.
LEFT = {"inference": 3, "estimates": 0, "diagnostics": 0, "fit": 9}


def unnamed(file: Path) -> list[str]:
    """Small numbers in exponent notation inside the functions of a file."""
    text = file.read_text(encoding="utf-8")
    if not re.search(r"\de-", text, flags=re.IGNORECASE):
        return []
    lines = text.splitlines()
    return [
        f"{file.relative_to(PACKAGE)}:{node.lineno}"
        for function in ast.walk(ast.parse(text))
        if isinstance(function, ast.FunctionDef)
        for statement in function.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, float)
        and "e-" in lines[node.lineno - 1][node.col_offset : node.end_col_offset].lower()
    ]


@pytest.mark.parametrize("layer", LEFT)
def test_no_new_unnamed_number(layer: str) -> None:
    found = [place for file in sorted((PACKAGE / layer).rglob("*.py")) for place in unnamed(file)]
    assert len(found) <= LEFT[layer], "; ".join(found)
