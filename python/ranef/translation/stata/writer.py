"""Writes a model for Stata."""

from itertools import pairwise, product

from ranef.errors import TranslationError
from ranef.formula import Term
from ranef.formula.syntax import Binary, Call, Expr, Name
from ranef.translation.description import Block, ModelDescription
from ranef.translation.naming import Naming, check_common, random_type
from ranef.translation.repeated import Repeated, rows_of
from ranef.translation.stata.vocabulary import COMMANDS, DIALECT, FAMILIES, LANGUAGE, NAME


def write(model: ModelDescription) -> tuple[list[str], list[str]]:
    """Write a model.

    Returns
    -------
    lines, notes : list of str
    """
    check_common(model, LANGUAGE)
    if model.weights is not None:
        raise TranslationError(
            LANGUAGE,
            "the weights",
            "its weights are frequencies or sampling weights; precision weights of rows, as here, it does not have.",
        )
    naming = Naming(model, DIALECT, NAME)
    command, options = _command(model, naming)
    response = naming.column(model.response.expr)
    fixed = [_factor_variables(naming, t) for t in model.fixed]
    head = " ".join([command, response, *fixed])
    if model.subset is not None:
        head += f" if {DIALECT.write(model.subset, 'subset')}"
    fixed_options = ["noconstant"] * (not model.intercept)
    if model.offsets:
        fixed_options.append(_offset(model, naming))
    if fixed_options:
        head += f", {' '.join(fixed_options)}"
    groups: list[str] = []
    equations, crossed = _equations(model, naming, groups)
    rows = rows_of(model.repeated, model.residual, LANGUAGE)
    if rows is not None:
        counted = {c.name: c.levels for c in model.categorical}
        levels = counted.get(rows.visits[0]) if rows.visits else None
        options = [_residuals(rows, None if levels is None else len(levels)), *options]
        if not equations:
            equations = [f"{_group(rows.subject, groups, naming) if rows.subject else '_all'}:, noconstant"]
    if crossed and model.family is not None and model.n_quad > 1:
        raise TranslationError(
            LANGUAGE,
            f"n_quad={model.n_quad}",
            "crossed random effects have no quadrature there; use Laplace's approximation, n_quad=1.",
        )
    text = " || ".join([head, *equations])
    if options:
        text += f"{'' if ',' in equations[-1] else ','} {' '.join(options)}"
    return [*naming.definitions("generate {name} = {value}"), *groups, text], _notes(model)


def _command(model: ModelDescription, naming: Naming) -> tuple[str, list[str]]:
    """The command's name and the options that say how to estimate."""
    if model.family is None:
        return "mixed", ["reml" if model.reml else "mle"]
    if model.n_quad == 0:
        raise TranslationError(
            LANGUAGE,
            "n_quad=0",
            "the penalised form without integration is not there; use n_quad=1, Laplace's approximation.",
        )
    method = ["intmethod(laplace)"] if model.n_quad == 1 else [f"intpoints({model.n_quad})"]
    trials = naming.column(model.response.trials) if model.response.trials is not None else None
    for command in ("melogit", "meprobit", "mecloglog", "mepoisson", "menbreg"):
        if COMMANDS[command] == (model.family, model.link):
            return command, [f"binomial({trials})"] * (trials is not None) + method
    if (model.family, model.link) == ("nbinom1", "log"):
        return "menbreg", ["dispersion(constant)", *method]
    families = {v: k for k, v in FAMILIES.items() if k != "bernoulli"}
    if model.family not in families:
        raise TranslationError(LANGUAGE, f"the {model.family} family", "meglm does not have it.")
    allowed = {"gaussian": ("identity", "log"), "Gamma": ("log",), "binomial": ("logit", "probit", "cloglog")}.get(
        model.family, ("log",)
    )
    if model.link not in allowed:
        raise TranslationError(
            LANGUAGE,
            f"the {model.link} link of the {model.family} family",
            f"meglm has {' and '.join(allowed)} for it.",
        )
    return "meglm", [f"family({families[model.family]})", f"link({model.link})", *method]


def _residuals(rows: Repeated, levels: int | None) -> str:
    """The option of the covariance of the rows."""
    kind, part = rows.structure, f"the structure {rows.structure}"
    order = f"{levels - 1}" if levels else None
    kinds = {
        "vc": "independent",
        "us": "unstructured",
        "cs": "exchangeable",
        "ar1": "ar 1",
        "toep": None if order is None else f"toeplitz {order}",
        "sp_exp": "exponential",
    }
    if kinds.get(kind) is None:
        raise TranslationError(
            LANGUAGE, part, "residuals() has independent, exchangeable, ar, unstructured, toeplitz and exponential."
        )
    if len(rows.visits) > 1 or (not rows.visits and kind not in ("vc", "cs")):
        raise TranslationError(LANGUAGE, part, "residuals() needs one column of the position, t(); add it to the data.")
    inside = [f"t({v})" for v in rows.visits if kind not in ("vc", "cs")]
    if len(rows.group) > 1:
        raise TranslationError(LANGUAGE, f"groups by {', '.join(rows.group)}", "by() takes one column.")
    inside += [f"by({g})" for g in rows.group]
    return f"residuals({kinds[kind]}{', ' if inside else ''}{' '.join(inside)})"


