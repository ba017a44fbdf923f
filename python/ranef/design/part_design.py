"""A part of a design as a design of its own, and terms of the location that join a part."""

from dataclasses import replace

import numpy as np

from ranef.design.parts import DesignPart
from ranef.design.record import Design


def apart(design: Design, name: str) -> tuple[Design, Design | None]:
    """Take a part out of a design.

    Parameters
    ----------
    design : Design
    name : str

    Returns
    -------
    rest : Design
        Without the part.
    own : Design or None
        The part as a design, on the same rows and with the same response; None without such a part.
    """
    part = next((p for p in design.parts if p.name == name), None)
    if part is None:
        return design, None
    encoder = design.encoder
    layout = next(made for made in encoder.parts if made.name == name)
    rest = replace(
        design,
        parts=tuple(p for p in design.parts if p.name != name),
        encoder=replace(encoder, parts=tuple(made for made in encoder.parts if made.name != name)),
    )
    own = replace(
        design,
        formula=layout.formula,
        x_names=part.x_names,
        x_assign=part.x_assign,
        fixed_terms=part.terms,
        random=part.random,
        encoder=replace(
            encoder,
            formula=layout.formula,
            fixed=layout.layout,
            random=layout.random,
            offset=None,
            offset_states=None,
            weights=None,
            weight_states=None,
            response_levels=None,
            parts=(),
        ),
        notes=(),
        response_levels=None,
        parts=(),
    ).with_rows(x=np.asfortranarray(part.x), offset=None)
    return rest, own


def with_columns(design: Design, of: Design, label: str) -> Design:
    """A design with the columns of a term of another one on the same rows as well."""
    own = _columns_of(of, label)
    return replace(
        design.with_rows(x=np.asfortranarray(np.column_stack([design.x, of.x[:, own]]))),
        x_names=(*design.x_names, *(of.x_names[j] for j in own)),
        x_assign=(*design.x_assign, *[len(design.fixed_terms) + 1] * len(own)),
        fixed_terms=(*design.fixed_terms, label),
    )


def without_columns(design: Design) -> Design:
    """The rows of a design without any term."""
    made = replace(design, x_names=(), x_assign=(), fixed_terms=(), random=(), parts=(), notes=(), response_levels=None)
    return made.with_rows(x=np.empty((len(design.x), 0), order="F"), offset=None)


def moved_to_part(design: Design, name: str, label: str) -> Design:
    """The design with the columns of a term in a part in place of those beside it."""
    own = _columns_of(design, label)
    columns, names = design.x[:, own], tuple(design.x_names[j] for j in own)
    there = next((p for p in design.parts if p.name == name), None)
    if there is None:
        made = DesignPart(name, f"~ {label}", names, (1,) * len(own), (label,), np.ascontiguousarray(columns))
    else:
        made = replace(
            there,
            formula=f"{there.formula} + {label}",
            x_names=there.x_names + names,
            x_assign=there.x_assign + (len(there.terms) + 1,) * len(own),
            terms=(*there.terms, label),
            x=np.ascontiguousarray(np.column_stack([there.x, columns])),
        )
    parts = [*(p for p in design.parts if p.name != name), made]
    keep = [j for j in range(len(design.x_names)) if j not in own]
    return replace(
        design.with_rows(x=np.asfortranarray(design.x[:, keep])),
        x_names=tuple(design.x_names[j] for j in keep),
        x_assign=tuple(design.x_assign[j] for j in keep),
        parts=tuple(sorted(parts, key=lambda p: p.name)),
    )


def _columns_of(design: Design, label: str) -> list[int]:
    number = design.fixed_terms.index(label) + 1
    return [j for j, a in enumerate(design.x_assign) if a == number]
