"""Julia: MixedModels.jl."""

import re

from ranef.errors import TranslationError
from ranef.formula import Term, deparse, formula_text, parse_expression
from ranef.formula.syntax import Argument, Binary, Call, Expr, Name, Number, Paren, is_bar, without_parens
from ranef.translation.composition import Columns, Reading
from ranef.translation.description import Block, ModelDescription
from ranef.translation.expressions import Dialect
from ranef.translation.naming import Naming, check_common, random_type, refuse_rows
from ranef.translation.powers import power_of
from ranef.translation.scanner import Lexicon, Reader, Token, without_comments

LANGUAGE = "MixedModels.jl"

_FUNCTIONS = {
    "log": "log",
    "exp": "exp",
    "sqrt": "sqrt",
    "abs": "abs",
    "log2": "log2",
    "log10": "log10",
    "log1p": "log1p",
    "sin": "sin",
    "cos": "cos",
}
_DIALECT = Dialect(LANGUAGE, _FUNCTIONS, {"&": "&&", "|": "||"})
_LEXICON = Lexicon(
    LANGUAGE, ("./", ".*", ".+", ".-", ".^", "&&", "||", "==", "!=", "<=", ">=", "=>"), "_!", quotes='"', escape=True
)
_NAME = re.compile(r"[^\W\d]\w*")
_COMMENTS = re.compile(r'"(?:[^"\\]|\\.)*"|(?P<comment>#=.*?=#|#[^\n]*)', re.DOTALL)
_DISTRIBUTIONS = {
    "Bernoulli": "binomial", "Binomial": "binomial", "Poisson": "poisson", "Gamma": "Gamma",
    "InverseGaussian": "inverse.gaussian", "Normal": "gaussian",
}  # fmt: skip
_LINKS = {
    "LogitLink": "logit", "ProbitLink": "probit", "CloglogLink": "cloglog", "CauchitLink": "cauchit", "LogLink": "log",
    "IdentityLink": "identity", "InverseLink": "inverse", "SqrtLink": "sqrt", "InverseSquareLink": "1/mu^2",
}  # fmt: skip
_DEFAULT_LINKS = {
    "binomial": "logit",
    "poisson": "log",
    "Gamma": "inverse",
    "inverse.gaussian": "1/mu^2",
    "gaussian": "identity",
}
_FITTERS = ("fit", "fit!", "lmm", "glmm")
_MODELS = ("MixedModel", "LinearMixedModel", "GeneralizedLinearMixedModel")
_SILENT = (
    "verbose",
    "progress",
    "thin",
    "fitlog",
    "amalgamate",
    "init_from_lmm",
    "σ",
    "wts",
    "weights",
    "offset",
    "REML",
    "nAGQ",
    "fast",
    "contrasts",
)

# ---- writing


