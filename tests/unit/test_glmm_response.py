"""Forms of a response of a generalized model, and responses that a family cannot have."""

import numpy as np
import pandas as pd
import pytest

from ranef import DataError, OptionError, RanefError, RanefWarning, glmer
from ranef.design.build import build_design
from ranef.families import parse_family
from ranef.fit.outcome import outcome_of

#: glmmTMB 1.1.5 on the proportions of two digits below: log-likelihood and fixed effects.
GLMMTMB_LLF, GLMMTMB_FIXEF = -62.8612775645, (-0.3992810585, 0.1686380929)

RNG = np.random.default_rng(2)
N = 60
FRAME = pd.DataFrame(
    {
        "g": np.repeat([f"g{i}" for i in range(12)], 5),
        "x": RNG.normal(size=N),
        "n": RNG.integers(1, 9, N),
    }
)
FRAME["s"] = RNG.binomial(FRAME["n"], 0.4)
FRAME["p"] = FRAME["s"] / FRAME["n"]
FRAME["b"] = RNG.integers(0, 2, N)
FRAME["c"] = RNG.poisson(3, N)
FRAME["t"] = RNG.gamma(2, 1, N)


def outcome(response: str, family: str, frame: pd.DataFrame = FRAME, **arguments: object) -> tuple[object, str]:
    design = build_design(f"{response} ~ x + (1 | g)", frame, model="glmm", **arguments)  # type: ignore[arg-type]
    return outcome_of(design, parse_family(family))


def test_forms_of_a_binomial_response_are_one() -> None:
    counts, kind = outcome("cbind(s, n - s)", "binomial")
    proportion, other = outcome("p", "binomial", weights="n")
    assert (kind, other) == ("counts", "proportion")
    np.testing.assert_array_equal(counts.y, proportion.y)
    np.testing.assert_array_equal(counts.weights, proportion.weights)


@pytest.mark.parametrize(
    "values",
    [
        FRAME["b"],
        FRAME["b"].astype(bool),
        FRAME["b"].map({0: "no", 1: "yes"}),
        pd.Categorical(FRAME["b"].map({0: "z", 1: "a"}), categories=["z", "a"]),
        FRAME["b"].astype(float),
    ],
    ids=["integer", "boolean", "text", "factor", "float"],
)
def test_binary_responses(values: object) -> None:
    design, kind = outcome("r", "binomial", FRAME.assign(r=values))
    assert kind == "binary"
    np.testing.assert_array_equal(design.y, FRAME["b"])


def test_rows_without_trials_count_nothing() -> None:
    frame = FRAME.assign(s=FRAME["s"].where(FRAME.index > 0, 0), n=FRAME["n"].where(FRAME.index > 0, 0))
    design, _ = outcome("cbind(s, n - s)", "binomial", frame)
    assert design.y[0] == 0
    assert design.weights[0] == 0


@pytest.mark.parametrize(
    ("response", "family", "words"),
    [
        ("c", "binomial", "is not between 0 and 1"),
        ("I(-b)", "binomial", "is not between 0 and 1"),
        ("p", "binomial", "weights='trials'"),
        ("cbind(n, s - n)", "binomial", "fewer trials than successes"),
        ("cbind(s - 20, n)", "binomial", "negative number of successes"),
        ("x", "poisson", "is negative"),
        ("t", "poisson", "not a whole number"),
        ("t", "nbinom2", "log\\(exposure\\)"),
        ("cbind(s, n - s)", "poisson", "two columns"),
        ("x", "Gamma", "is not positive"),
        ("c", "inverse.gaussian", "is not positive"),
        ("c", "beta", "is not between 0 and 1"),
        ("b", "beta", "neither 0 nor 1"),
        ("cbind(s, n, x)", "binomial", "two"),
    ],
)
def test_responses_outside_the_support(response: str, family: str, words: str) -> None:
    frame = FRAME.assign(c=FRAME["c"].where(FRAME.index > 3, 0))
    with pytest.raises(DataError, match=words):
        outcome(response, family, frame)


