"""Reads models of SAS."""

from ranef.errors import TranslationError
from ranef.formula.syntax import Name
from ranef.translation.composition import Columns, Effect, Reading
from ranef.translation.effects import INTERCEPTS, read_effect, read_subject
from ranef.translation.repeated import beside_effects
from ranef.translation.sas.after_fit import read_ddf, read_means
from ranef.translation.sas.repeated import read_repeated
from ranef.translation.sas.vocabulary import (
    AFTER_FIT,
    COMMENTS,
    DIALECT,
    DISTRIBUTIONS,
    LANGUAGE,
    LEXICON,
    LINKS,
    MODEL_SILENT,
    RANDOM_SILENT,
    SILENT,
    TYPES,
)
from ranef.translation.scanner import Reader, Token, without_comments


def read(text: str) -> Reading:
    """Read the first ``PROC MIXED`` or ``PROC GLIMMIX`` of a program,
    with the data step before it.
    """
    text = without_comments(text, COMMENTS)
    columns = Columns(LANGUAGE, fold=True)
    reading = Reading(LANGUAGE)
    whole = Reader(LANGUAGE, LEXICON.scan(text))
    procedure: str | None = None
    waiting: list[tuple[Token, Reader]] = []
    while not whole.done:
        statement = whole.until(";")
        whole.accept(";")
        if statement.done:
            continue
        verb = statement.take()
        if verb.lower in ("proc", "data") and procedure is not None:
            if statement.sees("mixed", "glimmix"):
                reading.note("only the first model was translated.")
            break
        if verb.lower == "proc" and statement.sees("mixed", "glimmix", "hpmixed"):
            if statement.sees("hpmixed"):
                statement.fail("write it as PROC MIXED.", part="PROC HPMIXED")
            procedure = statement.take().lower
            _read_options(statement, reading, procedure)
        elif procedure is None:
            if verb.kind == "word" and statement.sees("=") and statement.ahead().kind != "end":
                statement.take()
                columns.define(verb.value, DIALECT.read_all(statement))
            elif verb.lower in ("if", "merge", "do", "retain", "array", "infile", "input"):
                reading.note(
                    f"the data step's {verb.value.upper()} on line {verb.line} was not translated; prepare the data "
                    "before the call."
                )
        else:
            waiting.append((verb, statement))
    if procedure is None:
        raise TranslationError(LANGUAGE, "the text", "there is no PROC MIXED or PROC GLIMMIX in it.")
    # What is categorical must be known before the effects are read.
    for verb, statement in waiting:
        if verb.lower in ("class", "classes"):
            _read_class(statement, columns, reading)
    for verb, statement in waiting:
        _read_statement(verb, statement, reading, columns, procedure)
    _finish(reading, columns)
    return reading


def _read_options(reader: Reader, reading: Reading, procedure: str) -> None:
    reading.family = None if procedure == "mixed" else "gaussian"
    reading.n_quad = 1
    method = None
    while not reader.done:
        key = reader.word("an option")
        if key.lower == "empirical" and not reader.sees("="):
            reading.vcov = "CR0"
        if not reader.accept("="):
            continue
        value = reader.take()
        if key.lower == "data":
            if reader.accept("."):
                value = reader.word("a data set")
            reading.data = value.value
            if reader.sees("("):
                reader.fail(
                    "options of the data set have no translation; select rows with WHERE.",
                    part=f"data={value.value}(...)",
                )
        elif key.lower == "method":
            method = value
            if method.lower.startswith("quad"):
                reading.n_quad = _points(reader, reading)
        elif reader.sees("("):
            reader.inside()
    _set_method(method, reader, reading, procedure)


def _points(reader: Reader, reading: Reading) -> int:
    if reader.sees("("):
        inner = reader.inside()
        while not inner.done:
            if inner.take().lower == "qpoints" and inner.accept("="):
                return inner.whole_number(100)
    reading.note("without qpoints= SAS chooses the number of nodes from the data; 7 are taken here.")
    return 7


def _set_method(method: Token | None, reader: Reader, reading: Reading, procedure: str) -> None:
    name = method.lower if method else ""
    if procedure == "mixed":
        if name not in ("", "reml", "ml"):
            reader.fail("the methods are REML and ML.", method, f"method={name}")
        reading.reml = name != "ml"
    elif name in ("", "rspl", "rmpl", "mspl", "mmpl"):
        reading.reml = name not in ("mspl", "mmpl")
        reading.note(
            "pseudo-likelihood, which SAS maximises here, is not available; glmer takes Laplace's approximation, and "
            "estimates differ."
        )
    elif name in ("laplace", "quad"):
        reading.reml = False
    else:
        reader.fail("the methods are LAPLACE, QUAD and the pseudo-likelihoods.", method, f"method={name}")


