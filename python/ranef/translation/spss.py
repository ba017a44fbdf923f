"""SPSS: ``MIXED`` for linear models, ``GENLINMIXED`` for others."""

import re
from collections.abc import Iterator

from ranef.errors import TranslationError
from ranef.formula.syntax import Binary, Expr, Name
from ranef.translation.composition import Columns, Effect, Reading
from ranef.translation.description import ModelDescription
from ranef.translation.effects import INTERCEPTS, effect_text, read_effect, read_subject
from ranef.translation.expressions import Dialect
from ranef.translation.naming import Naming, check_common, over_levels
from ranef.translation.scanner import Lexicon, Reader, Token, blank

LANGUAGE = "SPSS"

_DIALECT = Dialect(
    LANGUAGE,
    {"log": "LN", "exp": "EXP", "sqrt": "SQRT", "abs": "ABS", "log10": "LG10"},
    {"^": "**", "==": "=", "!=": "<>", "&": "AND", "|": "OR", "!": "NOT"},
    {
        "and": "&", "or": "|", "not": "!", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
        "&": "&", "|": "|", "~": "!", "~=": "!=",
    },
    "'",
    tight_not=False,
)  # fmt: skip
_LEXICON = Lexicon(LANGUAGE, ("**", "<>", "~=", "<=", ">="), "_.$#@")
_NAME = re.compile(r"[A-Za-z@#$][\w.$#@]*(?<![.])")
_COVTYPES = {
    "vc": "components", "id": "identity", "diag": "diagonal", "un": "unstructured", "unr": "unstructured",
    "variance_components": "components", "scaled_identity": "identity", "diagonal": "diagonal", "unstructured": "unstructured",
}  # fmt: skip
_DISTRIBUTIONS = {
    "binomial": "BINOMIAL", "poisson": "POISSON", "nbinom2": "NEGATIVE_BINOMIAL", "Gamma": "GAMMA", "inverse.gaussian": "INVERSE_GAUSS",
    "gaussian": "NORMAL",
}  # fmt: skip
_LINKS = {
    "logit": "LOGIT", "probit": "PROBIT", "cloglog": "CLOGLOG", "log": "LOG", "identity": "IDENTITY", "inverse": "POWER(-1)", "sqrt": "POWER(0.5)",
    "1/mu^2": "POWER(-2)",
}  # fmt: skip
_PREPARATIONS = (
    "execute",
    "temporary",
    "dataset",
    "get",
    "use",
    "filter",
    "title",
    "subtitle",
    "set",
    "new",
    "output",
    "value",
    "missing",
    "sort",
)

# ---- writing


def write(model: ModelDescription) -> tuple[list[str], list[str]]:
    """Write a model.

    Returns
    -------
    lines, notes : list of str
    """
    check_common(model, LANGUAGE)
    naming = Naming(model, _DIALECT, _NAME, 64, fold=True)
    body = _mixed(model, naming) if model.family is None else _genlinmixed(model, naming)
    before = naming.definitions("COMPUTE {name} = {value}.")
    if before:
        before.append("EXECUTE.")
    if model.subset is not None:
        before += ["TEMPORARY.", f"SELECT IF ({_DIALECT.write(model.subset, 'subset')})."]
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
        structure = "VC" if len(effects) == 1 and plain else "DIAG" if block.structure == "diagonal" else "UN"
        random.append(
            (f"  /RANDOM={' '.join(effects)} | SUBJECT({'*'.join(block.group)}) COVTYPE({structure})", products)
        )
    used = [*fixed, *(p for _, ps in random for p in ps)]
    names = dict.fromkeys(column for p in used for column in p)
    factors = [n for n, c in names if c]
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
    ]
    if model.weights is not None:
        lines.append(f"  /REGWGT={naming.column(model.weights)}")
    return [*lines, "  /PRINT=SOLUTION TESTCOV."]


