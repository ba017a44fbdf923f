"""Orders of random terms and theta: formula, lme4, core."""

import numpy as np
import pytest

from ranef.design.record import RandomTerm, TermRows
from ranef.errors import DesignError
from ranef.fit.order import order_terms, relative_factor, term_keys, theta_names


def term(group, levels, names, structure="unstructured"):
    k = len(names)
    return RandomTerm(
        group=group,
        factors=(group,),
        levels=np.array([f"l{i}" for i in range(levels)], object),
        names=tuple(names),
        structure=structure,
        text=f"{' + '.join(names)} | {group}",
        labels=tuple(names),
        rows=TermRows(np.zeros(1, np.int32), np.zeros((1, k), order="F")),
    )


def reported(terms):
    return [s.formula for s in order_terms(terms).spans]


def test_terms_come_by_decreasing_number_of_levels():
    assert reported([term("sample", 6, ["1"]), term("plate", 24, ["1"])]) == [1, 0]


def test_ties_keep_the_formula_order_when_nothing_has_to_move():
    assert reported([term("a", 5, ["1"]), term("b", 5, ["1"]), term("c", 2, ["1"])]) == [0, 1, 2]


def test_ties_are_reversed_when_something_has_to_move():
    # lme4 1.1-31: (1 | item) + (1 | school) + (0 + x | school) comes as school.x,
    # school.(Intercept), item
    assert reported([term("item", 7, ["1"]), term("school", 17, ["1"]), term("school", 17, ["x"])]) == [2, 1, 0]


def test_theta_runs_down_the_columns_of_the_lower_triangle():
    order = order_terms([term("g", 3, ["a", "b", "c"])])
    theta = np.arange(1.0, 7.0)
    np.testing.assert_array_equal(relative_factor(order.spans[0], theta), [[1, 0, 0], [2, 4, 0], [3, 5, 6]])
    assert theta_names(order, [term("g", 3, ["a", "b", "c"])]) == ("g.a", "g.b.a", "g.c.a", "g.b", "g.c.b", "g.c")


def test_diagonal_terms_have_their_diagonal_only():
    terms = [term("g", 3, ["a", "b"], "diagonal")]
    order = order_terms(terms)
    np.testing.assert_array_equal(relative_factor(order.spans[0], np.array([2.0, 3.0])), [[2, 0], [0, 3]])
    assert theta_names(order, terms) == ("g.a", "g.b")


def test_terms_on_one_factor_are_one_core_factor_and_theta_finds_its_way_back():
    # a and b have as many levels, so that the two terms on a are apart in lme4's order but together
    # in the core
    terms = [term("a", 5, ["1", "x"]), term("b", 5, ["1"]), term("a", 5, ["z"])]
    order = order_terms(terms)
    assert [s.formula for s in order.spans] == [0, 1, 2]
    assert order.factors == ((0, 2), (1,))
    core = np.array([11.0, 12, 13, 31, 21])  # a: three of the first term, one of the third; b: one
    lme4 = core[order.theta_of_core]
    np.testing.assert_array_equal(lme4, [11, 12, 13, 21, 31])
    np.testing.assert_array_equal(lme4[order.core_of_theta], core)
    assert [(s.factor, s.start, s.size, s.core_term) for s in order.spans] == [(0, 0, 2, 0), (1, 0, 1, 2), (0, 2, 1, 1)]


def test_unknown_structure_is_an_error():
    with pytest.raises(DesignError, match="'arx'"):
        order_terms([term("g", 3, ["a"], "arx")])


def test_keys_are_unique():
    assert term_keys(("g", "h", "g", "g")) == ("g", "h", "g.1", "g.2")
    assert term_keys(("g", "g.1", "g")) == ("g", "g.1", "g.2")
