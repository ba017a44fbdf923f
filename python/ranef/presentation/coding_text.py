"""How factors are coded, where that is neither R's default nor in the formula."""

from collections.abc import Iterator

from ranef.design.coding import Coded, Layout
from ranef.design.structures import kind_of
from ranef.fit.record import MixedFit


def coding_text(fit: MixedFit) -> str | None:
    """A line such as ``a, b = sum (random effects too); c = helmert``; None where nothing is to be
    said.

    Random effects are named where they are coded otherwise than the fixed ones, as by lme4's rule,
    and where the factor has no fixed effect.
    """
    if fit.columns_are_slopes:
        return None  # parameters of a curve have formulas, and codings, of their own
    design = fit.design
    fixed: dict[str, str] = {}
    random: dict[str, dict[str, str]] = {}
    stated = set()
    for coded in _contrasts(design.encoder.fixed):
        fixed[coded.name] = str(coded.contrast)
        stated.update([coded.name] if coded.stated else [])
    for expr, encoder in zip(design.formula.random, design.encoder.random, strict=True):
        bar = kind_of(expr.structure).call.format(expr.text)
        for coded in _contrasts(encoder.layout):
            random.setdefault(coded.name, {})[bar] = str(coded.contrast)
            stated.update([coded.name] if coded.stated else [])
    alike: dict[str, list[str]] = {}
    for name in dict.fromkeys((*fixed, *random)):
        if name in stated:
            alike.setdefault(_of_factor(fixed.get(name), random.get(name, {})), []).append(name)
    return "; ".join(f"{', '.join(names)} = {text}" for text, names in alike.items()) or None


def _contrasts(layout: Layout) -> Iterator[Coded]:
    return (coded for term in layout.terms for coded in term if coded.contrast is not None)


def _of_factor(fixed: str | None, random: dict[str, str]) -> str:
    """The coding of one factor in the fixed effects, and by the text of each random term."""
    words = dict.fromkeys([*([] if fixed is None else [fixed]), *random.values()])
    if fixed is not None and len(words) == 1:
        return f"{fixed} (random effects too)" if random else fixed
    others = "; ".join(
        f"{word} in {' and '.join(bar for bar, of in random.items() if of == word)}" for word in words if word != fixed
    )
    return others if fixed is None else f"{fixed} ({others})"
