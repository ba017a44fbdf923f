"""Responses drawn for new rows."""

import numpy as np
import pandas as pd
import pytest

import ranef


@pytest.fixture(scope="module")
def sleep():
    return ranef.lmer("Reaction ~ Days + (Days | Subject)", ranef.load_dataset("sleepstudy"))


def test_new_levels_share_their_effects_and_have_the_variances_of_the_model(sleep):
    new = pd.DataFrame({"Days": [0, 0, 9], "Subject": ["n1", "n1", "n2"]}, index=["a", "b", "c"])
    drawn = sleep.simulate(8000, newdata=new, rng=1)
    assert list(drawn.index) == ["a", "b", "c"]
    assert list(drawn.columns[:2]) == ["sim_1", "sim_2"]
    z = np.array([[1, 0], [1, 0], [1, 9]])
    effects = z @ sleep.varcorr["Subject"].cov @ z.T
    effects[2, :2] = effects[:2, 2] = 0.0  # another subject
    expected = effects + sleep.sigma**2 * np.eye(3)
    found = np.cov(drawn.to_numpy())
    np.testing.assert_allclose(found, expected, atol=0.05 * expected.max())
    mean = sleep.predict(new, re="population")
    np.testing.assert_allclose(drawn.mean(axis=1), mean, atol=4 * np.sqrt(expected.max() / 8000))


def test_conditional_draws_keep_the_modes_of_known_levels(sleep):
    new = {"Days": [3, 3], "Subject": ["308", "someone"]}
    drawn = sleep.simulate(8000, newdata=new, re="conditional", rng=2)
    known, unknown = drawn.mean(axis=1)
    assert known == pytest.approx(sleep.predict({"Days": [3], "Subject": ["308"]})[0], abs=1.0)
    assert unknown == pytest.approx(sleep.predict({"Days": [3], "Subject": ["308"]}, re="population")[0], abs=1.5)
    known, unknown = drawn.std(axis=1)
    assert known == pytest.approx(sleep.sigma, rel=0.03)
    assert unknown > 1.3 * sleep.sigma


def test_a_draw_does_not_depend_on_their_number(sleep):
    new = {"Days": [0, 5], "Subject": ["308", "x"]}
    assert sleep.simulate(1, newdata=new, rng=3).sim_1.tolist() == sleep.simulate(4, newdata=new, rng=3).sim_1.tolist()


def test_rows_of_the_fit_given_again_are_drawn_as_those_of_the_fit(sleep):
    own = sleep.simulate(2, rng=4)
    again = sleep.simulate(2, newdata=ranef.load_dataset("sleepstudy"), rng=4)
    np.testing.assert_allclose(again, own, rtol=1e-12)


def test_generalized_models_draw_from_their_family():
    d = ranef.load_dataset("cbpp").assign(p=lambda f: f.incidence / f["size"])
    m = ranef.glmer("p ~ period + (1 | herd)", d, family="binomial", weights="size")
    new = pd.DataFrame({"period": ["1", "4", "1"], "herd": ["1", "zz", None], "size": [10, 20, 5]})
    drawn = m.simulate(50, newdata=new, rng=1)
    trials = drawn.to_numpy()[:2] * np.array([[10], [20]])
    np.testing.assert_allclose(trials, np.rint(trials), atol=1e-9)
    assert drawn.iloc[2].isna().all()
    counts = ranef.glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", d, family="binomial")
    with pytest.raises(ranef.OptionError, match="needs their numbers of trials"):
        counts.simulate(1, newdata=new)


def test_missing_values_and_offsets(sleep):
    drawn = sleep.simulate(1, newdata={"Days": [1.0, np.nan], "Subject": ["308", "309"]}, rng=1)
    assert drawn.sim_1.isna().tolist() == [False, True]
    with pytest.raises(ranef.OptionError, match="offset is for newdata only"):
        sleep.simulate(1, offset=[1.0])
    with pytest.raises(ranef.ColumnNotFoundError):
        sleep.simulate(1, newdata={"Days": [1.0]})
