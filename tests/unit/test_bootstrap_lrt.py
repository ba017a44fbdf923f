"""Likelihood-ratio test by parametric bootstrap."""

from typing import Any

import numpy as np
import pytest

from ranef import ArgumentTypeError, DataError, OptionError, lmer, load_dataset
from ranef.inference.bootstrap.likelihood_ratio import bootstrap_p


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    data = load_dataset("sleepstudy")
    right = {
        "slopes": "Days + (Days | Subject)",
        "intercepts": "Days + (1 | Subject)",
        "mean": "1 + (Days | Subject)",
        "uncorrelated": "Days + (Days || Subject)",
        "curved": "poly(Days, 2) + (Days | Subject)",
    }
    return {k: lmer(f"Reaction ~ {v}", data, REML=False, n_threads=1) for k, v in right.items()}


@pytest.mark.parametrize(
    ("larger", "smaller"),
    [
        ("slopes", "intercepts"),
        ("slopes", "mean"),
        ("slopes", "uncorrelated"),
        ("curved", "slopes"),
        ("curved", "intercepts"),
    ],
)
def test_the_distribution_is_that_of_whole_responses(models: dict[str, Any], larger: str, smaller: str) -> None:
    from scipy.stats import ks_2samp

    big, small = models[larger], models[smaller]
    made = big.pb_lrt(small, 1000, rng=1)
    y = small.simulate(1000, rng=2)
    theirs = np.maximum(0.0, small.refit(y).objective - big.refit(y).objective)
    assert ks_2samp(made.reference, theirs).pvalue > 0.002
    assert made.statistic == pytest.approx(small.objective - big.objective, abs=1e-8)
    assert made.df == big.npar - small.npar


def test_crossed_factors_and_a_factor_of_which_the_smaller_model_knows_nothing() -> None:
    from scipy.stats import ks_2samp

    data = load_dataset("Penicillin")
    big: Any = lmer("diameter ~ 1 + (1 | plate) + (1 | sample)", data, REML=False)
    small: Any = lmer("diameter ~ 1 + (1 | plate)", data, REML=False)
    made = big.pb_lrt(small, 500, rng=1)
    y = small.simulate(500, rng=2)
    theirs = np.maximum(0.0, small.refit(y).objective - big.refit(y).objective)
    assert ks_2samp(made.reference, theirs).pvalue > 0.002
    zero = np.mean(made.reference < 1e-6)
    assert 0.3 < zero < 0.9  # a variance that is zero is estimated as zero more often than not


def test_zeros_count() -> None:
    reference = np.array([0.0, 0.0, 0.0, 1.0, 5.0, np.nan])
    assert bootstrap_p(2.0, reference) == pytest.approx(2 / 6)
    assert bootstrap_p(0.0, reference) == 1.0
    assert bootstrap_p(9.0, reference) == pytest.approx(1 / 6)


def test_seed_threads_and_number(models: dict[str, Any]) -> None:
    big, small = models["slopes"], models["intercepts"]
    a, b = big.pb_lrt(small, 30, rng=4, n_threads=1), big.pb_lrt(small, 80, rng=4, n_threads=2)
    assert np.array_equal(a.reference, b.reference[:30])


def test_reml_fits_are_refitted_and_it_is_said(models: dict[str, Any]) -> None:
    big, small = (models[k].update(REML=True) for k in ("slopes", "intercepts"))
    made = big.pb_lrt(small, 50, rng=1)
    assert "refitted by ML" in made.notes[0]
    assert made.statistic == pytest.approx(42.1393, abs=1e-4)
    assert np.allclose(made.reference, models["slopes"].pb_lrt(models["intercepts"], 50, rng=1).reference, atol=1e-4)
    frame = made.to_frame()
    assert list(frame.columns) == ["statistic", "df", "den_df", "p_value"]
    assert frame.loc["bootstrap", "p_value"] == made.p_value
    assert "50 replicates, 0 failed, seed 1" in repr(made)


def test_models_that_cannot_be_compared(models: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="needs more in the first"):
        models["intercepts"].pb_lrt(models["slopes"], 10)
    data = load_dataset("sleepstudy")
    other = lmer("Reaction ~ I(Days^2) + (1 | Subject)", data)
    with pytest.raises(OptionError, match="not nested"):
        models["slopes"].pb_lrt(other, 10)
    with pytest.raises(DataError, match="different numbers of rows"):
        models["slopes"].pb_lrt(lmer("Reaction ~ Days + (1 | Subject)", data.iloc[:170]), 10)
    with pytest.raises(ArgumentTypeError, match="smaller must be a model"):
        models["slopes"].pb_lrt(3)
    with pytest.raises(OptionError, match="at least 1"):
        models["slopes"].pb_lrt(models["intercepts"], 0)
