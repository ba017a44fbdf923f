"""The languages, and the two verbs: `write` a model in one, `read` a text of one."""

from collections.abc import Callable
from dataclasses import dataclass

from ranef.errors import ArgumentTypeError, OptionError, TranslationError
from ranef.formula import Formula, parse_expression, parse_formula, require_random
from ranef.translation import glmmtmb, julia, lme4, nlme, nonlinear, ordinal, pscl, sas, spss, stata
from ranef.translation.composition import Reading, quoted
from ranef.translation.description import ModelDescription, describe
from ranef.translation.family_names import FAMILY_LINKS
from ranef.translation.recognition import recognised

Written = tuple[list[str], list[str]]


@dataclass(frozen=True, slots=True)
class Language:
    """A language: its name as people write it, both directions, and how it writes a comment."""

    title: str
    write: Callable[[ModelDescription], Written]
    read: Callable[[str], Reading]
    comment: str


LANGUAGES = {
    "lme4": Language("R (lme4)", lme4.write, lme4.read, "# {}"),
    "nlme": Language("R (nlme)", nlme.write, nlme.read, "# {}"),
    "spss": Language("SPSS", spss.write, spss.read, "* {}"),
    "stata": Language("Stata", stata.write, stata.read, "* {}"),
    "sas": Language("SAS", sas.write, sas.read, "/* {} */"),
    "julia": Language("Julia (MixedModels.jl)", julia.write, julia.read, "# {}"),
}
"""The languages by the names that the interface has for them, as they are shown side by side."""

#: With packages of R that are written like lme4 and asked for by name.
WRITTEN = {**LANGUAGES, "glmmtmb": Language("R (glmmTMB)", glmmtmb.write, glmmtmb.read, "# {}")}

#: With what is read alone: models of these packages are written from more than a description.
READERS = {name: known.read for name, known in WRITTEN.items()} | {"ordinal": ordinal.read, "pscl": pscl.read}

#: Families that are written for glmmTMB where R is asked for.
NOT_IN_LME4 = ("beta", "nbinom1")

_DECLARING = ("spss", "stata", "sas")
_TAKEN_AS_NUMBERS = "no data were seen: columns that are not declared categorical are taken as numbers."


@dataclass(frozen=True, slots=True)
class Translation:
    """A call of this package for a model written in another program's language.

    ``str()`` gives the call with the notes as comments.

    Attributes
    ----------
    call : str
        The call of ``lmer``, ``glmer``, ``clmm``, ``nlmer`` and so on.
    formula : str
    method : str
        ``"REML"``, ``"ML"``, ``"Laplace"``, ``"AGHQ"``, ``"penalised"`` or ``"linearized"``.
    family, link : str or None
        None for a linear model; of several linear predictors the family as the call has it.
    n_quad : int or None
        Nodes of quadrature; None for a linear model.
    weights, subset : str or None
    notes : tuple of str
        What will print differently, and what was left out.
    source : str
        The language.
    """

    call: str
    formula: str
    method: str
    family: str | None
    link: str | None
    n_quad: int | None
    weights: str | None
    subset: str | None
    notes: tuple[str, ...]
    source: str

    def __str__(self) -> str:
        return "\n".join([self.call, *(f"# {note}" for note in self.notes)])

    __repr__ = __str__

    def describe(self) -> ModelDescription:
        """The neutral description of the model."""
        if self.call.startswith("nlmer("):
            raise nonlinear.no_description()
        return describe(
            self.formula,
            reml=self.method == "REML",
            family=self.family,
            link=self.link,
            n_quad=1 if self.n_quad is None else self.n_quad,
            weights=self.weights,
            subset=self.subset,
        )


def language(name: object) -> Language:
    """The language of a name, or an error that lists them."""
    if not isinstance(name, str):
        raise ArgumentTypeError(f"the language must be one of {', '.join(map(repr, LANGUAGES))}, not {name!r}.")
    if name.lower() not in WRITTEN:
        hint = " R code is read as 'lme4' or 'nlme', by the package that fits the model." if name.lower() == "r" else ""
        raise OptionError(f"there is no language {name!r}; known are {', '.join(map(repr, WRITTEN))}.{hint}")
    return WRITTEN[name.lower()]


