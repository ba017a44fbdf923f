"""What a model made of sums can do without its rows: the same as one that has them."""

from typing import Any

import numpy as np
import pytest

from ranef import RanefError, lmer, load_dataset, scale
from ranef.results.linear import LinearMixedModel

MODELS = {
    "sleepstudy": "Reaction ~ Days + (Days | Subject)",
    "penicillin": "diameter ~ 1 + (1 | plate) + (1 | sample)",
}


@pytest.fixture(scope="module", params=list(MODELS))
def both(request: pytest.FixtureRequest) -> tuple[LinearMixedModel, LinearMixedModel]:
    data = load_dataset(request.param)
    return lmer(MODELS[request.param], data), scale.fit(MODELS[request.param], [data[:70], data[70:]])


def close(a: Any, b: Any, rtol: float = 1e-7) -> None:
    a, b = (np.asarray(v, dtype=float) for v in (a, b))
    np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-8)


def test_tests_and_intervals(both: Any) -> None:
    m, s = both
    for ddf in ("satterthwaite", "kenward-roger"):
        one, other = (k.test(np.eye(len(m.fixef)), ddf=ddf, joint=False) for k in both)
        close(one.select_dtypes("number"), other.select_dtypes("number"))
    close(m.conf_int(method="profile"), s.conf_int(method="profile"), 1e-6)


def test_bootstrap_draws_the_same(both: Any) -> None:
    m, s = (k.bootstrap(40, rng=1) for k in both)
    close(m.values, s.values, 1e-5)


def test_random_effects_and_predictions(both: Any) -> None:
    m, s = both
    a, b = m.tidy("ran_vals"), s.tidy("ran_vals")
    close(a.estimate, b.estimate, 1e-6)
    close(a.std_error, b.std_error)
    data = load_dataset("sleepstudy" if "Days" in m.fixef else "penicillin")[:5]
    close(m.predict(data), s.predict(data))


def test_another_criterion_needs_no_rows(both: Any) -> None:
    m, s = both
    a, b = m.update(REML=False), s.update(REML=False)
    close(a.objective, b.objective, 1e-11)
    close(a.theta, b.theta, 1e-6)
    close(b.update(method="REML").theta, m.theta, 1e-6)
    assert s.update(ddf="residual").ddf == "residual"
    frame = load_dataset("sleepstudy" if "Days" in m.fixef else "penicillin")
    sums = scale.Statistic(scale.survey(m.formula, frame).freeze())
    sums.update(frame)
    lost = sums.fit()
    close(lost.update(REML=False).objective, a.objective, 1e-11)
    for arguments in ({"weights": "w"}, {"subset": "Days > 1"}, {"na_action": "error"}):
        with pytest.raises(RanefError, match="data are not kept"):
            lost.update(**arguments)
    with pytest.raises(RanefError, match="data are not kept"):
        lost.update(". ~ 1 + .")


@pytest.mark.parametrize("language", ["spss", "stata", "sas", "lme4"])
def test_other_programs(both: Any, language: Any) -> None:
    one, other = (k.to_syntax(language, notes=False) for k in both)
    # where the data come from is known of one of them only
    assert one.split("~")[-1].split("data")[0] == other.split("~")[-1].split("data")[0]
    assert len(one.splitlines()) == len(other.splitlines())
