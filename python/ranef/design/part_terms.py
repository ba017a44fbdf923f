"""Terms of the parts of a design."""

from dataclasses import replace

import numpy as np

from ranef.design.parts import DesignPart
from ranef.design.record import Design


def part_terms(design: Design, name: str) -> frozenset[str]:
    """Labels of the terms of a part."""
    return frozenset(t for p in design.parts if p.name == name for t in p.terms)


def with_part(design: Design, name: str, label: str) -> Design:
    """The design with the columns of a term of the location in a part as well.

    In nominal effects they take the place of those of the location, which they contain.
    """
    number = design.fixed_terms.index(label) + 1
    own = [j for j, a in enumerate(design.x_assign) if a == number]
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
    design = replace(design, parts=tuple(sorted(parts, key=lambda p: p.name)))
    if name != "nominal":
        return design
    keep = [j for j in range(len(design.x_names)) if j not in own]
    return replace(
        design.with_rows(x=np.asfortranarray(design.x[:, keep])),
        x_names=tuple(design.x_names[j] for j in keep),
        x_assign=tuple(design.x_assign[j] for j in keep),
    )
