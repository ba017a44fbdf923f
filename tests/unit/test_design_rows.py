"""Which rows are used: missing values, subsets, weights, offsets;
and every input of these that cannot be used.
"""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from ranef.design.build import build_design
from ranef.errors import (
    ArgumentTypeError,
    ColumnNotFoundError,
    DataError,
    DesignError,
    FormulaError,
    OptionError,
    RanefError,
)


def data(**columns: Any) -> pd.DataFrame:
    """Twelve rows: a response, a number, a positive number,
    a factor, text and a grouping factor.
    """
    base = {
        "y": [3.0, 1.0, 4.0, 1.5, 9.0, 2.0, 6.0, 5.0, 3.5, 8.0, 7.0, 9.5],
        "x": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0],
        "w": [1.0, 2.0] * 6,
        "f": pd.Categorical(list("aabbccaabbcc")),
        "t": list("uvwuvwuvwuvw"),
        "g": pd.Categorical(list("AAABBBCCCDDD")),
    }
    return pd.DataFrame({**base, **columns})


F = "y ~ x + (1 | g)"


def gap(name: str, *rows: int) -> pd.DataFrame:
    frame = data()
    frame.loc[list(rows), name] = None
    return frame


# ---- missing values


@pytest.mark.parametrize(
    ("name", "formula"),
    [("y", F), ("x", F), ("g", F), ("f", "y ~ f + (1 | g)"), ("t", "y ~ (1 | g:t)"), ("w", "y ~ 1 + (w | g)")],
)
def test_a_missing_value_of_any_used_variable_drops_the_row(name: str, formula: str) -> None:
    design = build_design(formula, gap(name, 1, 7), model="glmm")
    assert design.kept is not None
    assert design.kept.tolist() == [0, 2, 3, 4, 5, 6, 8, 9, 10, 11]
    assert len(design.y) == len(design.x) == len(design.random[0].codes) == len(design.random[0].z) == 10
    assert design.missing is not None
    assert np.flatnonzero(design.missing).tolist() == [1, 7]
    assert design.n_input == 12


def test_missing_values_of_unused_columns_do_not_matter() -> None:
    design = build_design(F, gap("t", 1))
    assert design.kept is None
    assert design.missing is None


def test_missing_weights_and_offsets_drop_the_row_too() -> None:
    kept: Any = build_design(F, gap("w", 3), weights="w").kept
    assert kept.tolist() == [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11]
    assert len(build_design(F, gap("w", 3), offset="w").y) == 11
    assert len(build_design("y ~ x + offset(w) + (1 | g)", gap("w", 3)).y) == 11


def test_na_action_error_names_columns_and_row() -> None:
    frame = gap("x", 2, 5).set_index(pd.Index([f"r{i}" for i in range(12)]))
    with pytest.raises(DataError, match=r"'x' \(2\).*row 2 \(index 'r2'\)"):
        build_design(F, frame, na_action="error")
    assert build_design(F, data(), na_action="error").kept is None


def test_na_action_exclude_is_remembered() -> None:
    assert build_design(F, gap("x", 2), na_action="exclude").na_action == "exclude"
    with pytest.raises(OptionError, match="'omit', 'exclude', 'error'"):
        build_design(F, data(), na_action="drop")


@pytest.mark.parametrize("name", ["y", "x", "g"])
def test_a_column_without_any_value(name: str) -> None:
    with pytest.raises(DataError, match=f"'{name}' is missing in every row"):
        build_design(F, gap(name, *range(12)))


def test_no_row_is_complete() -> None:
    frame = gap("x", 0, 1, 2, 3, 4, 5)
    frame.loc[6:, "y"] = None
    with pytest.raises(DataError, match=r"every row has a missing value.*'y' \(6\), 'x' \(6\)"):
        build_design(F, frame)


def test_levels_that_only_dropped_rows_have_are_dropped() -> None:
    frame = gap("x", 0, 1, 2)
    frame.loc[[4, 5, 10, 11], "y"] = None  # all rows of level c
    design = build_design("y ~ x + f + (1 | g)", frame)
    assert design.x_names == ("(Intercept)", "x", "f[T.b]")
    assert design.random[0].levels.tolist() == ["B", "C", "D"]


