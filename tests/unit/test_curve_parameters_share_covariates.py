"""Parameters of a curve that depend on the same covariates, against nlme and by symmetry."""

import numpy as np
import pytest

from ranef import load_dataset, nlmer

THEOPH = load_dataset("Theoph")
CURVE = "conc ~ SSfol(Dose, Time, lKe, lKa, lCl)"


def test_two_parameters_with_one_covariate():
    """nlme(fixed = list(lKe ~ 1, lKa + lCl ~ Wt), random = pdDiag(lKa + lCl ~ 1)), its tight fixed
    point.
    """
    params = {"lKe": "~ 1", "lKa": "~ Wt + (1 | Subject)", "lCl": "~ Wt + (1 | Subject)"}
    m = nlmer(CURVE, THEOPH, params=params, method="linearized")
    assert m.objective == pytest.approx(348.45221036, abs=2e-6)
    assert list(m.fixef.index) == ["lKe", "lKa.(Intercept)", "lKa.Wt", "lCl.(Intercept)", "lCl.Wt"]
    np.testing.assert_allclose(m.fixef, [-2.4569968, -2.1197354, 0.037209881, -2.7406293, -0.0070205955], rtol=1e-6)
    np.testing.assert_allclose(m.bse, [0.05189582, 1.2956778, 0.018579856, 0.35321937, 0.0050308348], rtol=1e-6)
    assert m.sigma == pytest.approx(0.70941221, rel=1e-6)
    np.testing.assert_allclose([v.sd[0] for v in m.varcorr.values()], [0.5461761, 0.1526509], rtol=1e-5)


def test_the_order_of_interactions_is_of_no_account():
    data = THEOPH.assign(old=(THEOPH["Wt"] > 70).map({True: "yes", False: "no"}), z=THEOPH["Wt"] / 70 - 1)
    texts = {"lKe": "~ 1", "lKa": "~ old * z + (1 | Subject)"}
    a, b = (nlmer(CURVE, data, params={**texts, "lCl": f"~ {right}"}) for right in ("old * z", "z * old"))
    assert a.objective == pytest.approx(b.objective, abs=1e-7)
    assert a.fixef["lCl.old[T.yes]:z"] == pytest.approx(b.fixef["lCl.z:old[T.yes]"], abs=1e-4)
    assert list(a.anova().index)[-1] == "lCl.old:z"
