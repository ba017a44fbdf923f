"""Stata: ``mixed`` for linear models, ``melogit`` and its kin, ``meglm``."""

import re
from itertools import pairwise, product

from ranef.errors import TranslationError
from ranef.formula import Term
from ranef.formula.syntax import Binary, Call, Expr, Name
from ranef.translation.composition import Columns, Effect, Reading
from ranef.translation.description import Block, ModelDescription
from ranef.translation.expressions import Dialect
from ranef.translation.factor_variables import factor_terms
from ranef.translation.naming import Naming, check_common
from ranef.translation.scanner import Lexicon, Reader, Token, without_comments

LANGUAGE = "Stata"

_DIALECT = Dialect(
    LANGUAGE,
    {
        "log": "ln",
        "exp": "exp",
        "sqrt": "sqrt",
        "abs": "abs",
        "log10": "log10",
        "floor": "floor",
        "ceiling": "ceil",
        "is.na": "missing",
    },
    {},
    {"log": "log", "~": "!", "~=": "!="},
)
_LEXICON = Lexicon(LANGUAGE, ("||", "##", "==", "!=", "~=", "<=", ">="), "_")
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_COMMENTS = re.compile(
    r'"[^"\n]*"|(?P<comment>/\*.*?\*/|(?:^|(?<=\s))//[^\n]*(?:\n(?=))?|(?:(?<=\n)|\A)[ \t]*\*[^\n]*)', re.DOTALL
)

_COMMANDS: dict[str, tuple[str | None, str | None]] = {
    "mixed": (None, None), "xtmixed": (None, None), "melogit": ("binomial", "logit"), "meqrlogit": ("binomial", "logit"), "xtmelogit": ("binomial", "logit"),
    "meprobit": ("binomial", "probit"), "mecloglog": ("binomial", "cloglog"), "mepoisson": ("poisson", "log"), "meqrpoisson": ("poisson", "log"),
    "xtmepoisson": ("poisson", "log"), "menbreg": ("nbinom2", "log"), "meglm": ("gaussian", None),
}  # fmt: skip
_OTHER_MODELS = {
    "meologit": "ordinal",
    "meoprobit": "ordinal",
    "mestreg": "survival",
    "metobit": "censored",
    "meintreg": "censored",
    "menl": "nonlinear",
}
_PREFIXES = ("xi", "quietly", "noisily", "capture", "eststo")
# Names of options with the number of letters that are enough.
_OPTIONS = {
    "covariance": 3, "noconstant": 6, "reml": 4, "mle": 3, "ml": 2, "exposure": 3, "offset": 3, "binomial": 3, "family": 1, "link": 1, "intpoints": 4,
    "intmethod": 4, "laplace": 3, "residuals": 3, "dispersion": 1, "dfmethod": 3, "vce": 3, "robust": 1, "cluster": 2, "pweight": 2, "fweight": 2,
    "iweight": 2, "pwscale": 7, "constraints": 5, "collinear": 3, "asis": 4, "or": 2, "irr": 3, "eform": 5, "nolog": 3, "log": 3, "variance": 3,
    "stddeviations": 6, "level": 1, "noretable": 5, "nofetable": 5, "nolrtest": 4, "nogroup": 4, "noheader": 5, "iterate": 4, "technique": 4,
    "difficult": 3, "emiterate": 4, "emonly": 6, "emtolerance": 5, "emlog": 5, "tolerance": 3, "ltolerance": 4, "nrtolerance": 5, "matlog": 6,
    "matsqrt": 7, "nostderr": 8, "startvalues": 7, "from": 4, "baselevels": 4, "allbaselevels": 7, "coeflegend": 7, "estmetric": 6, "dftable": 3,
    "cformat": 3, "notable": 7, "retolerance": 5, "reiterate": 6,
}  # fmt: skip
_SILENT = frozenset(_OPTIONS) - {
    "covariance", "noconstant", "reml", "mle", "ml", "exposure", "offset", "binomial", "family", "link", "intpoints", "intmethod", "laplace", "residuals",
    "dispersion", "dfmethod", "vce", "robust", "cluster", "pweight", "fweight", "iweight", "constraints", "or", "irr", "eform",
}  # fmt: skip
_COVARIANCES = {"unstructured": 2, "independent": 3, "identity": 2, "exchangeable": 2}
_FAMILIES = {
    "gaussian": "gaussian",
    "bernoulli": "binomial",
    "binomial": "binomial",
    "poisson": "poisson",
    "nbinomial": "nbinom2",
    "gamma": "Gamma",
}
_FAMILY_LETTERS = {"gaussian": 3, "bernoulli": 4, "binomial": 3, "poisson": 1, "nbinomial": 2, "gamma": 3}
_LINKS = {"identity": 2, "log": 3, "logit": 4, "probit": 4, "cloglog": 4}

