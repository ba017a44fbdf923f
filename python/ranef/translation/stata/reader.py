"""Reads models of Stata."""

import re

from ranef.errors import TranslationError
from ranef.formula.syntax import Name
from ranef.translation.composition import Columns, Effect, Reading, quoted
from ranef.translation.factor_variables import factor_terms
from ranef.translation.repeated import beside_effects
from ranef.translation.scanner import Reader, Token, without_comments
from ranef.translation.stata.residuals import read_residuals
from ranef.translation.stata.vocabulary import (
    COMMANDS,
    COMMENTS,
    COVARIANCES,
    DIALECT,
    FAMILIES,
    FAMILY_LETTERS,
    LANGUAGE,
    LEXICON,
    LINKS,
    OPTIONS,
    OTHER_MODELS,
    PANEL_COMMANDS,
    PANEL_OPTIONS,
    PREFIXES,
    ZERO_COMMANDS,
)


def read(text: str) -> Reading:
    """Read the first mixed-effects command of a do-file, with what prepares the data for it."""
    columns = Columns(LANGUAGE)
    reading = Reading(LANGUAGE, reml=False)
    found = False
    panel: list[str] = []
    for command, line in _statements(text):
        reader = Reader(LANGUAGE, LEXICON.scan(command, line))
        # The prompt of a log, and prefixes such as "xi:".
        reader.accept(".")
        while reader.token.lower in PREFIXES:
            reader.take()
            reader.accept(":")
        verb = reader.token
        if verb.lower in OTHER_MODELS:
            reader.fail(f"there are no {OTHER_MODELS[verb.lower]} models here.")
        if verb.kind == "word" and (verb.value in {**COMMANDS, **PANEL_COMMANDS, **ZERO_COMMANDS}):
            if found:
                reading.note("only the first model was translated.")
                break
            found = True
            if verb.value in COMMANDS:
                _read_command(reader, reading, columns)
            elif verb.value in ZERO_COMMANDS:
                _read_zeros(reader, reading, columns)
            else:
                _read_panel_command(reader, reading, columns, panel)
        elif verb.lower in ("xtset", "iis"):
            reader.take()
            panel = [reader.word("the group of the panel").value]
        elif verb.lower == "i" and reader.ahead().value == ".":
            _expand(reader, columns)
        elif not found:
            _prepare(reader, reading, columns)
    if not found:
        raise TranslationError(
            LANGUAGE, "the text", f"there is no mixed-effects command in it: {', '.join([*COMMANDS, *PANEL_COMMANDS])}."
        )
    return reading


def _statements(text: str) -> list[tuple[str, int]]:
    """Commands with their first lines; three slashes continue a line."""
    text = re.sub(r"[ \t]///[^\n]*\n", lambda m: " " * (len(m[0]) - 1) + "\v", text)
    text = without_comments(text, COMMENTS)
    if re.search(r"^\s*#delimit\s*;", text, flags=re.MULTILINE):
        raise TranslationError(LANGUAGE, "#delimit ;", "write one command a line, continued by ///.")
    return [(line.replace("\v", "\n"), i) for i, line in _numbered(text) if line.strip()]


def _numbered(text: str) -> list[tuple[int, str]]:
    out, number = [], 1
    for line in text.split("\n"):
        out.append((number, line))
        number += 1 + line.count("\v")
    return out


def _expand(reader: Reader, columns: Columns) -> None:
    """Note the factors of the command ``xi i.a i.b``, whose columns are called ``_Ia_2``,
    ``_Ia_3`` …
    """
    while not reader.done:
        if reader.take().lower == "i" and reader.accept("."):
            columns.expanded.append(reader.word("the name of a column").value)


def _prepare(reader: Reader, reading: Reading, columns: Columns) -> None:
    verb = reader.take()
    if verb.lower in ("g", "ge", "gen", "gene", "gener", "genera", "generat", "generate") or verb.lower == "egen":
        name = reader.word("the name of a column")
        if name.lower in ("byte", "int", "long", "float", "double"):
            name = reader.word("the name of a column")
        reader.expect("=")
        if verb.lower == "egen":
            if reader.accept("group") is None:
                reader.fail("only egen group() has a translation; compute the column in the data.", verb, "egen")
            inner = reader.inside()
            columns.groups[name.value] = tuple(inner.take().value for _ in range(len(inner.tokens) - 1))
        else:
            columns.define(name.value, DIALECT.read_all(reader))
    elif verb.lower in ("keep", "drop") and reader.accept("if"):
        condition = columns.text(DIALECT.read_all(reader))
        condition = condition if verb.lower == "keep" else f"!({condition})"
        reading.subset = condition if reading.subset is None else f"({reading.subset}) & ({condition})"
    elif verb.lower in ("use", "sysuse", "webuse", "insheet", "import") and not reader.done:
        parts = [t.value for t in reader.until(",").tokens]
        stem = "".join(parts).replace("\\", "/").rsplit("/", 1)[-1]
        reading.data = stem.rsplit(".", 1)[0] if stem.endswith((".dta", ".csv")) else stem
    elif verb.lower in ("recode", "replace", "encode", "reshape", "merge", "collapse", "rename"):
        reading.note(f"{verb.value} on line {verb.line} was not translated; prepare the data before the call.")


