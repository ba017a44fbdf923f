"""Interaction contrasts:
a family of contrasts for each variable of the means, and all their products.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.inference.marginal_means.contrast import ZERO_SUM, checked_by, combined
from ranef.inference.marginal_means.contrast_families import contrast_family
from ranef.inference.marginal_means.estimands import Estimands
from ranef.inference.marginal_means.variables import level_text

Floats = NDArray[np.float64]


def interaction_contrasts(e: Estimands, interaction: Any, by: Any, reverse: object) -> Estimands:
    """Form contrasts of contrasts.

    Parameters
    ----------
    e : Estimands
        Means or trends on a complete grid of their variables.
    interaction : str, sequence or mapping
        Families for all variables, in order, or by name.
    by : str, list of str, None, or ... for the groups of ``e``
    reverse : bool

    Returns
    -------
    Estimands
        With a column ``VARIABLE_FAMILY`` of labels for each variable. The first variable changes
        fastest.
    """
    if not isinstance(reverse, bool | np.bool_):
        raise ArgumentTypeError(f"reverse must be True or False, not {reverse!r}.")
    groups = e.by if by is ... else checked_by(by, e)
    own = [c for c in e.labels if c not in groups]
    families = _families(interaction, own)
    rows: list[Floats] = []
    offsets: list[Floats] = []
    names: list[tuple[str, ...]] = []
    keys: list[tuple[Any, ...]] = []
    columns: list[str] = []
    means: list[int] = []
    zero = True
    for key, members in e.groups(groups):
        place, levels = _grid(e, own, members)
        made = [
            contrast_family(family, [level_text(v) for v in levels[name]], None, bool(reverse))
            for name, family in families.items()
        ]
        columns = [f"{name}_{label}" for name, (_, _, label) in zip(own, made, strict=True)]
        # Backwards and turned round again, so that the first variable changes fastest.
        for picks in product(*(range(len(c)) for c, _, _ in reversed(made))):
            chosen = picks[::-1]
            whole = np.ones(1)
            for (coefficients, _, _), i in zip(made, chosen, strict=True):
                whole = np.multiply.outer(whole, coefficients[i])
            flat = np.zeros(len(members))
            flat[place] = whole.ravel()
            zero = zero and abs(float(flat.sum())) < ZERO_SUM
            rows.append(combined(flat[None], e.x[members]))
            offsets.append(combined(flat[None], e.offset[members][:, None])[:, 0])
            names.append(tuple(labels[i] for (_, labels, _), i in zip(made, chosen, strict=True)))
            keys.append(key)
            means.append(len(members))
    if not rows:
        raise OptionError("some variable has one level only in each group, so there is nothing to compare.")
    labels: dict[str, tuple[Any, ...]] = {c: tuple(n[j] for n in names) for j, c in enumerate(columns)}
    labels |= {c: tuple(k[j] for k in keys) for j, c in enumerate(groups)}
    return replace(
        e,
        labels=labels,
        by=groups,
        x=np.concatenate(rows),
        offset=np.concatenate(offsets),
        kind="contrasts",
        method="interaction",
        means=np.array(means, dtype=np.intp),
        scale=e.scale.of_contrasts() if e.scale is not None and zero else None,
        adjust="none",
    )


def _families(interaction: Any, own: list[str]) -> dict[str, Any]:
    """The family of every variable."""
    if isinstance(interaction, str):
        return dict.fromkeys(own, interaction)
    if isinstance(interaction, Mapping):
        wrong = [n for n in interaction if n not in own]
        if wrong or len(interaction) < len(own):
            raise OptionError(
                f"interaction must name a family for each of {', '.join(map(repr, own))}, the variables of the means, "
                f"and for no other; it names {', '.join(map(repr, interaction)) or 'none'}."
            )
        return {n: interaction[n] for n in own}
    if not isinstance(interaction, list | tuple):
        raise ArgumentTypeError(
            f"interaction must be the name of a family, a list of them or a dict by variable, not {interaction!r}."
        )
    if len(interaction) != len(own):
        raise OptionError(
            f"interaction has {len(interaction)} families, and the means have {len(own)} variables: "
            f"{', '.join(map(repr, own))}."
        )
    return dict(zip(own, interaction, strict=True))


def _grid(e: Estimands, own: list[str], members: NDArray[np.intp]) -> tuple[NDArray[np.intp], dict[str, list[Any]]]:
    """Where the cells of the grid of a group are among its members,
    the last variable changing fastest, and the levels of each variable.
    """
    levels = {c: list(dict.fromkeys(e.labels[c][i] for i in members)) for c in own}
    at = {tuple(e.labels[c][i] for c in own): j for j, i in enumerate(members)}
    cells = list(product(*levels.values()))
    if len(at) < len(members) or any(c not in at for c in cells):
        raise OptionError(
            "interaction contrasts need one mean for each combination of the variables of a group, and some are "
            "missing or there twice; ask for means of all variables by name, or use contrast() with coefficients."
        )
    return np.array([at[c] for c in cells], dtype=np.intp), levels
