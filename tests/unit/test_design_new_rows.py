"""New data in the columns of a fit: frozen levels, bases and scales;
what is new or missing is reported.
"""

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef.design.build import build_design
from ranef.errors import ColumnNotFoundError, DataError, DesignError, NewLevelError


def data() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = 60
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.uniform(1, 5, n),
            "n": rng.integers(1, 20, n),
            "f": pd.Categorical.from_codes(np.arange(n) % 3, ["a", "b", "c", "never"]),
            "t": np.array(["u", "v"])[np.arange(n) % 2],
            "l": np.arange(n) % 4 == 0,
            "g": np.repeat(np.arange(10, 16), 10),
            "h": np.array([f"h{i}" for i in np.arange(n) % 5]),
        }
    )


def new(**columns: Any) -> pd.DataFrame:
    base = {
        "x": [2.0, 3.0],
        "n": [4, 5],
        "f": ["b", "a"],
        "t": ["v", "u"],
        "l": [True, False],
        "g": [11, 15],
        "h": ["h1", "h2"],
    }
    return pd.DataFrame({**base, **columns})


def test_columns_of_one_row_are_those_of_the_fit() -> None:
    """A single new row has one level of each factor, and still all columns."""
    design = build_design("y ~ f*l + t + factor(n > 3) + (f | g) + (1 | g:h)", data())
    rows = design.encoder.new_rows(new().iloc[:1])
    assert rows.x.shape == (1, design.x.shape[1])
    at = {name: rows.x[0, j] for j, name in enumerate(design.x_names)}
    assert at["f[T.b]"] == at["l[T.True]"] == at["t[T.v]"] == at["f[T.b]:l[T.True]"] == 1
    assert at["f[T.c]"] == at["f[T.c]:l[T.True]"] == 0
    assert rows.random[0].z.tolist() == [[1.0, 1.0, 0.0]]
    assert rows.random[0].codes.tolist() == [1]
    assert design.random[1].levels[rows.random[1].codes[0]] == "11:h1"


@pytest.mark.parametrize(
    "term",
    [
        "poly(x, 3)",
        "scale(x)",
        "ns(x, 3)",
        "bs(x, df = 5)",
        "I(x - mean(x))",
        "I((x - min(x))/(max(x) - min(x)))",
        "I(scale(x)^2)",
        "cut(x, 4)",
        "ave(x, g)",
        "poly(log(x), 2)",
    ],
)
def test_what_was_learned_from_the_fit_is_used(term: str) -> None:
    frame = data()
    design = build_design(f"y ~ {term} + ({term} | h)", frame, model="glmm")
    some = frame.iloc[[3, 30, 59]]
    rows = design.encoder.new_rows(some)
    np.testing.assert_array_equal(rows.x, design.x[[3, 30, 59]])
    np.testing.assert_array_equal(rows.random[0].z, design.random[0].z[[3, 30, 59]])


def test_levels_are_matched_by_label_whatever_their_type_and_order() -> None:
    design = build_design("y ~ f + (1 | g)", data())
    expected = design.encoder.new_rows(new()).x
    for f in (
        pd.Categorical(["b", "a"], categories=["b", "a"]),
        pd.Categorical(["b", "a"], categories=["zz", "a", "b"], ordered=True),
    ):
        np.testing.assert_array_equal(design.encoder.new_rows(new(f=f)).x, expected)
    for g in ([11, 15], [11.0, 15.0], ["11", "15"], pd.Categorical([11, 15], categories=[15, 11])):
        assert design.encoder.new_rows(new(g=g)).random[0].codes.tolist() == [1, 5]


def test_new_level_of_a_fixed_factor() -> None:
    design = build_design("y ~ f + (1 | g)", data())
    with pytest.raises(NewLevelError, match=r"'f' has the level 'd' in the new data \(row 1\).*'a', 'b', 'c'"):
        design.encoder.new_rows(new(f=["a", "d"]))
    with pytest.raises(NewLevelError, match="'never'"):
        design.encoder.new_rows(new(f=["a", "never"]))
    declared = pd.Categorical(["a", "b"], categories=["a", "b", "d"])
    assert design.encoder.new_rows(new(f=declared)).x.shape == (2, 3)


def test_new_levels_of_grouping_factors_are_reported() -> None:
    design = build_design("y ~ x + (1 | g) + (1 | g:h) + (1 | h)", data())
    rows = design.encoder.new_rows(
        pd.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "g": [99, 11, 10, np.nan], "h": ["h1", "new", "h0", "h1"]})
    )
    assert rows.random[0].codes.tolist() == [-1, 1, 0, -1]
    assert rows.random[0].unseen == ("99",)
    assert rows.random[0].n_missing == 1
    assert rows.random[1].codes.tolist()[:2] == [-1, -1]
    assert rows.random[1].unseen == ("99:h1", "11:new")
    assert rows.random[2].codes.tolist() == [1, -1, 0, 1]
    assert rows.missing is None


def test_a_combination_that_the_fit_has_not_seen_is_new() -> None:
    frame = data()
    frame = frame[~((frame["g"] == 10) & (frame["h"] == "h0"))]
    design = build_design("y ~ x + (1 | g:h)", frame)
    rows = design.encoder.new_rows(new(g=[10, 10], h=["h0", "h1"]))
    assert rows.random[0].unseen == ("10:h0",)
    assert design.random[0].levels[rows.random[0].codes[1]] == "10:h1"


