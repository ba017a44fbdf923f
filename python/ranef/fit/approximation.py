"""How the likelihood of a generalized model is approximated: the arguments ``n_quad`` and
``curvature``.
"""

import numbers
from typing import Any

from ranef.errors import ArgumentTypeError, OptionError

CURVATURES = ("observed", "expected")

#: More nodes than this gain nothing in double precision.
MOST_NODES = 100

#: In place of a number: as many nodes as are enough.
AUTO = "auto"


def choose_n_quad(n_quad: object, nAGQ: object, with_auto: bool = False) -> int | str:
    """Settle ``n_quad`` and ``nAGQ``; ``None`` means not given."""
    for name, value in (("n_quad", n_quad), ("nAGQ", nAGQ)):
        if value is None or (with_auto and isinstance(value, str) and value == AUTO):
            continue
        if with_auto and isinstance(value, str):
            raise OptionError(f"{name} must be a number of quadrature nodes or 'auto', not {value!r}.")
        if isinstance(value, bool) or not isinstance(value, numbers.Integral):
            raise ArgumentTypeError(f"{name} must be a whole number of quadrature nodes, not {value!r}.")
        if not 0 <= int(value) <= MOST_NODES:
            raise OptionError(
                f"{name} must be from 0 to {MOST_NODES}, not {value}: 1 is Laplace's approximation, more is adaptive "
                "quadrature, 0 the fast penalised form."
            )
    if n_quad is not None and nAGQ is not None and n_quad != nAGQ:
        raise OptionError(f"n_quad={n_quad} and nAGQ={nAGQ} disagree; give one of them.")
    chosen = n_quad if n_quad is not None else nAGQ
    return AUTO if isinstance(chosen, str) else 1 if chosen is None else int(chosen)  # type: ignore[call-overload]


def settled_n_quad(changed: dict[str, Any], with_auto: bool = False) -> dict[str, Any]:
    """Arguments of ``update`` with one number of nodes where one was given."""
    if "n_quad" in changed or "nAGQ" in changed:
        changed["n_quad"] = choose_n_quad(changed.pop("n_quad", None), changed.pop("nAGQ", None), with_auto)
    return changed


def checked_curvature(curvature: object) -> str:
    """Check the ``curvature`` argument."""
    if not isinstance(curvature, str):
        raise ArgumentTypeError(f"curvature must be 'observed' or 'expected', not {curvature!r}.")
    if curvature not in CURVATURES:
        raise OptionError(f"curvature must be 'observed' or 'expected', not {curvature!r}.")
    return curvature
