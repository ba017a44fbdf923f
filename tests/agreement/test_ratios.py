"""Fixed effects as ratios against R (tests/reference/ratios.json)."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ranef
from ranef import ArgumentTypeError, OptionError, glmer, lmer, load_dataset

FILE = Path(__file__).parents[1] / "reference" / "ratios.json"
R = json.loads(FILE.read_text())
CBPP = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


def test_checksum() -> None:
    assert hashlib.md5(FILE.read_bytes()).hexdigest() == FILE.with_suffix(".md5").read_text().strip()


@pytest.fixture(scope="module")
def logit() -> Any:
    return glmer(CBPP, load_dataset("cbpp"), family="binomial")


def fitted(name: str) -> Any:
    if name in ("logit", "cloglog"):
        # the curvature is lme4's, which matters with a link that is not the canonical one
        return glmer(CBPP, load_dataset("cbpp"), family=f"binomial({name})", curvature="expected")
    if name == "counts":
        return glmer("TICKS ~ YEAR + (1 | BROOD)", load_dataset("grouseticks"), family="poisson")
    return lmer(f"{name}(Reaction) ~ Days + (Days | Subject)", load_dataset("sleepstudy"))


#: Name of the fit, heading, and how far standard errors may be off: lme4's of a generalized model
#: are of a Hessian by differences.
CASES = [("logit", "OR", 0.025), ("cloglog", "HR", 0.025), ("counts", "IRR", 0.04), ("log", "Ratio", 1e-5),
         ("log2", "Ratio", 1e-5)]  # fmt: skip


@pytest.mark.parametrize(("name", "head", "near"), CASES)
def test_frames_and_intervals(name: str, head: str, near: float) -> None:
    m, r = fitted(name), R[name]
    close = 1e-6 if near < 1e-4 else 3e-3
    frame = m.tidy(conf_int=True, exponentiate=True)
    fixed, random = frame[frame["effect"] == "fixed"], frame[frame["effect"] == "ran_pars"]
    np.testing.assert_allclose(fixed["estimate"], r["estimate"], rtol=close)
    np.testing.assert_allclose(fixed["std_error"], r["std_error"], rtol=near)
    np.testing.assert_allclose(fixed["statistic"], r["statistic"], rtol=near)
    np.testing.assert_allclose(random["estimate"], np.ravel(r["random"]), rtol=3e-3, atol=1e-4)
    wald = m.conf_int(exponentiate=True)
    np.testing.assert_allclose(wald, np.column_stack([r["lower"], r["upper"]]), rtol=2 * near)
    table = m.summary(exponentiate=True)
    assert f" {head} Std. Error" in str(table)
    np.testing.assert_allclose(table.tables["fixed_effects"]["estimate"], r["estimate"], rtol=close)
    np.testing.assert_allclose(table.tables["fixed_effects"]["p_value"], m.pvalues)
    assert any(note.startswith(f"{head}: ") for note in table.notes)
    own = ranef.table(m, exponentiate=True)
    numbers = own.to_frame().query("part == 'fixed'")
    np.testing.assert_allclose(numbers["estimate"], r["estimate"], rtol=close)
    np.testing.assert_allclose(numbers["std_error"], r["std_error"], rtol=near)
    np.testing.assert_allclose(numbers[["lower", "upper"]], wald)
    assert head in str(own)


def test_profile_intervals(logit: Any) -> None:
    found = logit.conf_int("profile", exponentiate=True)
    np.testing.assert_allclose(found, np.column_stack([R["profile"]["lower"], R["profile"]["upper"]]), rtol=2e-4)
    assert found.attrs["notes"][-1].startswith("OR: odds ratios")


def test_bootstrap_intervals(logit: Any) -> None:
    plain, found = (logit.conf_int("boot", n=60, rng=1, exponentiate=e) for e in (False, True))
    fixed = found.index.isin(logit.fixef.index)
    np.testing.assert_allclose(found[~fixed], plain[~fixed])
    np.testing.assert_allclose(found[fixed], np.exp(plain[fixed]))


def test_intervals_by_t(logit: Any) -> None:
    m = lmer("log(Reaction) ~ Days + (Days | Subject)", load_dataset("sleepstudy"))
    frame = m.tidy("fixed", conf_int=True, exponentiate=True, ddf="kenward-roger")
    limits = m.conf_int(ddf="kenward-roger")
    np.testing.assert_allclose(frame[["conf_low", "conf_high"]], np.exp(limits))
    modes = logit.tidy("ran_vals", exponentiate=True)
    np.testing.assert_allclose(modes["estimate"], logit.tidy("ran_vals")["estimate"])


def test_where_there_are_no_ratios(logit: Any) -> None:
    sleep = load_dataset("sleepstudy")
    plain = lmer("Reaction ~ Days + (1 | Subject)", sleep)
    for call in (plain.tidy, plain.summary, plain.conf_int, lambda **k: ranef.table(plain, **k)):
        with pytest.raises(OptionError, match="the response is not transformed and the link is the identity"):
            call(exponentiate=True)
    with pytest.raises(OptionError, match=r"sqrt.Reaction. is not the logarithm or logit of a column"):
        plain.update("sqrt(Reaction) ~ .").tidy(exponentiate=True)
    with pytest.raises(OptionError, match="no meaning with the probit link"):
        logit.update(family="binomial(probit)").conf_int(exponentiate=True)
    with pytest.raises(ArgumentTypeError, match="exponentiate must be True or False, not 'OR'"):
        logit.tidy(exponentiate="OR")
    with pytest.raises(OptionError, match=r"m2: .*no meaning"):
        ranef.table(logit, plain, exponentiate=True, names=["m1", "m2"])
