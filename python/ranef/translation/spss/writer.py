"""Writes a model for SPSS."""

from ranef.errors import TranslationError
from ranef.formula.syntax import Binary, Expr
from ranef.translation.description import ModelDescription
from ranef.translation.effects import effect_text
from ranef.translation.naming import Naming, check_common, over_levels, random_type
from ranef.translation.repeated import Repeated, rows_of
from ranef.translation.spss.vocabulary import DIALECT, DISTRIBUTIONS, LANGUAGE, LINKS, NAME, RANDOM, REPEATED


def write(model: ModelDescription) -> tuple[list[str], list[str]]:
    """Write a model.

    Returns
    -------
    lines, notes : list of str
    """
    check_common(model, LANGUAGE)
    naming = Naming(model, DIALECT, NAME, 64, fold=True)
    body = _mixed(model, naming) if model.family is None else _genlinmixed(model, naming)
    before = naming.definitions("COMPUTE {name} = {value}.")
    if before:
        before.append("EXECUTE.")
    if model.subset is not None:
        before += ["TEMPORARY.", f"SELECT IF ({DIALECT.write(model.subset, 'subset')})."]
    return [*before, *body], _notes(model)


def _mixed(model: ModelDescription, naming: Naming) -> list[str]:
    if model.offsets:
        raise TranslationError(LANGUAGE, "the offset", "MIXED has none; subtract it from the response in the formula.")
    fixed = [naming.product(t) for t in model.fixed]
    random = []
    for block in model.outer_first:
        intercept, terms = over_levels(model, block, LANGUAGE)
        products = [naming.product(t) for t in terms]
        effects = ["INTERCEPT"] * intercept + [effect_text(p) for p in products]
        plain = not any(c for p in products for _, c in p)
        structure = "VC" if len(effects) == 1 and plain else random_type(block, len(products), RANDOM, LANGUAGE)
        random.append(
            (f"  /RANDOM={' '.join(effects)} | SUBJECT({'*'.join(block.group)}) COVTYPE({structure})", products)
        )
    used = [*fixed, *(p for _, ps in random for p in ps)]
    names = dict.fromkeys(column for p in used for column in p)
    rows = rows_of(model.repeated, model.residual, LANGUAGE)
    rows = rows if rows is None else naming.visits(rows, used)
    factors = [n for n, c in names if c]
    factors += [v for v in (rows.visits if rows else ()) if v not in factors]
    covariates = [n for n, c in names if not c]
    head = f"MIXED {naming.column(model.response.expr)}"
    head += f" BY {' '.join(factors)}" * bool(factors) + f" WITH {' '.join(covariates)}" * bool(covariates)
    terms_text = " ".join(map(effect_text, fixed))
    options = "SSTYPE(3)" if model.intercept else "NOINT SSTYPE(3)"
    lines = [
        head,
        f"  /METHOD={model.method}",
        f"  /FIXED={terms_text}{' ' * bool(terms_text)}| {options}",
        *(text for text, _ in random),
        *([_repeated(rows)] if rows else []),
    ]
    if model.weights is not None:
        lines.append(f"  /REGWGT={naming.column(model.weights)}")
    return [*lines, "  /PRINT=SOLUTION TESTCOV."]


def _repeated(rows: Repeated) -> str:
    """The subcommand of the covariance of the rows."""
    kind = "vch" if rows.structure == "vc" and rows.visits else rows.structure
    part = f"the structure {rows.structure}"
    if kind not in REPEATED:
        raise TranslationError(LANGUAGE, part, f"COVTYPE has {', '.join(REPEATED.values())}.")
    if rows.structure == "vc" and not rows.visits:
        raise TranslationError(
            LANGUAGE, part, "variances of groups need a column that numbers the rows; REPEATED has none without."
        )
    if rows.group:
        raise TranslationError(
            LANGUAGE, f"groups by {', '.join(rows.group)}", "REPEATED has one covariance matrix for all subjects."
        )
    if not rows.visits:
        raise TranslationError(LANGUAGE, part, "REPEATED needs a column that numbers the rows of a subject; add one.")
    return f"  /REPEATED={'*'.join(rows.visits)} | SUBJECT({'*'.join(rows.subject)}) COVTYPE({REPEATED[kind]})"


