"""The coding of random effects, against lme4: by numeric columns of the coding in a double bar, by
contrasts of the column, of the session, and of the argument (tests/reference/random_coding.json).
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import glmer, lmer

FILE = Path(__file__).parents[1] / "reference" / "random_coding.json"
REFERENCE = json.loads(FILE.read_text())
KINDS = ("treatment", "sum", "helmert", "poly")


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return pd.DataFrame(REFERENCE["data"])


def test_the_reference_is_what_was_made() -> None:
    assert hashlib.md5(FILE.read_bytes()).hexdigest() == FILE.with_suffix(".md5").read_text().strip()


def assert_same(model: Any, expected: dict[str, Any], rel: float = 1e-5) -> None:
    """Criterion, fixed effects, standard deviations and correlations."""
    assert model.objective == pytest.approx(expected["criterion"], abs=1e-5)
    np.testing.assert_allclose(model.fixef, expected["fixef"], rtol=rel, atol=rel)
    blocks = [model.varcorr[name] for name in model.varcorr]
    sds = [sd for block in blocks for sd in block.sd]
    if model.sigma != 1.0:
        sds.append(model.sigma)
    np.testing.assert_allclose(sds, expected["sd"], rtol=10 * rel)
    full = [b.corr[np.tril_indices(len(b.sd), -1)] for b in blocks if expected["cor"]]
    if full:
        found = np.concatenate(full)
        np.testing.assert_allclose(np.sort(found), np.sort(expected["cor"]), atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_independent_effects(data: pd.DataFrame, kind: str) -> None:
    """``diag()`` has the coding that is given: another model for each."""
    model = lmer("y ~ a * b + diag(a * b | subject)", data, contrasts={"a": kind, "b": kind})
    assert_same(model, REFERENCE["diag"][f"contr.{kind}"])
    assert list(model.varcorr["subject"].names) == list(model.fixef.index)
    with ranef.options(contrasts=(kind, "poly")):
        one = lmer("y ~ a * b + diag(a | subject)", data, REML=False)
    assert_same(one, REFERENCE["diag_one"][f"contr.{kind}"])
    with ranef.options(random_contrasts="lme4"):
        plain = lmer("y ~ a * b + diag(a | subject)", data, REML=False, contrasts={"a": kind, "b": kind})
    expected = REFERENCE["diag_one"]["contr.treatment"]
    assert plain.objective == pytest.approx(expected["criterion"], abs=1e-5)
    np.testing.assert_allclose(plain.varcorr["subject"].sd, expected["sd"][:-1], rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_correlated_effects(data: pd.DataFrame, kind: str) -> None:
    given = lmer("y ~ a + (a | subject)", data, contrasts={"a": kind})
    assert_same(given, REFERENCE["column"][f"contr.{kind}"])
    with ranef.options(contrasts=kind):
        assert_same(lmer("y ~ a + (a | subject)", data), REFERENCE["session"][f"contr.{kind}"])
    with ranef.options(random_contrasts="lme4"):
        assert_same(lmer("y ~ a + (a | subject)", data, contrasts={"a": kind}), REFERENCE["argument"][f"contr.{kind}"])


@pytest.mark.parametrize("kind", KINDS)
def test_generalized_models(data: pd.DataFrame, kind: str) -> None:
    model = glmer("hit ~ a + diag(a | subject)", data, family="binomial", contrasts={"a": kind})
    assert_same(model, REFERENCE["binomial"][f"contr.{kind}"], 3e-3)


def test_a_file_of_an_earlier_version_keeps_lme4s_rule(data: pd.DataFrame) -> None:
    """The contrasts that were given coded the fixed effects only, when the file was written."""
    expected = REFERENCE["diag_one"]["contr.treatment"]
    old = ranef.load(FILE.parent / "archives" / "coding.v2")
    with ranef.options(contrasts="helmert"):
        again = old.update(data=data)
    for model in (old, again):
        assert model.objective == pytest.approx(expected["criterion"], abs=1e-5)
        assert list(model.varcorr["subject"].names) == ["(Intercept)", "a[T.q]", "a[T.r]"]
        assert list(model.fixef.index[:3]) == ["(Intercept)", "a[S.p]", "a[S.q]"]
    np.testing.assert_allclose(old.predict(data.iloc[::50]), again.predict(data.iloc[::50]), rtol=1e-4)
    assert "a = sum (treatment in diag(a | subject)); b = sum" in str(again.summary())


@pytest.mark.filterwarnings("ignore::ranef.RanefWarning")
def test_a_double_bar_does_not_split_a_factor(data: pd.DataFrame) -> None:
    """As in lme4, so that its effects are those of the levels, whatever the coding."""
    model = lmer("y ~ a + (a || subject)", data, contrasts={"a": "sum"})
    expected = REFERENCE["double_bar"]
    assert model.objective == pytest.approx(expected["criterion"], abs=1e-4)
    np.testing.assert_allclose(model.fixef, expected["fixef"], rtol=1e-6)
    assert list(model.varcorr["subject.1"].names) == ["a[p]", "a[q]", "a[r]"]
