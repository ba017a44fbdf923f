"""How factors become columns, also against formulaic, which agrees with R on these."""

import re
import warnings
from typing import Any

import formulaic
import numpy as np
import pandas as pd
import pytest

from ranef import RanefWarning, lmer
from ranef.design.build import build_design
from ranef.design.coding_rules import CodingRules
from ranef.design.contrasts import Contrast, contrast_columns, parse_contrast
from ranef.errors import ArgumentTypeError, ColumnNotFoundError, DataError, DesignError, FormulaError, OptionError


def data() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = 40
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.uniform(1, 4, n),
            "w": rng.normal(size=n),
            "f": pd.Categorical(np.array(list("abc"))[rng.integers(0, 3, n)]),
            "h": np.array(["no", "yes"])[rng.integers(0, 2, n)],
            "o": pd.Categorical(
                np.array(["lo", "mid", "hi"])[rng.integers(0, 3, n)], categories=["lo", "mid", "hi"], ordered=True
            ),
            "g": np.repeat(np.arange(8), 5),
            "my var": rng.normal(size=n),
        }
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("x + w", None),
        ("0 + x", None),
        ("x*w", None),
        ("f", None),
        ("0 + f", None),
        ("f + h", None),
        ("f*h", None),
        ("f*x", None),
        ("f/h", None),
        ("x:w + I(x^2)", "x:w + I(x**2)"),
        ("(f + h + x)^2", "(f + h + x)**2"),
        ("log(x) + exp(w)", None),
        ("`my var`*f", None),
        ("scale(x)", None),
        ("poly(x, 3)", None),
        ("bs(x, df = 5)", "bs(x, df=5)"),
        ("C(f, contr.sum)", None),
        ("C(f, contr.helmert)", None),
        ("C(o, contr.poly)*x", None),
    ],
)
def test_formulaic_agrees(ours: str, theirs: str | None) -> None:
    frame = data()
    design = build_design(f"y ~ {ours} + (1 | g)", frame)
    matrix = formulaic.model_matrix(theirs or ours, frame)
    columns: dict[str, Any] = {
        str(name).replace("Intercept", "(Intercept)"): np.asarray(matrix[name], dtype=float) for name in matrix.columns
    }
    expected = {normal(name): values for name, values in columns.items()}
    assert {normal(n) for n in design.x_names} == set(expected)
    for j, name in enumerate(design.x_names):
        np.testing.assert_allclose(design.x[:, j], expected[normal(name)], atol=1e-12)


def normal(name: str) -> str:
    """One spelling for a name: formulaic numbers the columns of bases
    in brackets and orders the parts of an interaction otherwise.
    """
    name = name.replace(")[", ")").replace("]", "").replace("[", "").replace("**", "^").replace(" ", "")
    name = re.sub(r"C\((\w),[^)]*\)", r"\1", name)  # ours is shorter
    return ":".join(sorted(name.split(":")))


@pytest.mark.parametrize(
    ("kind", "suffixes", "matrix"),
    [
        ("treatment", ["[T.b]", "[T.c]", "[T.d]"], [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        ("SAS", ["[T.a]", "[T.b]", "[T.c]"], [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]),
        ("sum", ["[S.a]", "[S.b]", "[S.c]"], [[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, -1, -1]]),
        ("helmert", ["[H.b]", "[H.c]", "[H.d]"], [[-1, -1, -1], [1, -1, -1], [0, 2, -1], [0, 0, 3]]),
        (
            "sdif",
            ["[b-a]", "[c-b]", "[d-c]"],
            [[-0.75, -0.5, -0.25], [0.25, -0.5, -0.25], [0.25, 0.5, -0.25], [0.25, 0.5, 0.75]],
        ),
    ],
)
def test_contrast_matrices(kind: str, suffixes: list[str], matrix: list[list[float]]) -> None:
    made, names = contrast_columns(Contrast(kind), list("abcd"), "f")
    assert list(names) == suffixes
    np.testing.assert_allclose(made, matrix)


@pytest.mark.parametrize("n", [2, 3, 7, 40])
def test_polynomial_contrasts(n: int) -> None:
    """Orthonormal columns.

    The last values are positive as in R, and the first two have closed forms.
    """
    made, names = contrast_columns(Contrast("poly"), [str(i) for i in range(n)], "f")
    np.testing.assert_allclose(made.T @ made, np.eye(n - 1), atol=1e-13)
    np.testing.assert_allclose(made.sum(axis=0), 0, atol=1e-13)
    assert (made[-1] > 0).all()
    scores = np.arange(n) - (n - 1) / 2
    np.testing.assert_allclose(made[:, 0], scores / np.sqrt(scores @ scores), atol=1e-14)
    assert list(names)[:4] == ["[.L]", "[.Q]", "[.C]", "[^4]"][: n - 1]


def test_ordered_factors_have_polynomial_contrasts() -> None:
    assert build_design("y ~ o + (o | g)", data()).x_names == ("(Intercept)", "o[.L]", "o[.Q]")


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("sum", ["f[S.a]", "f[S.b]"]),
        ("contr.sum", ["f[S.a]", "f[S.b]"]),
        ("helmert", ["f[H.b]", "f[H.c]"]),
        ("poly", ["f[.L]", "f[.Q]"]),
        ("contr.treatment(base = 'b')", ["f[T.a]", "f[T.c]"]),
        ("contr.treatment(base = 3)", ["f[T.a]", "f[T.b]"]),
        ([[1, 0], [0, 1], [-1, -1]], ["f[1]", "f[2]"]),
        (np.array([[1, 0], [0, 1], [-1, -1]]), ["f[1]", "f[2]"]),
        (pd.DataFrame({"first": [-1, 1, 0], "rest": [0, 0, 1]}, index=["c", "a", "b"]), ["f[first]", "f[rest]"]),
    ],
)
def test_the_argument_contrasts(value: Any, names: list[str]) -> None:
    design = build_design("y ~ f + (f | g)", data(), contrasts={"f": value})
    assert list(design.x_names[1:]) == names
    assert list(design.random[0].names[1:]) == names
    fixed_only = build_design("y ~ f + (f | g)", data(), contrasts={"f": value}, coding=CodingRules(random="lme4"))
    assert list(fixed_only.x_names[1:]) == names
    assert fixed_only.random[0].names == ("(Intercept)", "f[T.b]", "f[T.c]")