def write(model: ModelDescription) -> tuple[list[str], list[str]]:
    """Write a model.

    Returns
    -------
    lines, notes : list of str
    """
    check_common(model, LANGUAGE)
    refuse_rows(model, LANGUAGE)
    if model.subset is not None:
        raise TranslationError(LANGUAGE, "subset", "select the rows of the data frame before the fit.")
    if model.offsets and model.family is None:
        raise TranslationError(
            LANGUAGE, "the offset", "linear models have none there; subtract it from the response in the formula."
        )
    naming = Naming(model, _DIALECT, _NAME, 200)
    data = model.data if _NAME.fullmatch(model.data) and model.data != "data" else "df"
    before = []
    response = _variable(model.response.expr, naming)
    if model.response.trials is not None:
        ratio = Binary("/", model.response.expr, model.response.trials)
        response = "proportion"
        before.append(f"{data}.proportion = {_broadcast(ratio, data)}")
    terms = [_term(t, naming) for t in model.fixed]
    right = ["1" if model.intercept else "0", *terms, *(_block(b, naming) for b in model.outer_first)]
    arguments = ["MixedModel", f"@formula({response} ~ {' + '.join(right)})", data]
    keywords = []
    if model.family is None:
        keywords += ["REML=true"] * model.reml
    else:
        if model.n_quad > 1 and (len(model.blocks) > 1 or not model.blocks[0].scalar):
            raise TranslationError(
                LANGUAGE,
                f"n_quad={model.n_quad}",
                "MixedModels.jl has quadrature for one random intercept only; use Laplace's approximation, n_quad=1.",
            )
        arguments += _distribution(model)
        keywords += ["fast=true"] * (model.n_quad == 0) + [f"nAGQ={model.n_quad}"] * (model.n_quad > 1)
    weights = model.response.trials if model.response.trials is not None else model.weights
    if weights is not None:
        keywords.append(f"wts={_broadcast(weights, data)}")
    if model.offsets:
        total: Expr = model.offsets[0]
        for other in model.offsets[1:]:
            total = Binary("+", total, other)
        keywords.append(f"offset={_broadcast(total, data)}")
    if model.categorical:
        codings = (
            f':{c.name} => DummyCoding({f"""base="{c.reference}" """.strip() if c.reference else ""})'
            for c in model.categorical
        )
        keywords.append(f"contrasts=Dict({', '.join(codings)})")
    call = f"fit({', '.join(arguments)}{'; ' + ', '.join(keywords) if keywords else ''})"
    return ["using MixedModels", *before, call], _notes(model)


def _distribution(model: ModelDescription) -> list[str]:
    assert model.family is not None
    if model.family not in _DEFAULT_LINKS:
        raise TranslationError(LANGUAGE, f"the {model.family} family", "its extra parameter is not estimated there.")
    name = next(k for k, v in _DISTRIBUTIONS.items() if v == model.family)
    if model.response.trials is not None:
        name = "Binomial"
    link = next((k for k, v in _LINKS.items() if v == model.link), None)
    return [f"{name}()"] + [f"{link}()"] * (model.link != _DEFAULT_LINKS[model.family])


def _variable(expr: Expr, naming: Naming) -> str:
    power = power_of(expr)
    if power is not None:
        return power[0] if power[1] == 1 else f"{power[0]}^{power[1]}"
    if isinstance(without_parens(expr), Call):
        # A function of columns may stand in the formula; naming a computed column would refuse what
        # has no translation.
        naming.column(expr)
        naming.computed.clear()
        text = _DIALECT.write(expr)
        return text if _is_function(expr) else f"identity({text})"
    return f"identity({_DIALECT.write(expr)})"


def _is_function(expr: Expr) -> bool:
    """Whether an expression is a function of columns,
    inside which operators are those of arithmetic.
    """
    inner = without_parens(expr)
    return isinstance(inner, Call) and inner.function != "I"


def _term(term: Term, naming: Naming) -> str:
    return " & ".join(_variable(v.expr, naming) for v in term.variables)


def _block(block: Block, naming: Naming) -> str:
    left = " + ".join(["1" if block.intercept else "0", *(_term(t, naming) for t in block.terms)])
    text = f"({left} | {' & '.join(block.group)})"
    return f"{random_type(block, 0, {'unstructured': '', 'diagonal': 'zerocorr'}, LANGUAGE)}{text}"


def _broadcast(expr: Expr, data: str) -> str:
    """An expression in columns of a data frame, element by element."""
    inner = without_parens(expr)
    if isinstance(inner, Name):
        return f"{data}.{inner.name}"
    if isinstance(inner, Number):
        return _DIALECT.write(inner)
    if isinstance(inner, Binary):
        sides = [_broadcast(s, data) for s in (inner.left, inner.right)]
        sides = [
            f"({t})" if isinstance(without_parens(s), Binary) else t
            for s, t in zip((inner.left, inner.right), sides, strict=True)
        ]
        return f"{sides[0]} .{inner.operator} {sides[1]}"
    if isinstance(inner, Call) and inner.function in _FUNCTIONS and len(inner.arguments) == 1:
        return f"{_FUNCTIONS[inner.function]}.({_broadcast(inner.arguments[0].value, data)})"
    raise TranslationError(
        LANGUAGE, deparse(expr), "this expression cannot be written there; make a column of its values in the data."
    )


