"""Bootstrap intervals against boot, tests by bootstrap against pbkrtest
(on the replicates that R drew), and distributions against lme4's bootMer.
"""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranef import lmer, load_dataset
from ranef.inference.bootstrap.intervals import limits
from ranef.inference.bootstrap.likelihood_ratio import reference_tests

REFERENCE = Path(__file__).parents[1] / "reference"


@cache
def reference() -> dict[str, Any]:
    content = (REFERENCE / "bootstrap.json").read_bytes()
    assert hashlib.md5(content).hexdigest() == (REFERENCE / "bootstrap.md5").read_text().strip()
    values: dict[str, Any] = json.loads(content)
    return values


@pytest.mark.parametrize("statistic", ["intercept", "days", "sd_days", "sigma"])
@pytest.mark.parametrize("method", ["normal", "basic", "percentile", "bca"])
def test_limits_are_those_of_boot_ci(statistic: str, method: str) -> None:
    case = reference()["intervals"][statistic]
    values, influence = np.array(case["t"]), np.array(case["L"])
    assert set(case["limits"]) == {"0.8", "0.9", "0.95"}
    for level, theirs in case["limits"].items():
        low, high, extreme = limits(values, case["t0"], method, float(level), influence)
        assert (low, high) == pytest.approx(tuple(theirs[method]), rel=1e-9)
        assert not extreme


@pytest.fixture(scope="module")
def sleep() -> Any:
    return lmer("Reaction ~ Days + (Days | Subject)", load_dataset("sleepstudy"))


def test_influence_of_the_groups_is_that_of_fits_without_them(sleep: Any) -> None:
    """boot.ci was given influence values from lme4's fits without each subject."""
    influence = sleep.bootstrap(10, rng=1)._influence()
    for column, name in ((0, "intercept"), (1, "days"), (4, "sd_days"), (5, "sigma")):
        theirs = np.array(reference()["intervals"][name]["L"])
        np.testing.assert_allclose(influence[:, column], theirs, atol=2e-3 * np.abs(theirs).max())


def test_distribution_is_that_of_boot_mer(sleep: Any) -> None:
    """Means, standard deviations and quantiles of 2000 replicates
    of bootMer lie within four standard errors of ours.
    """
    theirs = reference()["distribution"]
    ours = sleep.bootstrap(20_000, rng=1)
    n = theirs["n"]
    columns = {"intercept": 0, "days": 1, "sd_days": 4, "sigma": 5, "cor": 3}
    for i, name in enumerate(theirs["names"]):
        v = ours.values[:, columns[name]]
        v = v[np.isfinite(v)]
        sd = v.std()
        assert abs(theirs["mean"][i] - v.mean()) < 4 * sd * np.sqrt(1 / n + 1 / len(v)), name
        kurtosis = np.mean((v - v.mean()) ** 4) / sd**4
        assert abs(theirs["sd"][i] / sd - 1) < 4 * np.sqrt((kurtosis - 1) / (4 * n)) * 1.05, name
        for p, q in zip((0.05, 0.25, 0.5, 0.75, 0.95), theirs["quantiles"][name], strict=True):
            # the share of ours below their quantile is a proportion from their n
            assert abs(np.mean(v <= q) - p) < 4 * np.sqrt(p * (1 - p) * (1 / n + 1 / len(v))), (name, p)


@pytest.mark.parametrize("case", ["beets", "cake", "variance"])
def test_p_values_are_those_of_pbkrtest(case: str) -> None:
    theirs = reference()["tests"][case]
    rows = dict(zip(theirs["names"], zip(theirs["stat"], theirs["ddf"], theirs["p"], strict=True), strict=True))
    df = int(theirs["df"][0])
    ours = {r[0]: r for r in reference_tests(theirs["lrt"], df, np.array(theirs["ref"]))}
    for name, key in (("LRT", "chisq"), ("PBtest", "bootstrap"), ("Gamma", "gamma"), ("Bartlett", "bartlett")):
        statistic, _, p = rows[name]
        assert ours[key][1] == pytest.approx(statistic, rel=1e-9), name
        assert ours[key][4] == pytest.approx(p, rel=1e-6, abs=1e-15), name
    if df == 1:
        statistic, den_df, p = rows["F"]
        assert ours["f"][1] == pytest.approx(statistic, rel=1e-9)
        assert ours["f"][3] == pytest.approx(den_df, rel=1e-9)
        assert ours["f"][4] == pytest.approx(p, rel=1e-6)


def test_the_mean_of_f_is_that_of_the_replicates() -> None:
    """pbkrtest's denominator degrees of freedom leave out the division by df:
    with more than one they are not those of an F with this mean (docs/findings.md).
    """
    from scipy.stats import f

    generator = np.random.default_rng(1)
    drawn = 3 * generator.f(3, 9.0, 200_000)
    row = next(r for r in reference_tests(5.0, 3, drawn) if r[0] == "f")
    assert row[3] == pytest.approx(9.0, rel=0.05)
    assert f(3, row[3]).mean() == pytest.approx(drawn.mean() / 3, rel=1e-9)


@pytest.mark.parametrize("case", ["cake", "variance"])
def test_statistics_under_the_smaller_model_are_those_of_pbkrtest(case: str) -> None:
    from scipy.stats import ks_2samp

    theirs = reference()["tests"][case]
    if case == "cake":
        data = load_dataset("cake")
        data["temp"] = data["temperature"].astype(str).astype(float)
        models = ["angle ~ recipe * temp + (1 | recipe:replicate)", "angle ~ recipe + temp + (1 | recipe:replicate)"]
    else:
        data = load_dataset("sleepstudy")
        models = ["Reaction ~ Days + (Days | Subject)", "Reaction ~ Days + (1 | Subject)"]
    assert models == [theirs["large"], theirs["small"]]
    large, small = (lmer(m, data, REML=False) for m in models)
    made = large.pb_lrt(small, 3000, rng=1)
    assert made.statistic == pytest.approx(theirs["lrt"], abs=1e-6)
    assert made.n_failed == 0
    assert ks_2samp(made.reference, np.array(theirs["ref"])).pvalue > 0.005
