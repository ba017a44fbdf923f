"""Models of several linear predictors, ordered categories and curves in the marginaleffects
package: its numbers are those of `predict` and `emmeans`, which are held against R elsewhere.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import clmm, glmer, load_dataset, nlmer

pytest.importorskip("marginaleffects")

from marginaleffects import avg_comparisons, avg_predictions, avg_slopes, predictions

from ranef.interop.marginaleffects import adapt

OWLS = pd.read_parquet(Path(__file__).parents[1] / "reference" / "components" / "Owls.parquet")
FORMULA = "SiblingNegotiation ~ FoodTreatment + offset(logBroodSize) + (1 | Nest)"
#: Step of marginaleffects' differences in the coefficients.
STEP = 1e-5


@pytest.mark.parametrize("family", ["nbinom2", "truncated_nbinom2"])
def test_zeros(family: str) -> None:
    m = glmer(FORMULA, OWLS, family=family, zi_formula="~ SexParent", disp_formula="~ FoodTreatment")
    rows = OWLS[["FoodTreatment", "SexParent", "logBroodSize"]].drop_duplicates().head(8).reset_index(drop=True)
    ours = m.predict(rows, re="population", se=True)
    found = predictions(adapt(m), newdata=rows, eps_vcov=STEP)
    assert found["estimate"].to_list() == pytest.approx(ours["fit"].tolist(), rel=1e-9)
    assert found["std_error"].to_list() == pytest.approx(ours["se"].tolist(), rel=1e-4)
    averaged = avg_comparisons(adapt(m), variables="FoodTreatment")
    levels = [m.predict(OWLS.assign(FoodTreatment=level), re="population").mean() for level in ("Satiated", "Deprived")]
    assert averaged["estimate"][0] == pytest.approx(levels[0] - levels[1], rel=1e-8)
    link = predictions(adapt(m, type="link"), newdata=rows)
    assert link["estimate"].to_list() == pytest.approx(m.predict(rows, re="population", type="link").tolist())


@pytest.mark.parametrize("arguments", [{}, {"nominal": "~ contact", "scale": "~ temp"}], ids=["plain", "parts"])
def test_categories(arguments: dict[str, Any]) -> None:
    """Also with names whose order is not that of the alphabet."""
    wine = load_dataset("wine")
    names = dict(zip("12345", ["low", "fair", "good", "high", "best"], strict=True))
    wine["rating"] = wine["rating"].cat.rename_categories(names)
    m = clmm(f"rating ~ temp{'' if arguments else ' + contact'} + (1 | judge)", wine, **arguments)
    rows = pd.DataFrame({"temp": ["cold", "warm"], "contact": ["no", "yes"]})
    ours = m.predict(rows, re="population", type="prob", se=True)
    found = predictions(adapt(m), newdata=rows, eps_vcov=STEP).to_pandas().set_index(["rowid", "group"])
    for i in range(2):
        for name in names.values():
            assert found.loc[(i, name), "estimate"] == pytest.approx(ours["fit"][name].iloc[i], abs=1e-9)
            assert found.loc[(i, name), "std_error"] == pytest.approx(ours["se"][name].iloc[i], rel=1e-4)
    # the design is balanced, so that averages over the rows are marginal means
    means = m.emmeans("~ rating | temp", mode="prob").to_frame().set_index(["temp", "rating"])
    averaged = avg_predictions(adapt(m), by="temp", eps_vcov=STEP).to_pandas().set_index(["temp", "group"])
    for key in means.index:
        assert averaged.loc[key, "estimate"] == pytest.approx(means.loc[key, "estimate"], abs=1e-9)
        assert averaged.loc[key, "std_error"] == pytest.approx(means.loc[key, "std_error"], rel=1e-4)
    change = avg_comparisons(adapt(m), variables="temp").to_pandas().set_index("group")["estimate"]
    for name in names.values():
        expected = means.loc[("warm", name), "estimate"] - means.loc[("cold", name), "estimate"]
        assert change[name] == pytest.approx(expected, abs=1e-7)


def test_curves() -> None:
    orange = load_dataset("Orange").assign(tall=lambda d: np.where(d["Tree"].astype(int) > 3, "yes", "no"))
    m = nlmer("circumference ~ SSlogis(age, Asym, xmid, scal)", orange, params={"Asym": "~ tall + (1 | Tree)"})
    rows = pd.DataFrame({"age": [300.0, 900.0], "tall": ["no", "yes"]})
    ours = m.predict(rows, re="population", se=True)
    found = predictions(adapt(m), newdata=rows, eps_vcov=STEP)
    assert found["estimate"].to_list() == pytest.approx(ours["fit"].tolist(), rel=1e-9)
    assert found["std_error"].to_list() == pytest.approx(ours["se"].tolist(), rel=1e-4)
    slope = avg_slopes(adapt(m), variables="age")["estimate"][0]
    ends = [m.predict(orange.assign(age=orange["age"] + h), re="population").mean() for h in (0.01, -0.01)]
    assert slope == pytest.approx((ends[0] - ends[1]) / 0.02, rel=1e-4)