def _notes(model: ModelDescription) -> list[str]:
    notes = []
    if model.family is None:
        notes.append("MixedModels fits by ML unless given REML=true, lmer by REML by default.")
        notes.append("MixedModels' tests are z tests, and its REML fits have no log-likelihood and no AIC.")
    else:
        notes.append("Laplace's approximation is the default in both programs.")
    if model.data == "data":
        notes.append("df is the data frame.")
    return notes


# ---- reading


def read(text: str) -> Reading:
    """Read the first fit of a mixed model in Julia code."""
    text = without_comments(text, _COMMENTS)
    whole = Reader(LANGUAGE, _LEXICON.scan(text))
    columns = Columns(LANGUAGE)
    formulas: dict[str, Reader] = {}
    while not whole.done:
        token = whole.take()
        if token.kind != "word":
            continue
        if token.value in (*_FITTERS, *_MODELS[1:]) and whole.sees("("):
            reading = Reading(LANGUAGE, reml=False)
            _read_call(token, whole, reading, columns, formulas)
            return reading
        if whole.sees("=") and whole.ahead().value == "@":
            whole.take()
            formulas[token.value] = _formula_of(whole)
        elif whole.sees(".") and whole.ahead().kind == "word" and whole.ahead(2).value == "=":
            whole.take()
            name = whole.take().value
            whole.take()
            columns.define(name, _elementwise(_rest_of_line(whole), token.value))
    raise TranslationError(LANGUAGE, "the text", f"there is no fit of a mixed model in it: {', '.join(_FITTERS)}.")


def _rest_of_line(reader: Reader) -> list[Token]:
    line, out = reader.token.line, []
    while not reader.done and reader.token.line == line and not reader.sees(";"):
        out.append(reader.take())
    return out


def _formula_of(reader: Reader) -> Reader:
    reader.expect("@")
    if reader.word("formula").value != "formula":
        reader.fail("only @formula is understood.")
    return reader.inside()


def _elementwise(tokens: list[Token], data: str | None) -> Expr:
    """An expression of columns:
    the name of the data and the dots of elementwise operations are left out.
    """
    out: list[Token] = []
    i = 0
    while i < len(tokens):
        token = tokens[i]
        following = tokens[i + 1].value if i + 1 < len(tokens) else ""
        if token.kind == "word" and following == "." and i + 2 < len(tokens):
            if tokens[i + 2].value == "(":
                # The broadcast of a function, as in log.(x).
                out.append(token)
            elif data is not None and token.value != data:
                raise TranslationError(
                    LANGUAGE, f"{token.value}.{tokens[i + 2].value}", f"this is not a column of {data}.", token.line
                )
            i += 2
            continue
        if token.kind == "symbol" and token.value in ("./", ".*", ".+", ".-", ".^"):
            token = Token("symbol", token.value[1], token.line, token.start, token.stop)
        if token.kind == "word" and token.value in ("float", "Float64"):
            i += 1
            continue
        if token.value != ".":
            out.append(token)
        i += 1
    line = tokens[0].line if tokens else 1
    return without_parens(_DIALECT.read_all(Reader(LANGUAGE, [*out, Token("end", "", line, 0, 0)])))


