"""Groups of ordered categories that are drawn anew, with the columns of nominal effects."""

import numpy as np
import pytest

from ranef import clmm, load_dataset
from ranef.inference.bootstrap.rows import design_of_groups

PICKS = [3, 3, 0, 7, 8, 1, 1, 2, 5]


def test_groups_take_their_nominal_columns_along() -> None:
    wine = load_dataset("wine").sample(frac=1.0, random_state=4).reset_index(drop=True)
    m = clmm("rating ~ temp + (1 | judge)", wine, nominal="~ contact")
    design = m._fit.design
    drawn = design_of_groups(design, "judge", PICKS)
    codes = design.random[0].codes
    rows = np.concatenate([np.flatnonzero(codes == g) for g in PICKS])
    contact = (wine["contact"] == "yes").to_numpy(float)
    np.testing.assert_array_equal(drawn.parts[0].x[:, 0], contact[rows])
    # the frame of the same rows has the same fit
    copies = wine.iloc[rows].assign(judge=np.repeat(np.arange(len(PICKS)), 8).astype(str))
    again = clmm("rating ~ temp + (1 | judge)", copies, nominal="~ contact")
    replicates = m.bootstrap(3, type="cases", rng=5)
    assert replicates.n_failed == 0
    from ranef.fit.refits.again import fit_again

    assert fit_again(m._fit, drawn, order=m._fit.order).objective == pytest.approx(again.objective, abs=1e-6)