def write(model: ModelDescription, to: str, *, notes: bool = True) -> str:
    """Write a model in another program's language.

    Parameters
    ----------
    model : ModelDescription
    to : str
        One of `LANGUAGES`, or ``"r"`` for the R package that fits such a model.
    notes : bool
        Whether to put comments before it on what will print differently there.

    Returns
    -------
    str

    Raises
    ------
    TranslationError
        If the language has no words for it; the message names the part.

    Examples
    --------
    >>> print(write(describe("y ~ x + (x | g)"), "stata", notes=False))
    mixed y x || g: x, covariance(unstructured) reml
    """
    target = language("lme4" if isinstance(to, str) and to.lower() == "r" else to)
    if to.lower() == "r":
        to = "nlme" if model.residual is not None else "glmmtmb" if model.family in NOT_IN_LME4 else "lme4"
        target = language(to)
    for block in model.blocks:
        if block.known is not None or block.members is not None:
            bar = f"{' + '.join(['1'] * block.intercept + [t.label for t in block.terms])} | {block.label}"
            raise TranslationError(
                to,
                f"({bar})" if block.known is None else block.known.call(bar),
                "levels that a known matrix relates, and rows with several levels, are not written in other languages.",
            )
    lines, said = target.write(model)
    if not model.levels_known and to in _DECLARING:
        said = [*said, _TAKEN_AS_NUMBERS]
    comments = [target.comment.format(note) for note in said] if notes else []
    return "\n".join([*comments, *lines])


def read(text: str, source: str | None = None) -> Translation:
    """Read a model in another program's language.

    Parameters
    ----------
    text : str
    source : str, optional
        One of `LANGUAGES`; by default it is recognised.

    Returns
    -------
    Translation

    Raises
    ------
    TranslationError
        For what is no model of this package; the message names the part.

    Examples
    --------
    >>> read("mixed y x || g: x, cov(un) reml", "stata").formula
    'y ~ x + (x | g)'
    """
    if source is not None and not (isinstance(source, str) and source.lower() in READERS):
        language(source)
    if not isinstance(text, str):
        raise ArgumentTypeError(f"the text to translate must be a str, not {type(text).__name__}.")
    name = recognised(text, tuple(READERS)) if source is None else source.lower()
    curve = nonlinear.read_curve(text, name) if name in nonlinear.FUNCTIONS else None
    return _of_curve(curve, name) if curve is not None else _translation(READERS[name](text), name)


def _of_curve(reading: nonlinear.CurveReading, source: str) -> Translation:
    arguments = [quoted(reading.formula), reading.data, *reading.options]
    beside = ((name, getattr(reading, name)) for name in ("weights", "subset"))
    arguments += [f"{name}={quoted(text)}" for name, text in beside if text is not None]
    return Translation(
        call=f"nlmer({', '.join(arguments)})",
        formula=reading.formula,
        method=reading.method,
        family=None,
        link=None,
        n_quad=None if reading.method == "linearized" else reading.n_quad,
        weights=reading.weights,
        subset=reading.subset,
        notes=reading.notes,
        source=source,
    )


