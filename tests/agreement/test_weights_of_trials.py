"""Prior weights of successes and failures: factors of the log-likelihoods of rows, whose numbers of
trials stay what they are. Values of glmmTMB 1.1.5 in R 4.2 for ``cbpp`` with ``cbpp$w <- rep(c(1,
2, 3, 1.5), length.out = 56)``, ``glmmTMB(cbind(incidence, size - incidence) ~ period + (1 | herd),
data = cbpp, weights = w, ...)``.
"""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import glmer, load_dataset

FORMULA = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


def cbpp() -> pd.DataFrame:
    return load_dataset("cbpp").assign(w=np.tile([1, 2, 3, 1.5], 14))


@pytest.mark.parametrize(
    ("call", "llf", "effects", "errors", "sd"),
    [
        (
            {"family": "binomial"},
            -152.41062442,
            [-1.353912916729, -0.930677128387, -1.178273643337, -1.563549545931],
            None,
            None,
        ),
        (
            {"family": "betabinomial"},
            -151.728942266,
            [-1.334802502301, -0.948355135118, -1.196077075394, -1.540539381790],
            [0.234528092133, 0.274118494046, 0.255995059385, 0.325528966964],
            0.641206488821,
        ),
        (
            {"family": "binomial", "zi_formula": "~ 1"},
            -147.071772888,
            [-1.21360321, -1.04063858, -1.20750187, -1.68736128],
            [0.239345566435, 0.311650115766, 0.351363713789, 0.318746562765],
            0.705049761391,
        ),
    ],
    ids=["binomial", "betabinomial", "zeros"],
)
def test_as_glmmtmb(
    call: dict[str, Any], llf: float, effects: list[float], errors: list[float] | None, sd: float | None
) -> None:
    m = glmer(FORMULA, cbpp(), weights="w", **call)
    assert m.llf == pytest.approx(llf, abs=1e-6)
    np.testing.assert_allclose(m.fixef, effects, atol=2e-4)
    if errors is not None:
        np.testing.assert_allclose(m.bse, errors, rtol=2e-4)
        np.testing.assert_allclose(m.varcorr["herd"].sd, sd, rtol=2e-4)


@pytest.mark.parametrize(
    "call", [{"family": "binomial"}, {"family": "betabinomial"}, {"family": "binomial", "zi_formula": "~ 1"}], ids=str
)
def test_whole_weights_are_rows_written_out(call: dict[str, Any]) -> None:
    d = cbpp().assign(w=np.tile([1, 2, 3, 1], 14))
    a = glmer(FORMULA, d, weights="w", **call)
    b = glmer(FORMULA, d.loc[d.index.repeat(d.w)], **call)
    assert a.llf == pytest.approx(b.llf, abs=1e-8)
    np.testing.assert_allclose(a.params, b.params, atol=1e-6)
    np.testing.assert_allclose(a.bse, b.bse, rtol=1e-5)
    # of all that is made of the model the trials are those of the data
    again = a.refit(d.incidence.to_numpy())
    assert again.llf == pytest.approx(a.llf, abs=1e-8)
    drawn = a.simulate(50, rng=1).to_numpy()
    assert (drawn <= d["size"].to_numpy()[:, np.newaxis]).all()
    assert drawn.mean() == pytest.approx(d.incidence.mean(), rel=0.2)


def test_quadrature_and_profiles_have_the_same_constant() -> None:
    d = cbpp().assign(w=np.tile([1, 2, 3, 1], 14))
    a = glmer(FORMULA, d, weights="w", family="binomial", n_quad=9)
    b = glmer(FORMULA, d.loc[d.index.repeat(d.w)], family="binomial", n_quad=9)
    assert a.llf == pytest.approx(b.llf, abs=1e-8)
    assert a.laplace_error() == pytest.approx(b.laplace_error(), abs=1e-8)
    own, written = (m.conf_int("profile", parm="period[T.2]") for m in (a, b))
    np.testing.assert_allclose(own, written, atol=1e-5)
