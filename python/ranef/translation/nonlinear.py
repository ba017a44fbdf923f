"""Nonlinear models as calls of R's lme4 (``nlmer``), nlme (``nlme``) and brms, and calls of the
first two as models of this package.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from ranef.curves.expression import self_start_of
from ranef.design.record import Design
from ranef.errors import OptionError, TranslationError
from ranef.fit.nonlinear.values import curve_of_design
from ranef.fit.record import MixedFit
from ranef.formula import deparse, parse_expression
from ranef.formula.deparse import quoted_name
from ranef.formula.formula import Formula
from ranef.formula.residual import parse_correlation, parse_variance
from ranef.formula.syntax import Argument, Binary, Call, Expr, Number, Paren, Unary, names_in, without_parens
from ranef.translation.codings import column_codings
from ranef.translation.nlme_residual import residual_arguments, residual_part
from ranef.translation.r_code import arguments, data_of, find_call, require_formula, whole_number, word

#: Calls that are read, by language, with the arguments in R's order.
FUNCTIONS = {"lme4": ("lmer", "glmer", "glmer.nb", "mmrm", "nlmer"), "nlme": ("lme", "gls", "nlme")}
_NLMER = ("formula", "data", "control", "start", "verbose", "nAGQ", "subset", "weights", "na.action")
_NLME = (
    "model", "data", "fixed", "random", "groups", "start", "correlation", "weights", "subset", "method", "na.action",
    "naPattern", "control", "verbose",
)  # fmt: skip
LANGUAGES = ("r", "lme4", "nlme", "brms")

#: Functions of curves that Stan calls otherwise, and self-starting curves in functions that it has.
_IN_STAN = {"plogis": "inv_logit"}
_CURVES_IN_STAN = {
    "SSfol": "Dose * exp(lKe + lKa - lCl) * (exp(-exp(lKe) * input) - exp(-exp(lKa) * input)) / (exp(lKa) - exp(lKe))"
}


@dataclass(frozen=True, slots=True)
class CurveBlock:
    """A random term: its grouping factors, and of each parameter in it the right side of its
    effects.
    """

    group: tuple[str, ...]
    effects: tuple[tuple[str, str], ...]

    @property
    def plain(self) -> bool:
        """Whether every parameter has one effect, its intercept."""
        return all(side == "1" for _, side in self.effects)


@dataclass(frozen=True, slots=True)
class CurveModel:
    """A nonlinear model in neutral words.

    Attributes
    ----------
    response, curve : str
    tree : Expr
        The curve without self-starting functions.
    covariates : tuple of str
        Columns in the curve.
    fixed : dict
        Of each parameter the right side of its formula.
    start : tuple of float
        Coefficients in the order of the parameters.
    blocks : tuple of CurveBlock
    self_starting : bool
    """

    response: str
    curve: str
    tree: Expr
    covariates: tuple[str, ...]
    fixed: Mapping[str, str]
    start: tuple[float, ...]
    blocks: tuple[CurveBlock, ...]
    self_starting: bool


def _side(intercept: bool, labels: list[str]) -> str:
    return " + ".join(labels if labels and intercept else ["1" if intercept else "0", *labels])


def _model(fit: MixedFit) -> CurveModel:
    design = fit.design
    rows = curve_of_design(design)
    curve = rows.curve
    formulas: list[Formula] = [e.formula for e in rows.encoder.parameters]
    blocks = []
    for places in rows.encoder.random:
        bars = [(curve.parameters[c], formulas[c].random[i]) for c, i in places]
        effects = tuple((name, _side(bar.intercept, [t.label for t in bar.effects])) for name, bar in bars)
        first = bars[0][1]
        if first.structure not in ("unstructured",):
            raise TranslationError("R", f"the structure of ({first.group_label})", "curves have free covariances here.")
        blocks.append(CurveBlock(tuple(v.name for v in first.grouping), effects))
    response = design.formula.response
    assert response is not None
    names = dict.fromkeys(n for c in curve.covariates for n in names_in(c))
    fixed = {n: _side(f.intercept, [t.label for t in f.fixed]) for n, f in zip(curve.parameters, formulas, strict=True)}
    start = tuple(float(f"{b:.4g}") for b in fit.beta)
    own = parse_expression(curve.text)
    found = self_start_of(own)
    tree = curve.tree
    if found is not None and (text := _CURVES_IN_STAN.get(found[0].name)) is not None:
        tree = replace(found[0], formula=text).expanded(tuple(a.value for a in found[1].arguments))
    return CurveModel(response.label, curve.text, tree, tuple(names), fixed, start, tuple(blocks), found is not None)


def write_curve(fit: MixedFit, given: Mapping[str, str | None], to: str, *, notes: bool = True) -> str:
    """Write a nonlinear model.

    Parameters
    ----------
    fit : MixedFit
        With a curve.
    given : mapping
        ``data``, and texts of ``weights`` and ``subset``.
    to : {"r", "lme4", "nlme", "brms"}
        ``"r"`` is the package that has such a model.
    notes : bool
        Whether to say in comments what differs there.

    Raises
    ------
    TranslationError
        For other languages, and what a package does not have.
    """
    if to.lower() not in LANGUAGES:
        raise TranslationError(
            to, "the curve", "nonlinear models are written for R's lme4, nlme and brms: to_syntax('nlme')."
        )
    if curve_of_design(fit.design).curve.calls_python:
        raise TranslationError(to, "the curve", "it calls a function of Python; write it as an expression.")
    model = _model(fit)
    name = to.lower()
    if name == "r":
        with_lme4 = fit.integral_exact is False and _why_not_nlmer(model) is None
        name = "lme4" if with_lme4 else "nlme"
    writer = {"lme4": _nlmer, "nlme": _nlme, "brms": _brm}[name]
    lines, said = writer(model, fit, given)
    codings = dict.fromkeys(line for e in _designs(fit.design) for c in column_codings(e) for line in c.lines(
        given["data"] or "data"
    ))  # fmt: skip
    return "\n".join([*(f"# {note}" for note in said if notes), *codings, *lines])


def _designs(design: Design) -> list[Design]:
    """The design with the encoder of each parameter."""
    return [replace(design, encoder=e) for e in curve_of_design(design).encoder.parameters]


def _number(value: float) -> str:
    return f"{value:.10g}"


def _start(model: CurveModel) -> str:
    plain = all(side == "1" for side in model.fixed.values())
    values = [_number(v) for v in model.start]
    if plain:
        values = [f"{name} = {v}" for name, v in zip(model.fixed, values, strict=True)]
    return f"start = c({', '.join(values)})"


def _why_not_nlmer(model: CurveModel) -> tuple[str, str] | None:
    """What lme4's nlmer does not have, and why."""
    for name, side in model.fixed.items():
        if side != "1":
            return f"the formula {name} ~ {side}", "parameters have one mean each in nlmer; to_syntax('nlme') has it."
    for block in model.blocks:
        if not block.plain:
            return f"the effects in {':'.join(block.group)}", "random effects of nlmer are those of parameters alone."
    return None