def _genlinmixed(model: ModelDescription, naming: Naming) -> list[str]:
    assert model.family is not None
    assert model.link is not None
    if model.family not in _DISTRIBUTIONS:
        raise TranslationError(LANGUAGE, f"the {model.family} family", "GENLINMIXED does not have it.")
    if model.link not in _LINKS:
        raise TranslationError(LANGUAGE, f"the {model.link} link", "GENLINMIXED does not have it.")
    fields = f"  /FIELDS TARGET={naming.column(model.response.expr)}"
    if model.response.trials is not None:
        fields += f" TRIALS=FIELD({naming.column(model.response.trials)})"
    if model.weights is not None:
        fields += f" ANALYSIS_WEIGHT={naming.column(model.weights)}"
    if model.offsets:
        fields += f" OFFSET=FIELD({naming.column(_sum(model.offsets))})"
    target = f"  /TARGET_OPTIONS DISTRIBUTION={_DISTRIBUTIONS[model.family]} LINK={_LINKS[model.link]}"
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
        structure = "VARIANCE_COMPONENTS" if single else "DIAGONAL" if block.structure == "diagonal" else "UNSTRUCTURED"
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
        notes.append("p-values of fixed effects use Satterthwaite's degrees of freedom in SPSS and in ranef.")
        notes.append(
            "under REML, SPSS's AIC counts the covariance parameters only, and its BIC takes n - p for n; with ML the criteria agree."
            if model.reml
            else "SPSS prints Wald tests of variances, which are no tests of a variance being zero; ranova() of ranef is."
        )
    else:
        notes.append(
            f"GENLINMIXED maximises a pseudo-likelihood and has no {'quadrature' if model.n_quad > 1 else 'Laplace approximation'}: estimates differ, variances are often "
            "smaller, and its criteria compare no models."
        )
    if model.categorical:
        notes.append("the last level of a factor is the reference in SPSS, the first one in ranef.")
    return notes


# ---- reading


def read(text: str) -> Reading:
    """Read the first ``MIXED`` or ``GENLINMIXED`` of a syntax file, with what prepares the data for it."""
    columns = Columns(LANGUAGE, fold=True)
    reading = Reading(LANGUAGE)
    found = False
    for command, line in _commands(text):
        reader = Reader(LANGUAGE, _LEXICON.scan(command, line))
        verb = reader.take()
        if verb.lower in ("mixed", "genlinmixed"):
            if found:
                reading.note("only the first model was translated.")
                break
            found = True
            (_read_mixed if verb.lower == "mixed" else _read_genlinmixed)(reader, reading, columns)
        elif not found:
            _prepare(verb, reader, reading, columns)
    if not found:
        raise TranslationError(LANGUAGE, "the text", "there is no MIXED or GENLINMIXED command in it.")
    return reading


def _commands(text: str) -> list[tuple[str, int]]:
    """Commands with their first lines: each ends with a period at the end of a line, or with an empty line."""
    text = re.sub(r"/\*.*?(?:\*/|$)", lambda m: " " * len(m[0]), text, flags=re.MULTILINE)
    out = []
    at = 0
    for match in re.finditer(r"\.[ \t]*(?=\n|\Z)|\n[ \t]*(?=\n)|\Z", text):
        command = text[at : match.start()]
        start = at + len(command) - len(command.lstrip())
        if re.match(r"\*|comment\b", command.lstrip(), flags=re.IGNORECASE):
            command = blank(command, 0, len(command))
        if command.strip():
            out.append((command.strip(), text.count("\n", 0, start) + 1))
        at = match.end()
    return out


def _prepare(verb: Token, reader: Reader, reading: Reading, columns: Columns) -> None:
    if verb.lower == "compute":
        name = reader.word("the name of a column").value
        reader.expect("=")
        columns.define(name, _DIALECT.read_all(reader))
    elif verb.lower == "select" and reader.accept("if"):
        reading.subset = columns.text(_DIALECT.read_all(reader))
    elif verb.lower == "variable" and reader.accept("level"):
        while not reader.done:
            names = []
            while reader.token.kind == "word":
                names.append(columns.name(reader.take().value))
            if reader.inside().take().lower == "nominal":
                columns.factors.update(dict.fromkeys(names))
            reader.accept("/")
    elif verb.lower == "weight" and not reader.sees("off"):
        reader.fail(
            "frequency weights of cases are not those of a mixed model here; repeat the rows, or use REGWGT for precision weights.",
            verb,
            "WEIGHT BY",
        )
    elif verb.lower == "split" and reader.ahead().lower != "off":
        reader.fail("a model for each part of the file is a loop here; translate the model itself.", verb, "SPLIT FILE")
    elif verb.lower not in _PREPARATIONS:
        reading.note(f"{verb.value.upper()} on line {verb.line} was not translated; prepare the data before the call.")


def _subcommands(reader: Reader, known: tuple[str, ...]) -> list[tuple[str, Token, Reader]]:
    """Subcommands under their full names; three letters are enough to write one."""
    out = []
    while reader.accept("/"):
        token = reader.word("the name of a subcommand")
        full = [k for k in known if k == token.lower or (len(token.lower) >= 3 and k.startswith(token.lower))]
        if not full:
            reader.fail("this subcommand is not known.", token, f"/{token.value.upper()}")
        # MIXED writes an equals sign after the name, GENLINMIXED does not.
        reader.accept("=")
        out.append((full[0], token, reader.until("/")))
    if not reader.done:
        reader.fail("a subcommand starts with '/'.")
    return out


