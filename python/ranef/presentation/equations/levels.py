"""The equations of a model, level by level.

Level 1 has the rows and its coefficients; a coefficient that varies over a grouping factor has an
equation on the level of that factor, with the predictors that do not vary within its levels. Nested
factors are levels above each other; crossed ones share one level.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from ranef.design.structures import kind_of
from ranef.formula import Term, deparse
from ranef.presentation.equations.categories import SCALE, category_equations
from ranef.presentation.equations.other_predictors import Effects, component_equations, effect_distributions
from ranef.presentation.equations.symbols import Digits, Indexed, Matrix, Node, Operator, Row, Symbol, Word
from ranef.translation.component_response import ComponentResponse
from ranef.translation.description import Block, ModelDescription
from ranef.translation.ordered_response import OrderedResponse
from ranef.translation.repeated import block_text, structure_text

_COEFFICIENTS = ("beta", "gamma", "delta", "zeta", "eta", "alpha")
_EFFECTS = ("u", "v", "w", "s", "t", "r")
_LETTERS = "jklmnopqrst"
_LARGEST_MATRIX = 4
_INDICATOR = re.compile(r"(.*)\[T\.(.*)\]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Atom:
    """A factor of a product: what is shown, and the column it is of."""

    shown: str
    column: str


@dataclass(frozen=True, slots=True)
class Equation:
    """An equation or a distribution: left side, relation, and summands of the right side."""

    left: Node
    relation: str
    right: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Level:
    """The equations of one level.

    Attributes
    ----------
    title : str
        Such as ``Level 2 (school)``.
    equations : tuple of Equation
    words : str
        The same in a sentence.
    """

    title: str
    equations: tuple[Equation, ...]
    words: str


@dataclass(frozen=True, slots=True)
class _Effect:
    """A random effect: block, position in it, group, and the product it multiplies."""

    block: int
    position: int
    group: frozenset[str]
    atoms: tuple[Atom, ...]


@dataclass(slots=True)
class _Builder:
    model: ModelDescription
    stages: list[list[frozenset[str]]]
    letters: dict[frozenset[str], str]
    crossed: bool
    level_of: dict[str, int]
    equations: list[list[Equation]] = field(default_factory=list)
    effect_names: dict[tuple[int, int], Node] = field(default_factory=dict)
    effect_indices: dict[tuple[int, int], str] = field(default_factory=dict)

    def indices(self, stage: int, groups: Sequence[frozenset[str]] | None = None) -> str:
        """Letters from a stage upwards; on the level of crossed factors, those of some of them."""
        if stage == 0 and self.crossed:
            return f"i({''.join(self.letters[g] for g in self.stages[0])})"
        if groups is not None and self.crossed:
            return "".join(self.letters[g] for g in groups)
        above = "".join(self.letters[g] for s in self.stages[max(stage - 1, 0) :] for g in s)
        return f"i{above}" if stage == 0 else above

    def product(self, atoms: Sequence[Atom]) -> list[Node]:
        """The columns of a product with their indices."""
        out: list[Node] = []
        for atom in atoms:
            if out:
                out.append(Operator("*"))
            out.append(Indexed(Word(atom.shown), _index(self.indices(self.level_of.get(atom.column, 0)))))
        return out

    def at(self, atoms: Sequence[Atom], stage: int) -> tuple[Atom, ...]:
        """The part of a product that belongs to a stage."""
        return tuple(a for a in atoms if self.level_of.get(a.column, 0) == stage)

    def expand(self, stage: int, depth: int, index: str, fixed: list[tuple[Atom, ...]], effects: list[_Effect]) -> Node:
        """The symbol of a coefficient.

        Its equation, if it varies, is added to the equations of its stage.
        """
        while stage <= len(self.stages):
            here = [e for e in effects if e.group in self.stages[stage - 1] and not e.atoms]
            if here or any(self.at(a, stage) for a in fixed):
                break
            # Nothing happens on this stage: the coefficient is the same for all of its groups.
            stage += 1
        base = Symbol(_COEFFICIENTS[min(depth, len(_COEFFICIENTS) - 1)])
        if stage > len(self.stages):
            return Indexed(base, _index(index))
        here = [e for e in effects if e.group in self.stages[stage - 1] and not e.atoms]
        letters = self.indices(stage, list(dict.fromkeys(e.group for e in here)) or None)
        symbol = Indexed(base, _index(index, letters))
        position = len(self.equations[stage])
        self.equations[stage].append(Equation(symbol, "=", ()))
        terms: list[Node] = self.sum(stage, depth + 1, index, fixed, [e for e in effects if e not in here])
        for effect in here:
            name = _EFFECTS[min(self.order(effect.group), len(_EFFECTS) - 1)]
            node = Indexed(Symbol(name), _index(index, self.indices(stage, [effect.group])))
            twin = sum(
                1 for e in here if e.group == effect.group and (e.block, e.position) < (effect.block, effect.position)
            )
            if twin:
                node = Indexed(Symbol(name), _index(index + "′" * twin, self.indices(stage, [effect.group])))
            self.effect_names[(effect.block, effect.position)] = node
            self.effect_indices[(effect.block, effect.position)] = f"{name}{index}"
            terms.append(node)
        self.equations[stage][position] = Equation(symbol, "=", tuple(terms))
        return symbol

    def order(self, group: frozenset[str]) -> int:
        """Number of a grouping factor from the lowest level upwards."""
        return [g for s in self.stages for g in s].index(group)

    def sum(
        self, stage: int, depth: int, index: str, fixed: list[tuple[Atom, ...]], effects: list[_Effect]
    ) -> list[Node]:
        """Summands: coefficients of the next stage times the columns of this one."""
        keys = dict.fromkeys([self.at(a, stage) for a in fixed] + [self.at(e.atoms, stage) for e in effects])
        ordered = sorted(keys, key=bool)
        # Without an intercept the numbers still start at one.
        numbers = range(len(ordered)) if not ordered or not ordered[0] else range(1, len(ordered) + 1)
        out: list[Node] = []
        for number, key in zip(numbers, ordered, strict=True):
            inner_fixed = [_without(a, key) for a in fixed if self.at(a, stage) == key]
            inner_effects = [
                _Effect(e.block, e.position, e.group, _without(e.atoms, key))
                for e in effects
                if self.at(e.atoms, stage) == key
            ]
            symbol = self.expand(
                stage + 1,
                depth,
                f"{index}{number}" if number < 10 else f"{index}{',' * bool(index)}{number}",
                inner_fixed,
                inner_effects,
            )
            out.append(Row((symbol, *self.product(key))) if key else symbol)
        return out


def _without(atoms: tuple[Atom, ...], key: tuple[Atom, ...]) -> tuple[Atom, ...]:
    return tuple(a for a in atoms if a not in key)


def _index(digits: str, letters: str = "") -> Node:
    runs = re.findall(r"\d+|[^\d]", digits + letters)
    parts: list[Node] = [
        Digits(run) if run.isdigit() else Operator(run) if run in "()," else Symbol(run) for run in runs
    ]
    return parts[0] if len(parts) == 1 else Row(tuple(parts))


def levels_of(model: ModelDescription) -> tuple[Level, ...]:
    """The levels of a model, from the rows upwards, with the distributions of their random effects.

    Parameters
    ----------
    model : ModelDescription

    Returns
    -------
    tuple of Level
    """
    builder = _builder(model)
    fixed = [atoms for term in model.fixed for atoms in _atoms(term, model, term.label)]
    if model.intercept and model.ordered is None:  # thresholds take its place
        fixed.insert(0, ())
    effects = _effects(model)
    builder.equations = [[] for _ in range(len(builder.stages) + 1)]
    rows = builder.indices(0)
    summands = builder.sum(0, 0, "", fixed, effects)
    summands += [Indexed(Word(deparse(o)), _index(rows)) for o in model.offsets]
    letters = {":".join(b.group): _index(builder.letters[frozenset(b.group)]) for b in model.blocks}
    first = _first(model, rows, summands)
    if model.ordered is not None:
        response = Indexed(Word(_response_name(model)), _index(rows))
        columns = {name: _shown(name) for name in (*model.ordered.nominal, *(model.ordered.scale or ()))}
        parts = category_equations(response, _renamed(model.ordered, columns), _index(rows), summands, letters)
        first = [Equation(*own) for own in parts]
    if model.components is not None:
        given = model.response.trials
        trials = None if given is None else Indexed(Word(deparse(given)), _index(rows))
        response = Indexed(Word(_response_name(model)), _index(rows))
        parts = component_equations(
            response, _with_shown(model.components), str(model.link), trials, _index(rows), summands, letters
        )
        first = [Equation(*own) for own in parts]
    levels = [Level("Level 1 (rows)", (*first,), _first_words(model))]
    for stage, groups in enumerate(builder.stages, start=1):
        names = " and ".join(_group_name(model, g) for g in groups)
        distributions = [
            _distribution(builder, number, block)
            for number, block in enumerate(model.blocks)
            if frozenset(block.group) in groups
        ]
        words = [_block_words(model, b) for b in model.blocks if frozenset(b.group) in groups]
        levels.append(
            Level(f"Level {stage + 1} ({names})", (*builder.equations[stage], *distributions), " ".join(words))
        )
    if model.ordered is not None:
        levels = _with_effects(levels, builder, SCALE, model.ordered.scale_effects, model.ordered.shared, letters)
    for p in () if model.components is None else model.components.predictors:
        levels = _with_effects(levels, builder, p.effect, p.effects, p.shared, letters)
    return tuple(levels)


def _with_shown(made: ComponentResponse) -> ComponentResponse:
    """The same with columns as they are shown."""
    own = tuple(replace(p, columns=tuple(map(_shown, p.columns))) for p in made.predictors)
    return replace(made, predictors=own)


def _renamed(ordered: OrderedResponse, names: dict[str, str]) -> OrderedResponse:
    """The same with columns as they are shown."""
    scale = None if ordered.scale is None else tuple(names[n] for n in ordered.scale)
    return replace(ordered, nominal=tuple(names[n] for n in ordered.nominal), scale=scale)


def _with_effects(
    levels: list[Level],
    builder: _Builder,
    letter: str,
    effects: Effects,
    shared: tuple[str, ...],
    letters: dict[str, Node],
) -> list[Level]:
    """The levels with the random effects of another predictor."""

    def beside(group: str) -> list[tuple[Node, str]]:
        own = {n for n, b in enumerate(builder.model.blocks) if ":".join(b.group) == group}
        places = sorted(key for key in builder.effect_names if key[0] in own)
        return [(builder.effect_names[key], builder.effect_indices[key]) for key in places]

    out = list(levels)
    for group, parts in effect_distributions(letter, effects, shared, letters, beside).items():
        more = tuple(Equation(*own) for own in parts)
        stage = next(
            (i for i, own in enumerate(builder.stages, start=1) if any(set(group.split(":")) == set(g) for g in own)),
            None,
        )
        if stage is None:
            out.append(Level(f"Level {len(out) + 1} ({group})", more, ""))
        else:
            out[stage] = replace(out[stage], equations=(*out[stage].equations, *more))
    return out


def _builder(model: ModelDescription) -> _Builder:
    sets = list(dict.fromkeys(frozenset(b.group) for b in model.blocks))
    chain = sorted(sets, key=len, reverse=True)
    crossed = not all(inner > outer for inner, outer in pairwise(chain))
    stages = [sets] if crossed else [[s] for s in chain]
    flat = [g for s in stages for g in s]
    letters = {g: _LETTERS[i] if i < len(_LETTERS) else f"g{i}" for i, g in enumerate(flat)}
    level_of: dict[str, int] = {}
    if not crossed:
        by_label = {":".join(sorted(s)): i for i, s in enumerate(chain, start=1)}
        for column, group in model.constant_within:
            level_of[column] = by_label.get(":".join(sorted(group.split(":"))), 0)
        for block in model.blocks:
            # A column with a random slope belongs below the factor that its slope varies over.
            below = by_label[":".join(sorted(block.group))] - 1
            for name in (v.name for t in block.terms for v in t.variables):
                level_of[name] = min(level_of.get(name, 0), below)
    return _Builder(model, stages, letters, crossed and len(sets) > 1, level_of)


def _atoms(term: Term, model: ModelDescription, key: str) -> list[tuple[Atom, ...]]:
    """The products of a term:
    one, or one for each column of a categorical variable whose levels are known.
    """
    columns = dict(model.columns).get(key, ())
    names = [v.name for v in term.variables]
    out: list[tuple[Atom, ...]] = []
    for column in columns:
        pieces = column.split(":")
        if len(pieces) != len(names):
            out.append((Atom(column, names[0]),))
        else:
            out.append(tuple(Atom(_shown(p), n) for p, n in zip(pieces, names, strict=True)))
    return out or [tuple(Atom(n, n) for n in names)]


def _shown(piece: str) -> str:
    match = _INDICATOR.fullmatch(piece)
    return f"{match[1]}[{match[2]}]" if match else piece


def _effects(model: ModelDescription) -> list[_Effect]:
    out = []
    for number, block in enumerate(model.blocks):
        products: list[tuple[Atom, ...]] = [()] if block.intercept else []
        for term in block.terms:
            products += _atoms(term, model, f"{term.label} | {block.label}")
        out += [_Effect(number, i, frozenset(block.group), atoms) for i, atoms in enumerate(products)]
    return out


def _group_name(model: ModelDescription, group: frozenset[str]) -> str:
    block = next(b for b in model.blocks if frozenset(b.group) == group)
    outer = [b.group for b in model.blocks if set(b.group) < group]
    if not outer:
        return ":".join(block.group)
    within = max(outer, key=len)
    return f"{':'.join(g for g in block.group if g not in within)} within {':'.join(within)}"


# ---- distributions


def _first(model: ModelDescription, rows: str, summands: list[Node]) -> list[Equation]:
    response = Indexed(Word(_response_name(model)), _index(rows))
    if model.family is None:
        residual = Indexed(Symbol("e"), _index(rows))
        variance: Node = Indexed(Symbol("sigma"), None, Digits("2"))
        if model.weights is not None:
            variance = Row((variance, Operator("/"), Indexed(Word(deparse(model.weights)), _index(rows))))
        first = Equation(response, "=", (*summands, residual))
        if structure_text(model.repeated, model.residual):
            # the errors of a block together, with R by the structure that the words name
            block = Word(block_text(model.repeated, model.residual) or "all")
            variance = Row((variance, Indexed(Symbol("R"), block)))
            residual = Indexed(Symbol("e"), block)
        return [first, Equation(residual, "~", (_normal(Digits("0"), variance),))]
    mean, distribution = _family(model, rows)
    shown: Node = (
        mean if model.link == "identity" else Row((_link(str(model.link)), Operator("("), mean, Operator(")")))
    )
    return [Equation(response, "~", (distribution,)), Equation(shown, "=", tuple(summands))]


def _response_name(model: ModelDescription) -> str:
    return deparse(model.response.expr)


def _family(model: ModelDescription, rows: str) -> tuple[Node, Node]:
    """The symbol of the mean, and the distribution of the response."""
    index = _index(rows)
    mu, extra = Indexed(Symbol("mu"), index), Symbol("phi")
    if model.family == "binomial":
        p = Indexed(Symbol("pi"), index)
        if model.response.trials is None:
            return p, _of("Bernoulli", p)
        return p, _of("Binomial", Indexed(Word(deparse(model.response.trials)), index), p)
    if model.family == "poisson":
        rate = Indexed(Symbol("lambda"), index)
        return rate, _of("Poisson", rate)
    if model.family == "gaussian":
        return mu, _normal(mu, Indexed(Symbol("sigma"), None, Digits("2")))
    names = {
        "nbinom2": "NegativeBinomial",
        "nbinom1": "NegativeBinomial1",
        "Gamma": "Gamma",
        "inverse.gaussian": "InverseGaussian",
        "beta": "Beta",
    }
    return mu, _of(names[str(model.family)], mu, extra)


def _of(name: str, *parameters: Node) -> Node:
    inside: list[Node] = []
    for parameter in parameters:
        inside += [Operator(","), parameter] if inside else [parameter]
    return Row((Word(name), Operator("("), *inside, Operator(")")))


def _normal(mean: Node, variance: Node) -> Node:
    return Row((Symbol("N"), Operator("("), mean, Operator(","), variance, Operator(")")))


def _link(name: str) -> Node:
    return Word({"inverse": "inverse", "1/mu^2": "inverse square"}.get(name, name))


def _distribution(builder: _Builder, number: int, block: Block) -> Equation:
    names = [v for (b, _), v in sorted(builder.effect_names.items(), key=lambda item: item[0]) if b == number]
    labels = [v for (b, _), v in sorted(builder.effect_indices.items(), key=lambda item: item[0]) if b == number]
    if len(names) == 1:
        return Equation(names[0], "~", (_normal(Digits("0"), _sigma(labels[0], labels[0])),))
    column = Matrix(tuple((n,) for n in names))
    if len(names) > _LARGEST_MATRIX or block.structure not in ("unstructured", "diagonal"):
        letter = labels[0][0]
        return Equation(column, "~", (_normal(Digits("0"), Indexed(Symbol("Sigma"), Symbol(letter))),))
    zero = Matrix(tuple((Digits("0"),) for _ in names))
    rows = tuple(
        tuple(_sigma(a, b) if a == b or block.structure == "unstructured" else Digits("0") for b in labels)
        for a in labels
    )
    return Equation(column, "~", (_normal(zero, Matrix(rows)),))


def _sigma(a: str, b: str) -> Node:
    """A variance, or a covariance with the indices of both effects."""
    if a == b:
        return Indexed(Symbol("sigma"), _index(a), Digits("2"))
    first, second = sorted((a, b))
    separator = "," if len(first) > 2 else ""
    return Indexed(Symbol("sigma"), _index(f"{first}{separator}{second[1:]}"))


# ---- words


def _first_words(model: ModelDescription) -> str:
    names = ", ".join(t.label for t in model.fixed)
    on = f"depends on {names}" if names else "has an intercept"
    structure, block = structure_text(model.repeated, model.residual), block_text(model.repeated, model.residual)
    if model.family is None and structure:
        where = f"in the rows of one {block}" if block else "in all rows together"
        return (
            f"Each {_response_name(model)} {on}; what is left {where} is normal with covariance σ² R, where R is "
            f"{structure}."
        )
    if model.family is None:
        return f"Each {_response_name(model)} {on}; what is left is normal with variance σ²."
    if model.ordered is not None:
        return f"The probabilities of the categories of {_response_name(model)} follow from thresholds and a location."
    if model.components is not None:
        zeros = ", mixed with zeros" if model.components.has_zeros else ""
        kind = model.components.distribution
        return f"The {model.link} of the mean of {_response_name(model)} {on}; the response is {kind}{zeros}."
    return f"The {model.link} of the mean of {_response_name(model)} {on}; the response is {model.family}."


def _block_words(model: ModelDescription, block: Block) -> str:
    slopes = [t.label for t in block.terms]
    parts = ["the intercept"] * block.intercept + [f"the effect of {s}" for s in slopes]
    together = " and ".join(parts) if len(parts) < 3 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    verb = "varies" if len(parts) == 1 else "vary"
    group = _group_name(model, frozenset(block.group))
    relation = ""
    if len(parts) > 1:
        relation = f", {kind_of(block.structure).relation}"
    known = "" if block.known is None else f"; their covariances between levels are those of {_matrix_name(block)}"
    members = "" if block.members is None else ", of which a row has several, with weights"
    return f"{together[0].upper()}{together[1:]} {verb} between the levels of {group}{members}{relation}{known}."


def _matrix_name(block: Block) -> str:
    assert block.known is not None
    return f"{'the inverse of ' if block.known.inverse else ''}{block.known.name}"
