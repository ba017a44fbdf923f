"""The user's labels for coefficients, effects and grouping factors; those of interactions are made
from the labels of their parts.
"""

import difflib
import re
from collections.abc import Iterable, Mapping

from ranef.errors import ArgumentTypeError, OptionError

#: Between the parts of an interaction.
TIMES = " × "

#: How many names a message lists.
_LISTED = 30

#: A column of a factor: its variable, and the level in brackets (``sex[T.M]``, ``temp[.L]``).
_LEVEL = re.compile(r"(.+)\[(?:[A-Z]?\.)?([^\[\]]*)\]")


def label_of(name: str, labels: Mapping[str, str]) -> str:
    """The label of a name.

    It is the user's for the whole name, or made of those of its parts: ``standLRT:sex[T.M]`` of
    ``{"standLRT": "Score", "sex[T.M]": "Boy"}`` is ``Score × Boy``, ``sex[T.M]`` of ``{"sex":
    "Sex"}`` is ``Sex: M``. Without any label it is the name.
    """
    if name in labels:
        return labels[name]
    level = _LEVEL.fullmatch(name)
    if level is not None and level[1] in labels:
        return f"{labels[level[1]]}: {level[2]}"
    parts = _parts(name)
    texts = [label_of(p, labels) for p in parts] if len(parts) > 1 else parts
    return name if texts == parts else TIMES.join(texts)


def checked_labels(labels: object, names: Iterable[str]) -> dict[str, str]:
    """Check the labels for the names that there are.

    Raises
    ------
    OptionError
        For a label of a name, or part of a name, that does not occur. The parts of an interaction
        or of a nested grouping factor may stand in any order.
    """
    if labels is None:
        return {}
    if not isinstance(labels, Mapping) or not all(isinstance(t, str) for pair in labels.items() for t in pair):
        raise ArgumentTypeError(f"labels must be a dict of names and texts, not {labels!r}.")
    whole = list(dict.fromkeys(names))
    known = dict.fromkeys(whole)
    for name in whole:
        for part in (name, *_parts(name)):
            level = _LEVEL.fullmatch(part)
            known |= dict.fromkeys([part, *([level[1]] if level is not None else [])])
    orders: dict[tuple[str, ...], list[str]] = {}
    for name in known:
        orders.setdefault(tuple(sorted(_parts(name))), []).append(name)
    out: dict[str, str] = {}
    for name, text in labels.items():
        same = orders.get(tuple(sorted(_parts(name))), [])
        out |= {n: text for n in same if n == name or n not in labels}
        if not same:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            more = f" and {len(whole) - _LISTED} more" if len(whole) > _LISTED else ""
            listed = ", ".join(map(repr, whole[:_LISTED])) + more
            raise OptionError(f"labels has a text for {name!r}, which does not occur.{hint} The names are {listed}.")
    return out


def same_group(group: str, others: Iterable[str]) -> str:
    """The name that the first of others has for a grouping: ``class:school`` and ``school:class``
    are one.
    """
    key = sorted(_parts(group))
    return next((o for o in others if sorted(_parts(o)) == key), group)


def _parts(name: str) -> list[str]:
    """The factors of an interaction: the name split at colons outside back-quotes and the brackets
    of functions; brackets around factors, as in ``pupil:(class:school)``, are those of the nesting.
    """
    parts, depth, quoted = [""], 0, False
    for c in name:
        quoted ^= c == "`"
        depth += 0 if quoted else (c in "([") - (c in ")]")
        if c == ":" and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += c
    if not all(parts):
        return [name]
    if len(parts) == 1:
        return parts
    return [p for part in parts for p in (_parts(part[1:-1]) if part[0] + part[-1] == "()" else [part])]
