"""Terms of the parameters of a curve, and designs without one."""

from dataclasses import replace

import numpy as np

from ranef.design.curve_rows import CurveRows
from ranef.design.record import Design, RandomTerm


def _curve(design: Design) -> CurveRows:
    assert design.curve is not None
    return design.curve


def curve_effects(design: Design) -> dict[str, frozenset[str]]:
    """The fixed terms that are no intercept of a parameter, with the parameter and the variables of
    each.
    """
    out = {}
    for label, term in zip(design.fixed_terms, design.formula.fixed, strict=True):
        own = [v.label for v in term.variables]
        if len(own) > 1:
            out[label] = frozenset(own)
    return out


def without_curve_term(design: Design, label: str) -> Design:
    """The design without the columns of a term."""
    number = design.fixed_terms.index(label) + 1
    keep = [j for j, a in enumerate(design.x_assign) if a != number]
    rows = _curve(design)
    curve = replace(rows, x=np.asfortranarray(rows.x[:, keep]), parts=tuple(rows.parts[j] for j in keep))
    smaller = replace(
        design,
        x_names=tuple(design.x_names[j] for j in keep),
        x_assign=tuple(design.x_assign[j] for j in keep),
        curve=curve,
    )
    return smaller.with_rows(x=np.asfortranarray(design.x[:, keep]))


def curve_reductions(design: Design) -> list[tuple[str, tuple[RandomTerm, ...], CurveRows]]:
    """All random parts with one effect less: its label, the terms that are left, their columns."""
    rows = _curve(design)
    out = []
    for i, term in enumerate(design.random):
        labels = list(dict.fromkeys(term.labels))
        for label in labels:
            keep = [j for j, own in enumerate(term.labels) if own != label]
            random, z, of = list(design.random), list(rows.z), list(rows.of)
            if keep:
                left = " + ".join(own for own in labels if own != label)
                text = f"{left} | {term.text.split(' | ', 1)[1]}"
                random[i] = replace(
                    term,
                    rows=term.with_z(np.asfortranarray(term.z[:, keep])),
                    names=tuple(term.names[j] for j in keep),
                    labels=tuple(term.labels[j] for j in keep),
                    text=text,
                )
                z[i], of[i] = np.asfortranarray(rows.z[i][:, keep]), tuple(rows.of[i][j] for j in keep)
            else:
                del random[i], z[i], of[i]
            name = f"{label} in ({term.text})" if keep else f"({term.text})"
            out.append((name, tuple(random), replace(rows, z=tuple(z), of=tuple(of))))
    return out
