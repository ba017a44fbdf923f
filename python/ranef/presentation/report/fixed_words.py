"""The fixed effects in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ranef.estimates.rates import UNKNOWN_UNIT
from ranef.presentation.report.phrases import listed, number, p_words, percent, sentence, signed
from ranef.presentation.report.roles import Piece, Role
from ranef.presentation.report.scale_words import EffectScale

#: Coefficients that are put into words one by one.
MOST = 16


@dataclass(frozen=True, slots=True)
class Coefficient:
    """A row of the table of fixed effects: its name, the text it is shown by, and numbers;
    ``df`` and ``p_value`` are NaN where there is no test.
    """

    name: str
    text: str
    estimate: float
    std_error: float
    df: float
    statistic: float
    p_value: float
    lower: float
    upper: float

    @property
    def known(self) -> bool:
        """Whether the interval can be given."""
        return math.isfinite(self.lower) and math.isfinite(self.upper)

    @property
    def open(self) -> bool:
        """Whether the interval includes no effect."""
        return self.lower <= 0 <= self.upper


def fixed_sentences(
    coefficients: Sequence[Coefficient],
    roles: Sequence[Role],
    scale: EffectScale,
    slopes: dict[str, tuple[str, ...]],
    level: float,
    means: bool,
) -> list[str]:
    """One sentence or two for each fixed effect.

    Parameters
    ----------
    coefficients : sequence of Coefficient
    roles : sequence of Role
        In the same order.
    scale : EffectScale
    slopes : dict
        By name of a fixed effect the grouping factors over which it varies.
    level : float
        Of the intervals.
    means : bool
        Whether the page has means of factors.
    """
    out = []
    together: dict[str, list[str]] = {}
    for c, role in list(zip(coefficients, roles, strict=True))[:MOST]:
        if role.pieces and not role.plain and not _is_mean(role):
            together.setdefault(listed(role.entangled), []).append(c.text)
            continue
        text = _intercept(c, roles, scale) if not role.pieces else _effect(c, role, scale)
        said = f"{sentence(text)} ({_certainty(c, role, scale, level)})."
        if role.pieces and c.known and c.open:
            said += " The interval includes no effect: the data leave its direction open."
        if c.name in slopes and role.pieces:
            said += f" This is the average; the effect itself differs between the levels of {listed(slopes[c.name])}."
        out.append(said)
    return out + [_read_together(names, others, means) for others, names in together.items()]


def _is_mean(role: Role) -> bool:
    return not role.entangled and len(role.pieces) == 1 and role.pieces[0].kind == "mean"


def _read_together(names: list[str], others: str, means: bool) -> str:
    by = "by a picture of predictions or the means below" if means else "by a picture of predictions"
    what = f"The coefficient{'s' if len(names) > 1 else ''} of {listed(names)}"
    if others:
        return f"{what} {'are' if len(names) > 1 else 'is'} read together with {others}, {by} rather than one by one."
    return (
        f"{what} {'belong' if len(names) > 1 else 'belongs'} to a curve or a coding whose columns are read together, "
        f"{by} rather than one by one."
    )


def _certainty(c: Coefficient, role: Role, scale: EffectScale, level: float) -> str:
    if not c.known:
        return "its interval cannot be given"
    test = bool(role.pieces)
    factors = test and scale.multiplies
    lower, upper = (math.exp(min(v, 700.0)) for v in (c.lower, c.upper)) if factors else (c.lower, c.upper)
    ratio = "" if not factors else f" of the {scale.ratio}" if len(role.pieces) == 1 else " of this factor"
    out = f"{percent(level)} interval{ratio} {number(lower)} to {number(upper)}"
    if not test and scale.multiplies:
        return f"the coefficient is {number(c.estimate)}, {out}"
    return out if math.isnan(c.p_value) or not test else f"{out}, {p_words(c.p_value)}"


def _intercept(c: Coefficient, roles: Sequence[Role], scale: EffectScale) -> str:
    others = [r for r in roles if r.pieces]
    if any(p.kind not in ("number", "level") and not p.centred for r in others for p in r.pieces):
        return (
            f"the intercept is {number(c.estimate)}; with this coding of the predictors it is not the value of any "
            "group of rows"
        )
    places = list(dict.fromkeys(p.origin for r in others for p in r.pieces))
    where = f"where {listed(places)}, " if places else ""
    if len(places) > 6 and not any(p.centred for r in others for p in r.pieces):
        where = "where all numeric predictors are 0 and all factors are at their first level, "
    of_zero = f"{'and ' * bool(where)}with random effects of zero, " if scale.random else ""
    return f"{where}{of_zero}{scale.expected(c.estimate)}"


def _effect(c: Coefficient, role: Role, scale: EffectScale) -> str:
    if _is_mean(role):
        piece = role.pieces[0]
        return (
            f"where {piece.name} is {piece.level} and the other predictors are 0 or at their first level, "
            f"{scale.expected(c.estimate)}"
        )
    condition = f" where {listed(role.where)}" if role.where else ""
    if len(role.pieces) == 1:
        return (
            f"{_change(role.pieces[0])}, {_result(c, scale)}, other predictors being "
            f"equal{' and' * bool(condition)}{condition}"
        )
    if len(role.pieces) == 2:
        return f"{_interaction(c, role.pieces[0], role.pieces[1], scale)}{condition}"
    names = listed([p.name for p in role.pieces])
    return (
        f"the interaction {c.text} says how far the interaction of {listed([p.name for p in role.pieces[:-1]])} "
        f"depends on {role.pieces[-1].name}: {_amount(c, scale)} (all of {names} together)"
    )


def _change(piece: Piece) -> str:
    if piece.kind == "level":
        return f"with {piece.name} {piece.level} rather than {piece.reference}"
    return f"where {piece.name} is higher by 1"


def _result(c: Coefficient, scale: EffectScale) -> str:
    if scale.kind == "odds":
        return f"{scale.target} are multiplied by {_factor(c)}{_in_percent(c)}"
    if scale.multiplies:
        return f"{scale.target} is multiplied by {_factor(c)}{_in_percent(c)}"
    direction = "higher" if c.estimate > 0 else "lower"
    on = "" if scale.link else " on average"
    return f"{scale.target} is {direction} by {number(abs(c.estimate))}{on}"


def _interaction(c: Coefficient, first: Piece, second: Piece, scale: EffectScale) -> str:
    if first.kind == "level" and second.kind == "number":
        first, second = second, first
    if second.kind == "level":
        change = f"with {second.name} {second.level} rather than {second.reference}"
    else:
        change = f"for each increase of {second.name} by 1"
    if first.kind == "level":
        effect = (
            f"the {'ratio' if scale.multiplies else 'difference'} between {first.name} {first.level} and "
            f"{first.reference}"
        )
    else:
        effect = f"the effect of {first.name}"
    if scale.multiplies:
        name = (
            f"the {scale.ratio} of {first.name}"
            if first.kind == "number"
            else f"the {scale.ratio} of {first.name} {first.level} against {first.reference}"
        )
        return f"{change}, {name} is multiplied by {_factor(c)}"
    return (
        f"{change}, {effect} on {scale.target} changes by {signed(c.estimate)}"
        if first.kind == "number"
        else (f"{change}, {effect} in {scale.target} changes by {signed(c.estimate)}")
    )


def _amount(c: Coefficient, scale: EffectScale) -> str:
    return f"a factor of {_factor(c)}" if scale.multiplies else f"a change of {signed(c.estimate)}"


def _factor(c: Coefficient) -> str:
    return number(math.exp(min(c.estimate, 700.0)))


def _in_percent(c: Coefficient) -> str:
    """A factor as a change in per cent, where that is how one speaks of it."""
    factor = math.exp(min(c.estimate, 700.0))
    if not 0.005 < factor < 2 or factor == 1:
        return ""
    return f" ({percent(abs(factor - 1))} {'higher' if factor > 1 else 'lower'})"


def about_effects(
    scale: EffectScale,
    groups: Sequence[str],
    ddf: str,
    has_tests: bool,
    coefficients: Sequence[Coefficient],
    base: float | None,
) -> list[str]:
    """What holds for all fixed effects: their scale, and how they were tested.

    Parameters
    ----------
    scale : EffectScale
    groups : sequence of str
    ddf : str
        Method of the degrees of freedom.
    has_tests : bool
    coefficients : sequence of Coefficient
    base : float or None
        Probability or mean from which an example of a ratio starts.
    """
    out = []
    if scale.multiplies:
        out.append(
            f"Coefficients are on the scale of the link; exp(coefficient) is the {scale.ratio}. A factor of 1 is no "
            "effect, above 1 an increase, below 1 a decrease. They hold for rows with the same random effects, such "
            f"as rows of the same {listed(list(groups))}."
        )
        out += _example(scale, coefficients, base)
        if scale.unit:
            out.append(
                f"The offset makes them effects on rates: on what is expected per {scale.unit}, whatever the "
                f"{'exposure' if scale.unit == UNKNOWN_UNIT else scale.unit.removeprefix('unit of ')} of a row is."
            )
        if scale.kind == "odds":
            out.append("Odds ratios between averages over the whole population lie closer to 1 than these.")
    elif scale.link:
        out.append(
            f"Coefficients are on the scale of the link, the {scale.link}, and hold for rows with the same random "
            "effects."
        )
    method = {
        "satterthwaite": "t tests with Satterthwaite's degrees of freedom, which reflect how precisely the data "
        "determine the variances that the test needs.",
        "kenward-roger": "t tests with Kenward and Roger's degrees of freedom and their adjusted standard errors, "
        "which allow for the estimation of the variances.",
        "kenward-roger-linear": "t tests with Kenward and Roger's degrees of freedom and their adjusted standard "
        "errors (linear form), which allow for the estimation of the variances.",
        "between-within": "t tests whose degrees of freedom count subjects for effects between them, and rows for "
        "effects within.",
        "residual": "t tests with the residual degrees of freedom; with few groups their p-values are too small.",
        "clusters": "t tests with the number of clusters less one as degrees of freedom.",
        "normal": "z tests, which presume many groups.",
        "none": "",
    }[ddf]
    if has_tests and method:
        out.append(
            f"p-values and intervals are those of {method} A p-value is the probability of an estimate at least this "
            "far from zero if the true effect were zero and the model correct."
        )
    return out


def _example(scale: EffectScale, coefficients: Sequence[Coefficient], base: float | None) -> list[str]:
    """What a ratio means, with the clearest one of the model."""
    effects = [c for c in coefficients if c.name != "(Intercept)" and c.known and abs(c.estimate) < 7]
    if not effects or base is None:
        return []
    chosen = max(effects, key=lambda c: abs(c.estimate) / c.std_error if c.std_error > 0 else 0.0)
    factor = math.exp(chosen.estimate)
    if scale.kind == "odds":
        odds = base / (1 - base) * factor
        event = scale.target.removeprefix("the odds of ")
        return [
            f"For example, an odds ratio of {number(factor)} ({chosen.text}) takes a probability of {percent(base)}, "
            f"that of {event} in these data, to {percent(odds / (1 + odds))}: odds are the probability divided by that "
            "of the opposite."
        ]
    per = f" per {scale.unit}" if scale.unit else ""
    return [
        f"For example, a {scale.ratio} of {number(factor)} ({chosen.text}) takes {number(base)}{per}, the average of "
        f"these data, to {number(base * factor)}."
    ]


def overview_of_effects(coefficients: Sequence[Coefficient], roles: Sequence[Role], level: float) -> str:
    """Which effects the data distinguish from zero, in one sentence.

    Empty if there are none but the intercept.
    """
    effects = [c for c, r in zip(coefficients, roles, strict=True) if r.pieces and c.known]
    clear = [c.text for c in effects if not c.open]
    vague = [c.text for c in effects if c.open]
    if not effects:
        return ""
    if len(effects) > MOST:
        return f"The {percent(level)} intervals of {len(clear)} of the {len(effects)} effects exclude zero."
    if not vague:
        return (
            f"The {percent(level)} "
            f"{'intervals of all effects exclude' if len(clear) > 1 else 'interval of ' + clear[0] + ' excludes'} "
            f"zero{' (' + listed(clear) + ')' if len(clear) > 1 else ''}."
        )
    if not clear:
        return (
            f"The {percent(level)} "
            f"{'intervals of all effects include' if len(vague) > 1 else 'interval of ' + vague[0] + ' includes'} "
            f"zero{' (' + listed(vague) + ')' if len(vague) > 1 else ''}."
        )
    return (
        f"The {percent(level)} interval{'s' if len(clear) > 1 else ''} of {listed(clear)} "
        f"{'exclude' if len(clear) > 1 else 'excludes'} zero; {'those' if len(vague) > 1 else 'that'} of "
        f"{listed(vague)} {'include' if len(vague) > 1 else 'includes'} it."
    )