def _read_command(reader: Reader, reading: Reading, columns: Columns) -> None:
    verb = reader.take()
    reading.family, reading.link = COMMANDS[verb.value]
    if verb.value == "xtmixed" and not any(t.lower in ("reml", "mle", "ml") for t in reader.tokens):
        reading.note("xtmixed fitted by REML before Stata 12; ML is taken here, as since then, unless reml is written.")
    equations = reader.split("||")
    first = equations[0]
    _read_fixed(first, reading, columns)
    if len(equations) == 1:
        first.fail("there is no random-effects equation, '|| group:'.", verb, verb.value)
    shared = _options(first)
    own = [(equation, *_read_equation(equation, columns)) for equation in equations[1:]]
    for _, _, _, options in own:
        shared += [o for o in options if o[0] not in ("covariance", "noconstant", "fweight", "pweight", "iweight")]
    reading.intercept = not any(name == "noconstant" for name, _, _ in shared)
    _random(own, reading, columns)
    groups = list(dict.fromkeys(group for _, group, _, _ in own if group != "_all"))
    subject = columns.group(groups) if groups else ""
    _estimation([o for o in shared if o[0] not in ("noconstant",)], reading, columns, subject=subject)
    if reading.repeated and reading.random:
        reading.correlation, reading.repeated = beside_effects(reading.repeated), ""


def _read_panel_command(reader: Reader, reading: Reading, columns: Columns, panel: list[str]) -> None:
    """xtreg and its kin, and gllamm: intercepts of groups, which an option or xtset names."""
    verb = reader.take()
    reading.family, reading.link = PANEL_COMMANDS[verb.value]
    _read_fixed(reader, reading, columns)
    options = _options(reader, {**PANEL_OPTIONS, **OPTIONS})
    named = {name: (token, argument) for name, token, argument in options}
    for name in ("fe", "be", "pa", "eqs", "nrf", "weight"):
        if name in named:
            what = {"fe": "fixed effects of groups", "be": "a regression of group means", "pa": "a population average"}
            reason = f"this is {what[name]} and no mixed model." if name in what else "it has no translation."
            reader.fail(reason, named[name][0], f"{verb.value}, {name}")
    if verb.value == "xtpoisson" and "normal" not in named:
        reader.fail(
            "its random effects are gamma distributed; with the option normal it is the model of glmer.",
            verb,
            verb.value,
        )
    if verb.value == "xtreg" and not any(name in named for name in ("mle", "ml")):
        reading.note("xtreg, re is by generalised least squares; this is the same model by maximum likelihood.")
    groups = [t.value for t in named["i"][1].remaining()] if "i" in named else panel
    if not groups:
        reader.fail("the group is missing: xtset it, or name it by the option i().", verb, verb.value)
    # gllamm names the lowest level first.
    outer = [columns.name(g) for g in reversed(groups)]
    reading.random = [f"(1 | {columns.group(outer[: i + 1])})" for i in range(len(outer))]
    reading.intercept = "noconstant" not in named
    if "denom" in named:
        _trials(named["denom"][1], reading, columns)
    nodes = 8 if verb.value == "gllamm" else 12
    if "nip" in named:
        options.append(("intpoints", *named["nip"]))
    _estimation([o for o in options if o[0] != "noconstant"], reading, columns, nodes)