def _read_class(reader: Reader, columns: Columns, reading: Reading) -> None:
    while not reader.done and not reader.sees("/"):
        name = columns.name(reader.word("the name of a column").value)
        columns.factors.setdefault(name, None)
        reference = None
        if reader.sees("("):
            inner = reader.inside()
            while not inner.done:
                key = inner.word("an option")
                if inner.accept("=") and key.lower == "ref":
                    reference = inner.take()
                elif key.lower != "ref":
                    inner.take()
        if reference is not None and reference.lower == "last":
            reading.note(f"ref=last of {name}: the first level is the reference here.")
        elif reference is not None and reference.lower != "first":
            columns.factors[name] = reference.value


def _read_statement(verb: Token, reader: Reader, reading: Reading, columns: Columns, procedure: str) -> None:
    name = verb.lower
    if name in ("class", "classes") or name in SILENT:
        return
    if name == "model":
        _read_model(reader, reading, columns, procedure)
    elif name == "random":
        _read_random(reader, reading, columns, verb)
    elif name == "weight":
        reading.weights = columns.text(Name(columns.name(reader.word("the weights").value)))
    elif name == "where":
        reading.subset = columns.text(DIALECT.read_all(reader))
    elif name == "repeated":
        read_repeated(reader, reading, columns, verb)
    elif name == "freq":
        reader.fail("frequencies of rows have no translation; repeat the rows.", verb, "FREQ")
    elif name == "by":
        reader.fail("a model for each group is a loop here; translate the model itself.", verb, "BY")
    elif name == "lsmeans":
        read_means(reader, reading, columns)
    elif name in AFTER_FIT:
        reading.note(f"{name.upper()} is asked of the fitted model: {AFTER_FIT[name]}.")
    else:
        reader.fail("this statement is not known.", verb, verb.value.upper())


def _read_model(reader: Reader, reading: Reading, columns: Columns, procedure: str) -> None:
    response = reader.word("the response").value
    event = None
    if reader.sees("("):
        inner = reader.inside()
        while not inner.done:
            key = inner.word("an option")
            value = inner.take() if inner.accept("=") else None
            if key.lower == "event" and value is not None:
                event = value.value
            elif key.lower in ("descending", "desc"):
                event = "last"
    reading.response = columns.text(Name(columns.name(response)))
    if reader.accept("/"):
        trials = columns.text(Name(columns.name(reader.word("the number of trials").value)))
        reading.response = f"cbind({reading.response}, {trials} - {reading.response})"
        reading.family = "binomial"
    reader.expect("=")
    reading.fixed = [columns.product(e) for e in _effects(reader, columns)]
    distribution = False
    for key, setting in _settings(reader):
        if key.lower == "noint":
            reading.intercept = False
        elif key.lower in ("dist", "d", "error", "distribution"):
            found = DISTRIBUTIONS.get(_value(setting))
            if found is None:
                reader.fail("there is no such family here.", key, f"dist={_value(setting)}")
            reading.family, distribution = found, True
        elif key.lower == "link":
            reading.link = LINKS.get(_value(setting))
            if reading.link is None:
                reader.fail("there is no such link here.", key, f"link={_value(setting)}")
        elif key.lower == "offset":
            if not setting or not setting[0].value:
                reader.fail("the variable of the offset is missing.", key, "offset=")
            reading.offsets.append(columns.text(Name(columns.name(setting[0].value))))
        elif key.lower not in MODEL_SILENT:
            reader.fail("this option of MODEL has no translation.", key, key.value)
        elif key.lower in ("ddfm", "dfm"):
            read_ddf(setting, reading)
    if (
        procedure == "glimmix"
        and reading.family == "binomial"
        and distribution
        and event is None
        and "cbind" not in reading.response
    ):
        reading.note(
            "without event= SAS models the first level of the response, here 1 is the event; the signs of all "
            "coefficients change."
        )
    elif event not in (None, "1", "last"):
        reading.note(f"the event is {event!r} there; code the response as 1 for it and 0 for the other.")


