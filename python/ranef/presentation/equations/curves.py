"""Equations of nonlinear models: the curve, its parameters, and their random effects."""

from collections.abc import Mapping, Sequence

from ranef.fit.nonlinear.values import curve_of_design
from ranef.fit.record import MixedFit
from ranef.formula import deparse
from ranef.formula.syntax import Binary, Call, Expr, Name, Number, Paren, Unary, without_parens
from ranef.presentation.equations.document import Equations
from ranef.presentation.equations.levels import Equation, Level
from ranef.presentation.equations.symbols import Digits, Indexed, Matrix, Node, Operator, Row, Symbol, Word
from ranef.translation.repeated import structure_text

#: Letters of the levels of grouping factors, and of their random effects.
_LETTERS, _EFFECTS = "jklmnopqrst", "uvwstr"
#: The longest vector of random effects that is written with its covariance matrix.
_LARGEST = 4
#: What functions are called.
_CALLED = {"plogis": "logistic", "log1p": "log1p", "expm1": "expm1"}


def curve_equations(fit: MixedFit) -> Equations:
    """The equations of a nonlinear model.

    Parameters
    ----------
    fit : MixedFit
        With a curve.
    """
    rows = curve_of_design(fit.design)
    names = rows.curve.parameters
    groups = list(dict.fromkeys(t.group for t in fit.design.random))
    letters = {g: _LETTERS[i % len(_LETTERS)] for i, g in enumerate(groups)}
    index = "i" if not groups else f"i{''.join(letters.values())}"
    row = Symbol(index)
    effects = _effects(fit, letters)
    constant = {name for c, name in enumerate(names) if rows.parts.count(c) == 1 and not effects.get(name)}
    shown: dict[str, Node] = {n: Word(n) if n in constant else Indexed(Word(n), row) for n in names}
    response = fit.design.formula.response
    assert response is not None
    y, e = Indexed(Word(response.label), row), Indexed(Symbol("e"), row)
    first = Level(
        "The curve (rows)",
        (Equation(y, "=", (_node(rows.curve.tree, shown, row), e)), Equation(e, "~", (_residual(fit),))),
        _words(fit),
    )
    equations, number = [], 0
    for c, name in enumerate(names):
        terms: list[Node] = []
        for j, part in enumerate(rows.parts):
            if part != c:
                continue
            number += 1
            beta: Node = Indexed(Symbol("beta"), Digits(str(number)))
            column = _column(fit.design.x_names[j], name)
            terms.append(beta if column is None else Row((beta, Indexed(Word(column), row))))
        equations.append(Equation(shown[name], "=", (*terms, *effects.get(name, ()))))
    second = Level("Parameters of the curve", tuple(equations), "Parameters are linear in effects.")
    return Equations((first, second, *_laws(fit, letters)))


def _words(fit: MixedFit) -> str:
    """The rows in a sentence."""
    structure = structure_text(None, None if fit.design.residual is None else fit.design.residual.expr)
    where = f", with covariance σ² R, where R is {structure}" if structure else ""
    return f"Responses are normal around the curve{where}."


def _column(label: str, parameter: str) -> str | None:
    """What a coefficient multiplies; None for an intercept."""
    if label == parameter:
        return None
    own = label.removeprefix(f"{parameter}.")
    return None if own == "(Intercept)" else own.replace("[T.", "[")


def _residual(fit: MixedFit) -> Node:
    """The distribution of the residuals; R is the structure that the rows have together."""
    variance: Node = Indexed(Symbol("sigma"), exponent=Digits("2"))
    if fit.design.residual is not None:
        return _normal(Digits("0"), Row((variance, Symbol("R"))))
    if fit.design.weights is not None:
        return _normal(Digits("0"), Row((variance, Operator("/"), Symbol("w"))))
    return _normal(Digits("0"), variance)


def _named(fit: MixedFit, letters: Mapping[str, str]) -> list[list[Node]]:
    """Symbols of the effects of every random term, in the order of the formula."""
    out: list[list[Node]] = []
    used: dict[str, int] = {}
    groups = list(letters)
    for term in fit.design.random:
        letter = _EFFECTS[groups.index(term.group) % len(_EFFECTS)]
        own: list[Node] = []
        for _ in term.names:
            used[term.group] = used.get(term.group, 0) + 1
            own.append(Indexed(Symbol(letter), Row((Digits(str(used[term.group])), Symbol(letters[term.group])))))
        out.append(own)
    return out


