"""Reads models of SPSS."""

import re
from collections.abc import Iterator

from ranef.errors import TranslationError
from ranef.formula.syntax import Name
from ranef.translation.composition import Columns, Effect, Reading
from ranef.translation.effects import INTERCEPTS, read_effect, read_subject
from ranef.translation.repeated import beside_effects
from ranef.translation.scanner import Reader, Token, blank
from ranef.translation.spss.vocabulary import (
    COVTYPES,
    DIALECT,
    DISTRIBUTIONS,
    LANGUAGE,
    LEXICON,
    LINKS,
    PREPARATIONS,
    REPEATED_READ,
)


def read(text: str) -> Reading:
    """Read the first ``MIXED`` or ``GENLINMIXED`` of a syntax file,
    with what prepares the data for it.
    """
    columns = Columns(LANGUAGE, fold=True)
    reading = Reading(LANGUAGE)
    found = False
    for command, line in _commands(text):
        reader = Reader(LANGUAGE, LEXICON.scan(command, line))
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
    """Commands with their first lines:
    each ends with a period at the end of a line, or with an empty line.
    """
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
        columns.define(name, DIALECT.read_all(reader))
    elif verb.lower == "select" and reader.accept("if"):
        reading.subset = columns.text(DIALECT.read_all(reader))
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
            "frequency weights of cases are not those of a mixed model here; repeat the rows, or use REGWGT for "
            "precision weights.",
            verb,
            "WEIGHT BY",
        )
    elif verb.lower == "split" and reader.ahead().lower != "off":
        reader.fail("a model for each part of the file is a loop here; translate the model itself.", verb, "SPLIT FILE")
    elif verb.lower not in PREPARATIONS:
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
            _read_repeated(body, reading, columns, token)
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
    """Names of the options after a bar,
    one at a time so that their arguments can be read between them.
    """
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


def _read_repeated(body: Reader, reading: Reading, columns: Columns, token: Token) -> None:
    """The covariance of the rows of a subject: of visits, whose levels are positions."""
    visit = ":".join(columns.name(n) for effect in _effects(body, columns) for n in effect)
    subject: tuple[str, ...] = ()
    covtype = "DIAG"  # what SPSS takes where none is named
    for option in _options(body):
        if option.lower == "subject":
            subject = read_subject(body.inside(), columns)
        elif option.lower == "covtype":
            covtype = body.inside().take().value.upper()
        else:
            body.fail("this option of REPEATED has no translation.", option)
    name = REPEATED_READ.get(covtype.lower())
    if name is None:
        raise TranslationError(
            LANGUAGE,
            f"COVTYPE({covtype})",
            f"the structures of visits are {', '.join(t.upper() for t in REPEATED_READ)}.",
            token.line,
        )
    if not visit or not subject:
        raise TranslationError(
            LANGUAGE,
            "/REPEATED",
            "name the visit and the subject: /REPEATED=visit | SUBJECT(id) COVTYPE(UN).",
            token.line,
        )
    if name == "vc":
        return
    if name == "vch":
        reading.variance = f"by_group({visit.replace(':', ', ')})"
    elif name == "arma11":
        reading.correlation = f"arma({visit} | {':'.join(subject)}, p=1, q=1)"
    else:
        reading.repeated = f"{name}({visit} | {':'.join(subject)})"


def _structure(covtype: str, token: Token) -> str:
    structure = COVTYPES.get(covtype.lower())
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
    settled = False  # which of two values is the event
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
            settled = settled or "reference" in values
        elif name == "build_options" and "target_category_order" in values:
            settled = settled or values["target_category_order"][1].token.lower == "descending"
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
    if reading.family == "binomial" and not settled and "cbind" not in reading.response:
        reading.note(
            "without REFERENCE= or TARGET_CATEGORY_ORDER=DESCENDING SPSS models the lower value of the target, here 1 "
            "is the event; the signs of all coefficients change."
        )
    if reading.family == "gaussian" and reading.link in (None, "identity"):
        reading.family = reading.link = None
    else:
        reading.note(
            "GENLINMIXED maximises a pseudo-likelihood, glmer the Laplace approximation of the likelihood: estimates "
            "differ."
        )
    _notes_of_reading(reading, columns)
    if not columns.factors:
        reading.note(
            "GENLINMIXED takes fields of nominal or ordinal level as factors, which the syntax does not show; write "
            "factor(x) for those."
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
        reading.family = next((k for k, v in DISTRIBUTIONS.items() if v == token.value.upper()), None)
        if reading.family is None:
            raise TranslationError(LANGUAGE, f"DISTRIBUTION={token.value}", "there is no such family here.", token.line)
    if "link" in values:
        body = values["link"][1]
        token = body.take()
        written = token.value.upper()
        if body.sees("("):
            written += f"({''.join(t.value for t in body.inside().tokens)})"
        reading.link = next((k for k, v in LINKS.items() if v == written), None)
        if reading.link is None:
            raise TranslationError(LANGUAGE, f"LINK={written}", "there is no such link here.", token.line)
    elif reading.family in ("Gamma", "inverse.gaussian"):
        raise TranslationError(
            LANGUAGE, "/TARGET_OPTIONS", "LINK is missing, and programs differ in what they take then; name the link."
        )
    if "reference" in values:
        reading.note(
            f"the category {values['reference'][1].take().value} of the target is the reference; code the response as "
            "0 for it and 1 for the other."
        )


def _is_true(values: dict[str, tuple[Token, Reader]], default: bool) -> bool:
    return values["use_intercept"][1].take().lower in ("true", "yes") if "use_intercept" in values else default


def _notes_of_reading(reading: Reading, columns: Columns) -> None:
    if reading.repeated and reading.random:
        reading.correlation, reading.repeated = beside_effects(reading.repeated), ""
    if not reading.random and not reading.repeated and reading.correlation is None and reading.variance is None:
        raise TranslationError(
            LANGUAGE, "the model", "it has no random effects; without them it is a linear regression."
        )
    if any("factor(" in term for term in reading.fixed):
        reading.note(
            "SPSS takes the last level of a factor as reference, here it is the first: coefficients differ, the model "
            "is the same."
        )
    if reading.family is None and reading.reml:
        reading.note("SPSS counts only covariance parameters in AIC under REML; here fixed effects count too.")
    if reading.weights:
        reading.note("regression weights are precision weights in both programs.")
