"""R's formula language: text to terms, and back.

`parse_formula` gives a `Formula`, `update_formula` changes one, `formula_text` writes one from
parts, and `parse_expression` gives the syntax tree of any expression (of a subset, weights or an
offset).
"""

from ranef.formula.deparse import deparse
from ranef.formula.formula import (
    Formula,
    expand_dot,
    one_sided,
    parse_formula,
    require_random,
    require_response,
    with_dot,
)
from ranef.formula.parser import parse_expression
from ranef.formula.random import RandomExpr
from ranef.formula.terms import Term, Variable
from ranef.formula.update import formula_text, update_formula

__all__ = [
    "Formula",
    "RandomExpr",
    "Term",
    "Variable",
    "deparse",
    "expand_dot",
    "formula_text",
    "one_sided",
    "parse_expression",
    "parse_formula",
    "require_random",
    "require_response",
    "update_formula",
    "with_dot",
]