def _offset(model: ModelDescription, naming: Naming) -> str:
    only = model.offsets[0]
    if (
        len(model.offsets) == 1
        and model.family is not None
        and isinstance(only, Call)
        and only.function == "log"
        and len(only.arguments) == 1
    ):
        inner = only.arguments[0].value
        # Commands whose link is not a logarithm have no exposure.
        if isinstance(inner, Name) and model.link == "log":
            return f"exposure({inner.name})"
    if model.family is None:
        raise TranslationError(LANGUAGE, "the offset", "mixed has none; subtract it from the response in the formula.")
    total: Expr = only
    for other in model.offsets[1:]:
        total = Binary("+", total, other)
    return f"offset({naming.column(total)})"


def _factor_variables(naming: Naming, term: Term) -> str:
    columns = naming.product(term)
    if len(columns) == 1 and not columns[0][1]:
        return columns[0][0]
    return "#".join(_prefixed(naming, name) if categorical else f"c.{name}" for name, categorical in columns)


def _prefixed(naming: Naming, name: str) -> str:
    factor = next((c for c in naming.model.categorical if c.name == name), None)
    if factor is None or factor.reference is None:
        return f"i.{name}"
    if factor.reference.isdigit():
        return f"ib{factor.reference}.{name}"
    # encode numbers the levels of text in the order of the alphabet
    places = sorted(factor.levels or ())
    return f"ib{places.index(factor.reference) + 1}.{name}" if factor.reference in places else f"i.{name}"


def _equations(model: ModelDescription, naming: Naming, groups: list[str]) -> tuple[list[str], bool]:
    """The random-effects equations from the top level downwards,
    and whether there are crossed ones.
    """
    chain = _chain(model.blocks)
    crossed = [b for b in model.blocks if frozenset(b.group) not in chain]
    equations = []
    for block in crossed:
        if not block.scalar:
            raise TranslationError(
                LANGUAGE,
                f"the random slopes of {block.label}",
                "of crossed factors one can have slopes there, the others have intercepts only.",
            )
        equations.append(f"_all: R.{_group(block.group, groups, naming)}")
    known: set[str] = set()
    for level in chain:
        inner = [n for b in model.blocks if frozenset(b.group) == level for n in b.group]
        new = [n for n in dict.fromkeys(inner) if n not in known]
        name = _group(tuple(new), groups, naming)
        known |= level
        equations += [_equation(b, name, naming) for b in model.blocks if frozenset(b.group) == level]
    return equations, bool(crossed)


#: Names of covariance().
_COVARIANCES = {
    "unstructured": "unstructured",
    "diagonal": "independent",
    "homogeneous_diagonal": "identity",
    "homogeneous_compound_symmetry": "exchangeable",
}


def _chain(blocks: tuple[Block, ...]) -> list[frozenset[str]]:
    """Grouping factors each nested in the one before.

    The ones with slopes must be among them, the others are crossed.
    """
    sets = list(dict.fromkeys(frozenset(b.group) for b in blocks))
    needed = {frozenset(b.group) for b in blocks if not b.scalar}
    best: list[frozenset[str]] = []
    for keep in product((True, False), repeat=min(len(sets), 12)):
        chosen = sorted((s for s, k in zip(sets, keep, strict=False) if k), key=len)
        nested = all(a < b for a, b in pairwise(chosen))
        score = (len(needed & set(chosen)), len(chosen))
        if nested and score > (len(needed & set(best)), len(best)):
            best = chosen
    return best


def _group(names: tuple[str, ...], groups: list[str], naming: Naming) -> str:
    if len(names) == 1:
        return names[0]
    name = "_".join(names)[: naming.longest]
    line = f"egen {name} = group({' '.join(names)})"
    if line not in groups:
        groups.append(line)
    return name


def _equation(block: Block, group: str, naming: Naming) -> str:
    slopes = []
    for term in block.terms:
        columns = naming.product(term)
        if any(categorical for _, categorical in columns):
            raise TranslationError(
                LANGUAGE,
                f"the random effects of {term.label} over {block.label}",
                "factor variables cannot have random slopes there; make indicator columns of the levels.",
            )
        if len(columns) > 1:
            expr: Expr = Name(columns[0][0])
            for name, _ in columns[1:]:
                expr = Binary("*", expr, Name(name))
            slopes.append(naming.column(expr))
        else:
            slopes.append(columns[0][0])
    options = ["noconstant"] * (not block.intercept)
    if block.size > 1:
        options.append(f"covariance({random_type(block, len(block.terms), _COVARIANCES, LANGUAGE)})")
    text = " ".join([f"{group}:", *slopes])
    return f"{text}, {' '.join(options)}" if options else text


def _notes(model: ModelDescription) -> list[str]:
    notes = []
    if model.family is None:
        notes.append("mixed fits by ML unless given reml, lmer by REML by default; the method is written out.")
        notes.append("Stata's tests are z tests without dfmethod(satterthwaite) or dfmethod(kroger), which need reml.")
    else:
        notes.append(
            "7 nodes of quadrature are the default of the me commands, Laplace's approximation that of glmer; the "
            "method is written out."
        )
    notes.append("the last line of Stata's output compares with a model without random effects by chibar2.")
    if model.categorical:
        notes.append(
            "factor variables must be numeric with value labels in Stata (encode makes them so); the first level is "
            "the reference there and in ranef, where no other is chosen."
            if any(c.reference is not None for c in model.categorical)
            else "factor variables must be numeric with value labels in Stata (encode makes them so); the first level "
            "is the reference there and in ranef."
        )
    return notes
