"""Models of several linear predictors at their limits: what is said, and that it is true."""

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.fuzz.families_cases import families_case

from ranef import NegativeBinomial, RanefError, RanefWarning, glmer, load_dataset

pytestmark = pytest.mark.filterwarnings("ignore:singular fit")


def frame(seed: int = 3, n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = rng.integers(0, 15, n)
    return pd.DataFrame(
        {
            "g": [f"g{i:02d}" for i in g],
            "u": 0.3 * rng.normal(size=15)[g],
            "x": rng.normal(size=n),
            "mined": np.where(rng.random(n) < 0.4, "yes", "no"),
            "trials": rng.integers(4, 12, n),
        }
    )


def fitted(formula: str, data: pd.DataFrame, **arguments: Any) -> tuple[Any, str]:
    """A fit that may warn once, and all that is said of it."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        m = glmer(formula, data, **arguments)
    own = [w for w in seen if issubclass(w.category, RanefWarning)]
    assert len(own) <= 1
    said = str(own[0].message) if own else ""
    return m, said


def said_once(m: Any, said: str, sentence: str) -> None:
    """In the warning, in the summary and in what is printed of the convergence, once each."""
    lowered = sentence.lower()
    assert said.lower().count(lowered) == 1, said
    summary = " ".join(str(m.summary()).split()).lower()
    assert summary.count(lowered) == 1, summary
    explained = m.convergence.explanation.lower()
    assert explained.count(lowered) == 1, explained
    assert np.isfinite(m.objective)
    assert np.isfinite(m.fixef).all()


def test_no_extra_zeros() -> None:
    data = frame().assign(y=lambda d: np.random.default_rng(1).poisson(np.exp(1.4 + d["u"])))
    m, said = fitted("y ~ x + (1 | g)", data, family="poisson", zi_formula="~ 1")
    if np.max(m.component("zi").linear_predictor) < -13.8:
        said_once(m, said, "finds no extra zeros")
        assert np.isnan(m.component("zi").bse).all()
    plain = glmer("y ~ x + (1 | g)", data, family="poisson")
    assert m.objective <= plain.objective + 1e-5


@pytest.mark.parametrize(("family", "what"), [("poisson", "zero-inflation"), ("truncated_poisson", "hurdle")])
def test_a_cell_without_zeros(family: str, what: str) -> None:
    data, rng = frame(), np.random.default_rng(2)
    counts = 1 + rng.poisson(np.exp(1.3 + data["u"]))
    zero = (data["mined"] == "yes") & (rng.random(len(data)) < 0.4)
    data["y"] = np.where(zero, 0, counts)
    m, said = fitted("y ~ x + (1 | g)", data, family=family, zi_formula="~ mined")
    said_once(m, said, f"{what} coefficient has no finite estimate")
    assert "No zeros" in said
    assert "Drop the term" in said


def test_a_cell_with_zeros_only() -> None:
    data, rng = frame(), np.random.default_rng(2)
    counts = np.maximum(rng.poisson(np.exp(1.3 + data["u"])), 1)
    data["y"] = np.where((data["mined"] == "yes") | (rng.random(len(data)) < 0.3), 0, counts)
    m, said = fitted("y ~ x + (1 | g)", data, family="truncated_poisson", zi_formula="~ mined")
    said_once(m, said, "Only zeros where mined = yes: the hurdle coefficient has no finite estimate")


def test_every_count_is_one() -> None:
    data = frame().assign(y=1)
    data.loc[data.index % 4 == 0, "y"] = 0
    m, said = fitted("y ~ x + (1 | g)", data, family="truncated_poisson", zi_formula="~ 1")
    said_once(m, said, "Every count that is not zero is one: the mean before truncation goes to zero")


@pytest.mark.parametrize(
    ("family", "simple", "limit"),
    [("nbinom2", "poisson", np.inf), ("nbinom1", "poisson", 0.0), ("betabinomial", "binomial", np.inf)],
)
def test_no_overdispersion(family: str, simple: str, limit: float) -> None:
    data, rng = frame(), np.random.default_rng(4)
    if family == "betabinomial":
        data["s"] = np.rint(data["trials"] * 0.5 + rng.uniform(-0.6, 0.6, len(data)))
        response, extra = "cbind(s, trials - s)", {}
    else:
        data["y"] = rng.binomial(12, 0.4 * np.exp(data["u"]) / 1.5)
        response, extra = "y", {"disp_formula": "~ 1"}
    m, said = fitted(f"{response} ~ x + (1 | g)", data, family=family, **extra)
    said_once(m, said, "no overdispersion")
    assert f"family='{simple}'" in said
    assert m.dispersion == limit
    assert np.isnan(m.component("disp").bse).all()
    plain = glmer(f"{response} ~ x + (1 | g)", data, family=simple)
    assert m.objective == pytest.approx(plain.objective, abs=1e-4)
    assert np.allclose(m.bse, plain.bse, rtol=1e-3)


def test_less_than_poisson_variance() -> None:
    data, rng = frame(), np.random.default_rng(4)
    data["y"] = rng.binomial(12, 0.4 * np.exp(data["u"]) / 1.5)
    m, said = fitted("y ~ x + (1 | g)", data, family="genpois")
    said_once(m, said, "is not a distribution: use family='compois'")
    assert m.dispersion < 1


def test_too_spread_for_conway_maxwell() -> None:
    data, rng = frame(n=120), np.random.default_rng(4)
    data["y"] = rng.poisson(rng.gamma(0.15, 8 / 0.15, len(data)))
    m, said = fitted("y ~ x + (1 | g)", data, family="compois")
    said_once(m, said, "phi has no finite estimate, and the fit is that of the geometric distribution")
    assert "Use family='nbinom2'" in said
    assert m.dispersion == np.inf
    assert np.isnan(m.component("disp").bse).all()
    geometric = glmer("y ~ x + (1 | g)", data, family=NegativeBinomial(size=1.0))
    assert m.objective == pytest.approx(geometric.objective, abs=1e-4)
    assert np.allclose(m.bse, geometric.bse, rtol=1e-3)


def test_much_spread_that_is_within_conway_maxwells_range() -> None:
    """Where the search begins, phi seems to have no end; from a start with variance between groups
    it has."""
    case = families_case(553)
    m, said = fitted(case.formula, case.data, family="compois")
    assert m.convergence.ok
    assert m.dispersion < 5
    # a search that shares nothing with the core's ended there
    assert m.objective < 575.345876
    assert "geometric" not in said


def test_tweedie_without_zeros() -> None:
    data, rng = frame(), np.random.default_rng(4)
    data["y"] = rng.gamma(3.0, np.exp(data["u"]) / 3.0)
    m, said = fitted("y ~ x + (1 | g)", data, family="tweedie")
    said_once(m, said, "nearly Gamma's: use family='Gamma(log)'")


@pytest.mark.parametrize(("draw", "sentence"), [("normal", "no heavy tails"), ("cauchy", "neither variance nor mean")])
def test_degrees_of_freedom_at_their_limits(draw: str, sentence: str) -> None:
    data, rng = frame(n=200), np.random.default_rng(8)
    noise = rng.uniform(-1, 1, 200) if draw == "normal" else rng.standard_t(0.6, 200)
    data["y"] = data["x"] + data["u"] + noise
    m, said = fitted("y ~ x + (1 | g)", data, family="t")
    said_once(m, said, sentence)
    if draw == "normal":
        gaussian = glmer("y ~ x + (1 | g)", data, family="gaussian", disp_formula="~ 1")
        assert m.objective == pytest.approx(gaussian.objective, abs=1e-3)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_slant_at_its_limit(sign: float) -> None:
    data, rng = frame(n=400), np.random.default_rng(8)
    data["y"] = sign * np.abs(rng.normal(size=400))
    m, said = fitted("y ~ 1 + (1 | g)", data, family="skewnormal")
    said_once(m, said, "the slant is at its limit")
    assert np.sign(m.family_params["slant"]) == sign


def test_a_variance_of_zero_names_its_component() -> None:
    data, rng = frame(), np.random.default_rng(4)
    data["y"] = data["x"] + 3 * data["u"] + rng.normal(size=len(data))
    m = glmer("y ~ x + (1 | g)", data, family="gaussian", disp_formula="~ 1 + (1 | trials)")
    assert m.convergence.boundary == {"disp:trials": 1}
    assert "in disp:trials, (Intercept) has no variance" in m.convergence.explanation


def test_proportions_of_zero_and_one_name_the_families_that_have_them() -> None:
    data = frame().assign(y=lambda d: np.where(d["x"] > 1, 1.0, 0.4))
    with pytest.raises(RanefError, match=r"OrderedBeta\(\).*ZeroOneInflatedBeta\(\).*zi_formula"):
        glmer("y ~ x + (1 | g)", data, family="beta")


def test_units_of_the_response_do_not_separate() -> None:
    """Coefficients of a mean in large units are large; that says nothing of separation."""
    data, rng = frame(), np.random.default_rng(4)
    data["y"] = data["x"] + data["u"] + rng.standard_t(5, len(data))
    one = glmer("y ~ x + (1 | g)", data, family="t")
    many = glmer("y ~ x + (1 | g)", data.assign(y=1e5 * data["y"]), family="t")
    assert one.convergence.ok
    assert many.convergence.ok
    assert many.objective == pytest.approx(one.objective + 2 * len(data) * np.log(1e5), abs=1e-6)
    assert np.allclose(many.fixef, 1e5 * one.fixef, rtol=1e-5)


def test_tweedie_of_whole_numbers_is_the_optimum_before_points() -> None:
    """The values are glmmTMB's 1.1.5; at powers near 1 the likelihood is without bound."""
    data = pd.read_parquet(Path(__file__).parents[1] / "reference" / "data" / "ham.parquet")
    m, said = fitted("Informed.liking ~ Product + (1 | Consumer)", data, family="tweedie")
    assert m.objective == pytest.approx(2947.54655931, abs=1e-6)
    assert m.family_params["power"] == pytest.approx(1.14407045786, abs=1e-5)
    assert m.dispersion == pytest.approx(0.716110595075, rel=1e-5)
    assert np.allclose(m.fixef, [1.7512477859512, -0.1352527979197, 0.0436944534124, 0.0162922021115], atol=1e-5)
    assert np.allclose(m.bse, [0.0356684638866, 0.0456235563686, 0.0438610663383, 0.0441125178304], rtol=1e-3)
    said_once(m, said, "the response has multiples of 1 alone, for which the likelihood grows without bound")


@pytest.mark.parametrize(
    ("number", "sentences"),
    [
        (352, ["density of the genpois family is not log-concave", "use family='nbinom2'"]),
        # the modes at the estimates of the parts are not found from nothing
        (391, ["The counts vary less than Poisson's", "density of the truncated genpois family is not log-concave"]),
        (213, ["likelihood of zeros that come from two sources is not log-concave", "n_quad=25 integrates"]),
        (486, ["Random effects of 's' in the conditional model can have several modes", "zeros that come from two"]),
        (
            267,
            [
                "The scale of the gaussian family goes to zero in some rows",
                "Leave out random effects of the dispersion",
            ],
        ),
    ],
)
def test_no_optimum_of_the_approximation(number: int, sentences: list[str]) -> None:
    case = families_case(number)
    m, said = fitted(case.formula, case.data, **case.options)
    assert not m.convergence.ok
    for sentence in sentences:
        said_once(m, said, sentence)
    assert "numerical precision; check the scale" not in said


def test_outlying_rows_pull_the_modes_of_their_levels_to_other_places() -> None:
    rng = np.random.default_rng(0)
    h, x = np.repeat(np.arange(8), 5), rng.normal(size=40)
    y = x + 2 * rng.normal(size=8)[h] + 0.1 * rng.standard_t(1.5, size=40)
    y[::13] += 30
    m, said = fitted("y ~ x + (x | h)", pd.DataFrame({"y": y, "x": x, "h": h}), family="t")
    assert not m.convergence.ok
    for sentence in (
        "Random effects of 'h' in the conditional model can have several modes",
        "density of the t family",
    ):
        said_once(m, said, sentence)


def test_a_skew_normal_family_with_hardly_more_rows_than_scales() -> None:
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"x": rng.normal(size=40), "h": rng.integers(0, 6, 40), "s": rng.integers(0, 30, 40)})
    means, noise = rng.normal(size=6)[data["h"]], rng.gamma(1.0, 1.0, 40)
    data["y"] = data["x"] + means + noise * np.exp(rng.normal(size=30))[data["s"]]
    m, said = fitted("y ~ x + (1 | h)", data, family="skewnormal", disp_formula="~ 1 + (1 | s)")
    assert not m.convergence.ok
    said_once(m, said, "The slant is at its limit: rows are half normal, with the tail on the right")