def _read_mixed(reader: Reader, reading: Reading, columns: Columns) -> None:
    reading.response = columns.text(Name(columns.name(reader.word("the response").value)))
    head = reader.until("/")
    section = None
    while not head.done:
        token = head.take()
        if token.lower in ("by", "with"):
            section = token.lower
        elif token.lower == "to":
            head.fail("a range of columns depends on the file; name each column.", token, "TO")
        elif token.kind != "word" or section is None:
            head.fail("after the response stand BY and factors, or WITH and covariates.", token)
        elif section == "by":
            columns.factors.setdefault(columns.name(token.value), None)
        else:
            columns.name(token.value)
    known = (
        "fixed",
        "random",
        "method",
        "print",
        "criteria",
        "repeated",
        "emmeans",
        "save",
        "missing",
        "regwgt",
        "test",
        "id",
        "outfile",
    )
    for name, token, body in _subcommands(reader, known):
        part = f"/{name.upper()}"
        if name == "fixed":
            reading.fixed = [columns.product(e) for e in _effects(body, columns)]
            for option in _options(body):
                if option.lower == "noint":
                    reading.intercept = False
                elif option.lower == "sstype":
                    reading.note(f"type {body.inside().take().value} tests of the terms: m.anova(type=...).")
                else:
                    body.fail("this option is not known.", option)
        elif name == "random":
            _read_random(body, reading, columns, token)
        elif name == "method":
            method = body.take()
            if method.lower not in ("reml", "ml"):
                body.fail("the methods are REML and ML.", method, part)
            reading.reml = method.lower == "reml"
        elif name == "repeated":
            raise TranslationError(
                LANGUAGE,
                part,
                "correlated or unequal residuals (R side) cannot be part of lmer's model; random effects can often say the same.",
                token.line,
            )
        elif name == "regwgt":
            reading.weights = columns.text(Name(columns.name(body.word("the weights").value)))
        elif name == "emmeans":
            reading.note("estimated marginal means are asked of the fitted model: m.emmeans(...).")
        elif name == "test":
            reading.note("custom hypotheses are asked of the fitted model: m.test(...).")
        elif name == "save":
            reading.note("predictions and residuals are members of the fitted model: fittedvalues, resid.")
        elif name == "missing" and body.take().lower == "include":
            raise TranslationError(
                LANGUAGE, part, "user-missing values are ordinary values here; recode them in the data.", token.line
            )
    _notes_of_reading(reading, columns)


def _effects(body: Reader, columns: Columns) -> list[Effect]:
    out: list[Effect] = []
    while not body.done and not body.sees("|"):
        if body.sees(*INTERCEPTS[:1]):
            body.take()
            out.append(())
        elif body.accept(","):
            continue
        else:
            out.append(read_effect(body, columns, ("*", "by")))
    return out


def _options(body: Reader) -> Iterator[Token]:
    """Names of the options after a bar, one at a time so that their arguments can be read between them."""
    if body.accept("|"):
        while not body.done:
            yield body.word("an option")


def _read_random(body: Reader, reading: Reading, columns: Columns, token: Token) -> None:
    effects = _effects(body, columns)
    subject: tuple[str, ...] = ()
    covtype = "VC"
    for option in _options(body):
        if option.lower == "subject":
            subject = read_subject(body.inside(), columns)
        elif option.lower == "covtype":
            covtype = body.inside().take().value.upper()
        elif option.lower != "solution":
            body.fail("this option is not known.", option)
    reading.random += columns.random(effects, subject, _structure(covtype, token), "/RANDOM", token.line)


def _structure(covtype: str, token: Token) -> str:
    structure = _COVTYPES.get(covtype.lower())
    if structure is None:
        raise TranslationError(
            LANGUAGE,
            f"COVTYPE({covtype})",
            "random effects have an unstructured or a diagonal covariance matrix here; use UN or DIAG.",
            token.line,
        )
    return structure


def _settings(body: Reader) -> dict[str, tuple[Token, Reader]]:
    """``KEY=value`` pairs of a GENLINMIXED subcommand: the tokens of each value."""
    out: dict[str, tuple[Token, Reader]] = {}
    while not body.done:
        key = body.word("a keyword")
        body.expect("=")
        start = body.at
        while not body.done and not (body.token.kind == "word" and body.ahead().value == "=" and body.at > start):
            if body.sees("("):
                body.inside()
            else:
                body.take()
        out[key.lower] = (key, Reader(LANGUAGE, [*body.tokens[start : body.at], Token("end", "", key.line, 0, 0)]))
    return out


