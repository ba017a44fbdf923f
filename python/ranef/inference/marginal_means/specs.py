"""What marginal means are asked for:
names, a list of names, or a formula such as ``pairwise ~ a | b``.
"""

from dataclasses import dataclass
from typing import Any

from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.record import MixedFit
from ranef.formula import parse_formula
from ranef.formula.syntax import names_in
from ranef.inference.marginal_means.grid import ReferenceGrid


@dataclass(frozen=True, slots=True)
class Specs:
    """Variables whose combinations have means.

    Attributes
    ----------
    names : tuple of str
        The first varies fastest.
    by : tuple of str
        Variables whose combinations make the groups.
    method : str or None
        Contrasts asked for on the left of the formula.
    """

    names: tuple[str, ...]
    by: tuple[str, ...]
    method: str | None


#: Characters that join variables in the right side of a formula.
_OPERATORS = frozenset("*:+|")


def parse_specs(specs: Any, by: Any, fit: MixedFit, grid: ReferenceGrid, random: tuple[str, ...]) -> Specs:
    """Read specifications.

    Parameters
    ----------
    specs : str or list of str
    by : str, list of str or None
    fit : MixedFit
    grid : ReferenceGrid
    random : tuple of str
        Variables of the grouping factors, for messages.
    """
    method = None
    groups = _names(by, "by")
    if isinstance(specs, str) and "~" not in specs and specs not in grid.names and not _OPERATORS.isdisjoint(specs):
        specs = f"~ {specs}"
    if isinstance(specs, str) and "~" in specs:
        method, names, more = _formula(specs)
        groups = [*groups, *more]
    else:
        names = _names(specs, "specs")
        if not names:
            raise ArgumentTypeError("specs must name at least one variable; '~ 1' asks for the overall mean.")
    for name in [*names, *groups]:
        if name not in grid.names:
            raise _unknown(name, grid, random)
    groups = list(dict.fromkeys(groups))
    names = [n for n in dict.fromkeys(names) if n not in groups]
    for own in (names, groups):  # a nested factor has levels within its containers only
        for name in own[:]:
            own += [c for c in grid.nesting.get(name, ()) if c not in names and c not in groups]
    return Specs(tuple(names), tuple(groups), method)


def _unknown(name: str, grid: ReferenceGrid, random: tuple[str, ...]) -> OptionError:
    import difflib

    if name in random:
        return OptionError(
            f"{name!r} is a grouping factor of the random effects; marginal means are those of the fixed effects, "
            f"{_listed(grid)}. The levels of a grouping factor are in ranef() and coef()."
        )
    close = difflib.get_close_matches(name, grid.names, n=3, cutoff=0.6)
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    return OptionError(f"the fixed effects have no variable {name!r}.{hint} They have {_listed(grid)}.")


def _listed(grid: ReferenceGrid) -> str:
    return ", ".join(map(repr, grid.names)) or "none"


def _names(given: Any, argument: str) -> list[str]:
    if given is None:
        return []
    if isinstance(given, str):
        return [given]
    if not isinstance(given, list | tuple) or not all(isinstance(n, str) for n in given):
        raise ArgumentTypeError(f"{argument} must be the name of a variable or a list of names, not {given!r}.")
    return list(given)


def _formula(text: str) -> tuple[str | None, list[str], list[str]]:
    """Read ``method ~ a * b | c``; which operators join the names does not matter."""
    left, _, right = text.partition("~")
    means, _, groups = right.partition("|")
    return left.strip() or None, _side(means, text), _side(groups, text)


def _side(text: str, whole: str) -> list[str]:
    if text.strip() in ("", "1"):
        return []
    if "~" in text or "|" in text:
        raise OptionError(f"specs must be like '~ a', '~ a * b | c' or 'pairwise ~ a', not {whole!r}.")
    parsed = parse_formula(f"~ {text}")
    return list(dict.fromkeys(n for t in parsed.fixed for v in t.variables for n in names_in(v.expr)))