def _read_zeros(reader: Reader, reading: Reading, columns: Columns) -> None:
    """zip and zinb: counts, and in inflate() the logit of the probability of an extra zero."""
    verb = reader.take()
    family = ZERO_COMMANDS[verb.value]
    _read_fixed(reader, reading, columns)
    options = _options(reader)
    named = {name: (token, argument) for name, token, argument in options}
    if "inflate" not in named:
        reader.fail("the part for zeros is missing: inflate().", verb, verb.value)
    if "probit" in named:
        reader.fail("the zero part here is logistic.", named["probit"][0], "probit")
    part: list[Effect] = []
    inside = named["inflate"][1]
    while not inside.done:
        if inside.sees(","):
            inside.fail("offsets of the zero part have no translation; write offset() in zi_formula.", part="inflate()")
        if inside.accept("_cons") is None:
            part += factor_terms(inside, columns)
    zeros = f"~ {' + '.join(columns.product(e) for e in part) or '1'}"
    reading.intercept = "noconstant" not in named
    own = [o for o in options if o[0] not in ("noconstant", "inflate")]
    reading.verb, reading.family, reading.link = "glmer", family, "log"
    _estimation(own, reading, columns, nodes=1)
    reading.own = {"family": quoted(family), "zi_formula": quoted(zeros)}


def _read_fixed(first: Reader, reading: Reading, columns: Columns) -> None:
    """The response, the fixed part and the rows."""
    reading.response = columns.text(Name(first.word("the response").value))
    terms: list[Effect] = []
    while not first.done and not first.sees(",", "if", "in", "["):
        terms += factor_terms(first, columns)
    reading.fixed = [columns.product(e) for e in terms]
    if first.accept("if"):
        condition = columns.text(DIALECT.read(first))
        reading.subset = condition if reading.subset is None else f"({reading.subset}) & ({condition})"
    if first.sees("in"):
        first.fail("a range of rows has no translation; select the rows in the data.", part="in")
    if first.sees("["):
        first.fail(
            "weights are not translated: sampling weights are sampling_weights={'rows': 'w1', 'school': 'w2'} here, "
            "and of frequencies the rows are repeated; weights= are precisions of rows.",
            part="the weights",
        )


#: What is said of weights in an equation of random effects.
_WEIGHTS_OF_GROUPS = "weights of groups are not translated; here they are sampling_weights={'school': 'w2'}."

Option = tuple[str, Token, Reader]


def _options(reader: Reader, known: dict[str, int] = OPTIONS) -> list[Option]:
    """Options after a comma, under their full names."""
    out: list[Option] = []
    if not reader.accept(","):
        return out
    while not reader.done:
        if reader.accept(","):
            continue
        token = reader.word("an option")
        full = next((k for k, n in known.items() if len(token.lower) >= n and k.startswith(token.lower)), None)
        if full is None:
            reader.fail("this option is not known.", token, f"the option {token.value}")
        argument = reader.inside() if reader.sees("(") else Reader(LANGUAGE, [Token("end", "", token.line, 0, 0)])
        out.append((full, token, argument))
    return out


def _read_equation(reader: Reader, columns: Columns) -> tuple[str, list[Effect], list[Option]]:
    group = columns.name(reader.word("the grouping factor").value)
    reader.expect(":")
    effects: list[Effect] = []
    while not reader.done and not reader.sees(","):
        token = reader.token
        if token.lower == "r" and reader.ahead().value == ".":
            reader.take()
            reader.take()
            effects.append(("R.", reader.word("a factor").value))
        else:
            effects += factor_terms(reader, columns)
    return group, effects, _options(reader)


def _random(
    equations: "list[tuple[Reader, str, list[Effect], list[Option]]]", reading: Reading, columns: Columns
) -> None:
    outer: list[str] = []
    for equation, group, effects, options in equations:
        line = equation.tokens[0].line
        settings = {name: argument for name, _, argument in options}
        for name in ("fweight", "pweight", "iweight"):
            if name in settings:
                raise TranslationError(LANGUAGE, f"{name}() of {group}", _WEIGHTS_OF_GROUPS, line)
        if group != "_all" and group not in outer:
            outer.append(group)
        subject = outer[: outer.index(group) + 1] if group != "_all" else []
        if effects and effects[0][0] == "R.":
            reading.random.append(f"(1 | {columns.group([*subject, effects[0][1]])})")
            continue
        if group == "_all":
            raise TranslationError(LANGUAGE, "_all:", "effects of all rows together are of the form R.factor.", line)
        written = _abbreviated(settings["covariance"], COVARIANCES) if "covariance" in settings else "independent"
        every: list[Effect] = ([] if "noconstant" in settings else [()]) + effects
        part = f"the equation of {group}"
        if not every:
            # A level without effects still says what the levels below are nested in.
            continue
        if written == "exchangeable" and len(every) > 1:
            raise TranslationError(
                LANGUAGE,
                f"covariance(exchangeable) of {group}",
                "equal variances and equal covariances are no structure here; use unstructured.",
                line,
            )
        structure = {"unstructured": "unstructured", "identity": "identity"}.get(written, "diagonal")
        if any(columns.is_factor(n) for e in effects for n in e):
            raise TranslationError(
                LANGUAGE,
                part,
                "factor variables have no random slopes there; a random effect for each level is R.factor.",
                line,
            )
        reading.random += columns.random(every, subject, structure, part, line)