# ---- writing


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
    naming = Naming(model, _DIALECT, _NAME)
    command, options = _command(model, naming)
    response = naming.column(model.response.expr)
    fixed = [_factor_variables(naming, t) for t in model.fixed]
    head = " ".join([command, response, *fixed])
    if model.subset is not None:
        head += f" if {_DIALECT.write(model.subset, 'subset')}"
    fixed_options = ["noconstant"] * (not model.intercept)
    if model.offsets:
        fixed_options.append(_offset(model, naming))
    if fixed_options:
        head += f", {' '.join(fixed_options)}"
    groups: list[str] = []
    equations, crossed = _equations(model, naming, groups)
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
        if _COMMANDS[command] == (model.family, model.link):
            return command, [f"binomial({trials})"] * (trials is not None) + method
    families = {v: k for k, v in _FAMILIES.items() if k != "bernoulli"}
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
    reference = next((c.reference for c in naming.model.categorical if c.name == name), None)
    return f"ib{reference}.{name}" if reference is not None and reference.isdigit() else f"i.{name}"


def _equations(model: ModelDescription, naming: Naming, groups: list[str]) -> tuple[list[str], bool]:
    """The random-effects equations from the top level downwards, and whether there are crossed ones."""
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


def _chain(blocks: tuple[Block, ...]) -> list[frozenset[str]]:
    """Grouping factors each nested in the one before; the ones with slopes must be among them, the others are crossed."""
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
        options.append("covariance(independent)" if block.structure == "diagonal" else "covariance(unstructured)")
    text = " ".join([f"{group}:", *slopes])
    return f"{text}, {' '.join(options)}" if options else text


def _notes(model: ModelDescription) -> list[str]:
    notes = []
    if model.family is None:
        notes.append(
            "mixed fits by ML unless told reml, lmer by REML unless told otherwise; the method is written out."
        )
        notes.append("Stata's tests are z tests without dfmethod(satterthwaite) or dfmethod(kroger), which need reml.")
    else:
        notes.append(
            "7 nodes of quadrature are the default of the me commands, Laplace's approximation that of glmer; the method is written out."
        )
    notes.append("the last line of Stata's output compares with a model without random effects by chibar2.")
    if model.categorical:
        notes.append(
            "factor variables must be numeric with value labels in Stata (encode makes them so); the first level is the reference there and in ranef."
        )
    return notes


# ---- reading


def read(text: str) -> Reading:
    """Read the first mixed-effects command of a do-file, with what prepares the data for it."""
    columns = Columns(LANGUAGE)
    reading = Reading(LANGUAGE, reml=False)
    found = False
    for command, line in _statements(text):
        reader = Reader(LANGUAGE, _LEXICON.scan(command, line))
        # The prompt of a log, and prefixes such as "xi:".
        reader.accept(".")
        while reader.token.lower in _PREFIXES:
            reader.take()
            reader.accept(":")
        verb = reader.token
        if verb.lower in _OTHER_MODELS:
            reader.fail(f"there are no {_OTHER_MODELS[verb.lower]} models here.")
        if verb.kind == "word" and verb.value in _COMMANDS:
            if found:
                reading.note("only the first model was translated.")
                break
            found = True
            _read_command(reader, reading, columns)
        elif not found:
            _prepare(reader, reading, columns)
    if not found:
        raise TranslationError(
            LANGUAGE, "the text", f"there is no mixed-effects command in it: {', '.join(_COMMANDS)}."
        )
    return reading


def _statements(text: str) -> list[tuple[str, int]]:
    """Commands with their first lines; three slashes continue a line."""
    text = re.sub(r"[ \t]///[^\n]*\n", lambda m: " " * (len(m[0]) - 1) + "\v", text)
    text = without_comments(text, _COMMENTS)
    if re.search(r"^\s*#delimit\s*;", text, flags=re.MULTILINE):
        raise TranslationError(LANGUAGE, "#delimit ;", "write one command a line, continued by ///.")
    return [(line.replace("\v", "\n"), i) for i, line in _numbered(text) if line.strip()]


def _numbered(text: str) -> list[tuple[int, str]]:
    out, number = [], 1
    for line in text.split("\n"):
        out.append((number, line))
        number += 1 + line.count("\v")
    return out


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
            columns.define(name.value, _DIALECT.read_all(reader))
    elif verb.lower in ("keep", "drop") and reader.accept("if"):
        condition = columns.text(_DIALECT.read_all(reader))
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
    reading.family, reading.link = _COMMANDS[verb.value]
    if verb.value == "xtmixed" and not any(t.lower in ("reml", "mle", "ml") for t in reader.tokens):
        reading.note("xtmixed fitted by REML before Stata 12; ML is taken here, as since then, unless reml is written.")
    equations = reader.split("||")
    first = equations[0]
    reading.response = columns.text(Name(first.word("the response").value))
    terms: list[Effect] = []
    while not first.done and not first.sees(",", "if", "in", "["):
        terms += factor_terms(first, columns)
    reading.fixed = [columns.product(e) for e in terms]
    if first.accept("if"):
        condition = columns.text(_DIALECT.read(first))
        reading.subset = condition if reading.subset is None else f"({reading.subset}) & ({condition})"
    if first.sees("in"):
        first.fail("a range of rows has no translation; select the rows in the data.", part="in")
    if first.sees("["):
        first.fail(
            "frequency and sampling weights have no translation: the weights here are precisions of rows.",
            part="the weights",
        )
    if len(equations) == 1:
        first.fail("there is no random-effects equation, '|| group:'.", verb, verb.value)
    shared = _options(first)
    own = [(equation, *_read_equation(equation, columns)) for equation in equations[1:]]
    for _, _, _, options in own:
        shared += [o for o in options if o[0] not in ("covariance", "noconstant", "fweight", "pweight", "iweight")]
    reading.intercept = not any(name == "noconstant" for name, _, _ in shared)
    _random(own, reading, columns)
    _estimation([o for o in shared if o[0] not in ("noconstant",)], reading, columns)


