"""Profiles of models with covariance structures against dense algebra in R
(tests/reference/structure_profiles.R).
"""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pytest

from ranef import gls, lmer, load_dataset, mmrm

FOLDER = Path(__file__).parents[1] / "reference"
CONTENT = (FOLDER / "structure_profiles.json").read_bytes()
STORED = json.loads(CONTENT)["models"]
ORTHODONT = load_dataset("orthodont")
LINE = "distance ~ Sex * age"


def test_stored_values_are_those_of_the_script():
    assert hashlib.md5(CONTENT).hexdigest() == (FOLDER / "structure_profiles.md5").read_text().strip()


@pytest.mark.parametrize("name", STORED)
def test_limits_are_where_the_deviance_has_risen_so_far(name):
    case = dict(STORED[name]["call"])
    verb = {"gls": gls, "lmer": lmer}[case.pop("verb")]
    m = verb(case.pop("formula"), ORTHODONT, **case)
    profile = m.profile("age")
    assert profile.deviance == pytest.approx(STORED[name]["deviance"], abs=1e-6)
    for point in STORED[name]["points"]:
        level = math.erf(math.sqrt(point["rise"] / 2.0))
        found = m.conf_int("profile", level, parm=point["parameter"]).loc[point["parameter"]]
        nearest = min(found, key=lambda v: abs(v - point["value"]))
        assert nearest == pytest.approx(point["value"], rel=2e-5), point


def test_a_profile_is_drawn_and_read_for_every_parameter():
    m = lmer(LINE + " + (1 | Subject)", ORTHODONT, correlation="ar1(1 | Subject)", variance="by_group(Sex)")
    p = m.profile()
    assert p.parameters[-2:] == ("rho", "sd_ratio(Female)")
    frame = p.conf_int(0.95)
    exact = m.conf_int("profile")
    # cubic interpolation between the points
    assert np.allclose(frame, exact.loc[frame.index], rtol=2e-3, atol=2e-3)
    assert p.zeta("rho", [m.structure["rho"]])[0] == pytest.approx(0.0, abs=0.3)
    assert p.plot(parm=["rho"]).data["parameter"].unique().tolist() == ["rho"]


def test_profiles_of_repeated_measures_are_those_of_least_squares_with_the_structure():
    data = ORTHODONT.assign(visit=ORTHODONT["age"].map(lambda a: f"v{int(a):02d}"), id=ORTHODONT["Subject"].astype(str))
    m = mmrm(LINE + " + us(visit | id)", data)
    g = gls(LINE, ORTHODONT, correlation="us(factor(age) | Subject)")
    ours = m.conf_int("profile", parm=["cor(v08, v12)", "sd_ratio(v14)", "sigma", "age"])
    assert np.allclose(ours, g.conf_int("profile", parm=["cor(8, 12)", "sd_ratio(14)", "sigma", "age"]), rtol=1e-6)


def test_a_correlation_that_may_be_one_ends_there():
    m = lmer(LINE + " + ar1(0 + factor(age) | Subject)", ORTHODONT)
    limits = m.conf_int("profile", parm="theta_")
    assert limits.loc["correlation|Subject", "upper"] == pytest.approx(1.0)
    assert limits.loc["sd|Subject", "lower"] > 1.0


def test_an_effect_without_variance_has_a_limit_at_zero():
    m = lmer(LINE + " + (age | Subject)", ORTHODONT, variance="by_group(Sex)")
    limits = m.conf_int("profile", parm="theta_")
    assert limits.loc["sd_age|Subject", "lower"] == 0.0
    # without the slope the deviance is that of the fit without it
    smaller = lmer(LINE + " + (1 | Subject)", ORTHODONT, variance="by_group(Sex)", method="ML").objective
    larger = lmer(LINE + " + (age | Subject)", ORTHODONT, variance="by_group(Sex)", method="ML").objective
    profile = m.profile("sd_age|Subject")
    assert profile.zeta("sd_age|Subject", [0.0])[0] == pytest.approx(-math.sqrt(smaller - larger), abs=1e-5)
