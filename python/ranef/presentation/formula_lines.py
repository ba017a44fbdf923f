"""A long formula over several lines, broken where R breaks it.

A line may end after an operator or a comma once it is longer than a limit; what follows is indented
by one step for each broken operator, or broken list of arguments, whose right-hand side is still
being written.
"""

import re

from ranef.presentation.text_table import text_width

#: A line longer than this ends at the next operator or comma.
LIMIT = 60

_INDENT = "    "

#: Binding strength of the operators that are written between blanks; others are never broken.
_STRENGTH = {
    "~": 1, "|": 2, "||": 2, "&": 3, "&&": 3,
    "==": 4, "!=": 4, "<": 4, ">": 4, "<=": 4, ">=": 4,
    "+": 5, "-": 5, "*": 6,
}  # fmt: skip

_COMMA = 0

_TOKEN = re.compile(
    r"""
    `(?:[^`\\]|\\.)*` | "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*'   # quoted
    | \ (?:\|\||&&|==|!=|<=|>=|[~|&<>+*-])\                     # an operator between blanks
    | ,\ ? | [()\[\]{}]
    | . """,
    re.VERBOSE | re.DOTALL,
)


def formula_lines(text: str, limit: int = LIMIT) -> list[str]:
    """Break the text of a formula into lines.

    Parameters
    ----------
    text : str
        The formula on one line, with blanks around ``~ + - * |`` and after commas.
    limit : int
        A line longer than this ends at the next operator or comma.

    Returns
    -------
    list of str
        The lines; a line that is continued keeps the blank after its operator.
    """
    lines: list[str] = []
    line = ""
    depth = 0
    # Breaks whose right-hand side is still open: depth of brackets and binding strength.
    open_breaks: list[tuple[int, int]] = []
    for token in _TOKEN.findall(text):
        operator = token.strip()
        if operator in "([{" and operator:
            depth += 1
        elif operator in ")]}" and operator:
            depth -= 1
            open_breaks = [b for b in open_breaks if b[0] <= depth]
        breakable = operator == "," or (token != operator and operator in _STRENGTH)
        strength = _COMMA if operator == "," else _STRENGTH.get(operator, _COMMA)
        if breakable:
            # An operator that binds no stronger ends the right-hand sides before it on its level. A
            # comma ends all but the indentation that a former comma began, which lasts until the
            # bracket closes.
            open_breaks = [b for b in open_breaks if b[0] < depth or b[1] < strength or b[1] == strength == _COMMA]
        line += token
        if breakable and text_width(line) > limit:
            lines.append(line)
            if strength != _COMMA or (depth, _COMMA) not in open_breaks:
                open_breaks.append((depth, strength))
            line = _indentation(len(open_breaks))
    lines.append(line)
    return lines


def _indentation(steps: int) -> str:
    """Four blanks for each of the first four steps, two for each further one."""
    return _INDENT * min(steps, 4) + "  " * max(0, steps - 4)