def test_the_row_is_named() -> None:
    frame = FRAME.assign(c=FRAME["c"].astype(float))
    frame.loc[17, "c"] = 2.5
    with pytest.raises(DataError, match=r"'c' is not a whole number in row 17 \(2\.5\)"):
        outcome("c", "poisson", frame)
    frame.loc[3, "x"] = np.nan  # a row that is left out does not shift the number
    with pytest.raises(DataError, match="row 17"):
        outcome("c", "poisson", frame)


def test_factor_responses_of_other_families() -> None:
    frame = FRAME.assign(r=FRAME["b"].map({0: "no", 1: "yes"}))
    with pytest.raises(DataError, match="family='binomial'"):
        outcome("r", "poisson", frame)
    with pytest.raises(DataError, match="3 levels"):
        outcome("r", "binomial", FRAME.assign(r=np.resize(["a", "b", "c"], N)))


def test_all_successes() -> None:
    with pytest.raises(DataError, match="only successes"):
        outcome("cbind(n, 0 * n)", "binomial")
    with pytest.raises(DataError, match="constant"):
        outcome("b", "binomial", FRAME.assign(b=1))


def test_proportions_of_two_digits_give_fractions_of_successes() -> None:
    """glmmTMB 1.1 takes them as they are; lme4 rounds them inside its criterion."""
    p = np.array([37, 41, 22, 58, 63, 35, 18, 29, 51, 44, 39, 48, 27, 33, 61, 55]) / 100
    n = np.array([45, 52, 38, 61, 47, 33, 58, 41] * 2)
    d = pd.DataFrame({"p": p, "n": n, "x": [0, 1] * 8, "site": [f"s{i // 4}" for i in range(16)], "s": p * n})
    for formula, weights in (("p ~ x + (1 | site)", "n"), ("cbind(s, n - s) ~ x + (1 | site)", None)):
        with pytest.warns(RanefWarning, match="not whole numbers in row 0 and 15 more"):
            m = glmer(formula, d, family="binomial", weights=weights)
        assert m.llf == pytest.approx(GLMMTMB_LLF, abs=1e-6)
        assert m.fixef.to_numpy() == pytest.approx(GLMMTMB_FIXEF, abs=1e-5)


def test_weights_that_are_no_trials() -> None:
    with pytest.raises(OptionError, match="not whole"), pytest.warns(RanefWarning):
        glmer("p ~ x + (1 | g)", FRAME, family="binomial", weights="n + 0.5").simulate(1, rng=1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"family": "binomal"}, "families are"),
        ({"family": "binomial(log)"}, "its links are"),
        ({"family": "gaussian"}, "use lmer"),
        ({"family": "binomial", "n_quad": -1}, "from 0 to"),
        ({"family": "binomial", "n_quad": 2.5}, "whole number"),
        ({"family": "binomial", "n_quad": 3, "nAGQ": 5}, "disagree"),
        ({"family": "binomial", "curvature": "exact"}, "'observed' or 'expected'"),
        ({"family": "binomial", "start": {"theta": [1.0], "beta": [0.0]}}, "fixef"),
        ({"family": "binomial", "start": {"fixef": [0.0]}}, "2 finite values"),
        ({"family": "binomial", "start": {"dispersion": -1.0}}, "positive"),
        ({"family": "binomial", "weights": "x"}, "negative|positive"),
        ({"family": "binomial", "control": {"optimizer": "bobyqa"}}, "options are"),
    ],
)
def test_wrong_arguments(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(RanefError, match=words):
        glmer("b ~ x + (1 | g)", FRAME, **arguments)  # type: ignore[arg-type]


def test_quadrature_is_not_for_crossed_factors() -> None:
    frame = FRAME.assign(h=np.resize(["a", "b", "c", "d"], N), z=FRAME["x"] ** 2)
    with pytest.raises(OptionError, match="'h' and 'g' are crossed"):
        glmer("b ~ x + (1 | g) + (1 | h)", frame, family="binomial", n_quad=5)
    with pytest.raises(OptionError, match="at most 3 random effects"):
        glmer("b ~ x + (x + z + n | g)", frame, family="binomial", n_quad=5)
