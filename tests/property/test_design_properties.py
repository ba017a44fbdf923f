"""What cannot depend on how data are written down:
labels, row order, the order of terms, missing rows.
"""

import contextlib
import functools
import itertools
import string
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from ranef.design.build import build_design
from ranef.errors import RanefError
from ranef.formula import deparse, parse_expression, parse_formula

FORMULAS = [
    "y ~ x + (x | g)",
    "y ~ f*x + (x || g)",
    "y ~ 0 + f + f:h + (1 | g:h)",
    "y ~ h/x + (0 + h | g)",
    "y ~ poly(x, 2) + f:h + (1 | g/h)",
    "y ~ ns(x, 3)*h + (f | g)",
]


def frame(seed: int, n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.normal(size=n),
            "f": pd.Categorical.from_codes(np.arange(n) % 3, ["p", "q", "r"]),
            "h": pd.Categorical.from_codes(rng.permutation(n) % 2, ["u", "v"]),
            "g": pd.Categorical.from_codes(rng.permutation(n) % 5, list("ABCDE")),
        }
    )


@settings(max_examples=60, deadline=None)
@given(formula=st.sampled_from(FORMULAS), seed=st.integers(0, 1000), data=st.data())
def test_new_labels_change_names_only(formula: str, seed: int, data: Any) -> None:
    """Codes and columns depend on the order of the levels, not on what they are called."""
    before = frame(seed)
    texts = st.text(string.printable + "äß日本", min_size=1, max_size=6)
    labels = st.lists(texts, min_size=5, max_size=5, unique=True)
    renamed = before.copy()
    for name in "fhg":
        renamed[name] = before[name].cat.rename_categories(data.draw(labels)[: len(before[name].cat.categories)])
    one, other = build_design(formula, before, model="glmm"), build_design(formula, renamed, model="glmm")
    np.testing.assert_array_equal(one.x, other.x)
    assert one.x_assign == other.x_assign
    for a, b in zip(one.random, other.random, strict=True):
        np.testing.assert_array_equal(a.codes, b.codes)
        np.testing.assert_array_equal(a.z, b.z)
        assert len(set(b.levels)) <= len(a.levels)


@settings(max_examples=60, deadline=None)
@given(formula=st.sampled_from(FORMULAS), seed=st.integers(0, 1000))
def test_row_order_is_kept(formula: str, seed: int) -> None:
    before = frame(seed)
    order = np.random.default_rng(seed + 1).permutation(len(before))
    one, other = build_design(formula, before, model="glmm"), build_design(formula, before.iloc[order], model="glmm")
    np.testing.assert_allclose(other.x, one.x[order], atol=1e-11)
    np.testing.assert_array_equal(other.y, one.y[order])
    for a, b in zip(one.random, other.random, strict=True):
        assert a.levels.tolist() == b.levels.tolist()
        np.testing.assert_array_equal(b.codes, a.codes[order])


@settings(max_examples=60, deadline=None)
@given(
    formula=st.sampled_from([f for f in FORMULAS if "(x, " not in f]),
    seed=st.integers(0, 1000),
    rows=st.sets(st.integers(0, 59), max_size=20),
)
def test_rows_with_missing_values_are_as_if_they_were_not_there(formula: str, seed: int, rows: set[int]) -> None:
    full = frame(seed)
    holed = full.copy()
    for i, row in enumerate(sorted(rows)):
        holed.loc[row, ["y", "g"][i % 2]] = None
    one, other = (
        build_design(formula, holed, model="glmm"),
        build_design(formula, full.drop(index=sorted(rows)), model="glmm"),
    )
    np.testing.assert_array_equal(one.x, other.x)
    np.testing.assert_array_equal(one.y, other.y)
    for a, b in zip(one.random, other.random, strict=True):
        assert a.levels.tolist() == b.levels.tolist()
        np.testing.assert_array_equal(a.codes, b.codes)
        np.testing.assert_array_equal(a.z, b.z)


CROSSED = pd.DataFrame(list(itertools.product("pqr", "uv", "ab", range(3))), columns=["f", "h", "k", "g"])


@functools.cache
def indicators(term: str) -> np.ndarray:
    """Of every combination of the levels of factors."""
    found: np.ndarray = pd.get_dummies(CROSSED[term.split(":")].agg("".join, axis=1)).to_numpy(float)
    return found


@settings(max_examples=100, deadline=None)
@given(
    terms=st.lists(st.sampled_from(["f", "h", "k", "f:h", "f:k", "h:k", "f:h:k"]), min_size=1, max_size=7, unique=True),
    seed=st.integers(0, 100),
)
def test_the_columns_of_factors_span_their_indicators(terms: list[str], seed: int) -> None:
    """The choice of contrasts or indicators neither loses nor adds
    a dimension (R's rule does not promise this beside numbers).
    """
    data = CROSSED.assign(y=np.random.default_rng(seed).normal(size=len(CROSSED)))
    design = build_design(f"y ~ {' + '.join(terms)} + (1 | g)", data)
    full = np.hstack([np.ones((len(data), 1)), *(indicators(term) for term in terms)])
    rank = np.linalg.matrix_rank(full)
    assert rank == np.linalg.matrix_rank(design.x) == np.linalg.matrix_rank(np.hstack([full, design.x]))


NAMES = st.sampled_from(["a", "b", "x.1", "my var", "größe"])


def expressions() -> st.SearchStrategy[str]:
    """Texts of expressions that R can read."""
    leaves = st.one_of(
        NAMES.map(lambda n: f"`{n}`"),
        st.floats(0, 1e9, allow_nan=False).map(repr),
        st.integers(0, 10**6).map(str),
        st.sampled_from(["TRUE", '"a b"']),
    )
    operators = st.sampled_from(["+", "-", "*", "/", ":", "^", "%in%", "%%", "==", "<", "&", "|", "||"])

    def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.one_of(
            st.tuples(inner, operators, inner).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})"),
            st.tuples(st.sampled_from(["-", "!", "+"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
            st.tuples(inner, inner).map(lambda t: f"f({t[0]}, k = {t[1]})"),
        )

    return st.recursive(leaves, grow, max_leaves=12)


@settings(max_examples=300, deadline=None)
@given(text=expressions())
def test_what_is_printed_reads_back_the_same(text: str) -> None:
    tree = parse_expression(text)
    printed = deparse(tree)
    assert deparse(parse_expression(printed)) == printed


@settings(max_examples=300, deadline=None)
@given(text=st.text("yxg~+-*/:^|()., `\"'%&!<>=0123.Lée", max_size=25))
def test_any_text_is_a_formula_or_an_error_of_ours(text: str) -> None:
    with contextlib.suppress(RanefError):
        parse_formula(text)
