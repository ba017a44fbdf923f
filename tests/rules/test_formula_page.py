"""The page of formulas: every spelling on it works, and everything the parser knows is on it."""

import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ranef import glmer, lmer
from ranef.errors import RanefWarning
from ranef.formula import parse_formula
from ranef.formula.vocabulary import SIGNATURES, STRUCTURES

PAGE = (Path(__file__).parents[2] / "docs" / "formulas.md").read_text(encoding="utf-8")


def rows(title: str) -> list[list[str]]:
    """The cells of the table of a section."""
    section = PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def codes(cell: str) -> list[str]:
    """The pieces of code in a cell."""
    return [code.strip() for _, code in re.findall(r"(`+)(.+?)\1(?!`)", cell)]


def data() -> pd.DataFrame:
    """Columns for all examples."""
    rng = np.random.default_rng(1)
    n = 120
    frame = pd.DataFrame({"x": rng.uniform(1, 5, n), "w": rng.normal(0, 1, n), "p": rng.uniform(0.1, 0.9, n)})
    frame["y"] = np.exp(rng.normal(0, 1, n))
    frame["f"] = pd.Categorical(rng.choice(list("abc"), n))
    frame["h"] = pd.Categorical(rng.choice(list("uv"), n))
    frame["g"] = [f"g{i % 12}" for i in range(n)]
    frame["k"] = rng.integers(1, 4, n)
    frame["b"] = rng.random(n) < 0.5
    frame["n"] = 10
    frame["wins"] = rng.integers(0, 11, n)
    return frame


FRAME = data()


def fitted(formula: str) -> object:
    """A fit of made-up data, of which only the formula matters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RanefWarning)
        return lmer(formula, FRAME)


@pytest.mark.parametrize(("write", "same"), [(r[0], r[1]) for r in rows("Fixed effects") if r[1]])
def test_fixed_effects(write: str, same: str) -> None:
    one, other = (parse_formula(f"y ~ {codes(cell)[0]} + (1 | g)") for cell in (write, same))
    assert {frozenset(t.label.split(":")) for t in one.fixed} == {frozenset(t.label.split(":")) for t in other.fixed}
    assert (one.intercept, one.offsets) == (other.intercept, other.offsets)


@pytest.mark.parametrize(("write", "same"), [(r[0], r[1]) for r in rows("Random effects")])
def test_random_effects(write: str, same: str) -> None:
    def terms(code: str) -> set[tuple[object, ...]]:
        found = parse_formula(f"y ~ 1 + {code}").random
        return {(frozenset(t.label for t in r.effects), r.intercept, frozenset(r.group), r.structure) for r in found}

    assert terms(codes(write)[0]) == terms(codes(same)[0])


@pytest.mark.parametrize("code", [code for row in rows("Functions") for code in codes(row[0])])
def test_functions(code: str) -> None:
    fitted(f"y ~ {code} + (1 | g)")


@pytest.mark.parametrize("code", [code for row in rows("Responses")[:2] for code in codes(row[0])])
def test_responses(code: str) -> None:
    fitted(f"{code} ~ x + (1 | g)")


def test_binomial_responses() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RanefWarning)
        pairs = glmer("cbind(wins, n - wins) ~ x + (1 | g)", FRAME, family="binomial")
        shares = glmer("p ~ x + (1 | g)", FRAME.assign(p=FRAME["wins"] / FRAME["n"]), family="binomial", weights="n")
    np.testing.assert_allclose(pairs.fixef, shares.fixef, rtol=1e-8)


@pytest.mark.parametrize(("write", "same"), [(r[0], r[1]) for r in rows("Python's spellings")])
def test_spellings_of_python(write: str, same: str) -> None:
    one, other = (fitted(f"y ~ {codes(cell)[0]} + (1 | g)") for cell in (write, same))
    np.testing.assert_array_equal(one.fixef, other.fixef)  # type: ignore[attr-defined]


def test_everything_known_is_on_the_page() -> None:
    shown = set(re.findall(r"[\w.]+(?=\()|contr\.\w+", " ".join(codes(PAGE))))
    assert set(SIGNATURES) <= shown
    assert set(STRUCTURES) <= shown
