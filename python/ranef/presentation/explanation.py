"""A model explained without data:
its levels, its parameters, and what it is called in other programs.
"""

import textwrap
from dataclasses import dataclass

from ranef.design.structures import kind_of
from ranef.errors import TranslationError
from ranef.presentation.equations import equations_of
from ranef.translation import LANGUAGES, ModelDescription, write

_METHODS = {
    "REML": "restricted maximum likelihood (REML)",
    "ML": "maximum likelihood",
    "Laplace": "maximum likelihood (Laplace approximation)",
    "penalised": "penalised likelihood without integration",
}


@dataclass(frozen=True, slots=True)
class Count:
    """A number of parameters.

    Attributes
    ----------
    kind : str
    number : int
    names : tuple of str
    at_least : bool
        Whether a factor whose number of levels is not known may add some.
    """

    kind: str
    number: int
    names: tuple[str, ...]
    at_least: bool = False


def parameters_of(model: ModelDescription) -> tuple[Count, ...]:
    """Count the parameters of a model.

    A categorical variable with unknown levels counts as one column, and the count is then marked
    as the least.

    Parameters
    ----------
    model : ModelDescription

    Returns
    -------
    tuple of Count
        Fixed effects, variances, covariances and, where there is one, the residual variance or the
        shape.
    """
    columns = dict(model.columns)
    fixed = ["(Intercept)"] * model.intercept
    variances: list[str] = []
    covariances: list[str] = []
    for term in model.fixed:
        fixed += columns.get(term.label, (term.label,))
    unknown = any(model.has_categorical(t) and t.label not in columns for t in model.fixed)
    unknown_random = False
    for block in model.blocks:
        names = ["(Intercept)"] * block.intercept
        for term in block.terms:
            key = f"{term.label} | {block.label}"
            names += columns.get(key, (term.label,))
            unknown_random |= model.has_categorical(term) and key not in columns
        structure = kind_of(block.structure)
        variances += [f"{block.label}: {n}" for n in (["all effects"] if structure.homogeneous else names)]
        if structure.correlations == "one":
            covariances += [f"{block.label}: one correlation"]
        elif structure.correlations == "distances":
            covariances += [f"{block.label}: distance {h}" for h in range(1, len(names))]
        elif structure.correlations == "pairs":
            covariances += [f"{block.label}: {a} with {b}" for i, a in enumerate(names) for b in names[i + 1 :]]
    counts = [
        Count("fixed effects", len(fixed), tuple(fixed), unknown),
        Count("variances", len(variances), tuple(variances), unknown_random),
        Count("covariances", len(covariances), tuple(covariances), unknown_random),
    ]
    if model.scaled:
        normal = model.family in (None, "gaussian")
        counts.append(Count("residual variance" if normal else "dispersion", 1, ()))
    return tuple(counts)


def explain(model: ModelDescription) -> str:
    """Explain a model as plain text.

    Parameters
    ----------
    model : ModelDescription

    Returns
    -------
    str
    """
    parts = [f"{model.formula}\n{_kind(model)}", *_levels(model), _parameters(model), _translations(model)]
    return "\n\n".join(parts)


def _kind(model: ModelDescription) -> str:
    method = _METHODS.get(model.method, f"maximum likelihood (adaptive Gauss-Hermite quadrature, {model.n_quad} nodes)")
    if model.family is None:
        return f"Linear mixed model, fitted by {method}"
    return f"Generalized linear mixed model, {model.family} family with {model.link} link, fitted by {method}"


def _levels(model: ModelDescription) -> list[str]:
    text = equations_of(model)
    blocks: list[list[str]] = []
    for line in text.to_text().splitlines():
        if line.startswith(" "):
            blocks[-1].append(line)
        else:
            blocks.append([line])
    return [
        "\n".join([*lines, *textwrap.wrap(level.words, 96, initial_indent="  ", subsequent_indent="  ")])
        for lines, level in zip(blocks, text.levels, strict=True)
    ]


def _parameters(model: ModelDescription) -> str:
    counts = [c for c in parameters_of(model) if c.number]
    lines = ["Parameters"]
    for count in counts:
        number = f"{'≥ ' * count.at_least}{count.number}"
        lines.append(f"  {count.kind:<18} {number:>4}  {', '.join(count.names)}".rstrip())
    total = f"{'≥ ' * any(c.at_least for c in counts)}{sum(c.number for c in counts)}"
    lines.append(f"  {'in all':<18} {total:>4}")
    if any(c.at_least for c in counts):
        lines.append(
            "  A categorical variable has a column for each level but the first; without data it counts as one."
        )
    return "\n".join(lines)


def _translations(model: ModelDescription) -> str:
    lines = ["In other programs"]
    for name, language in LANGUAGES.items():
        try:
            text = write(model, name)
        except TranslationError as problem:
            text = f"cannot be written: {problem.part}: {problem.reason}"
        lines += [f"\n  {language.title}", *textwrap.indent(text, "    ").splitlines()]
    return "\n".join(lines)