def _genlinmixed(model: ModelDescription, naming: Naming) -> list[str]:
    assert model.family is not None
    assert model.link is not None
    if model.family not in DISTRIBUTIONS:
        raise TranslationError(LANGUAGE, f"the {model.family} family", "GENLINMIXED does not have it.")
    if model.link not in LINKS:
        raise TranslationError(LANGUAGE, f"the {model.link} link", "GENLINMIXED does not have it.")
    fields = f"  /FIELDS TARGET={naming.column(model.response.expr)}"
    if model.response.trials is not None:
        fields += f" TRIALS=FIELD({naming.column(model.response.trials)})"
    if model.weights is not None:
        fields += f" ANALYSIS_WEIGHT={naming.column(model.weights)}"
    if model.offsets:
        fields += f" OFFSET=FIELD({naming.column(_sum(model.offsets))})"
    target = f"  /TARGET_OPTIONS DISTRIBUTION={DISTRIBUTIONS[model.family]} LINK={LINKS[model.link]}"
    products = [naming.product(t) for t in model.fixed]
    fixed = f"  /FIXED EFFECTS={' '.join(map(effect_text, products))}" if products else "  /FIXED"
    lines = [
        "GENLINMIXED",
        *_data_structure(model),
        fields,
        target,
        f"{fixed} USE_INTERCEPT={_truth(model.intercept)}",
    ]
    for block in model.outer_first:
        intercept, terms = over_levels(model, block, LANGUAGE)
        effects = [naming.product(t) for t in terms]
        products += effects
        plain = not any(c for p in effects for _, c in p)
        single = len(effects) + intercept == 1 and plain
        kind = random_type(block, len(effects), {"unstructured": "UNSTRUCTURED", "diagonal": "DIAGONAL"}, LANGUAGE)
        structure = "VARIANCE_COMPONENTS" if single else kind
        text = f"  /RANDOM EFFECTS={' '.join(map(effect_text, effects))}" if effects else "  /RANDOM"
        lines.append(
            f"{text} USE_INTERCEPT={_truth(intercept)} SUBJECTS={'*'.join(block.group)} COVARIANCE_TYPE={structure}"
        )
    lines.append("  /BUILD_OPTIONS TARGET_CATEGORY_ORDER=DESCENDING.")
    names = dict.fromkeys(column for p in products for column in p)
    nominal = dict.fromkeys([*(n for n, c in names if c), *(g for b in model.blocks for g in b.group)])
    levels = [f"VARIABLE LEVEL {' '.join(nominal)} (NOMINAL)."]
    scale = [n for n, c in names if not c]
    if scale:
        levels.append(f"VARIABLE LEVEL {' '.join(scale)} (SCALE).")
    return [*levels, *lines]


def _data_structure(model: ModelDescription) -> list[str]:
    """The subjects of nested groups; crossed ones have no common subjects."""
    innermost = max((b.group for b in model.blocks), key=len)
    nested = all(set(b.group) <= set(innermost) for b in model.blocks)
    return [f"  /DATA_STRUCTURE SUBJECTS={'*'.join(innermost)}"] if nested else []


def _sum(terms: tuple[Expr, ...]) -> Expr:
    total = terms[0]
    for term in terms[1:]:
        total = Binary("+", total, term)
    return total


def _truth(value: bool) -> str:
    return "TRUE" if value else "FALSE"


def _notes(model: ModelDescription) -> list[str]:
    notes = []
    if model.family is None:
        both = model.ddf == "satterthwaite"
        notes.append(
            f"p-values of fixed effects use Satterthwaite's degrees of freedom in SPSS{' and in ranef' * both}."
        )
        notes.append(
            "under REML, SPSS's AIC counts the covariance parameters only, and its BIC takes n - p for n; with ML the "
            "criteria agree."
            if model.reml
            else "SPSS prints Wald tests of variances, which are no tests of a variance being zero; ranova() of ranef "
            "is."
        )
    else:
        notes.append(
            "GENLINMIXED maximises a pseudo-likelihood and has no "
            f"{'quadrature' if model.n_quad > 1 else 'Laplace approximation'}: estimates differ, variances are often "
            "smaller, and its criteria compare no models."
        )
    if model.categorical:
        chosen = [f"{c.reference} for {c.name}" for c in model.categorical if c.reference is not None]
        instead = f" unless another is chosen, as {' and '.join(chosen)}" if chosen else ""
        notes.append(f"the last level of a factor is the reference in SPSS, the first one in ranef{instead}.")
    return notes