def test_rows_with_missing_values_are_flagged() -> None:
    design = build_design("y ~ x + f + (x | g)", data(), offset="n")
    rows = design.encoder.new_rows(new(x=[np.nan, 1.0], f=["a", None], n=[1, 2]))
    assert rows.missing is not None
    assert rows.missing.tolist() == [True, True]
    assert np.isnan(rows.x[0, 1])
    assert np.isnan(rows.x[1, 2])
    rows = design.encoder.new_rows(new(n=[1.0, np.nan]))
    assert rows.missing is not None
    assert rows.missing.tolist() == [False, True]


def test_only_needed_columns_are_asked_for() -> None:
    design = build_design("y ~ x + (f | g) + (1 | h)", data())
    few = new()[["x"]]
    assert design.encoder.new_rows(few, random="none").random == ()
    assert [r.term for r in design.encoder.new_rows(new()[["x", "h"]], random=[1]).random] == [1]
    with pytest.raises(ColumnNotFoundError, match=r"no column 'f' in the new data"):
        design.encoder.new_rows(few)
    with pytest.raises(ColumnNotFoundError, match="'x'"):
        design.encoder.new_rows(new().rename(columns={"x": "X"}))


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"x": ["a", "b"]}, "'x' held numbers"),
        ({"x": [np.inf, 1]}, "'x' is infinite in row 0"),
        ({"l": [2, 3]}, "'l' held truth values"),
    ],
)
def test_columns_of_another_kind(columns: dict[str, Any], words: str) -> None:
    design = build_design("y ~ x + l + (1 | g)", data())
    with pytest.raises(DataError, match=words):
        design.encoder.new_rows(new(**columns))


def test_truth_values_may_be_given_as_0_and_1() -> None:
    design = build_design("y ~ l + (1 | g)", data())
    assert design.encoder.new_rows(new(l=[1, 0])).x.tolist() == [[1.0, 1.0], [1.0, 0.0]]


def test_offsets_of_new_rows() -> None:
    """Offsets in the formula and as an argument are both found,
    which lme4 does for the first only.
    """
    design = build_design("y ~ x + offset(log(n)) + (1 | g)", data(), offset="2*x")
    np.testing.assert_allclose(design.encoder.new_rows(new()).offset, np.log([4, 5]) + 2 * np.array([2.0, 3.0]))
    centred = build_design("y ~ x + (1 | g)", data(), offset="x - mean(x)")
    np.testing.assert_allclose(centred.encoder.new_rows(new()).offset, np.array([2.0, 3.0]) - data()["x"].mean())


def test_an_offset_given_as_an_array_is_asked_for_again() -> None:
    design = build_design("y ~ x + offset(n) + (1 | g)", data(), offset=np.ones(60))
    with pytest.raises(DesignError, match="offset="):
        design.encoder.new_rows(new())
    assert design.encoder.new_rows(new(), offset=[10, 20]).offset.tolist() == [14.0, 25.0]  # type: ignore[union-attr]
    assert design.encoder.new_rows(new(), offset="x").offset.tolist() == [6.0, 8.0]  # type: ignore[union-attr]
    assert design.encoder.new_rows(new(), need_offset=False).offset.tolist() == [4.0, 5.0]  # type: ignore[union-attr]


def test_weights_and_response_of_new_rows() -> None:
    design = build_design("log(n) ~ x + (1 | g)", data(), weights="1/x")
    rows = design.encoder.new_rows(new(), need_response=True, need_weights=True)
    np.testing.assert_allclose(rows.y, np.log([4, 5]))
    np.testing.assert_allclose(rows.weights, [1 / 2, 1 / 3])
    given = build_design("y ~ x + (1 | g)", data(), weights=np.ones(60))
    with pytest.raises(DesignError, match="weights"):
        given.encoder.new_rows(new(), need_weights=True)


def test_no_new_rows() -> None:
    design = build_design("y ~ x*f + poly(x, 2) + (x | g:h)", data(), model="glmm")
    rows = design.encoder.new_rows(data().iloc[:0])
    assert rows.x.shape == (0, design.x.shape[1])
    assert rows.random[0].codes.shape == (0,)


def test_labels_with_colons_are_not_confused() -> None:
    frame = pd.DataFrame({"y": np.arange(12.0), "a": ["x:y", "x", "x:y"] * 4, "b": ["z", "y:z", "y:z"] * 4})
    design = build_design("y ~ 1 + (1 | a:b)", frame)
    assert design.random[0].levels.tolist() == ["x:y:z", "x:y:y:z", "x:y:z"]
    assert design.encoder.new_rows(frame.iloc[:3]).random[0].codes.tolist() == design.random[0].codes[:3].tolist()


def test_pickle() -> None:
    design = build_design("y ~ poly(x, 2)*f + (x | g:h)", data(), model="glmm", offset="n")
    back = pickle.loads(pickle.dumps(design))
    np.testing.assert_array_equal(back.encoder.new_rows(new()).x, design.encoder.new_rows(new()).x)
    assert back.x_names == design.x_names


def test_identifiers_too_large_for_a_float_are_kept_apart() -> None:
    big = 2**60
    frame = data().assign(id=np.repeat([big, big + 1, big + 2], 20))
    design = build_design("y ~ x + (1 | id)", frame)
    assert design.random[0].levels.tolist() == [str(big), str(big + 1), str(big + 2)]
    assert design.encoder.new_rows(new(id=[big + 1, big + 3])).random[0].codes.tolist() == [1, -1]
