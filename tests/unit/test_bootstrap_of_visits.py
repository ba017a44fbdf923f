"""The parametric bootstrap of models for repeated measures, whose responses are drawn by the sums
that a fit needs of them.
"""

import numpy as np
import pytest

from ranef import load_dataset, mmrm

DATA = load_dataset("orthodont").sample(frac=0.9, random_state=3)


@pytest.mark.parametrize("structure", ["us(age | Subject)", "ar1h(age | Sex/Subject)", "sp_exp(age | Subject)"])
def test_replicates_have_the_mean_and_the_errors_of_the_model(structure: str) -> None:
    m = mmrm(f"distance ~ Sex * factor(age) + {structure}", DATA)
    n = 2000
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
