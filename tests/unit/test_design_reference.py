"""Model matrices and grouping factors are those of R, column for column and level for level."""

import re
from typing import Any

import numpy as np
import pytest
from r_reference import frame, matrix, r_names, reference

from ranef.design.build import build_design
from ranef.design.coding_rules import CodingRules
from ranef.design.record import Design, RandomTerm

DESIGNS = {f"{i:03d} {d['formula']}": d for i, d in enumerate(reference()["designs"])}
EXACT = 1e-13
#: Calls whose columns have a shorter name here.
SHORT = {
    'factor(h, exclude = "u")': "factor(h)",
    "factor(id, levels = c(33, 4, 10, 2))": "factor(id)",
    'factor(h, labels = c("A", "B", "C"))': "factor(h)",
    "factor(h, levels = rev(levels(h)))": "factor(h)",
    'relevel(h, ref = "v")': "h",
    'relevel(factor(id), ref = "33")': "factor(id)",
}
# R finds orthogonal polynomials and the null space of natural splines by a QR factorisation, we by
# other means.
CLOSE = 1e-10


def build(stored: dict[str, Any]) -> Design:
    return build_design(
        stored["formula"],
        frame(stored["data"]),
        subset=stored.get("subset"),
        weights=stored.get("weights_arg"),
        offset=stored.get("offset_arg"),
        contrasts={k: v if isinstance(v, str) else np.array(v).T for k, v in (stored.get("contrasts") or {}).items()},
        coding=CodingRules(random="lme4"),
        model="glmm",  # the designs are small: some have as many effects as rows
    )


def coded_by_number(name: str) -> bool:
    """Whether R numbers the columns of this name, which we label by levels."""
    return bool(re.search(r"\[[SH]\.|\[\.|\[\^|\[\d\]|contr\.treatment", name))


@pytest.mark.parametrize("case", DESIGNS)
def test_fixed_effects_match_r(case: str) -> None:
    stored = DESIGNS[case]
    design = build(stored)
    x = matrix(stored["x"], len(stored["rows"]))
    assert design.x.shape == x.shape
    assert list(design.x_assign) == stored["assign"]
    for ours, theirs, name in zip(r_names(design.x_names), stored["names"], design.x_names, strict=True):
        # Back-quotes and R's own numbering aside, the names agree.
        if not coded_by_number(name) and "contr.treatment" not in theirs:
            for long, short in SHORT.items():
                theirs = theirs.replace(long, short)
            assert ours == theirs.replace("`", "")
    scale = np.maximum(1.0, np.abs(x).max(axis=0, initial=0))
    np.testing.assert_allclose(
        design.x / scale,
        x / scale,
        rtol=0,
        atol=CLOSE if "s(" in case or "poly" in case or "ordered" in case else EXACT,
    )
    assert design.x.flags.f_contiguous


@pytest.mark.parametrize("case", DESIGNS)
def test_rows_response_weights_and_offset_match_r(case: str) -> None:
    stored = DESIGNS[case]
    design = build(stored)
    kept = np.arange(design.n_input) if design.kept is None else design.kept
    assert kept.tolist() == stored["rows"]
    y = matrix(stored["y"], len(kept))
    np.testing.assert_allclose(design.y.reshape(y.shape, order="F"), y, rtol=1e-14)
    for ours, theirs in ((design.weights, stored.get("weights")), (design.offset, stored.get("offset"))):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            np.testing.assert_allclose(ours, theirs, rtol=1e-14)


def matching_term(design: Design, stored: dict[str, Any]) -> RandomTerm:
    names = [n.replace("`", "") for n in stored["names"]]
    found = [
        t
        for t in design.random
        if t.group == stored["group"] and (r_names(t.names) == names or any(map(coded_by_number, t.names)))
    ]
    assert len(found) == 1, [(t.group, r_names(t.names)) for t in design.random]
    return found[0]


@pytest.mark.parametrize("case", DESIGNS)
def test_random_terms_match_r(case: str) -> None:
    stored = DESIGNS[case]
    design = build(stored)
    assert len(design.random) == len(stored["terms"])
    for theirs in stored["terms"]:
        ours = matching_term(design, theirs)
        labels = [re.sub(r"\b(True|False)\b", lambda m: m[1].upper(), level) for level in ours.levels]
        assert labels == theirs["levels"]
        assert ours.codes.tolist() == theirs["codes"]
        assert ours.codes.dtype == np.int32
        z = matrix(theirs["z"], len(stored["rows"]))
        np.testing.assert_allclose(ours.z, z, rtol=0, atol=CLOSE * max(1.0, np.abs(z).max()))
        assert ours.z.flags.f_contiguous
        assert len(ours.labels) == len(ours.names)


@pytest.mark.parametrize("case", [c for c in DESIGNS if "x_new" in DESIGNS[c]])
def test_new_rows_match_r(case: str) -> None:
    """Bases, scales and levels of the fit are used for new rows,
    also outside the range of the data.
    """
    stored = DESIGNS[case]
    design = build(stored)
    rows = design.encoder.new_rows(frame("new"), random="none", need_offset=False)
    x = matrix(stored["x_new"], 4)
    scale = np.maximum(1.0, np.abs(x).max(axis=0))
    np.testing.assert_allclose(rows.x / scale, x / scale, rtol=0, atol=1e-9)
    assert rows.missing is None


@pytest.mark.parametrize("case", DESIGNS)
def test_the_rows_of_the_fit_as_new_rows_are_the_design(case: str) -> None:
    stored = DESIGNS[case]
    design = build(stored)
    kept = slice(None) if design.kept is None else design.kept
    rows = design.encoder.new_rows(frame(stored["data"]).iloc[kept], need_response=True, need_weights=True)
    np.testing.assert_array_equal(rows.x, design.x)
    assert rows.y is not None
    np.testing.assert_array_equal(rows.y, design.y)
    for new, term in zip(rows.random, design.random, strict=True):
        np.testing.assert_array_equal(new.codes, term.codes)
        np.testing.assert_array_equal(new.z, term.z)
    for ours, fitted in ((rows.offset, design.offset), (rows.weights, design.weights)):
        assert (ours is None) == (fitted is None)
        if ours is not None:
            np.testing.assert_array_equal(ours, fitted)


def test_every_function_of_the_language_is_defined() -> None:
    from ranef.design.functions import function_table
    from ranef.formula.vocabulary import SIGNATURES

    assert set(function_table()) == set(SIGNATURES)


def test_every_function_of_the_language_is_held_against_r() -> None:
    """Except for what has no meaning of its own in a formula."""
    from ranef.formula.vocabulary import SIGNATURES

    texts = " ".join(d["formula"] for d in DESIGNS.values()) + " ".join(
        str(d.get("contrasts")) for d in DESIGNS.values()
    )
    called = set(re.findall(r"([\w.]+)\(", texts)) | set(re.findall(r"contr\.\w+", texts))
    assert set(SIGNATURES) - called <= {
        "length",
        "sinpi",
        "cospi",
        "qlogis",
        "qnorm",
        "pmin",
        "paste0",
        "as.double",
        "contr.sdif",
        "acos",
        "cosh",
        "tan",
        "cos",
        "sin",
    }