Option = tuple[str, Token, Reader]


def _options(reader: Reader) -> list[Option]:
    """Options after a comma, under their full names."""
    out: list[Option] = []
    if not reader.accept(","):
        return out
    while not reader.done:
        if reader.accept(","):
            continue
        token = reader.word("an option")
        full = next((k for k, n in _OPTIONS.items() if len(token.lower) >= n and k.startswith(token.lower)), None)
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
                raise TranslationError(LANGUAGE, f"{name}() of {group}", "weights of groups have no translation.", line)
        if group != "_all" and group not in outer:
            outer.append(group)
        subject = outer[: outer.index(group) + 1] if group != "_all" else []
        if effects and effects[0][0] == "R.":
            reading.random.append(f"(1 | {columns.group([*subject, effects[0][1]])})")
            continue
        if group == "_all":
            raise TranslationError(LANGUAGE, "_all:", "effects of all rows together are of the form R.factor.", line)
        written = _abbreviated(settings["covariance"], _COVARIANCES) if "covariance" in settings else "independent"
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


def _estimation(options: list[Option], reading: Reading, columns: Columns) -> None:
    n_quad = 7
    for name, token, argument in options:
        if name in ("reml", "mle", "ml"):
            reading.reml = name == "reml"
        elif name in ("exposure", "offset"):
            column = columns.text(Name(argument.word("a column").value))
            reading.offsets.append(f"log({column})" if name == "exposure" else column)
        elif name == "binomial":
            _trials(argument, reading, columns)
        elif name == "family":
            reading.family = _FAMILIES[_abbreviated(argument, _FAMILY_LETTERS)]
            if not argument.done:
                _trials(argument, reading, columns)
        elif name == "link":
            reading.link = _abbreviated(argument, _LINKS)
        elif name == "intpoints":
            n_quad = argument.whole_number(100)
        elif name == "laplace" or (name == "intmethod" and argument.token.lower.startswith("lap")):
            n_quad = 1
        elif name == "intmethod":
            reading.note(
                "quadrature is adaptive at the mode of the random effects here, which intmethod(mcaghermite) is there."
            )
        elif name == "residuals":
            if not argument.token.lower.startswith("ind") or argument.ahead().value == ",":
                argument.fail(
                    "correlated or unequal residuals (R side) cannot be part of lmer's model; random effects can often say the same.",
                    token,
                    "residuals()",
                )
        elif name in ("constraints", "dispersion"):
            if name == "constraints" or not argument.token.lower.startswith("m"):
                argument.fail("it has no translation.", token, f"{name}()")
        elif name in ("pweight", "fweight", "iweight"):
            argument.fail("weights of groups have no translation.", token, f"{name}()")
        elif name in ("vce", "robust", "cluster"):
            reading.note("robust standard errors were asked for; those here are of the model.")
        elif name == "dfmethod":
            reading.note("degrees of freedom are chosen when asking for tests: m.summary(ddf=...), m.anova(ddf=...).")
        elif name in ("or", "irr", "eform"):
            reading.note("coefficients are printed on the link's scale here; exponentiate them for ratios.")
    if reading.family == "gaussian" and reading.link in (None, "identity"):
        reading.family = reading.link = None
    elif reading.family == "Gamma" and reading.link is None:
        reading.link = "log"
    if reading.family is not None:
        reading.n_quad = n_quad
        if n_quad == 7:
            reading.note(
                "7 nodes of quadrature are Stata's default, Laplace's approximation (n_quad=1) is glmer's; with several grouping factors only the latter is possible here."
            )
    elif not reading.reml:
        reading.note("Stata fits by ML unless told reml, lmer by REML unless told REML=False.")
    reading.note(
        "Stata's tests are z tests; here they are t tests."
        if reading.family is None
        else "tests are z tests in both programs."
    )


def _trials(argument: Reader, reading: Reading, columns: Columns) -> None:
    token = argument.take()
    trials = columns.text(Name(token.value)) if token.kind == "word" else token.value
    reading.response = f"cbind({reading.response}, {trials} - {reading.response})"