def _effects(fit: MixedFit, letters: Mapping[str, str]) -> dict[str, list[Node]]:
    """What every parameter has of the random effects."""
    rows = curve_of_design(fit.design)
    index = Symbol(f"i{''.join(letters.values())}")
    out: dict[str, list[Node]] = {}
    for term, of, nodes in zip(fit.design.random, rows.of, _named(fit, letters), strict=True):
        for c, label, node in zip(of, term.names, nodes, strict=True):
            name = rows.curve.parameters[c]
            column = _column(label, name)
            out.setdefault(name, []).append(node if column is None else Row((node, Indexed(Word(column), index))))
    return out


def _laws(fit: MixedFit, letters: Mapping[str, str]) -> list[Level]:
    """Distributions of the random effects, a level for each grouping factor."""
    out: dict[str, list[Equation]] = {}
    groups = list(letters)
    used: dict[str, int] = {}
    for term, nodes in zip(fit.design.random, _named(fit, letters), strict=True):
        letter = _EFFECTS[groups.index(term.group) % len(_EFFECTS)]
        first = used.get(term.group, 0)
        used[term.group] = first + len(nodes)
        own = out.setdefault(term.group, [])
        if len(nodes) == 1:
            own.append(Equation(nodes[0], "~", (_normal(Digits("0"), _variance(letter, first + 1)),)))
            continue
        column = Matrix(tuple((n,) for n in nodes))
        zero = Matrix(tuple((Digits("0"),) for _ in nodes))
        size = len(nodes)
        if size > _LARGEST:
            own.append(Equation(column, "~", (_normal(zero, Indexed(Symbol("Sigma"), Symbol(letter))),)))
            continue
        matrix = Matrix(tuple(tuple(_entry(letter, first, i, j) for j in range(size)) for i in range(size)))
        own.append(Equation(column, "~", (_normal(zero, matrix),)))
    return [Level(f"Random effects ({g})", tuple(own), f"Effects of {g} are normal.") for g, own in out.items()]


def _variance(letter: str, number: int) -> Node:
    return Indexed(Symbol("sigma"), Row((Symbol(letter), Digits(str(number)))), Digits("2"))


def _entry(letter: str, first: int, i: int, j: int) -> Node:
    if i == j:
        return _variance(letter, first + i + 1)
    low, high = sorted((first + i + 1, first + j + 1))
    return Indexed(Symbol("sigma"), Row((Symbol(letter), Digits(f"{low}{high}"))))


def _normal(mean: Node, variance: Node) -> Node:
    return Row((Symbol("N"), Operator("("), mean, Operator(","), variance, Operator(")")))


def _node(tree: Expr, shown: Mapping[str, Node], row: Node) -> Node:
    """An expression: parameters as they are shown, columns with the index of a row."""

    def made(part: Expr) -> Node:
        if isinstance(part, Paren):
            return Row((Operator("("), made(part.inner), Operator(")")))
        if isinstance(part, Number):
            return Digits(f"{part.value:.10g}")
        if isinstance(part, Name):
            if part.name in shown:
                return shown[part.name]
            return Symbol("pi") if part.name == "pi" else Indexed(Word(part.name), row)
        if isinstance(part, Unary) and part.operator in "+-":
            return Row((Operator(part.operator), made(part.operand)))
        if isinstance(part, Binary) and part.operator == "^":
            base = made(part.left)
            inside = base if isinstance(without_parens(part.left), Name | Number) else _bracketed([base])
            return Indexed(Row((inside,)), exponent=made(part.right))
        if isinstance(part, Binary) and part.operator in "+-*/":
            return Row((made(part.left), Operator(part.operator), made(part.right)))
        if isinstance(part, Call):
            arguments = [made(a.value) for a in part.arguments]
            if part.function == "exprel":
                exponential = Row((Word("exp"), _bracketed(arguments), Operator("-"), Digits("1")))
                return Row((_bracketed([exponential]), Operator("/"), _bracketed(arguments)))
            return Row((Word(_CALLED.get(part.function, part.function)), _bracketed(arguments)))
        return Word(deparse(part))

    return made(without_parens(tree))


def _bracketed(parts: Sequence[Node]) -> Node:
    inside: list[Node] = []
    for part in parts:
        inside += [Operator(","), part] if inside else [part]
    return Row((Operator("("), *inside, Operator(")")))
