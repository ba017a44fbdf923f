"""Writes a model for SAS."""

from ranef.errors import TranslationError
from ranef.formula.syntax import Binary, Expr
from ranef.translation.description import Block, ModelDescription
from ranef.translation.effects import effect_text
from ranef.translation.naming import Naming, Product, check_common, over_levels, random_type
from ranef.translation.repeated import Repeated, rows_of
from ranef.translation.sas.repeated import repeated_statement
from ranef.translation.sas.vocabulary import DIALECT, FAMILY_NAMES, LANGUAGE, LINK_NAMES, NAME, TYPES_WRITTEN


def write(model: ModelDescription) -> tuple[list[str], list[str]]:
    """Write a model.

    Returns
    -------
    lines, notes : list of str
    """
    check_common(model, LANGUAGE)
    naming = Naming(model, DIALECT, NAME, fold=True)
    data = model.data if NAME.fullmatch(model.data) and model.data != "data" else "mydata"
    fixed = [naming.product(t) for t in model.fixed]
    random = [_random_statement(model, naming, block) for block in model.outer_first]
    products = [*fixed, *(p for _, ps in random for p in ps)]
    rows = rows_of(model.repeated, model.residual, LANGUAGE)
    if rows is not None and not rows.structure.startswith("sp_"):
        rows = naming.visits(rows, products)
    body = _procedure(model, data)
    classes = _classes(model, products, rows)
    body += [f"  class {' '.join(classes)};"] * bool(classes)
    body.append(
        f"  model {_response(model, naming)} = {' '.join(map(effect_text, fixed))}{' ' * bool(fixed)}/ "
        f"{' '.join(_model_options(model, naming))};"
    )
    body += [text for text, _ in random]
    if rows is not None:
        body.append(repeated_statement(rows))
    if model.weights is not None:
        body.append(f"  weight {naming.column(model.weights)};")
    if model.subset is not None:
        body.insert(1, f"  where {DIALECT.write(model.subset, 'subset')};")
    body.append("run;")
    before = naming.definitions("  {name} = {value};")
    if before:
        before = [f"data {data};", f"  set {data};", *before, "run;"]
    return [*before, *body], _notes(model)


def _procedure(model: ModelDescription, data: str) -> list[str]:
    if model.family is None:
        if model.offsets:
            raise TranslationError(
                LANGUAGE, "the offset", "PROC MIXED has none; subtract it from the response in the formula."
            )
        return [f"proc mixed data={data} method={model.method.lower()};"]
    if model.n_quad == 0:
        raise TranslationError(
            LANGUAGE,
            "n_quad=0",
            "the penalised form without integration is not there; use n_quad=1, Laplace's approximation.",
        )
    if model.n_quad > 1 and model.crossed:
        raise TranslationError(
            LANGUAGE,
            f"n_quad={model.n_quad}",
            "METHOD=QUAD needs nested subjects, and the grouping factors are crossed; use Laplace's approximation, "
            "n_quad=1.",
        )
    method = "laplace" if model.n_quad == 1 else f"quad(qpoints={model.n_quad})"
    return [f"proc glimmix data={data} method={method};"]


def _classes(model: ModelDescription, products: list[Product], rows: Repeated | None) -> list[str]:
    groups = [g for b in model.blocks for g in b.group]
    if (r := rows) is not None:
        groups += [*(() if r.structure.startswith("sp_") else r.visits), *r.group, *r.subject]
    references = {c.name: c.reference for c in model.categorical}
    factors = {
        n: f"(ref='{references[n]}')" if references.get(n) else "(ref=first)" for p in products for n, c in p if c
    }
    # A column that also groups keeps its levels in the order of the data.
    return list(dict.fromkeys([*(f"{n}{r}" for n, r in factors.items()), *(g for g in groups if g not in factors)]))


def _response(model: ModelDescription, naming: Naming) -> str:
    response = naming.column(model.response.expr)
    if model.response.trials is not None:
        return f"{response}/{naming.column(model.response.trials)}"
    return f"{response}(event='{model.event}')" if model.family == "binomial" else response


def _model_options(model: ModelDescription, naming: Naming) -> list[str]:
    options = ["noint"] * (not model.intercept) + ["solution"]
    if model.family is None:
        return [*options, f"ddfm={_ddfm(model)}"]
    if model.link not in LINK_NAMES:
        raise TranslationError(LANGUAGE, f"the {model.link} link", "PROC GLIMMIX does not have it.")
    if model.family != "binomial" and model.family not in FAMILY_NAMES:
        raise TranslationError(LANGUAGE, f"the {model.family} family", "PROC GLIMMIX does not have it.")
    binomial = "binary" if model.response.trials is None else "binomial"
    options += [f"dist={FAMILY_NAMES.get(model.family, binomial)}", f"link={LINK_NAMES[model.link]}"]
    if model.offsets:
        total: Expr = model.offsets[0]
        for other in model.offsets[1:]:
            total = Binary("+", total, other)
        options.append(f"offset={naming.column(total)}")
    return options


def _ddfm(model: ModelDescription) -> str:
    return {"kenward-roger": "kr", "kenward-roger-linear": "kr(linear)", "residual": "residual"}.get(
        model.ddf, "satterthwaite"
    )


def _random_statement(model: ModelDescription, naming: Naming, block: Block) -> tuple[str, list[Product]]:
    intercept, terms = over_levels(model, block, LANGUAGE)
    products = [naming.product(t) for t in terms]
    effects = ["intercept"] * intercept + [effect_text(p) for p in products]
    outer, inner = _nesting(model, block.group)
    subject = f"{'*'.join(inner)}({' '.join(outer)})" if outer else "*".join(inner)
    text = f"  random {' '.join(effects)} / subject={subject}"
    if len(effects) > 1 or any(c for p in products for _, c in p):
        text += f" type={_type(block, products)}"
    return f"{text};", products


def _type(block: Block, products: list[Product]) -> str:
    """The value of TYPE=."""
    return random_type(block, len(products), TYPES_WRITTEN, LANGUAGE)


def _nesting(model: ModelDescription, group: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns of a grouping factor that are one themselves, and those within them."""
    others = [b.group for b in model.blocks if len(b.group) < len(group) and set(b.group) < set(group)]
    outer = max(others, key=len, default=())
    return outer, tuple(g for g in group if g not in outer)


def _notes(model: ModelDescription) -> list[str]:
    notes = []
    if model.family is None:
        notes.append(
            "under REML, SAS's AIC counts covariance parameters only; its BIC always takes the number of subjects for "
            "n."
        )
        notes.append(f"ddfm={_ddfm(model)} gives the degrees of freedom of ranef; SAS takes containment without it.")
    else:
        notes.append(
            "without METHOD= SAS maximises a pseudo-likelihood, not the approximation of the likelihood that ranef "
            "does."
        )
        notes.append("tests of fixed effects are t and F tests in SAS, z tests in ranef.")
    if model.categorical:
        notes.append("the last level is SAS's reference unless ref= says otherwise, as it does below.")
    if model.residual is not None and (c := model.residual.correlation) is not None and c.kind.whole:
        notes.append("SAS takes the levels of the visit for equal steps, ranef the numbers, whose gaps count.")
    if any(b.size > 1 for b in model.blocks):
        notes.append("type=vc, SAS's default, has no covariances; type=un has them.")
    return notes