def _read_genlinmixed(reader: Reader, reading: Reading, columns: Columns) -> None:
    known = (
        "data_structure",
        "fields",
        "target_options",
        "fixed",
        "random",
        "build_options",
        "emmeans",
        "emmeans_options",
        "save",
        "outfile",
        "export",
    )
    reading.family, reading.link = "gaussian", None
    subjects: tuple[str, ...] = ()
    for name, token, body in _subcommands(reader, known):
        if name in ("emmeans", "emmeans_options", "save", "outfile", "export"):
            reading.note(f"/{name.upper()} was not translated: ask the fitted model.")
            continue
        values = _settings(body)
        if name == "data_structure":
            if "repeated_measures" in values:
                raise TranslationError(
                    LANGUAGE,
                    "REPEATED_MEASURES",
                    "correlated residuals (R side) cannot be part of glmer's model.",
                    token.line,
                )
            if "subjects" in values:
                subjects = read_subject(values["subjects"][1], columns)
        elif name == "fields":
            _read_fields(values, reading, columns)
        elif name == "target_options":
            _read_target(values, reading)
        elif name == "fixed":
            reading.intercept = _is_true(values, True)
            reading.fixed = (
                [columns.product(e) for e in _effects(values["effects"][1], columns)] if "effects" in values else []
            )
        elif name == "random":
            effects: list[Effect] = [()] if _is_true(values, False) else []
            if "effects" in values:
                effects += _effects(values["effects"][1], columns)
            subject = read_subject(values["subjects"][1], columns) if "subjects" in values else subjects
            covtype = (
                values["covariance_type"][1].take().value if "covariance_type" in values else "variance_components"
            )
            reading.random += columns.random(effects, subject, _structure(covtype, token), "/RANDOM", token.line)
    if reading.family == "gaussian" and reading.link in (None, "identity"):
        reading.family = reading.link = None
    else:
        reading.note(
            "GENLINMIXED maximises a pseudo-likelihood, glmer the Laplace approximation of the likelihood: estimates differ."
        )
    _notes_of_reading(reading, columns)
    if not columns.factors:
        reading.note(
            "GENLINMIXED takes fields of nominal or ordinal level as factors, which the syntax does not show; write factor(x) for those."
        )


def _read_fields(values: dict[str, tuple[Token, Reader]], reading: Reading, columns: Columns) -> None:
    def field(key: str) -> str | None:
        if key not in values:
            return None
        value = values[key][1]
        kind = value.take()
        if kind.lower == "none":
            return None
        if kind.lower in ("field", "value") and value.sees("("):
            kind = value.inside().take()
        return columns.text(Name(columns.name(kind.value))) if kind.kind == "word" else kind.value

    target, trials, offset = field("target"), field("trials"), field("offset")
    if target is None:
        raise TranslationError(LANGUAGE, "/FIELDS", "TARGET, the response, is missing.")
    reading.response = target if trials is None else f"cbind({target}, {trials} - {target})"
    reading.weights = field("analysis_weight")
    if offset is not None:
        reading.offsets.append(offset)


def _read_target(values: dict[str, tuple[Token, Reader]], reading: Reading) -> None:
    if "distribution" in values:
        token = values["distribution"][1].take()
        reading.family = next((k for k, v in _DISTRIBUTIONS.items() if v == token.value.upper()), None)
        if reading.family is None:
            raise TranslationError(LANGUAGE, f"DISTRIBUTION={token.value}", "there is no such family here.", token.line)
    if "link" in values:
        body = values["link"][1]
        token = body.take()
        written = token.value.upper()
        if body.sees("("):
            written += f"({''.join(t.value for t in body.inside().tokens)})"
        reading.link = next((k for k, v in _LINKS.items() if v == written), None)
        if reading.link is None:
            raise TranslationError(LANGUAGE, f"LINK={written}", "there is no such link here.", token.line)
    elif reading.family in ("Gamma", "inverse.gaussian"):
        raise TranslationError(
            LANGUAGE, "/TARGET_OPTIONS", "LINK is missing, and programs differ in what they take then; name the link."
        )
    if "reference" in values:
        reading.note(
            f"the category {values['reference'][1].take().value} of the target is the reference; code the response as 0 for it and 1 for the other."
        )


def _is_true(values: dict[str, tuple[Token, Reader]], default: bool) -> bool:
    return values["use_intercept"][1].take().lower in ("true", "yes") if "use_intercept" in values else default


def _notes_of_reading(reading: Reading, columns: Columns) -> None:
    if not reading.random:
        raise TranslationError(
            LANGUAGE, "the model", "it has no random effects; without them it is a linear regression."
        )
    if any("factor(" in term for term in reading.fixed):
        reading.note(
            "SPSS takes the last level of a factor as reference, here it is the first: coefficients differ, the model is the same."
        )
    if reading.family is None and reading.reml:
        reading.note("SPSS counts only covariance parameters in AIC under REML; here fixed effects count too.")
    if reading.weights:
        reading.note("regression weights are precision weights in both programs.")
