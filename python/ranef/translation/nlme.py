"""nlme: ``lme`` of R."""

from dataclasses import replace
from itertools import pairwise

from ranef.errors import TranslationError
from ranef.formula import deparse, formula_text, parse_formula
from ranef.formula.parser import parse_expression
from ranef.formula.residual import parse_correlation, parse_variance
from ranef.formula.syntax import Argument, Binary, Call, Expr, Name, Unary, without_parens
from ranef.translation.composition import Reading
from ranef.translation.description import Block, ModelDescription, blocks_as_written
from ranef.translation.naming import check_common, random_type
from ranef.translation.nlme_residual import (
    repeated_arguments,
    residual_arguments,
    residual_part,
    weights_argument,
    within_groups,
)
from ranef.translation.r_code import (
    arguments,
    contrasts_before,
    contrasts_of,
    data_of,
    find_call,
    require_formula,
    word,
)

LANGUAGE = "nlme"

_LME = (
    "fixed",
    "data",
    "random",
    "correlation",
    "weights",
    "subset",
    "method",
    "na.action",
    "control",
    "contrasts",
    "keep.data",
)
_GLS = ("model", "data", "correlation", "weights", "subset", "method", "na.action", "control", "verbose")
_STRUCTURES = {
    "pdSymm": "us",
    "pdLogChol": "us",
    "pdNatural": "us",
    "pdDiag": "diag",
    "pdIdent": "identity",
    "pdCompSymm": "compound",
}

#: Structures of random effects that are written; a formula alone is pdSymm.
_WRITTEN = {
    "unstructured": "",
    "diagonal": "pdDiag",
    "homogeneous_diagonal": "pdIdent",
    "homogeneous_compound_symmetry": "pdCompSymm",
}

# ---- writing


def write(model: ModelDescription) -> tuple[list[str], list[str]]:
    """Write a model.

    Returns
    -------
    lines, notes : list of str
    """
    if model.family is not None:
        raise TranslationError(
            LANGUAGE,
            f"the {model.family} family",
            "lme has linear models only; MASS::glmmPQL iterates it for others, by penalised quasi-likelihood.",
        )
    by_column = {c.column for c in model.codings if c.of_fixed is None}
    check_common(replace(model, contrasts=tuple(c for c in model.contrasts if c not in by_column)), LANGUAGE)
    if model.offsets:
        raise TranslationError(LANGUAGE, "the offset", "lme has none; subtract it from the response in the formula.")
    blocks = blocks_as_written(model)
    levels = list(dict.fromkeys(frozenset(b.group) for b in blocks))
    levels.sort(key=len)
    for outer, inner in pairwise(levels):
        if not outer < inner:
            raise TranslationError(
                LANGUAGE,
                f"the crossed grouping factors {':'.join(sorted(outer))} and {':'.join(sorted(inner))}",
                "lme's groups are nested in each other; crossed ones need lmer.",
            )
    written = parse_formula(model.formula)
    assert written.response is not None
    fixed = formula_text(written.response.label, [t.label for t in written.fixed], intercept=written.intercept)
    options = [fixed, f"data = {model.data}"]
    if blocks:
        options.append(f"random = {_random(blocks, levels)}")
    if model.residual is not None:
        if model.weights is not None:
            raise TranslationError(LANGUAGE, "weights beside a covariance structure", "use fixed() in variance=.")
        options += residual_arguments(model.residual)
    functions: list[str] = []
    if model.repeated is not None:
        correlation, functions = repeated_arguments(model.repeated)
        options.append(correlation)
    if model.weights is not None:
        functions = [*functions, f"varFixed(~ I(1/{_operand(model.weights)}))"]
    options += weights_argument(functions)
    if model.subset is not None:
        options.append(f"subset = {deparse(model.subset)}")
    options.append(f'method = "{model.method}"')
    before = [line for coding in model.codings for line in coding.lines(model.data)]
    return [*before, f"{'lme' if blocks else 'gls'}({', '.join(options)})"], _notes(model)


def _operand(node: Expr) -> str:
    text = deparse(node)
    return text if isinstance(node, Name | Call) else f"({text})"