def _nlmer(model: CurveModel, fit: MixedFit, given: Mapping[str, str | None]) -> tuple[list[str], list[str]]:
    why = _why_not_nlmer(model)
    if why is not None:
        raise TranslationError("lme4", *why)
    if fit.design.residual is not None:
        raise TranslationError("lme4", "the covariance of the rows", "nlmer has independent rows; to_syntax('nlme').")
    before: list[str] = []
    curve = model.curve
    if not model.self_starting:
        names = ", ".join(f'"{n}"' for n in model.fixed)
        inputs = ", ".join([*model.covariates, *model.fixed])
        before = [f"curve <- deriv(~ {model.curve}, c({names}), function({inputs}) NULL)"]
        curve = f"curve({inputs})"
    bars = [f"({' + '.join(n for n, _ in b.effects)} | {':'.join(b.group)})" for b in model.blocks]
    options = [f"{model.response} ~ {curve} ~ {' + '.join(bars)}", f"data = {given['data']}", _start(model)]
    options += [f"{name} = {given[name]}" for name in ("weights", "subset") if given.get(name)]
    if fit.n_quad != 1:
        options.append(f"nAGQ = {fit.n_quad}")
    said = ["start has the estimates."]
    if not fit.integral_exact and fit.curvature != "gauss_newton" and fit.n_quad == 1:
        said.append("nlmer leaves the curve's second derivatives out of the curvature: curvature='gauss_newton' here.")
    return [*before, f"nlmer({', '.join(options)})"], said