def test_a_function_that_gives_no_number_is_noted() -> None:
    design = build_design("y ~ log(x - 3.5) + (1 | g)", data())
    assert len(design.y) == 9
    assert design.notes == ("log(x - 3.5) is not a number in 3 rows, which were treated as missing",)
    assert build_design("y ~ log(x) + (1 | g)", gap("x", 1)).notes == ()
    assert build_design("y ~ log(x - 3.5) + (1 | g)", data(), subset="x > 3.5").notes == ()


# ---- infinite values


@pytest.mark.parametrize("name", ["y", "x"])
def test_infinite_values_are_named(name: str) -> None:
    frame = data()
    frame.loc[7, name] = np.inf
    with pytest.raises(DataError, match=f"'{name}' is infinite in row 7"):
        build_design(F, frame)
    labelled = frame.set_index(pd.Index(list("abcdefghijkl")))
    with pytest.raises(DataError, match=r"row 7 \(index 'h'\)"):
        build_design(F, labelled)
    assert len(build_design(F, frame, subset="x != 8 & x < 100").y) == 11


def test_logarithm_of_zero() -> None:
    with pytest.raises(DataError, match=r"'log\(x - 1\)' is infinite in row 0"):
        build_design("y ~ log(x - 1) + (1 | g)", data())


@pytest.mark.parametrize("term", ["poly(x, 2)", "scale(x)", "ns(x, 2)", "I(x - x)"])
def test_a_function_of_an_infinite_value(term: str) -> None:
    frame = data()
    frame.loc[7, "x"] = np.inf
    with pytest.raises(RanefError, match="'x' is infinite in row 7"):
        build_design(f"y ~ {term} + (1 | g)", frame)


@pytest.mark.parametrize(
    "term",
    [
        "poly(x, 2)",
        "scale(x)",
        "ns(x, 2)",
        "bs(x, df = 4)",
        "cut(x, 3)",
        "ifelse(x > 3, 1, 0)",
        "I(x > 3)",
        "factor(x > 3)",
        "dummy(f)",
    ],
)
def test_a_function_of_a_missing_value_is_missing(term: str) -> None:
    design = build_design(f"y ~ {term} + (1 | g)", gap("f" if "f)" in term else "x", 4))
    assert design.kept is not None
    assert design.kept.tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11]
    assert np.isfinite(design.x).all()
    assert design.notes == ()


def test_infinite_offset() -> None:
    with pytest.raises(DataError, match="'offset' is infinite in row 0"):
        build_design(F, data(), offset="log(x - 1)")


# ---- subset


@pytest.mark.parametrize(
    "subset",
    [
        "x > 3",
        "x > 3 & x < 100",
        "!(x <= 3)",
        "x > 3 | f == 'zz'",
        "!x %in% c(1, 2, 3)",
        'f != "a" | x > 5',
        np.arange(12) > 2,
        list(np.arange(12) > 2),
        pd.Series(np.arange(12) > 2),
        pl.Series(np.arange(12) > 2),
    ],
)
def test_subset(subset: Any) -> None:
    design = build_design(F, data(), subset=subset)
    assert design.kept is not None
    wanted = {'f != "a" | x > 5': [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]}.get(
        subset if isinstance(subset, str) else "", list(range(3, 12))
    )
    assert design.kept.tolist() == wanted
    assert design.missing is None


@pytest.mark.parametrize(
    ("subset", "rows"),
    [
        ("t == 'u'", [0, 3, 6, 9]),
        ("f %in% c('a', 'b') & t != 'v'", [0, 2, 3, 6, 8, 9]),
        ("g == 'A' | (x > 10 & t == \"v\")", [0, 1, 2, 10]),
        ("ifelse(f == 'a', x < 3, x > 10)", [0, 1, 10, 11]),
        ("is.na(y)", []),
        ("x %% 2 == 0", [1, 3, 5, 7, 9, 11]),
        ("b", [0, 1, 2]),
        ("x == '3' | x == \"12\"", [2, 11]),
        ("x > 9 & w != '2'", [10]),
        ("x %in% c('1', '5')", [0, 4]),
        ("b == TRUE & x > 1", [1, 2]),
        ("3 < x & 6 > x", [3, 4]),
    ],
)
def test_subset_expressions(subset: str, rows: list[int]) -> None:
    from ranef.data.table import Table
    from ranef.design.rows import subset_mask

    mask = subset_mask(subset, Table.from_data(data(b=[True] * 3 + [False] * 9)))
    assert np.flatnonzero(mask).tolist() == rows


