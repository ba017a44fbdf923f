"""Where glmmTMB 1.1.5 answers something else than what is asked, and what is right by sums over the
distribution (docs/findings.md); the fits are the same.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from ranef import glmer
from reference.store import load_data

FILE = Path(__file__).parents[1] / "reference" / "glmmtmb_answers.json"
DATA = load_data("Salamanders")
NUMBER = np.arange(1, len(DATA) + 1)
DATA = DATA.assign(share=(DATA["count"] + 0.5) / 37, level=np.log(DATA["count"] + 0.5 + (NUMBER % 7) / 10))


@pytest.fixture(scope="module")
def there() -> dict[str, Any]:
    content = FILE.read_bytes()
    assert hashlib.md5(content).hexdigest() == FILE.with_suffix(".md5").read_text().strip()
    found: dict[str, Any] = json.loads(content)
    found["at"] = np.array(found["rows"]) - 1
    return found


def test_predictions_of_the_population_have_no_random_effects_in_the_zero_part(there: dict[str, Any]) -> None:
    m = glmer("count ~ mined + (1 | site)", DATA, family="poisson", zi_formula="~ mined + (1 | spp)")
    r, at = there["zeros"], there["at"]
    assert m.objective == pytest.approx(r["objective"], abs=1e-5)
    np.testing.assert_allclose(m.predict(type="zprob").to_numpy()[at], r["zprob"], rtol=1e-4)
    np.testing.assert_allclose(m.predict(re="population", type="link").to_numpy()[at], r["link_na"], rtol=2e-4)
    zi = m.component("zi").fixef
    by_hand = expit(zi["(Intercept)"] + zi["mined[T.no]"] * (DATA["mined"] == "no").to_numpy()[at])
    own = m.predict(re="population", type="zprob").to_numpy()[at]
    np.testing.assert_allclose(own, by_hand, rtol=1e-10)
    # theirs differ between rows with the same fixed effects, and are those of no prediction
    assert r["zprob_na"][2] - r["zprob_na"][3] > 0.08
    assert abs(r["zprob_na"][0] - own[0]) > 0.01
    assert own[2] == own[3]


#: Responses and arguments.
PEARSON: dict[str, tuple[str, dict[str, Any]]] = {
    "hurdle": ("count", {"family": "truncated_nbinom2", "zi_formula": "~ mined"}),
    "beta": ("share", {"family": "beta"}),
    "betabinomial": ("cbind(count, 40 - count)", {"family": "betabinomial"}),
    "t": ("level", {"family": "t"}),
    "Gamma": ("share", {"family": "Gamma(log)", "disp_formula": "~ mined"}),
    "gaussian": ("level", {"family": "gaussian", "disp_formula": "~ mined"}),
}


def variance(kind: str, m: Any) -> np.ndarray:
    """That of the response at the modes, from the distribution as SciPy has it."""
    link = m.predict(type="link").to_numpy()
    if kind == "hurdle":
        mu, size, zero = np.exp(link), m.dispersion, m.predict(type="zprob").to_numpy()
        y = np.arange(1, 4000)[:, np.newaxis]
        p = stats.nbinom.pmf(y, size, size / (size + mu))
        p = (1 - zero) * p / p.sum(axis=0)
        return (y**2 * p).sum(axis=0) - (y * p).sum(axis=0) ** 2
    if kind == "beta":
        a, b = expit(link) * m.dispersion, expit(-link) * m.dispersion
        return stats.beta.var(a, b)
    if kind == "betabinomial":
        a, b = expit(link) * m.dispersion, expit(-link) * m.dispersion
        return stats.betabinom.var(40, a, b) / 40**2
    if kind == "t":
        return stats.t.var(m.family_params["df"], scale=m.dispersion) * np.ones_like(link)
    log_sigma = m.component("disp").linear_predictor
    return np.exp(2 * log_sigma) * (np.exp(2 * link) if kind == "Gamma" else 1.0)


@pytest.mark.parametrize("kind", PEARSON)
def test_pearson_residuals_are_in_standard_deviations_of_the_response(kind: str, there: dict[str, Any]) -> None:
    response, arguments = PEARSON[kind]
    m: Any = glmer(f"{response} ~ mined + (1 | site)", DATA, **arguments)
    r, at = there[kind], there["at"]
    assert m.objective == pytest.approx(r["objective"], abs=1e-4)
    own, raw = m.residuals("pearson").to_numpy(), m.residuals("response").to_numpy()
    np.testing.assert_allclose(own, raw / np.sqrt(variance(kind, m)), rtol=1e-6)
    if r["pearson"] == "NA":
        return
    # what glmmTMB divides by is another variance, in every row
    assert np.all(np.abs(own[at] / np.array(r["pearson"]) - 1) > 0.1)
    if kind == "beta":  # that of a proportion of one trial
        mu = m.predict(type="response").to_numpy()
        np.testing.assert_allclose((raw / np.sqrt(mu * (1 - mu)))[at], r["pearson"], rtol=1e-3)