def _nlme(model: CurveModel, fit: MixedFit, given: Mapping[str, str | None]) -> tuple[list[str], list[str]]:
    if fit.n_quad != 1:
        raise TranslationError("nlme", f"n_quad={fit.n_quad}", "it has no quadrature.")
    fixed = [f"{name} ~ {side}" for name, side in model.fixed.items()]
    if len(set(model.fixed.values())) == 1:
        fixed = [f"{' + '.join(model.fixed)} ~ {next(iter(model.fixed.values()))}"]
    options = [f"{model.response} ~ {model.curve}", f"data = {given['data']}"]
    listed = fixed[0] if len(fixed) == 1 else f"list({', '.join(fixed)})"
    options += [f"fixed = {listed}", f"random = {_random(model)}"]
    options.append(_start(model))
    if fit.design.residual is not None:
        options += residual_arguments(fit.design.residual.expr)
    if given.get("weights"):
        options.append(f"weights = varFixed(~ I(1/({given['weights']})))")
    if given.get("subset"):
        options.append(f"subset = {given['subset']}")
    options.append('method = "ML"')
    said = ["start has the estimates."]
    if not fit.integral_exact:
        said.append("nlme alternates linear models, and ends elsewhere: method='linearized' here.")
    return [f"nlme({', '.join(options)})"], said


def _random(model: CurveModel) -> str:
    """The argument ``random`` of nlme."""
    levels = sorted(dict.fromkeys(frozenset(b.group) for b in model.blocks), key=len)
    for outer, inner in pairwise(levels):
        if not outer < inner:
            raise TranslationError(
                "nlme",
                f"the crossed grouping factors {':'.join(sorted(outer))} and {':'.join(sorted(inner))}",
                "nlme's groups are nested in each other.",
            )
    names: list[str] = []
    parts: list[str] = []
    for level in levels:
        own = [b for b in model.blocks if frozenset(b.group) == level]
        new = [n for n in own[0].group if n not in names]
        if len(new) > 1:
            raise TranslationError(
                "nlme",
                f"the grouping factor {':'.join(own[0].group)}",
                "nlme groups by single columns, each within the one before.",
            )
        names += new
        parts.append(_level(own))
    if len(names) == 1 and "(" not in parts[0]:
        return f"{parts[0]} | {names[0]}"
    return f"list({', '.join(f'{n} = {p}' for n, p in zip(names, parts, strict=True))})"


def _level(blocks: list[CurveBlock]) -> str:
    """The effects of one grouping factor."""
    texts = []
    for block in blocks:
        if len({side for _, side in block.effects}) == 1:
            texts.append(f"{' + '.join(n for n, _ in block.effects)} ~ {block.effects[0][1]}")
        else:
            texts.append(f"list({', '.join(f'{n} ~ {side}' for n, side in block.effects)})")
    if len(texts) == 1:
        return texts[0]
    if all(b.plain and len(b.effects) == 1 for b in blocks):
        return f"pdDiag({' + '.join(b.effects[0][0] for b in blocks)} ~ 1)"
    return f"pdBlocked(list({', '.join(texts)}))"


def _brm(model: CurveModel, fit: MixedFit, given: Mapping[str, str | None]) -> tuple[list[str], list[str]]:
    if fit.design.residual is not None:
        raise TranslationError("brms", "the covariance of the rows", "it is not written; to_syntax('nlme') has it.")
    if given.get("weights"):
        raise TranslationError("brms", "the weights", "those of brms multiply log-likelihoods and are no precisions.")
    parts = {name: [side] for name, side in model.fixed.items()}
    for number, block in enumerate(model.blocks, start=1):
        bar = f"|p{number}|" if len(block.effects) > 1 else "|"
        for name, side in block.effects:
            parts[name].append(f"({side} {bar} {':'.join(block.group)})")
    sides = [f"{name} ~ {' + '.join(own)}" for name, own in parts.items()]
    formula = f"bf({model.response} ~ {deparse(_in_stan(model.tree))}, {', '.join(sides)}, nl = TRUE)"
    data = given["data"] if not given.get("subset") else f"subset({given['data']}, {given['subset']})"
    said = ['brms needs a prior of every parameter of a curve: prior = prior(normal(…, …), nlpar = "…").']
    return [f"brm({formula}, data = {data})"], said


def _in_stan(node: Expr) -> Expr:
    """A curve in functions that Stan has."""
    if isinstance(node, Paren):
        return replace(node, inner=_in_stan(node.inner))
    if isinstance(node, Binary):
        return replace(node, left=_in_stan(node.left), right=_in_stan(node.right))
    if isinstance(node, Unary):
        return replace(node, operand=_in_stan(node.operand))
    if isinstance(node, Call):
        own = tuple(Argument(_in_stan(a.value), a.keyword) for a in node.arguments)
        if node.function == "exprel":
            return Paren(Binary("/", Call("expm1", own), Paren(own[0].value)))
        return Call(_IN_STAN.get(node.function, node.function), own)
    return node


