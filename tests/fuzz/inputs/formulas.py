"""Random formulas: sentences of a grammar that has the whole language, many of them spoiled."""

import random
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from ranef.design import build_design
from ranef.formula import parse_formula
from ranef.formula.vocabulary import SIGNATURES, STRUCTURES

_NUMBERS = ("y", "x", "z", "k")
_FACTORS = ("f", "o", "b", "s")
_GROUPS = ("g", "h")
_ODD = ("`a b`", "`x+y`", "`été`", "été", "Ω", "_u", ".v", ".", "nothing", "T", "pi", "c", "I", "`~`", "日付")
_VALUES = ("0", "1", "2", "3", "-1", "1e3", "1e308", "1e-320", "0x1F", "2L", ".5", "5.", "1e999", "9" * 30)
_TEXTS = ("'a'", '"b"', "''", "'a\\nb'", '"\\""', "'☃'", "'contr.sum'", "'zzz'")
_WORDS = ("TRUE", "FALSE", "NULL", "NA", "NaN", "Inf", "True", "None")
_BINARY = ("+", "+", "+", "-", "*", ":", "/", "^", "%in%", "**", "==", "<", ">=", "!=", "&", "|", "%%", "%/%", "&&")
_NOISE = (
    *"()[]{}|~+-*/^:%,.=<>!&#'\"`\\$@;?_ \t\n\r\0",
    "||", "<-", "->", "|>", "::", "%in%", "\u200b", "\ufeff", "\ud800", "−", "“", "’", "𝒙",
    "e\u0301", "\u0661", "(1|g)", "C(", "^99", "I()", "0/0", "offset(", "cs(", "known(1 | g, A)", "mm(",
    "dummy(f,'a')", "y ~",
)  # fmt: skip
_FUNCTIONS = tuple(SIGNATURES)
_AROUND = (*STRUCTURES, "known", "mm", "us")

#: Of the formulas that are understood, one in so many is also given data.
DESIGNED = 10


@lru_cache(maxsize=1)
def _data() -> pd.DataFrame:
    """Forty rows of every kind of column."""
    rng = np.random.default_rng(7)
    n = 40
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.normal(size=n),
            "z": np.where(np.arange(n) == 3, np.nan, rng.uniform(1, 9, n)),
            "k": rng.integers(0, 5, n),
            "f": pd.Categorical(rng.choice(list("abc"), n)),
            "o": pd.Categorical(rng.choice(["lo", "mid", "hi"], n), ["lo", "mid", "hi"], ordered=True),
            "b": rng.random(n) < 0.5,
            "s": rng.choice(["u", "v v", "ü", "1"], n),
            "t": pd.date_range("2020-01-01", periods=n),
            "g": np.arange(n) % 8,
            "h": [f"h{i}" for i in rng.integers(0, 5, n)],
            "a b": rng.normal(size=n),
            "été": rng.normal(size=n),
        }
    )