def _random(blocks: tuple[Block, ...], levels: list[frozenset[str]]) -> str:
    names: list[str] = []
    parts: list[list[Block]] = []
    for level in levels:
        members = [b for b in blocks if frozenset(b.group) == level]
        new = [n for n in members[0].group if n not in names]
        if len(new) > 1:
            raise TranslationError(
                LANGUAGE,
                f"the grouping factor {members[0].label}",
                "lme groups by single columns, each within the one before; make a column of the combinations in the "
                "data.",
            )
        names += new
        parts.append(members)
    texts = [_level(members) for members in parts]
    if len(names) == 1 and not texts[0].startswith("pd"):
        return f"{texts[0]} | {names[0]}"
    if all(t == texts[0] for t in texts) and not texts[0].startswith("pd"):
        return f"{texts[0]} | {'/'.join(names)}"
    return f"list({', '.join(f'{n} = {t}' for n, t in zip(names, texts, strict=True))})"


def _level(blocks: list[Block]) -> str:
    """The random effects of one grouping factor: a formula, or a covariance structure around it."""
    if len(blocks) == 1:
        block = blocks[0]
        structure = random_type(block, len(block.terms), _WRITTEN, LANGUAGE)
        return f"{structure}({_one_sided(block)})" if structure else _one_sided(block)
    inner = []
    for block in blocks:
        structure = random_type(block, len(block.terms), _WRITTEN, LANGUAGE) or "pdSymm"
        structure = "pdIdent" if block.scalar else structure
        inner.append(f"{structure}({_one_sided(block)})")
    return f"pdBlocked(list({', '.join(inner)}))"


def _one_sided(block: Block) -> str:
    terms = [t.label for t in block.terms]
    if not terms:
        return "~ 1"
    return f"~ {' + '.join(terms)}" if block.intercept else f"~ 0 + {' + '.join(terms)}"


def _notes(model: ModelDescription) -> list[str]:
    notes = ["lme's degrees of freedom follow from the levels of grouping; those of ranef are Satterthwaite's."]
    if model.reml:
        notes.append("BIC of a REML fit takes n - p for n in nlme, n in ranef.")
    if model.repeated is not None:
        notes.append("visits and subjects must be factors, whose levels have the order of the visits.")
    notes.append("lme stops at missing values unless given na.action = na.omit, which is what ranef does.")
    return notes


# ---- reading


def read(text: str) -> Reading:
    """Read the first call of ``lme`` or ``gls``."""
    call = find_call(text, ("lme", "gls"), LANGUAGE)
    is_gls = call.function == "gls"
    given = arguments(call, _GLS if is_gls else _LME, LANGUAGE)
    fixed = require_formula(given.get("model" if is_gls else "fixed"), LANGUAGE, "the fixed effects")
    reading = Reading(LANGUAGE, data=data_of(given.get("data")))
    if is_gls:
        given["random"] = Name("none")
    elif "random" not in given:
        raise TranslationError(
            LANGUAGE, "random", "it is missing, so lme takes it from the grouped data; write it out."
        )
    bars = [] if is_gls else _read_random(given["random"])
    if "correlation" in given:
        # lme takes the innermost groups of the random effects where no blocks are named
        node = given["correlation"] if is_gls else within_groups(given["correlation"], _innermost(bars))
        reading.correlation = residual_part(parse_correlation, node, "correlation")
    if "weights" in given:
        _read_weights(given["weights"], reading, is_gls)
    if is_gls and reading.correlation is None and reading.variance is None:
        reading.variance = "fixed(1)"  # so that the call is one of gls
    if "method" in given:
        method = word(given["method"]).upper()
        if method not in ("ML", "REML"):
            raise TranslationError(LANGUAGE, f"method = {method!r}", "the methods are REML and ML.")
        reading.reml = method == "REML"
    if "subset" in given:
        reading.subset = deparse(given["subset"])
    contrasts_before(text, reading)
    if "contrasts" in given:
        reading.contrasts |= contrasts_of(given["contrasts"], LANGUAGE)
    if "control" in given:
        reading.note("control was left out; the call here has its own.")
    reading.formula = " + ".join([deparse(fixed), *bars])
    where = "are n - p in gls" if is_gls else "follow from the levels of grouping in nlme"
    reading.note(f"degrees of freedom {where}; here they are Satterthwaite's.")
    return reading


