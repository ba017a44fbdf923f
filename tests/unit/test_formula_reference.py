"""Terms, updates and printed formulas are those of R."""

from typing import Any

import pytest
from r_reference import reference

from ranef.formula import parse_formula, update_formula

TERMS = {t["formula"]: t for t in reference()["terms"]}
UPDATES = {f"{u['old']}   {u['change']}": u for u in reference()["updates"]}


@pytest.mark.parametrize("text", TERMS)
def test_terms_match_r(text: str) -> None:
    stored: dict[str, Any] = TERMS[text]
    formula = parse_formula(text)
    labels = [label.replace(" %in% ", ":") for label in stored["labels"]]
    assert [t.label for t in formula.fixed] == labels
    assert formula.intercept == bool(stored["intercept"])
    assert [o.label for o in formula.offsets] == stored["offsets"]
    assert formula.code == stored["code"]


@pytest.mark.parametrize("case", UPDATES)
def test_updates_match_r(case: str) -> None:
    stored = UPDATES[case]
    assert parse_formula(update_formula(stored["old"], stored["change"])).code == stored["new"]