def _effects(reader: Reader, columns: Columns) -> list[Effect]:
    """Effects, with the bar that stands for a product and everything in it,
    and the ``@`` that limits it.
    """
    out: list[Effect] = []
    while not reader.done and not reader.sees("/"):
        if reader.sees(*INTERCEPTS) and reader.ahead().value not in ("*", "|", "("):
            reader.take()
            out.append(())
            continue
        chain: list[Effect] = [read_effect(reader, columns)]
        while reader.accept("|"):
            right = read_effect(reader, columns)
            chain = [*chain, right, *(a + right for a in chain)]
        if reader.accept("@"):
            limit = reader.whole_number(20)
            chain = [e for e in chain if len(e) <= limit]
        out += chain
    return list(dict.fromkeys(out))


def _settings(reader: Reader) -> list[tuple[Token, list[Token]]]:
    """Options after a slash, with the tokens of their values."""
    out = []
    if reader.accept("/"):
        while not reader.done:
            key = reader.word("an option")
            values: list[Token] = []
            if reader.accept("="):
                values.append(reader.take())
                if values[0].value == "-" and values[0].kind == "symbol":
                    values.append(reader.take())
                while reader.sees("*") or (values and values[-1].value == "*"):
                    values.append(reader.take())
            if reader.sees("("):
                start = reader.at
                reader.inside()
                values += reader.tokens[start : reader.at]
                while reader.sees("*"):
                    values += [reader.take(), reader.take()]
            out.append((key, values))
    return out


def _value(tokens: list[Token]) -> str:
    return "".join(t.lower if t.kind != "string" else t.value.lower() for t in tokens)


def _read_random(reader: Reader, reading: Reading, columns: Columns, verb: Token) -> None:
    if reader.sees("_residual_"):
        reader.fail(
            "overdispersion and residual structures (R side) have no translation; use the family nbinom2 or a random "
            "effect for each row.",
            part="RANDOM _RESIDUAL_",
        )
    effects = _effects(reader, columns)
    subject: tuple[str, ...] = ()
    structure = "vc"
    for key, value in _settings(reader):
        if key.lower in ("subject", "sub"):
            end = Token("end", "", key.line, 0, 0)
            subject = read_subject(Reader(LANGUAGE, [*value, end]), columns)
            subject = _outer_first(value, subject)
        elif key.lower == "type":
            structure = _value(value)
        elif key.lower in ("residual", "rside", "group"):
            reason = (
                "correlated residuals (R side)"
                if key.lower != "group"
                else "covariance matrices that differ between groups"
            )
            reader.fail(f"{reason} cannot be part of this model.", key, f"{key.value.upper()} of RANDOM")
        elif key.lower not in RANDOM_SILENT:
            reader.fail("this option of RANDOM has no translation.", key, key.value)
    if structure not in TYPES:
        raise TranslationError(
            LANGUAGE,
            f"TYPE={structure.upper()}",
            f"the structures of random effects are {', '.join(t.upper() for t in TYPES)}.",
            verb.line,
        )
    reading.random += columns.random(effects, subject, TYPES[structure], "RANDOM", verb.line)


def _outer_first(value: list[Token], subject: tuple[str, ...]) -> tuple[str, ...]:
    """Of class(school) the school comes first."""
    before = sum(
        1 for t in value[: next((i for i, t in enumerate(value) if t.value == "("), len(value))] if t.kind == "word"
    )
    return (*subject[before:], *subject[:before])


def _finish(reading: Reading, columns: Columns) -> None:
    if not reading.response:
        raise TranslationError(LANGUAGE, "the procedure", "the MODEL statement is missing.")
    if reading.repeated and reading.random:
        reading.correlation, reading.repeated = beside_effects(reading.repeated), ""
    if not reading.random and not reading.repeated and reading.variance is None:
        raise TranslationError(
            LANGUAGE, "the model", "it has no RANDOM statement; without random effects it is a linear regression."
        )
    if reading.family == "gaussian" and reading.link in (None, "identity"):
        reading.family = reading.link = None
        reading.notes = [n for n in reading.notes if not n.startswith("pseudo-likelihood")]
    elif reading.family == "Gamma" and reading.link is None:
        reading.link = "log"
    elif reading.family == "inverse.gaussian" and reading.link is None:
        reading.link = "1/mu^2"
    if any("factor(" in term and "relevel(" not in term for term in reading.fixed):
        reading.note(
            "SAS takes the last level of a CLASS variable as reference by default, here it is the first: "
            "coefficients differ, the model is the same."
        )
    if reading.family is None:
        reading.note(
            "SAS counts only covariance parameters in AIC under REML and takes the number of subjects in BIC; here "
            "all parameters and the number of rows."
        )