class _Sentence:
    """One random sentence."""

    def __init__(self, number: int):
        self.random = random.Random(number)

    def one(self, *choices: str) -> str:
        return self.random.choice(choices)

    def chance(self, p: float) -> bool:
        return self.random.random() < p

    def formula(self) -> str:
        left = "" if self.chance(0.05) else self.response()
        return f"{left}{self.one(' ~ ', ' ~ ', '~')}{self.right()}"

    def response(self) -> str:
        u = self.random.random()
        if u < 0.75:
            return "y"
        if u < 0.85:
            return self.one("log(z)", "cbind(k, 5 - k)", "sqrt(z)", "I(y^2)", "y / z", "b", "f", "Surv(y, b)")
        return self.expression(2)

    def right(self) -> str:
        n = self.random.randint(1, 4)
        terms = [self.fixed() for _ in range(n - 1)] + [self.bar() if self.chance(0.85) else self.fixed()]
        if self.chance(0.2):
            terms.append(self.bar())
        self.random.shuffle(terms)
        out = terms[0]
        for t in terms[1:]:
            out += f" {self.one('+', '+', '+', '+', '+', '-', '*', ':')} {t}"
        return out

    def fixed(self) -> str:
        u = self.random.random()
        if u < 0.4:
            return self.name()
        if u < 0.5:
            return self.one("0", "1", "-1", ".", "offset(x)", "1 - 1")
        return self.expression(self.random.choice((1, 1, 2, 3)))

    def name(self) -> str:
        return self.one(*_NUMBERS, *_FACTORS, *_NUMBERS, *_FACTORS, *_GROUPS, self.one(*_ODD), "t")

    def atom(self) -> str:
        u = self.random.random()
        if u < 0.65:
            return self.name()
        return self.one(*_VALUES) if u < 0.85 else self.one(*_TEXTS) if u < 0.93 else self.one(*_WORDS)

    def expression(self, depth: int) -> str:
        u = self.random.random()
        if depth <= 0 or u < 0.2:
            return self.atom()
        if u < 0.55:
            return f"{self.expression(depth - 1)} {self.one(*_BINARY)} {self.expression(depth - 1)}"
        if u < 0.63:
            return f"({self.expression(depth - 1)})"
        if u < 0.68:
            return f"{self.one('-', '!', '+')}{self.expression(depth - 1)}"
        if u < 0.72:
            return f"[{', '.join(self.atom() for _ in range(self.random.randint(0, 3)))}]"
        return self.call(depth - 1)

    def call(self, depth: int) -> str:
        function = self.one(*_FUNCTIONS)
        signature = SIGNATURES[function]
        arguments = [self.expression(depth) for _ in range(max(signature.required, self.random.choice((0, 1, 1, 2))))]
        if arguments and self.chance(0.7):
            arguments[0] = self.name()
        arguments += [f"{name} = {self.argument(depth)}" for name in signature.parameters if self.chance(0.15)]
        package = self.one("stats::", "splines::", "base::") if self.chance(0.03) else ""
        return f"{package}{function}({', '.join(arguments)})"

    def argument(self, depth: int) -> str:
        if self.chance(0.2):
            return f"c({', '.join(self.atom() for _ in range(self.random.randint(0, 4)))})"
        return self.one(*_VALUES, *_TEXTS, *_WORDS) if self.chance(0.7) else self.expression(depth)

    def bar(self) -> str:
        effects = self.one("1", "1", "x", "0 + x", "f", "0 + f", "x + f", "x * z", "-1", ".", "t")
        if self.chance(0.15):
            effects = self.expression(2)
        group = self.one("g", "g", "h", "g/h", "g:h", "f", "factor(k)", "g + h", "g * h", "g/h/f", "s", "(g)")
        if self.chance(0.1):
            group = self.expression(2)
        bar = f"{effects} {self.one('|', '|', '|', '||')} {group}"
        if self.chance(0.25):
            more = self.one("", "", ", hom = TRUE", ", hom=False", ", A", ", weights = cbind(x, z)", ", d = 2")
            return f"{self.one(*_AROUND)}({bar}{more})"
        return f"({bar})"

    def spoiled(self, text: str) -> str:
        """A sentence with one to three accidents."""
        for _ in range(self.random.choice((1, 1, 2, 3))):
            at = self.random.randrange(len(text) + 1)
            to = min(len(text), at + self.random.choice((1, 1, 2, 5, 12)))
            kind = self.random.random()
            if kind < 0.3:
                text = text[:at] + text[to:]
            elif kind < 0.65:
                text = text[:at] + self.one(*_NOISE) + text[at:]
            elif kind < 0.75:
                text = text[:to] + text[at:]
            elif kind < 0.85:
                text = text[:at] + self.one(*_NOISE) + text[to:]
            elif kind < 0.95:
                text = text[:at]
            else:
                text = text[:at] + text[at:to] * self.random.choice((3, 40)) + text[to:]
        return text


def formula_case(number: int) -> str:
    """The formula of a number: three in five as the grammar has it, the others spoiled."""
    sentence = _Sentence(number)
    if number % 20_011 == 0:  # rarely, as it takes long: very deep, or very long
        n = sentence.random.choice((50, 900, 5000))
        return "y ~ " + sentence.one(
            "(" * n + "x" + ")" * n,
            "x" + " + x" * n,
            "-" * n + "x + (1 | g)",
            "log(" * n + "x" + ")" * n + " + (1 | g)",
            "(x" * n,
            "x^" * n,
        )
    text = sentence.formula()
    return text if sentence.chance(0.6) else sentence.spoiled(text)


def use_formula(number: int) -> None:
    """Parse a formula; what is understood is the same when it is read from what is printed."""
    text = formula_case(number)
    parsed = parse_formula(text)
    again = parse_formula(parsed.code)
    assert again.code == parsed.code, f"{parsed.code!r} is read as {again.code!r}"
    assert again.random == parsed.random, f"the random terms of {parsed.code!r} are read as others"
    if number % DESIGNED == 0:
        made: Any = build_design(text, _data())
        assert np.isfinite(made.x).all(), "the design has numbers that are not finite"