# ---- reading


@dataclass(frozen=True, slots=True)
class CurveReading:
    """A call of ``nlmer`` here: its formula, further arguments as written, the method that it has,
    and notes.
    """

    formula: str
    options: tuple[str, ...]
    method: str
    n_quad: int
    weights: str | None
    subset: str | None
    data: str
    notes: tuple[str, ...]


def read_curve(text: str, language: str) -> CurveReading | None:
    """Read ``nlmer`` or ``nlme``; None where the first call in a text is of another function."""
    call = find_call(text, FUNCTIONS[language], language)
    if call.function == "nlmer":
        return _read_nlmer(call)
    return _read_nlme(call) if call.function == "nlme" else None


def _read_nlmer(call: Call) -> CurveReading:
    given = arguments(call, _NLMER, "lme4")
    formula = deparse(require_formula(given.get("formula"), "lme4"))
    n_quad = whole_number(given["nAGQ"], "nAGQ", "lme4") if "nAGQ" in given else 1
    options: list[str] = []
    notes: list[str] = []
    starting = _read_start(given.get("start"), None, notes)
    if starting is not None:
        options.append(f"start={starting}")
    if n_quad > 1:
        options.append(f"n_quad={n_quad}")
    else:
        if n_quad == 0:
            notes.append("nAGQ = 0 is not there; Laplace's approximation takes its place.")
            n_quad = 1
        options.append('curvature="gauss_newton"')
        notes.append("curvature='gauss_newton' is nlmer's objective; without it the curvature is the observed one.")
    return _reading(given, formula, options, "AGHQ" if n_quad > 1 else "Laplace", n_quad, notes)


def _reading(
    given: Mapping[str, Expr], formula: str, options: list[str], method: str, n_quad: int, notes: list[str]
) -> CurveReading:
    weights = deparse(given["weights"]) if method != "linearized" and "weights" in given else None
    subset = deparse(given["subset"]) if "subset" in given else None
    left_out = [name for name in ("control", "na.action") if name in given]
    notes += [f"{name} was left out; the call here has its own." for name in left_out]
    return CurveReading(
        formula, tuple(options), method, n_quad, weights, subset, data_of(given.get("data")), tuple(notes)
    )


def _formulas(node: Expr, part: str) -> list[tuple[list[str], str]]:
    """``Asym + xmid ~ trt``, or a list of such: parameters and right sides."""
    inner = without_parens(node)
    if isinstance(inner, Call) and inner.function == "list":
        return [f for a in inner.arguments for f in _formulas(a.value, part)]
    formula = require_formula(inner, "nlme", part)
    return [([deparse(p) for p in _summed(formula.left)], deparse(formula.right))]


def _summed(node: Expr) -> list[Expr]:
    inner = without_parens(node)
    if isinstance(inner, Binary) and inner.operator == "+":
        return [*_summed(inner.left), *_summed(inner.right)]
    return [inner]


def _read_nlme(call: Call) -> CurveReading:
    given = arguments(call, _NLME, "nlme")
    model = require_formula(given.get("model"), "nlme", "the model")
    if "fixed" not in given:
        raise TranslationError("nlme", "fixed", "it is missing; write Asym + xmid ~ 1, or a list of formulas.")
    notes: list[str] = []
    fixed = {name: side for names, side in _formulas(given["fixed"], "fixed") for name in names}
    blocks = _read_random(given, fixed)
    sides = {name: [side] for name, side in fixed.items()}
    for number, block in enumerate(blocks, start=1):
        bar = f"|p{number}|" if len(block.effects) > 1 else "|"
        for name, side in block.effects:
            if name not in sides:
                raise TranslationError("nlme", f"random effects of {name}", f"fixed has {', '.join(sides)} only.")
            sides[name].append(f"({side} {bar} {':'.join(block.group)})")
    params = {name: f"~ {' + '.join(own)}" for name, own in sides.items() if own != ["1"]}
    options = [f"params={params!r}".replace("'", '"')]
    starting = _read_start(given.get("start"), fixed, notes)
    if starting is not None:
        options.append(f"start={starting}")
    options.append('method="linearized"')
    if "method" in given and word(given["method"]).upper() == "REML":
        notes.append("nlme's REML is not there: the fit is by maximum likelihood.")
    for name, ours in (("correlation", "correlation"), ("weights", "variance")):
        if name in given:
            parse = parse_correlation if name == "correlation" else parse_variance
            options.append(f'{ours}="{residual_part(parse, given[name], name)}"')
    notes.append("method='linearized' ends where nlme does; without it the likelihood itself is maximised.")
    return _reading(given, f"{deparse(model.left)} ~ {deparse(model.right)}", options, "linearized", 1, notes)