def _translation(reading: Reading, source: str) -> Translation:
    whole = reading.whole_formula()
    formula = parse_formula(whole)
    correlated = reading.correlation is not None or reading.variance is not None
    if reading.verb is not None:
        _need_random(reading, formula)
    elif not correlated and not reading.repeated:
        require_random(formula)
    written = f"{formula.text} + {reading.repeated}" if reading.repeated else formula.text
    for argument in (reading.weights, reading.subset):
        if argument is not None:
            parse_expression(argument)
    _settle_quadrature(reading, formula)
    arguments = [quoted(written), reading.python_data()]
    if reading.verb is not None:
        function = reading.verb
        arguments += [f"{name}={code}" for name, code in reading.own.items()]
        arguments += [f"n_quad={reading.n_quad}"] * (reading.n_quad != 1)
        method = "AGHQ" if reading.n_quad > 1 else "Laplace"
    elif reading.family is None:
        function = "mmrm" if reading.repeated else "lmer" if formula.random else "gls"
        if reading.vcov is not None and reading.repeated:
            arguments.append(f"vcov={quoted(reading.vcov)}")
        arguments += ["REML=False"] * (not reading.reml)
        method = "REML" if reading.reml else "ML"
    else:
        function, arguments = _generalized(reading, arguments)
        method = "AGHQ" if reading.n_quad > 1 else "Laplace" if reading.n_quad == 1 else "penalised"
    if reading.weights is not None:
        arguments.append(f"weights={quoted(reading.weights)}")
    if reading.subset is not None:
        arguments.append(f"subset={quoted(reading.subset)}")
    for name in ("correlation", "variance"):
        if (text := getattr(reading, name)) is not None:
            arguments.append(f"{name}={quoted(text)}")
    if reading.contrasts:
        arguments.append(f"contrasts={reading.contrasts!r}")
    if reading.ddf is not None and reading.family is None and reading.verb is None:
        arguments.append(f"ddf={quoted(reading.ddf)}")
    return Translation(
        call=f"{function}({', '.join(arguments)})",
        formula=written,
        method=method,
        family=reading.family,
        link=reading.link or FAMILY_LINKS.get(reading.family or "", (None,))[0],
        n_quad=None if reading.family is None and reading.verb is None else reading.n_quad,
        weights=reading.weights,
        subset=reading.subset,
        notes=tuple(reading.notes),
        source=source,
    )


def _need_random(reading: Reading, formula: Formula) -> None:
    """Say that there are no random effects, where no formula of the call has any."""
    parts = (code.strip('"') for code in reading.own.values())
    if formula.random or any("|" in part for part in parts if part.startswith("~")):
        return
    reading.note(
        "there are no random effects in it, without which nothing is fitted here: add a term such as (1 | group) to "
        "one of the formulas."
    )


def _generalized(reading: Reading, arguments: list[str]) -> tuple[str, list[str]]:
    assert reading.family is not None
    links = FAMILY_LINKS[reading.family]
    link = reading.link or links[0]
    if link not in links:
        raise TranslationError(
            reading.language, f"the {link} link of the {reading.family} family", f"it has {', '.join(links)} here."
        )
    if reading.family == "nbinom2" and link == links[0]:
        return "glmer_nb", arguments + [f"n_quad={reading.n_quad}"] * (reading.n_quad != 1)
    family = reading.family if link == links[0] else f"{reading.family}({link})"
    arguments = [*arguments, f"family={quoted(family)}"]
    return "glmer", arguments + [f"n_quad={reading.n_quad}"] * (reading.n_quad != 1)


def _settle_quadrature(reading: Reading, formula: Formula) -> None:
    """Quadrature is for one grouping factor, or two nested ones with one random effect each."""
    generalized = reading.family is not None or reading.verb is not None
    if generalized and reading.n_quad > 1 and not _has_quadrature(formula):
        reading.note(
            f"{reading.n_quad} nodes of quadrature are possible here for one grouping factor or for two nested ones "
            "with one random effect each; Laplace's approximation takes their place."
        )
        reading.n_quad = 1


def _has_quadrature(formula: Formula) -> bool:
    """Whether the text of a formula shows that its random effects can be integrated over nodes."""
    effects: dict[frozenset[str], int] = {}
    for term in formula.random:
        group = frozenset(term.group)
        effects[group] = effects.get(group, 0) + term.intercept + len(term.effects)
    if len(effects) < 2:
        return True
    inner, *outer = sorted(effects, key=len, reverse=True)
    return len(outer) == 1 and outer[0] < inner and max(effects.values()) == 1