def _read_call(verb: Token, whole: Reader, reading: Reading, columns: Columns, formulas: dict[str, Reader]) -> None:
    body = whole.inside()
    positional: list[Reader] = []
    keywords: dict[str, Reader] = {}
    for group in body.split(";"):
        for part in group.split(","):
            if part.done:
                continue
            if part.token.kind == "word" and part.ahead().value == "=":
                key = part.take().value
                part.take()
                keywords[key] = part
            else:
                positional.append(part)
    kind = None
    if positional and positional[0].token.value in _MODELS:
        first = positional.pop(0)
        kind = first.take().value
        if first.sees("("):
            # fit!(LinearMixedModel(formula, data); REML=true)
            positional = [p for g in first.inside().split(";") for p in g.split(",") if not p.done] + positional
    elif verb.value in _MODELS:
        kind = verb.value
    if not positional:
        body.fail("the formula is missing.", verb, verb.value)
    first = positional[0]
    formula = formulas.get(first.token.value) if first.token.kind == "word" else _formula_of(first)
    if formula is None:
        body.fail("this formula is not defined in the text; write @formula(...) there.", first.token)
    if len(positional) > 1 and positional[1].token.kind == "word":
        frame = positional[1]
        reading.data = frame.take().value
        if frame.sees("("):
            reading.data = frame.inside().token.value
    for extra in positional[2:]:
        _family(extra, reading)
    for key, value in keywords.items():
        if key not in _SILENT:
            value.fail("this keyword has no translation.", value.token, key)
    _read_formula(formula, reading, columns, keywords.get("contrasts"))
    _keywords(keywords, reading, columns)
    if reading.family in (None, "gaussian") and reading.link in (None, "identity"):
        reading.family = reading.link = None
        if kind == "GeneralizedLinearMixedModel" or verb.value == "glmm":
            body.fail("the distribution is missing.", verb, verb.value)
    if reading.family is None and not reading.reml:
        reading.note("MixedModels fits by ML unless given REML=true; here REML is the default.")


def _family(reader: Reader, reading: Reading) -> None:
    token = reader.word("a distribution or a link")
    if token.value in _DISTRIBUTIONS:
        reading.family = _DISTRIBUTIONS[token.value]
    elif token.value in _LINKS:
        reading.link = _LINKS[token.value]
    else:
        reader.fail("there is no such family or link here.", token)


def _keywords(keywords: dict[str, Reader], reading: Reading, columns: Columns) -> None:
    if "REML" in keywords:
        reading.reml = keywords["REML"].take().value == "true"
    if "nAGQ" in keywords:
        reading.n_quad = keywords["nAGQ"].whole_number(100)
    if "fast" in keywords and keywords["fast"].take().value == "true":
        reading.n_quad = 0
    for key in ("wts", "weights"):
        if key in keywords:
            reading.weights = columns.text(_elementwise(keywords[key].remaining(), reading.data))
    if "offset" in keywords:
        reading.formula += f" + offset({columns.text(_elementwise(keywords['offset'].remaining(), reading.data))})"


def _read_formula(reader: Reader, reading: Reading, columns: Columns, contrasts: Reader | None) -> None:
    if contrasts is not None:
        _contrasts(contrasts, columns)
    left = reader.until("~")
    reader.expect("~")
    response = columns.expression(_sum(left))
    terms: list[str] = []
    intercept = True
    node = _sum(reader)
    if not reader.done:
        reader.fail("this cannot be understood in a formula.")
    for sign, part in _summands(node):
        inner = without_parens(part)
        if isinstance(inner, Number):
            intercept = (inner.value == 1) == (sign == "+")
        elif sign == "-":
            raise TranslationError(LANGUAGE, deparse(part), "only the intercept can be taken away.", reader.token.line)
        else:
            terms.append(_summand(part, columns))
    if not any("|" in t for t in terms):
        raise TranslationError(
            LANGUAGE, "the formula", "it has no random effects; without them it is a linear regression."
        )
    fixed = [t for t in terms if "|" not in t]
    terms = [*(["0"] if not intercept else ["1"] if not fixed else []), *fixed, *(t for t in terms if "|" in t)]
    reading.formula = formula_text(deparse(response), terms)