def _innermost(bars: list[str]) -> Expr:
    """The innermost groups of random-effects terms: their levels taken together."""
    levels = [level for bar in bars for level in bar.rstrip(")").rsplit("|", 1)[1].strip().split("/")]
    return parse_expression(":".join(dict.fromkeys(v for level in levels for v in level.split(":"))))


def _read_weights(node: Expr, reading: Reading, is_gls: bool) -> None:
    """Weights of ``lmer`` for known variances beside random effects, or a variance function."""
    if not is_gls:
        try:
            reading.weights = _weights(node)
            return
        except TranslationError:
            pass
    inner = without_parens(node)
    if isinstance(inner, Unary) and inner.operator == "~":
        node = Call("varFixed", (Argument(inner),))
    reading.variance = residual_part(parse_variance, node, "weights")


def _weights(node: Expr) -> str:
    inner = without_parens(node)
    if isinstance(inner, Unary) and inner.operator == "~":
        inner = Call("varFixed", (Argument(inner),))
    if isinstance(inner, Call) and inner.function == "varFixed" and len(inner.arguments) == 1:
        variance = without_parens(inner.arguments[0].value)
        if isinstance(variance, Unary):
            column = without_parens(variance.operand)
            if isinstance(column, Call) and column.function == "I":
                column = without_parens(column.arguments[0].value)
            if isinstance(column, Binary) and column.operator == "/" and deparse(column.left) == "1":
                return deparse(without_parens(column.right))
            return f"1/{_operand(column)}"
    raise TranslationError(
        LANGUAGE,
        f"weights = {deparse(node)}",
        "unequal residual variances that are estimated cannot be part of lmer's model; varFixed() can.",
    )


def _read_random(node: Expr) -> list[str]:
    inner = without_parens(node)
    if isinstance(inner, Unary) and inner.operator == "~":
        bar = without_parens(inner.operand)
        if not isinstance(bar, Binary) or bar.operator != "|":
            raise TranslationError(
                LANGUAGE, f"random = {deparse(node)}", "the grouping factor is missing: ~ x | group."
            )
        return [f"({deparse(bar.left)} | {deparse(bar.right)})"]
    if not isinstance(inner, Call) or inner.function != "list":
        raise TranslationError(
            LANGUAGE, f"random = {deparse(node)}", "it is a formula such as ~ x | group, or a list by grouping factor."
        )
    out, outer = [], ""
    for argument in inner.arguments:
        if argument.keyword is None:
            raise TranslationError(
                LANGUAGE, deparse(argument.value), "the parts of the list are named by the grouping factors."
            )
        group = f"{outer}:{argument.keyword}" if outer else argument.keyword
        out += _structured(argument.value, group)
        outer = group
    return out


def _structured(node: Expr, group: str) -> list[str]:
    """Random terms of one grouping factor."""
    inner = without_parens(node)
    if isinstance(inner, Unary) and inner.operator == "~":
        return [f"({deparse(inner.operand)} | {group})"]
    if not isinstance(inner, Call) or not inner.arguments:
        raise TranslationError(
            LANGUAGE, deparse(node), "random effects of a group are a formula or a pdMat structure around one."
        )
    values = {a.keyword: a.value for a in inner.arguments if a.keyword}
    content = values.get("form", inner.arguments[0].value)
    if inner.function == "pdBlocked":
        parts = without_parens(content)
        if isinstance(parts, Call) and parts.function == "list":
            return [t for a in parts.arguments for t in _structured(a.value, group)]
    formula = without_parens(content)
    structure = _STRUCTURES.get(inner.function)
    if structure is None or not isinstance(formula, Unary) or formula.operator != "~":
        raise TranslationError(
            LANGUAGE, deparse(node), "this structure has no translation; pdSymm, pdDiag and pdBlocked of these have."
        )
    left = deparse(formula.operand)
    effects = parse_formula(f"~ {left} + (1 | g)")
    count = len(effects.fixed) + effects.intercept
    # A single column without an intercept has several effects if it is a factor, which is not known
    # here.
    if count == 1 and not effects.fixed:
        return [f"({left} | {group})"]
    if structure in ("identity", "compound"):
        return [f"{'diag' if structure == 'identity' else 'cs'}({left} | {group}, hom=True)"]
    return [f"({left} | {group})" if structure == "us" else f"diag({left} | {group})"]