def _abbreviated(reader: Reader, names: dict[str, int]) -> str:
    token = reader.word("a name")
    full = next((k for k, n in names.items() if len(token.lower) >= n and k.startswith(token.lower)), None)
    if full is None:
        reader.fail(f"known are {', '.join(names)}.", token)
    return full


def _estimation(options: list[Option], reading: Reading, columns: Columns, nodes: int = 7, subject: str = "") -> None:
    n_quad = nodes
    for name, token, argument in options:
        if name in ("reml", "mle", "ml"):
            reading.reml = name == "reml"
        elif name in ("exposure", "offset"):
            column = columns.text(Name(argument.word("a column").value))
            reading.offsets.append(f"log({column})" if name == "exposure" else column)
        elif name == "binomial":
            _trials(argument, reading, columns)
        elif name == "family":
            reading.family = FAMILIES[_abbreviated(argument, FAMILY_LETTERS)]
            if not argument.done:
                _trials(argument, reading, columns)
        elif name == "link":
            reading.link = _abbreviated(argument, LINKS)
        elif name == "intpoints":
            n_quad = argument.whole_number(100)
        elif name == "laplace" or (name == "intmethod" and argument.token.lower.startswith("lap")):
            n_quad = 1
        elif name == "intmethod":
            reading.note(
                "quadrature is adaptive at the mode of the random effects here, which intmethod(mcaghermite) is there."
            )
        elif name == "residuals":
            read_residuals(argument, token, reading, columns, subject)
        elif name == "dispersion":
            if argument.token.lower.startswith("c") and reading.family == "nbinom2":
                # its delta is the size of the first type
                reading.family = "nbinom1"
            elif not argument.token.lower.startswith("m"):
                argument.fail("it has no translation.", token, f"{name}()")
        elif name == "constraints":
            argument.fail("it has no translation.", token, f"{name}()")
        elif name in ("pweight", "fweight", "iweight"):
            argument.fail(_WEIGHTS_OF_GROUPS, token, f"{name}()")
        elif name in ("vce", "robust", "cluster"):
            reading.note("robust standard errors were asked for; those here are of the model.")
        elif name == "dfmethod":
            asked = argument.token.lower
            if asked.startswith("kr"):
                reading.ddf = "kenward-roger"
            elif asked.startswith("res"):
                reading.ddf = "residual"
            elif asked.startswith("rep"):
                reading.ddf = "between-within"
            elif not asked.startswith("sat"):
                reading.note(f"dfmethod({asked}) is not here; tests have Satterthwaite's degrees of freedom.")
        elif name in ("or", "irr", "eform"):
            reading.note("coefficients are printed on the link's scale here; exponentiate them for ratios.")
    if reading.family == "gaussian" and reading.link in (None, "identity"):
        reading.family = reading.link = None
    elif reading.family == "ordinal":
        reading.verb, reading.family, reading.link = "clmm", None, reading.link or "logit"
        if reading.link != "logit":
            reading.own["link"] = quoted(reading.link)
        reading.note("the cut points there are the thresholds here, with the same sign; so are the effects.")
    elif reading.family == "Gamma" and reading.link is None:
        reading.link = "log"
    if reading.family is not None or reading.verb is not None:
        reading.n_quad = n_quad
        if n_quad == nodes and nodes > 1:
            reading.note(
                f"{nodes} nodes of quadrature are Stata's default, Laplace's approximation (n_quad=1) is glmer's."
            )
    elif not reading.reml:
        reading.note("Stata fits by ML unless given reml, lmer by REML unless given REML=False.")
    reading.note(
        "Stata's tests are z tests; here they are t tests."
        if reading.family is None and reading.verb is None
        else "tests are z tests in both programs."
    )


def _trials(argument: Reader, reading: Reading, columns: Columns) -> None:
    token = argument.take()
    trials = columns.text(Name(token.value)) if token.kind == "word" else token.value
    reading.response = f"cbind({reading.response}, {trials} - {reading.response})"
