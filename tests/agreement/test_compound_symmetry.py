"""Random effects with compound symmetry, against glmmTMB (``cs``) and nlme (``pdCompSymm``)."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ranef
from ranef.errors import DesignError, FormulaError

FOLDER = Path(__file__).parents[1] / "reference"


def cases() -> dict[str, dict[str, Any]]:
    """The stored fits, by name."""
    content = (FOLDER / "compound_symmetry.json").read_bytes()
    assert hashlib.md5(content).hexdigest() == (FOLDER / "compound_symmetry.md5").read_text().strip()
    return {c["name"]: c for c in json.loads(content)["cases"]}


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
    assert m.objective <= case["objective"] + 1e-7 * abs(case["objective"])
    assert m.objective == pytest.approx(case["objective"], abs=2e-6)
    # their optimisers stop early
    np.testing.assert_allclose(m.fixef.to_numpy(), list(case["fixef"].values()), rtol=2e-4)
    block = next(iter(m.varcorr.values()))
    np.testing.assert_allclose(block.sd, list(case["sd"].values()), rtol=2e-3, atol=1e-6)
    varies = np.asarray(block.sd) > 0
    shared = block.corr[np.ix_(varies, varies)]
    np.testing.assert_allclose(shared[~np.eye(len(shared), dtype=bool)], case["correlation"], atol=2e-3)
    if case["family"] == "gaussian":
        assert m.sigma == pytest.approx(case["sigma"], rel=1e-3)


def test_an_effect_without_variance_is_at_its_bound() -> None:
    data = ranef.load_dataset("machines")
    first = data["Machine"] == "A"
    means = data.groupby(["Machine", "Worker"], observed=True)["score"].transform("mean")
    own = data["score"].where(~first, data["score"] - means)
    with pytest.warns(ranef.RanefWarning, match="without variance"):
        m = ranef.lmer("own ~ Machine + cs(0 + Machine | Worker)", data.assign(own=own))
    assert m.theta.iloc[0] == 0.0
    assert m.convergence.status.ok
    assert m.convergence.boundary == {"Worker": 1}
    # the others have their own covariance, whatever the first would share with them
    with pytest.warns(ranef.RanefWarning, match="without variance"):
        rest = ranef.lmer("own ~ Machine + (0 + Machine | Worker)", data.assign(own=own))
    assert m.objective >= rest.objective - 1e-7


def test_a_correlation_of_one_is_a_random_intercept() -> None:
    data = ranef.load_dataset("machines")
    cell = data.groupby(["Machine", "Worker"], observed=True)["score"].transform("mean")
    of_machine, of_worker = (data.groupby(f, observed=True)["score"].transform("mean") for f in ("Machine", "Worker"))
    additive = of_machine + of_worker
    data = data.assign(plain=data["score"] - cell + additive)
    with pytest.warns(ranef.RanefWarning, match="without variance"):
        m = ranef.lmer("plain ~ Machine + cs(0 + Machine | Worker, hom=True)", data)
    one = ranef.lmer("plain ~ Machine + (1 | Worker)", data)
    assert m.theta.iloc[1] == 0.0
    assert m.convergence.status.ok
    assert m.convergence.boundary == {"Worker": 2}
    assert m.objective == pytest.approx(one.objective, abs=1e-8)
    np.testing.assert_allclose(next(iter(m.varcorr.values())).corr, 1.0, atol=1e-12)


def test_two_effects_with_any_covariance_are_compound_symmetric() -> None:
    data = ranef.load_dataset("sleepstudy")
    free = ranef.lmer("Reaction ~ Days + (Days | Subject)", data)
    same = ranef.lmer("Reaction ~ Days + cs(1 + Days | Subject)", data)
    assert same.objective == pytest.approx(free.objective, abs=1e-7)
    np.testing.assert_allclose(same.bse, free.bse, rtol=1e-5)
    np.testing.assert_allclose(same.df, free.df, rtol=1e-3)


def test_units_do_not_matter() -> None:
    data = ranef.load_dataset("sleepstudy")
    one = ranef.lmer("Reaction ~ Days + cs(1 + Days | Subject)", data)
    seconds = data.assign(Days=data["Days"] * 86400.0, Reaction=data["Reaction"] / 1000.0)
    other = ranef.lmer("Reaction ~ Days + cs(1 + Days | Subject)", seconds)
    corr = [next(iter(m.varcorr.values())).corr[0, 1] for m in (one, other)]
    assert corr[0] == pytest.approx(corr[1], abs=1e-5)
    assert one.convergence.evaluations == other.convergence.evaluations


def test_what_a_fit_answers() -> None:
    m = fit(CASES["machines_reml"])
    assert m.theta.index.tolist() == [*(f"Worker.Machine[{a}]" for a in "ABC"), "Worker.correlation"]
    assert "Machine" in str(m.summary())
    again = fit(CASES["machines_reml"], start=m.theta.to_numpy())
    assert again.objective == pytest.approx(m.objective, abs=1e-8)
    drawn = m.bootstrap(20, rng=1)
    assert np.isfinite(drawn.thetas).all()
    assert any(q.name.startswith("correlation") for q in drawn.quantities)
    limits = m.conf_int("profile", parm="theta_")
    assert limits.loc["correlation|Worker", "upper"] < 1.0
    assert (limits["lower"] < limits["upper"]).all()


def test_what_is_refused() -> None:
    data = ranef.load_dataset("machines")
    with pytest.raises(DesignError, match="write 0 \\+ before the factor"):
        ranef.lmer("score ~ Machine + cs(Machine | Worker)", data)
    with pytest.raises(FormulaError, match="hom is True"):
        ranef.lmer("score ~ Machine + cs(0 + Machine | Worker, hom=2)", data)