def test_rows_of_a_contrast_frame_are_found_by_label() -> None:
    value = pd.DataFrame({"first": [-1, 1, 0], "rest": [0, 0, 1]}, index=["c", "a", "b"])
    frame = data()
    design = build_design("y ~ f + (1 | g)", frame, contrasts={"f": value})
    np.testing.assert_array_equal(design.x[:, 1], frame["f"].map({"a": 1, "b": 0, "c": -1}).astype(float))


def test_fewer_contrasts_than_the_factor_has_are_completed_as_in_r() -> None:
    """``contrasts(f) <- c(1, 0, -1)`` in R adds a column orthogonal to it and to the mean:
    (1, -2, 1)/sqrt(6) up to its sign.
    """
    design = build_design("y ~ f + (1 | g)", data(), contrasts={"f": [1, 0, -1]})
    assert design.x_names == ("(Intercept)", "f[1]", "f[2]")
    values = {level: set(np.round(design.x[data()["f"] == level, 2], 12)) for level in "abc"}
    assert values == {"a": {0.408248290464}, "b": {-0.816496580928}, "c": {0.408248290464}}


def test_a_matrix_of_fewer_contrasts_is_used_as_it_is() -> None:
    assert build_design("y ~ f + (1 | g)", data(), contrasts={"f": [[1], [0], [-1]]}).x_names == ("(Intercept)", "f[1]")