Levels = tuple[tuple[str, ...], ...]


def _read_random(given: Mapping[str, Expr], fixed: Mapping[str, str]) -> list[CurveBlock]:
    """The random terms of a call of nlme."""
    node = without_parens(given["random"]) if "random" in given else None
    levels = _levels(given["groups"]) if "groups" in given else ()
    if node is None:
        if not levels:
            raise TranslationError(
                "nlme", "random", "it is missing, so nlme takes all from grouped data; write it out."
            )
        return [CurveBlock(level, tuple(fixed.items())) for level in levels]
    if isinstance(node, Call) and node.function == "list" and all(a.keyword for a in node.arguments):
        out: list[CurveBlock] = []
        outer: tuple[str, ...] = ()
        for argument in node.arguments:
            outer = (*outer, str(argument.keyword))
            out += _of_levels(argument.value, (outer,))
        return out
    return _of_levels(node, levels)


def _levels(node: Expr) -> Levels:
    """Grouping factors of ``~ id``, or of ``~ plot/id``: plot, and id within it."""
    inner = without_parens(node)
    side = inner.operand if isinstance(inner, Unary) and inner.operator == "~" else inner
    names = tuple(quoted_name(n) for n in names_in(side))
    return tuple(names[: i + 1] for i in range(len(names)))


def _of_levels(node: Expr, levels: Levels) -> list[CurveBlock]:
    """The random terms of some grouping factors, each of which has the same effects."""
    inner = without_parens(node)
    if isinstance(inner, Call) and inner.function in ("pdDiag", "pdSymm", "pdLogChol", "pdNatural"):
        found = _of_levels(inner.arguments[0].value, levels)
        if inner.function != "pdDiag":
            return found
        return [CurveBlock(b.group, (effect,)) for b in found for effect in b.effects]
    if isinstance(inner, Call) and inner.function == "pdBlocked":
        parts = without_parens(inner.arguments[0].value)
        assert isinstance(parts, Call)
        return [b for a in parts.arguments for b in _of_levels(a.value, levels)]
    if isinstance(inner, Call) and inner.function != "list":
        raise TranslationError("nlme", f"{inner.function}()", "random effects of curves have free covariances or none.")
    effects: list[tuple[str, str]] = []
    for names, side in _formulas(inner, "random"):
        tree = without_parens(parse_expression(side))
        if isinstance(tree, Binary) and tree.operator == "|":
            levels, side = _levels(tree.right), deparse(tree.left)
        effects += [(name, side) for name in names]
    if not levels:
        raise TranslationError(
            "nlme", "the grouping factor", "it is missing, so nlme takes it from grouped data; write Asym ~ 1 | id."
        )
    return [CurveBlock(level, tuple(effects)) for level in levels]


def _read_start(node: Expr | None, fixed: Mapping[str, str] | None, notes: list[str]) -> str | None:
    """Starting values as a dict of the parameters, where their places say whose they are."""
    inner = None if node is None else without_parens(node)
    if isinstance(inner, Call) and inner.function == "list":
        inner = next((without_parens(a.value) for a in inner.arguments if a.keyword in ("fixed", "nlpars")), inner)
    if not isinstance(inner, Call) or inner.function != "c":
        if inner is not None:
            notes.append("start was left out: it is no list of numbers; self-starting curves need none.")
        return None
    values = [_value(a.value) for a in inner.arguments]
    names = [a.keyword for a in inner.arguments]
    if fixed is not None and len(fixed) == len(values):
        names = list(fixed)
    if any(v is None for v in values) or any(n is None for n in names) or len(set(names)) < len(names):
        notes.append("start was left out: give it as start={'Asym': [first coefficient, …], …}.")
        return None
    return f"{{{', '.join(f'{_text(str(n))}: {v}' for n, v in zip(names, values, strict=True))}}}"


def _text(name: str) -> str:
    return f'"{name}"'


def _value(node: Expr) -> str | None:
    inner = without_parens(node)
    if isinstance(inner, Number):
        return _number(inner.value)
    if isinstance(inner, Unary) and inner.operator == "-" and (own := _value(inner.operand)) is not None:
        return f"-{own}"
    return None


def no_description() -> OptionError:
    """The refusal of a neutral description of a curve."""
    return OptionError("a nonlinear model has no description by formula and blocks; its call says what it is.")