def _contrasts(reader: Reader, columns: Columns) -> None:
    reader.expect("dict")
    for pair in reader.inside().split(","):
        if pair.done:
            continue
        pair.expect(":")
        name = pair.word("a column").value
        pair.expect("=>")
        coding = pair.word("a coding")
        if coding.value == "Grouping":
            continue
        if coding.value not in ("DummyCoding", "Dummy"):
            pair.fail("give this coding to the call as contrasts={...}.", coding, f"contrasts of {name}")
        columns.factors[name] = None
        if pair.sees("("):
            inner = pair.inside()
            while not inner.done:
                key = inner.take()
                if key.value == "base" and inner.accept("="):
                    inner.accept(":")
                    columns.factors[name] = inner.take().value


def _summands(node: Expr) -> list[tuple[str, Expr]]:
    out: list[tuple[str, Expr]] = []
    while isinstance(node, Binary) and node.operator in ("+", "-"):
        out.append((node.operator, node.right))
        node = node.left
    out.append(("+", node))
    return out[::-1]


def _summand(node: Expr, columns: Columns) -> str:
    """A term in R's language."""
    if isinstance(node, Call) and node.function == "zerocorr":
        inner = without_parens(node.arguments[0].value)
        return f"diag({_bar(inner, columns)})"
    if isinstance(node, Call) and node.function == "fulldummy":
        raise TranslationError(
            LANGUAGE, "fulldummy()", "a factor has all its levels without an intercept: write (0 + f | g)."
        )
    inner = without_parens(node)
    return f"({_bar(inner, columns)})" if is_bar(inner) else deparse(_term_in_r(node, columns))


def _bar(node: Expr, columns: Columns) -> str:
    if not isinstance(node, Binary) or not is_bar(node):
        raise TranslationError(LANGUAGE, deparse(node), "a random-effects term such as (1 + x | g) is expected here.")
    left = " + ".join(deparse(_term_in_r(part, columns)) for _, part in _summands(without_parens(node.left)))
    return f"{left} | {deparse(node.right)}"


def _term_in_r(node: Expr, columns: Columns) -> Expr:
    """A term with R's functions around arithmetic and categorical columns."""
    if isinstance(node, Name):
        return parse_expression(columns.variable(node.name))
    if isinstance(node, Paren):
        return Paren(_term_in_r(node.inner, columns))
    if isinstance(node, Binary) and node.operator == "^":
        return Call("I", (Argument(node),))
    if isinstance(node, Binary):
        return Binary(node.operator, _term_in_r(node.left, columns), _term_in_r(node.right, columns))
    if isinstance(node, Call) and node.function == "identity":
        return Call("I", node.arguments)
    return node


_PLUS, _TIMES, _POWER = 1, 2, 3
_STRENGTH = {"+": _PLUS, "-": _PLUS, "|": _PLUS, "*": _TIMES, "&": _TIMES, "/": _TIMES, "^": _POWER}


def _sum(reader: Reader, weakest: int = 0) -> Expr:
    """A formula's expression with Julia's precedence: a bar binds like ``+``, ``&`` like ``*``."""
    node = _operand(reader)
    while True:
        token = reader.token
        strength = _STRENGTH.get(token.value) if token.kind == "symbol" else None
        if strength is None or strength <= weakest:
            return node
        reader.take()
        right = _sum(reader, strength)
        if token.value == "&":
            node = Binary(":", _in_product(node), _in_product(right))
        else:
            node = Binary(token.value, node, right)


def _in_product(node: Expr) -> Expr:
    return Paren(node) if isinstance(node, Binary) and node.operator not in (":", "^") else node


def _operand(reader: Reader) -> Expr:
    if reader.sees("("):
        inner = reader.inside()
        node = _sum(inner)
        if not inner.done:
            inner.fail("this cannot be understood in a formula.")
        return Paren(node)
    token = reader.take()
    if token.kind == "number":
        return Number(float(token.value))
    if token.kind != "word":
        reader.fail("the name of a column is missing here.", token)
    if reader.sees("("):
        arguments = tuple(Argument(_sum(part)) for part in reader.inside().split(","))
        return Call(token.value, arguments)
    return Name(token.value)
