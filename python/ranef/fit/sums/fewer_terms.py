"""Designs with fewer terms, made from arrays: no data frame is needed, and the rows cannot
change.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ranef.design.coding import Layout
from ranef.design.curve_rows import CurveRows
from ranef.design.curve_terms import curve_effects, curve_reductions, without_curve_term
from ranef.design.model_sums import no_rows
from ranef.design.recoding import recoding, shorter_layout
from ranef.design.record import Design, RandomTerm
from ranef.fit.sums.smaller import with_some_columns
from ranef.formula.vocabulary import is_positioned

Floats = NDArray[np.float64]

#: Squared share of a constant that its combination of columns may leave.
LEFT = 1e-14


def droppable(labels: Sequence[str], contents: Sequence[frozenset[str]]) -> tuple[str, ...]:
    """The terms that are in no other term.

    Parameters
    ----------
    labels : sequence of str
    contents : sequence of frozenset of str
        The variables of every term.

    Returns
    -------
    tuple of str
    """
    return tuple(
        label for label, inside in zip(labels, contents, strict=True) if not any(inside < other for other in contents)
    )


def fixed_scope(design: Design) -> tuple[str, ...]:
    """The fixed terms that can be dropped on their own: those that no interaction contains."""
    if design.curve is not None:
        effects = curve_effects(design)
        return droppable(list(effects), list(effects.values()))
    terms = design.formula.fixed
    return droppable([t.label for t in terms], [frozenset(v.label for v in t.variables) for t in terms])


def without_fixed_term(design: Design, label: str) -> Design:
    """The design of the formula without a fixed term, coded as R would.

    Where another factor was coded in the light of the term, it is coded anew: ``h`` in ``f:x +
    h:x`` has contrasts, and indicators of all levels when ``f:x`` goes; in ``0 + f + h`` it takes
    over the constant from ``f``. No data are needed, as the new columns are combinations of those
    at hand. Where they are not (see `not_smaller`), the columns of the term go.
    """
    if design.curve is not None:
        return without_curve_term(design, label)
    number = design.fixed_terms.index(label) + 1
    keep = [j for j, a in enumerate(design.x_assign) if a != number]
    layout = _shorter_fixed(design, number)
    names, assign = tuple(design.x_names[j] for j in keep), tuple(design.x_assign[j] for j in keep)
    if design.sums is not None:
        if layout.names != names and recoding(design.encoder.fixed, layout) is not None:
            raise no_rows()
        effects = [(i, range(len(t.names))) for i, t in enumerate(design.random)]
        return replace(with_some_columns(design, keep, effects, design.random), x_names=names, x_assign=assign)
    x = design.x[:, keep]
    if layout.names != names:
        combine = recoding(design.encoder.fixed, layout)
        if combine is not None:
            x, names = design.x @ combine, layout.names
            assign = tuple(a + (a >= number) for a in layout.assign)
    return replace(design.with_rows(x=np.asfortranarray(x)), x_names=names, x_assign=assign)


def not_smaller(design: Design, label: str) -> str:
    """What to say where the formula without a term, as R codes it, is not a smaller model; empty
    where it is.

    ``x`` in ``x:z + h:x`` is no combination of the columns, and without ``x:z`` the factor ``h``
    would have indicators of all levels, which hold it.
    """
    if design.curve is not None:
        return ""
    number = design.fixed_terms.index(label) + 1
    layout = _shorter_fixed(design, number)
    kept = tuple(n for n, a in zip(design.x_names, design.x_assign, strict=True) if a != number)
    if layout.names == kept or recoding(design.encoder.fixed, layout) is not None:
        return ""
    return (
        f"the formula without {label} is coded with columns that the model does not have, and is no smaller model; "
        f"{label} is tested by leaving out its own columns"
    )


def _shorter_fixed(design: Design, number: int) -> Layout:
    return shorter_layout(design.encoder.fixed, design.formula.fixed, design.encoder.levels, number)


def _loses_constant(full: Floats, rest: Floats) -> bool:
    return has_constant(full) and not has_constant(rest)


def has_constant(columns: Floats) -> bool:
    """Whether a constant is a combination of the columns."""
    if not columns.shape[1]:
        return False
    ones = np.ones(len(columns))
    left = ones - columns @ np.linalg.lstsq(columns, ones, rcond=None)[0]
    return bool(left @ left <= LEFT * len(ones))


# ---- random terms


@dataclass(frozen=True, slots=True)
class Reduction:
    """One way of making the random part smaller.

    Attributes
    ----------
    label : str
        As ``Days in (Days | Subject)`` or ``(1 | Subject)``.
    random : tuple of RandomTerm
        The random terms that are left.
    texts : tuple of str
        The same as parts of a formula.
    curve : CurveRows or None
        The curve with the columns of these terms.
    effects : tuple of (int, tuple of int)
        For every term its number in the larger model, and which of its effects it has.
    """

    label: str
    random: tuple[RandomTerm, ...]
    texts: tuple[str, ...]
    curve: CurveRows | None = None
    effects: tuple[tuple[int, tuple[int, ...]], ...] = ()

    def design(self, larger: Design) -> Design:
        """The smaller model."""
        if larger.sums is not None:
            return with_some_columns(larger, range(len(larger.x_names)), self.effects, self.random)
        return replace(larger, random=self.random, curve=self.curve)


def reductions(design: Design) -> tuple[Reduction, ...]:
    """All random parts with one effect less.

    ``(f1 + f2 | g)`` loses one effect at a time, ``(x | g)`` becomes ``(1 | g)`` and ``(1 | g)``
    goes. ``(0 + f | g)`` with a factor becomes ``(1 | g)``, which is a special case of it; with a
    numeric variable ``(1 | g)`` would not be one, and the term goes, as do effects at positions.
    """
    if design.curve is not None:
        found = curve_reductions(design)
        return tuple(Reduction(name, terms, tuple(t.written for t in terms), curve) for name, terms, curve in found)
    out = []
    for i, term in enumerate(design.random):
        expr = design.formula.random[i]
        scope = droppable(
            [t.label for t in expr.effects], [frozenset(v.label for v in t.variables) for t in expr.effects]
        )
        if not scope or is_positioned(term.structure):
            out.append(_reduction(design, i, term.written, None, "", []))
            continue
        for label in scope:
            rest = [t.label for t in expr.effects if t.label != label]
            keep = [j for j, of in enumerate(term.labels) if of != label]
            names, labels = [term.names[j] for j in keep], [term.labels[j] for j in keep]
            intercept, rows = expr.intercept, None
            if design.sums is None or (not intercept and _has_factors(design, i)):
                z = term.z[:, keep]
                if not intercept and _loses_constant(term.z, z):
                    intercept = True
                    z = np.column_stack([np.ones(len(z)), z])
                    names, labels = ["(Intercept)", *names], ["(Intercept)", *labels]
                elif term.structure != "diagonal":
                    z, names, labels = _recoded_effects(design, i, label, z, names, labels)
                rows = term.with_z(np.asfortranarray(z))
            elif term.structure != "diagonal" and _recoding_of_effects(design, i, label, names) is not None:
                raise no_rows()
            left = " + ".join([*([] if intercept and rest else ["1" if intercept else "0"]), *rest])
            name = "" if expr.shared is None else f"{expr.shared}|"
            text = f"{left} |{name} {expr.group_label}"
            new = None
            if names and not (names == ["(Intercept)"] and _has_intercept_term(design, i)):
                new = replace(
                    term,
                    rows=rows,
                    names=tuple(names),
                    labels=tuple(labels),
                    text=text,
                )
            text = "" if new is None else new.written
            out.append(_reduction(design, i, f"{label} in {term.written}", new, text, keep))
    return tuple(out)


def _recoded_effects(
    design: Design, i: int, label: str, z: Floats, names: list[str], labels: list[str]
) -> tuple[Floats, list[str], list[str]]:
    """The effects that a random term keeps without one, coded as R would code the shorter formula;
    as they are where that is so already.
    """
    found = _recoding_of_effects(design, i, label, names)
    if found is None:
        return z, names, labels
    layout, combine = found
    kept = ["(Intercept)", *(t.label for t in design.formula.random[i].effects if t.label != label)]
    return design.random[i].z @ combine, list(layout.names), [kept[a] for a in layout.assign]


def _has_factors(design: Design, i: int) -> bool:
    """Whether an effect of a random term is that of a factor, so that a constant may be a
    combination of its columns.
    """
    effects = design.formula.random[i].effects
    return any(v.label in design.encoder.levels for t in effects for v in t.variables)


def _recoding_of_effects(design: Design, i: int, label: str, names: list[str]) -> tuple[Layout, Floats] | None:
    """How R would code a random term without an effect, and the combination of columns that it is;
    None where it is that of the other columns as they are.
    """
    whole, effects = design.encoder.random[i].layout, design.formula.random[i].effects
    number = [t.label for t in effects].index(label) + 1
    layout = shorter_layout(whole, effects, design.encoder.levels, number)
    if list(layout.names) == names or (combine := recoding(whole, layout)) is None:
        return None
    return layout, combine


def _has_intercept_term(design: Design, i: int) -> bool:
    """Whether another term is the intercept of the same groups, so that one more would be the same
    variance twice.
    """
    term = design.random[i]
    return any(
        j != i and t.factor_key == term.factor_key and t.names == ("(Intercept)",) for j, t in enumerate(design.random)
    )


def _reduction(design: Design, i: int, label: str, new: RandomTerm | None, text: str, keep: Sequence[int]) -> Reduction:
    random = [*design.random[:i], *([] if new is None else [new]), *design.random[i + 1 :]]
    texts = [t.written for t in design.random]
    texts[i : i + 1] = [] if new is None else [text]
    effects = [(j, tuple(range(len(t.names)))) for j, t in enumerate(design.random)]
    effects[i : i + 1] = [] if new is None else [(i, tuple(keep))]
    return Reduction(label, tuple(random), tuple(texts), effects=tuple(effects))