def test_a_missing_condition_does_not_select() -> None:
    design = build_design(F, gap("w", 0, 1), subset="w > 0")
    assert design.kept is not None
    assert design.kept.tolist() == list(range(2, 12))
    mask = pd.array([None] * 2 + [True] * 10, dtype="boolean")
    assert len(build_design(F, data(), subset=mask).y) == 10


def test_functions_learn_from_all_rows_as_in_r() -> None:
    design = build_design("y ~ scale(x) + (1 | g)", data(), subset="x > 6")
    np.testing.assert_allclose(design.x[:, 1], (np.arange(7, 13) - 6.5) / np.std(np.arange(1, 13), ddof=1))


@pytest.mark.parametrize(
    ("subset", "error", "words"),
    [
        (np.ones(5, dtype=bool), DataError, "5 values, but the data have 12 rows"),
        (np.arange(12), DataError, "numbers"),
        ("x", DataError, "numbers"),
        ("f", DataError, "factor"),
        ("x > 100", DataError, "no rows"),
        ("q > 1", ColumnNotFoundError, "'q'"),
        ("x >", FormulaError, "missing after"),
        ("x = 3", FormulaError, "=="),
        ("foo(x)", FormulaError, "foo"),
        ("~ x > 1", FormulaError, "without '~'"),
        ("x > 'a'", FormulaError, "only be compared by =="),
        (True, ArgumentTypeError, "bool"),
        (3, ArgumentTypeError, "int"),
        (np.ones((12, 2), dtype=bool), DataError, "shape"),
    ],
)
def test_unusable_subsets(subset: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        build_design(F, data(), subset=subset)


# ---- weights


@pytest.mark.parametrize(
    "weights",
    ["w", "w + 0", "1/(1/w)", np.array([1.0, 2.0] * 6), [1, 2] * 6, pd.Series([1, 2] * 6), pl.Series([1, 2] * 6)],
)
def test_weights(weights: Any) -> None:
    design = build_design(F, data(), weights=weights)
    assert design.weights is not None
    assert design.weights.tolist() == [1.0, 2.0] * 6
    assert design.weights.dtype == np.float64


def test_a_columns_name_need_not_be_an_expression() -> None:
    frame = data().rename(columns={"w": "my weight (kg)"})
    design = build_design(F, frame, weights="my weight (kg)", offset="`my weight (kg)` * 2")
    assert design.weights is not None
    assert design.weights.tolist() == [1.0, 2.0] * 6
    assert design.encoder.new_rows(frame, need_weights=True).weights is not None


@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        (np.where(np.arange(12) == 4, -1.0, 1.0), DataError, "negative in row 4"),
        (np.where(np.arange(12) == 4, 0.0, 1.0), DataError, "zero in row 4.*subset"),
        (np.where(np.arange(12) == 4, np.inf, 1.0), DataError, "infinite in row 4"),
        (np.where(np.arange(12) == 4, np.nan, 1.0), DataError, "missing in row 4"),
        (np.ones(11), DataError, "11 values, but the data have 12 rows"),
        (np.ones((12, 2)), DataError, "shape"),
        (2.0, ArgumentTypeError, "float"),
        ({"w": 1}, ArgumentTypeError, "dict"),
        (["a"] * 12, DataError, "text"),
        ("f", DataError, "factor"),
        ("ww", ColumnNotFoundError, "'w'"),
        ("x - 1", DataError, "zero in row 0"),
        ("w +", FormulaError, "missing"),
    ],
)
def test_unusable_weights(weights: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        build_design(F, data(), weights=weights)


def test_weights_of_rows_outside_the_subset_do_not_matter() -> None:
    weights = np.where(np.arange(12) == 4, 0.0, 1.0)
    assert len(build_design(F, data(), weights=weights, subset="x != 5").y) == 11


def test_missing_weights_outside_the_subset_do_not_matter() -> None:
    weights = np.where(np.arange(12) == 4, np.nan, 1.0)
    assert len(build_design(F, data(), weights=weights, subset="x != 5").y) == 11


def test_labels_in_another_order_are_refused_because_values_are_taken_by_position() -> None:
    frame = data().set_index(pd.Index(list("abcdefghijkl")))
    weights = pd.Series(np.arange(1.0, 13), index=frame.index)
    assert build_design(F, frame, weights=weights).weights.tolist() == list(range(1, 13))  # type: ignore[union-attr]
    with pytest.raises(DataError, match=r"reindex\(data.index\)"):
        build_design(F, frame, weights=weights[::-1])


# ---- offset


@pytest.mark.parametrize("offset", ["w", "w*1", np.array([1.0, 2.0] * 6), pd.Series([1, 2] * 6)])
def test_offset(offset: Any) -> None:
    design = build_design(F, data(), offset=offset)
    assert design.offset is not None
    assert design.offset.tolist() == [1.0, 2.0] * 6


def test_all_offsets_are_added() -> None:
    design = build_design("y ~ x + offset(w) + offset(log(x)) + (1 | g)", data(), offset="x")
    np.testing.assert_allclose(design.offset, data()["w"] + np.log(data()["x"]) + data()["x"])
    assert design.x_names == ("(Intercept)", "x")


@pytest.mark.parametrize(
    ("offset", "error", "words"),
    [
        (np.ones(3), DataError, "3 values"),
        ("f", DataError, "factor"),
        (["a"] * 12, DataError, "text"),
        (1.5, ArgumentTypeError, "float"),
        ("of", ColumnNotFoundError, "'of'"),
    ],
)
def test_unusable_offsets(offset: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        build_design(F, data(), offset=offset)


# ---- what the model needs


@pytest.mark.parametrize(
    ("formula", "columns", "error", "words"),
    [
        ("y ~ x", {}, FormulaError, "statsmodels"),
        ("~ x + (1 | g)", {}, FormulaError, "response"),
        ("t ~ x + (1 | g)", {}, DataError, "'t' is text.*numeric"),
        ("f ~ x + (1 | g)", {}, DataError, "'f' is a factor.*glmer"),
        ("cbind(x, w) ~ 1 + (1 | g)", {}, DataError, "2 columns"),
        ("y ~ x + (1 | g)", {"y": 2.5}, DataError, "constant: it is 2.5"),
        ("d ~ x + (1 | g)", {"d": pd.date_range("2026-01-01", periods=12)}, DataError, "dates.*number"),
        ("y ~ d + (1 | g)", {"d": pd.date_range("2026-01-01", periods=12)}, DataError, "'d' holds dates"),
        ("y ~ z + (1 | g)", {}, ColumnNotFoundError, "'z'"),
        ("y ~ x + (1 | G)", {}, ColumnNotFoundError, "'G'.*Its columns"),
        ("y ~ x + (1 | k)", {"k": "same"}, DesignError, "'k' has one level only.*'same'"),
        ("y ~ k + (1 | g)", {"k": "same"}, DesignError, "'k' has one level only"),
        ("y ~ x + (1 | id)", {"id": np.arange(12)}, DesignError, "12 levels for 12 observations"),
        ("y ~ x + (1 | g:x)", {}, DesignError, "'g:x' has 12 levels"),
        ("y ~ x + (x + w | g)", {}, DesignError, r"12 random effects \(4 levels × 3\) for 12"),
        ("y ~ x + ar1(f | g)", {}, DesignError, r"write 0 \+ before the factor"),
        ("y ~ f + x:f + poly(f, 2) + (1 | g)", {}, FormulaError, "f is a factor"),
        ("y ~ I(f + 1) + (1 | g)", {}, FormulaError, r"as.numeric\(as.character\(f\)\)"),
        ("y ~ poly(w, 2) + (1 | g)", {}, FormulaError, "different values"),
        ("y ~ scale(k) + (1 | g)", {"k": 1.0}, FormulaError, "constant"),
        ("y ~ C(f, contr.foo) + (1 | g)", {}, FormulaError, "contr.foo"),
        ("y ~ relevel(f, 'q') + (1 | g)", {}, FormulaError, "'q' is not a level"),
        ("y ~ dummy(f, 'q') + (1 | g)", {}, FormulaError, "'q' is not a level"),
        ("y ~ cut(x, c(1, 1, 3)) + (1 | g)", {}, FormulaError, "differ"),
        ("y ~ contr.sum(3) + (1 | g)", {}, FormulaError, r"inside C\(\)"),
    ],
)
def test_models_that_data_do_not_allow(
    formula: str, columns: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        build_design(formula, data(**columns))
    assert isinstance(caught.value, RanefError)


def test_no_rows() -> None:
    with pytest.raises(DataError, match="no rows"):
        build_design(F, data().iloc[:0])


def test_one_row() -> None:
    with pytest.raises(DesignError, match="one level only"):
        build_design(F, data().iloc[:1])


def test_a_name_of_two_columns() -> None:
    frame = data()
    frame.columns = ["y", "x", "x", "f", "t", "g"]
    with pytest.raises(DataError, match="2 columns called 'x'"):
        build_design(F, frame)
    assert build_design("y ~ f + (1 | g)", frame).kept is None


def test_a_generalised_model_may_have_as_many_levels_as_rows() -> None:
    frame = data(id=np.arange(12), k=[0, 1] * 6)
    assert len(build_design("k ~ x + (1 | id)", frame, model="glmm").random[0].levels) == 12
    with pytest.raises(DesignError, match="24 random effects"):
        build_design("k ~ x + (x | id)", frame, model="glmm")


def test_a_truth_value_as_response_is_0_and_1() -> None:
    assert build_design("b ~ x + (1 | g)", data(b=[True, False] * 6)).y.tolist() == [1.0, 0.0] * 6


def test_responses_of_generalised_models() -> None:
    frame = data(k=[3, 4] * 6, two=pd.Categorical(["no", "yes"] * 6, categories=["yes", "no"]))
    counts = build_design("cbind(k, x - 1) ~ w + (1 | g)", frame, model="glmm")
    assert counts.y.shape == (12, 2)
    assert counts.y[:, 1].tolist() == list(range(12))
    assert counts.y.flags.f_contiguous
    binary = build_design("two ~ x + (1 | g)", frame, model="glmm")
    assert binary.y.tolist() == [1.0, 0.0] * 6
    assert binary.response_levels == ("yes", "no")
    with pytest.raises(DataError, match=r'3 levels \(a, b, c\).*I\(f == "a"\)'):
        build_design("f ~ x + (1 | g)", frame, model="glmm")


def test_without_a_response() -> None:
    design = build_design("~ x + (1 | g)", data(), response=False)
    assert design.y.shape == (0,)
    assert design.x.shape == (12, 2)


def test_the_response_is_a_copy_that_the_users_frame_cannot_change() -> None:
    frame = data()
    design = build_design(F, frame, weights=(weights := np.ones(12)), offset=(offset := np.ones(12)))
    frame.loc[:, "y"] = -1.0
    weights[:] = 5
    offset[:] = 5
    assert design.y[0] == 3.0
    assert design.weights is not None
    assert design.offset is not None
    assert design.weights[0] == design.offset[0] == 1.0


@pytest.mark.parametrize("form", ["pandas", "polars", "arrow", "dict"])
def test_every_kind_of_data_gives_the_same_design(form: str) -> None:
    frame = data()
    forms = {
        "pandas": frame,
        "polars": pl.from_pandas(frame),
        "arrow": pl.from_pandas(frame).to_arrow(),
        "dict": {c: frame[c].to_numpy() for c in frame},
    }
    formula = "y ~ x*f + t + (1 | g:t) + (x | f)"
    design, other = (
        build_design(formula, frame, model="glmm", subset="x > 0"),
        build_design(formula, forms[form], model="glmm", subset="x > 0"),
    )
    assert other.x_names == design.x_names
    np.testing.assert_array_equal(other.x, design.x)
    for a, b in zip(other.random, design.random, strict=True):
        assert a.levels.tolist() == b.levels.tolist()
        np.testing.assert_array_equal(a.codes, b.codes)
