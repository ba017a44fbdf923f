"""Random effects in equal steps (AR(1), Toeplitz) and independent ones with one standard deviation.

Against lme4 2.1 (``ar1``, ``diag``), glmmTMB (``toep``, ``ar1``, ``homdiag``), nlme (``pdIdent``).
"""

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ranef
from ranef.errors import DesignError, FormulaError

FOLDER = Path(__file__).parents[1] / "reference"


def cases() -> dict[str, dict[str, Any]]:
    """The stored fits, by name."""
    out = []
    for name in ("autoregression", "autoregression_lme4"):
        content = (FOLDER / f"{name}.json").read_bytes()
        assert hashlib.md5(content).hexdigest() == (FOLDER / f"{name}.md5").read_text().strip()
        out += json.loads(content)["cases"]
    return {c["name"]: c for c in out}


CASES = cases()


def fit(case: dict[str, Any], **options: Any) -> Any:
    """The same model here."""
    data = ranef.load_dataset(case["data"].lower())
    if case["family"] != "gaussian":
        return ranef.glmer(case["formula"], data, family=case["family"], **options)
    return ranef.lmer(case["formula"], data, REML=case["reml"], **options)


@pytest.mark.parametrize("name", CASES)
def test_fits_agree(name: str) -> None:
    case = CASES[name]
    m = fit(case)
    assert m.convergence.status.ok
    assert m.objective == pytest.approx(case["objective"], abs=2e-6 + 1e-7 * abs(case["objective"]))
    assert m.objective <= case["objective"] + 1e-6
    # their optimisers stop early
    np.testing.assert_allclose(m.fixef.to_numpy(), list(case["fixef"].values()), rtol=2e-4)
    block = next(iter(m.varcorr.values()))
    np.testing.assert_allclose(block.sd, case["sd"], rtol=2e-3)
    np.testing.assert_allclose(block.corr[0, 1:], case["correlations"], atol=2e-3)
    if case["family"] == "gaussian":
        assert m.sigma == pytest.approx(case["sigma"], rel=1e-3)


def test_criterion_at_their_parameters() -> None:
    """At lme4's parameters our criterion is theirs."""
    case = CASES["slmer_sleep_ar1"]
    sd, rho = case["sd"][0] / case["sigma"], case["correlations"][0]
    with pytest.warns(ranef.RanefWarning, match="max_evaluations"):
        m = fit(case, start=[sd, np.arcsin(rho)], control={"max_evaluations": 1})
    assert m.objective == pytest.approx(case["objective"], abs=1e-6)


def test_structures_are_nested() -> None:
    """ar1 within toep within the unrestricted model; compound symmetry of three within toep."""
    data = ranef.load_dataset("machines")
    text = "score ~ Machine + {}"
    ar1, toep, free, cs = (
        ranef.lmer(text.format(t), data)
        for t in (
            "ar1(0 + Machine | Worker, hom=False)",
            "toep(0 + Machine | Worker)",
            "(0 + Machine | Worker)",
            "cs(0 + Machine | Worker)",
        )
    )
    assert ar1.objective >= toep.objective - 1e-7
    assert cs.objective >= toep.objective - 1e-7
    assert toep.objective >= free.objective - 1e-7
    assert [m.npar for m in (ar1, toep, cs, free)] == [8, 9, 8, 10]
    block = ar1.varcorr["Worker"]
    assert block.corr[0, 2] == pytest.approx(block.corr[0, 1] ** 2, rel=1e-10)
    table = ranef.anova(ar1, toep)
    assert table["df"].iloc[1] == 1


def test_correlation_at_its_bound() -> None:
    """Effects that do not differ: a correlation of one, which is a random intercept."""
    rng = np.random.default_rng(3)
    group, level = np.repeat(np.arange(30), 8), np.tile(np.arange(4), 60)
    y = rng.normal(size=30)[group] + rng.normal(size=240)
    data = {"y": y - 0.1 * (level - 1.5), "g": group, "f": level.astype(str)}
    y_between = {**data, "y": rng.normal(size=30)[group] * 2 + np.round(rng.normal(size=240), 0)}
    m = ranef.lmer("y ~ 1 + ar1(0 + f | g)", y_between)
    one = ranef.lmer("y ~ 1 + (1 | g)", y_between)
    assert m.objective <= one.objective + 1e-7
    assert m.convergence.status.ok


def test_what_a_model_answers() -> None:
    data = ranef.load_dataset("machines")
    m = ranef.lmer("score ~ Machine + ar1(0 + Machine | Worker)", data)
    assert list(m.theta.index) == ["Worker.sd", "Worker.correlation"]
    again = pickle.loads(pickle.dumps(m))
    np.testing.assert_array_equal(again.theta, m.theta)
    np.testing.assert_allclose(m.predict(data.iloc[:5]), m.fittedvalues[:5], rtol=1e-10)
    assert m.simulate(2, rng=1).shape == (54, 2)
    # at the model's own parameters a simulated response has its covariance
    boot = m.bootstrap(20, rng=1)
    assert {"sd__common", "correlation__common"} <= set(boot.to_frame()["term"])
    assert "ar1(0 + Machine | Worker)" in str(m.summary())
    assert m.refit(data["score"]).objective == pytest.approx(m.objective, abs=1e-8)
    toep = ranef.lmer("score ~ Machine + toep(0 + Machine | Worker, hom=True)", data)
    assert list(toep.theta.index) == ["Worker.sd", "Worker.correlation_lag1", "Worker.correlation_lag2"]


def test_order_of_rows_changes_nothing() -> None:
    data = ranef.load_dataset("sleepstudy")
    formula = "Reaction ~ Days + ar1(0 + factor(Days) | Subject)"
    m, other = ranef.lmer(formula, data), ranef.lmer(formula, data.sample(frac=1, random_state=4))
    assert other.objective == pytest.approx(m.objective, abs=1e-8)
    np.testing.assert_allclose(other.theta, m.theta, rtol=1e-5)


def test_what_is_refused() -> None:
    data = ranef.load_dataset("machines")
    for structure in ("ar1", "toep"):
        with pytest.raises(DesignError, match="write 0 \\+ before the factor"):
            ranef.lmer(f"score ~ Machine + {structure}(Machine | Worker)", data)
    with pytest.raises(FormulaError, match="hom is True or False"):
        ranef.lmer("score ~ Machine + ar1(0 + Machine | Worker, hom=2)", data)
