"""Wald intervals of structure parameters against ``intervals`` of nlme 3.1-162, whose second
derivatives are differences (of a quadratic, off by up to 1 % where parameters are strongly
correlated), and against differences of the criterion.
"""

import math

import numpy as np
import pytest

from ranef import OptionError, gls, lmer, load_dataset, mmrm

ORTHODONT = load_dataset("orthodont")
LINE = "distance ~ Sex * age"

#: Arguments, and name, lower and upper limit.
CASES = [
    (
        {"correlation": "cs(1 | Subject)", "variance": "by_group(Sex)"},
        [
            ("rho", 0.559635738633, 0.851166787333),
            ("sd_ratio(Female)", 0.432035403399, 0.783587604062),
            ("sigma", 2.24124150705, 4.03555739499),
        ],
    ),
    (
        {"correlation": "ar1(1 | Subject)", "variance": "power(age)"},
        [("rho", 0.451294311722, 0.754500396303), ("power(age)", -0.752991102349, 0.48610110315)],
    ),
    (
        {"correlation": "arma(1 | Subject, p=1, q=1)"},
        [("phi(1)", 0.238964078423, 0.998690274645), ("theta(1)", -0.943342315205, 0.161426062945)],
    ),
    (
        {"correlation": "exp(age | Subject, nugget=True)"},
        [("nugget", 0.158507844977, 0.551828785223), ("sigma", 1.86192059919, 2.80669589591)],
    ),
    (
        {"correlation": "us(factor(age) | Subject)"},
        [
            ("sd_ratio(10)", 0.634971116178, 1.21647862873),
            ("cor(8, 10)", 0.252713047194, 0.774470634448),
            ("cor(12, 14)", 0.513763912194, 0.869604018508),
            ("sigma", 1.76365172356, 3.07613524814),
        ],
    ),
]


@pytest.mark.parametrize(("arguments", "expected"), CASES)
def test_limits_are_those_of_nlme(arguments, expected):
    found = gls(LINE, ORTHODONT, **arguments).conf_int()
    for name, lower, upper in expected:
        assert found.loc[name].tolist() == pytest.approx([lower, upper], abs=0.01 * (upper - lower))


def test_variances_are_those_of_differences_of_the_criterion():
    """Of a power whose parameter and sigma are strongly correlated."""
    m = gls(LINE, ORTHODONT, correlation="ar1(1 | Subject)", variance="power(age)")
    fit, found = m._fit, m.conf_int()
    n, p = m.nobs, len(m.fixef)

    def criterion(at):
        """REML at z and log sigma, from the profiled criterion."""
        solution = fit.correlated.solution(np.empty(0), at[:-1], True)
        log_ratio = at[-1] - math.log(solution.sigma)
        return solution.objective + (n - p) * (2 * log_ratio + math.exp(-2 * log_ratio) - 1)

    at, h = np.append(fit.z, math.log(fit.sigma)), 1e-3
    steps = h * np.eye(len(at))
    hessian = [
        [sum(s * t * criterion(at + s * a + t * b) for s in (1, -1) for t in (1, -1)) / (4 * h * h) for a in steps]
        for b in steps
    ]
    deviation = np.sqrt(np.diagonal(2 * np.linalg.inv(np.array(hessian)))) * 1.959963984540054
    assert np.arctanh(found.loc["rho"]).tolist() == pytest.approx(
        [at[0] - deviation[0], at[0] + deviation[0]], rel=1e-4
    )
    limits = at[1] - deviation[1], at[1] + deviation[1]
    assert found.loc["power(age)"].tolist() == pytest.approx(limits, rel=1e-4)
    limits = at[2] - deviation[2], at[2] + deviation[2]
    assert np.log(found.loc["sigma"]).tolist() == pytest.approx(limits, rel=1e-4, abs=1e-4)


def test_range_is_on_the_scale_of_logarithms():
    limits = gls(LINE, ORTHODONT, correlation="exp(age | Subject, nugget=True)").conf_int(parm="range")
    assert limits.loc["range"].tolist() == pytest.approx([1.644660060739, 1510.16416954549], rel=2e-3)


def test_beside_random_effects():
    sleep = load_dataset("sleepstudy").assign(day=lambda d: d["Days"] + 1.0)
    seen = sleep[[i % 7 != 3 for i in range(len(sleep))]]
    m = lmer("Reaction ~ Days + (1 | Subject)", seen, correlation="ar1(Days | Subject)", variance="power(day)")
    found = m.conf_int()
    assert list(found.index) == ["rho", "power(day)", "(Intercept)", "Days"]
    assert found.loc["rho"].tolist() == pytest.approx([0.449086204892, 0.810117519314], rel=1e-3)
    assert found.loc["power(day)"].tolist() == pytest.approx([0.149302961173, 0.546846948667], rel=1e-3)


def test_choice_of_rows():
    m = mmrm("distance ~ Sex * age + us(age | Subject)", ORTHODONT)
    assert list(m.conf_int(parm=["age", "cor(8, 10)"]).index) == ["cor(8, 10)", "age"]
    assert list(m.conf_int(parm="beta_").index) == list(m.fixef.index)
    assert len(m.conf_int(parm="theta_")) == 10
    assert list(m.conf_int(cov="CR0", cluster="Subject").index) == list(m.fixef.index)
    with pytest.raises(OptionError, match="cor\\(8, 11\\)"):
        m.conf_int(parm="cor(8, 11)")
