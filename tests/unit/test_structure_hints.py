"""Names of covariance structures that other programs have, and slips, are answered."""

import time

import numpy as np
import pandas as pd
import pytest

from ranef import RanefError, gls, lmer, load_dataset, mmrm

DATA = load_dataset("orthodont")
DATA = DATA.assign(visit=DATA["age"].map(lambda a: f"v{int(a):02d}"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [("un", "us"), ("AR1", "ar1"), ("arh", "ar1h"), ("TOEPH", "toeph"), ("ante", "ad"), ("tp", "toep"), ("CSH", "csh")],
)
def test_structures_of_visits(written, meant):
    with pytest.raises(RanefError, match=rf"Did you mean {meant}\(\)\? The structures are us, cs"):
        mmrm(f"distance ~ Sex + {written}(visit | Subject)", DATA)


@pytest.mark.parametrize(("written", "meant"), [("un", "us"), ("AR1", "ar1"), ("arh1", "ar1"), ("sph", "spherical")])
def test_structures_of_rows(written, meant):
    with pytest.raises(RanefError, match=rf"Did you mean {meant}\(\)\? The structures are us, cs, ar1, arma"):
        gls("distance ~ Sex", DATA, correlation=f"{written}(visit | Subject)")


@pytest.mark.parametrize(("written", "meant"), [("un", "us"), ("AR1", "ar1"), ("CS", "cs")])
def test_structures_of_effects(written, meant):
    with pytest.raises(RanefError, match=rf"Did you mean {meant}\(\)\? A random-effects term may stand in us\(\)"):
        lmer(f"distance ~ Sex + {written}(0 + visit | Subject)", DATA)


@pytest.mark.parametrize("written", ["powr(age)", "foo(age)"])
def test_variance_functions_are_listed(written):
    with pytest.raises(RanefError, match="The functions are by_group, power, exponential, const_power, fixed"):
        gls("distance ~ Sex", DATA, variance=written)


def test_unstructured_matrices_too_large_are_refused_before_anything_is_built():
    times, subjects = 120, 130
    rng = np.random.default_rng(1)
    data = pd.DataFrame(
        {
            "id": np.repeat(np.arange(subjects), times),
            "t": np.tile(np.arange(times), subjects),
            "y": rng.standard_normal(subjects * times),
        }
    )
    begun = time.perf_counter()
    with pytest.raises(RanefError, match=r"7,260 covariance parameters for 120 visits"):
        gls("y ~ 1", data, correlation="us(t | id)")
    with pytest.raises(RanefError, match="fewer subjects than visits"):
        gls("y ~ 1", data[data["id"] < 100], correlation="us(t | id)")
    assert time.perf_counter() - begun < 3.0