@pytest.mark.parametrize(
    ("contrasts", "error", "words"),
    [
        ({"f": "som"}, OptionError, "'som'.*'sum'"),
        ({"F": "sum"}, ColumnNotFoundError, "'F'"),
        ({"x": "sum"}, DesignError, r"'x' is numeric.*factor\(x\)"),
        ({"f": [[1], [2]]}, DesignError, "2 rows, but there are 3 levels: a, b, c"),
        ({"f": [[1, 2], [1, 2], [1, 2]]}, DesignError, "singular"),
        ({"f": [["a"], ["b"], ["c"]]}, ArgumentTypeError, "numbers"),
        ({"f": [[1, np.nan], [0, 1], [1, 1]]}, DesignError, "finite"),
        ({"f": 3}, ArgumentTypeError, "int"),
        ({"f": np.zeros((3, 0))}, DesignError, "shape"),
        ({"f": pd.DataFrame({"k": [1, 2]}, index=["a", "b"])}, DesignError, "no row for the level 'c'"),
        ({"f": "contr.treatment(base = 'q')"}, DesignError, "'q' is not among the levels"),
        ({"f": "contr.treatment(base = 9)"}, DesignError, "number 9"),
        (["f"], ArgumentTypeError, "dict"),
    ],
)
def test_unusable_contrasts(contrasts: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        build_design("y ~ x + f + (1 | g)", data(), contrasts=contrasts)


def test_contrasts_without_effect_are_noted() -> None:
    design = build_design("y ~ x + (1 | g)", data(), contrasts={"f": "sum"})
    assert "'f'" in design.notes[0]
    assert parse_contrast(Contrast("sum"), "f").kind == "sum"


def test_names_follow_formulaic() -> None:
    design = build_design("y ~ f*h + f:x + `my var` + (0 + h | g)", data())
    assert design.x_names == (
        "(Intercept)", "f[T.b]", "f[T.c]", "h[T.yes]", "my var", "f[T.b]:h[T.yes]", "f[T.c]:h[T.yes]", "f[a]:x",
        "f[b]:x", "f[c]:x",
    )  # fmt: skip
    assert design.fixed_terms == ("f", "h", "`my var`", "f:h", "f:x")
    assert design.x_assign == (0, 1, 1, 2, 3, 4, 4, 5, 5, 5)
    assert design.random[0].names == ("h[no]", "h[yes]")
    assert design.random[0].labels == ("h", "h")


def test_truth_values_are_factors() -> None:
    frame = data().assign(b=np.arange(40) % 3 == 0)
    assert build_design("y ~ b*x + (0 + b | g)", frame).x_names == ("(Intercept)", "b[T.True]", "x", "b[T.True]:x")
    assert build_design("y ~ 0 + b + (1 | g)", frame).x_names == ("b[False]", "b[True]")


def test_equal_matrices_are_one_array() -> None:
    design = build_design("y ~ x + (x | g) + (x | h) + (1 | f) + (1 | g:h)", data())
    first, second, third, fourth = design.random
    assert first.z is design.x
    assert second.z is design.x
    assert third.z is fourth.z


def test_terms_on_one_grouping_factor_share_its_codes() -> None:
    design = build_design("y ~ x + (1 | g) + (0 + x | g) + (1 | g:h) + (0 + x | g:h)", data())
    assert design.random[0].codes is design.random[1].codes
    assert design.random[2].codes is design.random[3].codes


def test_a_factor_inside_a_double_bar_is_noted() -> None:
    design = build_design("y ~ f + (x + f || g)", data(), model="glmm")
    assert [t.text for t in design.random] == ["1 | g", "0 + x | g", "0 + f | g"]
    assert design.random[2].names == ("f[a]", "f[b]", "f[c]")
    assert "diag" in design.notes[0]
    assert build_design("y ~ x + (x || g)", data()).notes == ()
    assert build_design("y ~ f + diag(f | g)", data()).random[0].structure == "diagonal"


def test_many_combinations_of_levels_need_no_table_of_all() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"y": rng.normal(size=500), **{k: rng.integers(0, 10**9, 125).repeat(4) for k in "abc"}})
    design = build_design("y ~ 1 + (1 | a:b:c)", frame)
    assert len(design.random[0].levels) == 125
    rows = design.encoder.new_rows(frame.iloc[::7])
    np.testing.assert_array_equal(rows.random[0].codes, design.random[0].codes[::7])


def test_ordered_columns_are_said_to_have_polynomials() -> None:
    """As `pandas.cut` makes them; not where a coding is given, or levels are equal steps."""
    rng = np.random.default_rng(0)
    d = pd.DataFrame({"y": rng.normal(size=60), "x": rng.normal(size=60), "g": np.repeat(np.arange(10), 6)})
    d["b"] = pd.cut(d.x, 3, labels=["low", "middle", "high"])
    with pytest.warns(RanefWarning, match="b is an ordered factor, so that its effects are polynomials"):
        assert "b[.L]" in lmer("y ~ b + (1 | g)", d).fixef.index
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lmer("y ~ b + (1 | g)", d, contrasts={"b": "treatment"})
        lmer("y ~ ordered(b) + (1 | g)", d)
        lmer("y ~ b + (1 | g)", d.assign(b=pd.cut(d.x, 3, labels=["10", "20", "30"])))


@pytest.mark.parametrize("of", ["0, 1e30", "0, 1, by = 1e-9", "0, 1, length.out = 1e9", "0, 1e999"])
def test_a_sequence_of_more_numbers_than_anybody_wants(of: str) -> None:
    data = pd.DataFrame({"y": np.arange(40.0), "x": np.arange(40.0), "g": np.arange(40) % 8})
    with pytest.raises(FormulaError, match="this sequence has over 100,000 numbers"):
        build_design(f"y ~ cut(x, seq({of})) + (1 | g)", data)


@pytest.mark.parametrize("formula", ["y ~ x + (1 | bs(x))", "y ~ factor(poly(x, 3)) + (1 | g)"])
def test_a_matrix_has_no_levels(formula: str) -> None:
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"y": rng.normal(size=40), "x": rng.normal(size=40), "g": np.arange(40) % 8})
    with pytest.raises(DataError, match=r"(bs\(x\)|poly\(x, 3\)) has 3 columns; the levels of a factor come from one"):
        build_design(formula, data)
