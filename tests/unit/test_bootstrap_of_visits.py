"""The parametric bootstrap of models for repeated measures, whose responses are drawn by the sums
that a fit needs of them.
"""

import numpy as np
import pytest

from ranef import gls, load_dataset, mmrm

DATA = load_dataset("orthodont").sample(frac=0.9, random_state=3)


@pytest.mark.parametrize("structure", ["us(age | Subject)", "ar1h(age | Sex/Subject)", "sp_exp(age | Subject)"])
def test_replicates_have_the_mean_and_the_errors_of_the_model(structure: str) -> None:
    m = mmrm(f"distance ~ Sex * factor(age) + {structure}", DATA)
    n = 1200
    found = m.bootstrap(n, rng=1)
    assert found.n_failed == 0
    frame = found.to_frame()
    values = frame[frame["effect"] == "fixed"].pivot(index="replicate", columns="term", values="value")[m.fixef.index]
    error = m.bse / n**0.5
    assert np.all(np.abs(values.mean() - m.fixef) < 4.5 * error)
    # generalised least squares with an estimated covariance has somewhat larger errors
    ratio = values.std() / m.bse
    assert np.all((ratio > 0.93) & (ratio < 1.15))


def test_a_replicate_depends_on_the_seed_and_its_number_only() -> None:
    m = mmrm("distance ~ Sex * factor(age) + us(age | Subject)", DATA)
    many, few = (m.bootstrap(n, rng=5).to_frame() for n in (150, 20))
    assert many[many["replicate"] < 20]["value"].tolist() == few["value"].tolist()


@pytest.mark.parametrize("structure", ["us(age | Subject)", "ar1h(age | Subject)", "cs(age | Subject)"])
def test_the_parameters_of_the_covariance_are_drawn_too(structure: str) -> None:
    """They scatter as the information says, and by rows as by sums."""
    m = mmrm(f"distance ~ Sex * factor(age) + {structure}", DATA)
    found = m.bootstrap(600, rng=2)
    assert found.names[-len(m.structure) :] == tuple(m.structure.index)
    own = found.values[:, -len(m.structure) :]
    assert found.observed[-len(m.structure) :] == pytest.approx(m.structure.to_numpy())
    wald = m.conf_int("wald", parm="theta_").loc[list(m.structure.index)]
    interval = found.conf_int().loc[list(m.structure.index)]
    width = (wald["upper"] - wald["lower"]).to_numpy()
    assert np.all(np.abs(interval["lower"] - wald["lower"]) < 0.35 * width)
    assert np.all(np.abs(interval["upper"] - wald["upper"]) < 0.35 * width)
    # without sums the replicates are simulated and fitted one by one
    rows = gls("distance ~ Sex * factor(age)", DATA, correlation="ar1(age | Subject)")
    one = rows.bootstrap(30, rng=2)
    assert one.names[-2:] == ("sigma", "rho")
    assert 0.3 < np.nanmedian(one.values[:, -1]) < 0.95
    assert own.shape == (600, len(m.structure))


def test_intervals_of_a_profile_and_a_bootstrap_name_the_same_parameters() -> None:
    m = mmrm("distance ~ Sex * factor(age) + cs(age | Subject)", DATA)
    assert {"sigma", "rho"} <= set(m.conf_int("boot", n=50, rng=1).index)