def test_an_optimum_that_laplaces_approximation_may_have_alone() -> None:
    """Quadrature raises the lower of two optima more than the other, so that it is none."""
    case = families_case(650)
    m, said = fitted(case.formula, case.data, **case.options)
    assert m.convergence.ok
    said_once(m, said, "are wider given the data of some level than without them (variance times 1.24)")


def test_a_zero_part_of_salamanders_that_is_separated() -> None:
    """No extra zeros where there was no mining, and random effects that may take their place."""
    data = pd.read_parquet(Path(__file__).parents[1] / "reference" / "data" / "Salamanders.parquet")
    m, said = fitted(
        "count ~ spp + mined + (1 | site)",
        data,
        family="nbinom2",
        zi_formula="~ mined + (1 | site)",
        disp_formula="~ mined",
    )
    assert not m.convergence.ok
    said_once(
        m, said, "where mined = no than the counts have by themselves: the zero-inflation coefficient has no finite"
    )
    said_once(m, said, "Random effects of 'site' in the zero part can have several modes given the data")


@pytest.mark.filterwarnings("ignore::ranef.RanefWarning")
def test_proportions_without_one_of_the_ends() -> None:
    """The other parameters are those of the model in which that end has no probability: the beta
    family, a hurdle of it, and the mirrored proportions.
    """
    rng = np.random.default_rng(8)
    g = np.repeat(np.arange(10), 24)
    x = rng.normal(size=240)
    mean = 1 / (1 + np.exp(-(0.3 + 0.5 * x + 0.6 * rng.normal(size=10)[g])))
    d = pd.DataFrame({"g": g, "x": x, "p": rng.beta(5 * mean, 5 * (1 - mean))})
    d["zeros"] = np.where(np.arange(240) % 7 == 0, 0.0, d["p"])
    d["ones"] = 1 - d["zeros"]

    def fit(response: str, family: str, **more: object) -> Any:
        return glmer(f"{response} ~ x + (1 | g)", d, family=family, **more)

    plain, hurdle = fit("p", "beta"), fit("zeros", "beta", zi_formula="~ 1")
    low, high = fit("zeros", "ordbeta"), fit("ones", "ordbeta")
    for m, same in ((fit("p", "ordbeta"), plain), (fit("p", "zoib"), plain), (fit("zeros", "zoib"), hurdle)):
        assert m.convergence.ok
        assert m.objective == pytest.approx(same.objective, abs=1e-7)
        assert m.npar == same.npar
        assert m.bse.to_numpy() == pytest.approx(same.bse.to_numpy(), rel=1e-5)
    assert low.objective == pytest.approx(high.objective, abs=1e-7)
    assert low.fixef.to_numpy() == pytest.approx(-high.fixef.to_numpy(), rel=1e-5)
    assert low.family_params["cut1"] == pytest.approx(-high.family_params["cut2"], rel=1e-5)
    assert (low.family_params["cut2"], high.family_params["cut1"]) == (math.inf, -math.inf)
    assert "no ones" in str(low.convergence)
    assert low.simulate(20, rng=1).to_numpy().max() < 1


def test_no_extra_zeros_along_a_predictor() -> None:
    """Both coefficients of the zero part have no end, and the rest is the fit without it."""
    plants = load_dataset("arabidopsis").rename(columns={"total.fruits": "y"})
    m, said = fitted("y ~ amd + (1 | popu)", plants, family="nbinom2", zi_formula="~ amd", disp_formula="~ amd")
    said_once(m, said, "finds no extra zeros")
    assert m.convergence.ok
    assert "mean nothing" not in said
    plain = glmer("y ~ amd + (1 | popu)", plants, family="nbinom2", disp_formula="~ amd")
    assert m.llf == pytest.approx(plain.llf, abs=1e-6)
    assert m.bse.to_numpy() == pytest.approx(plain.bse.to_numpy(), rel=1e-4)
    assert m.component("zi").bse.isna().all()
