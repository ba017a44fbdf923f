"""Checks and report of models of sums: what needs no rows, and a sentence for the rest."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranef import lmer, load_dataset, scale
from ranef.diagnostics.check_effects import every_effect, standardized_modes

FORMULA = "Reaction ~ Days + (Days | Subject)"


def crossed() -> dict[str, Any]:
    rng = np.random.default_rng(5)
    n, g, h = 3000, rng.integers(0, 150, 3000), rng.integers(0, 50, 3000)
    x = rng.normal(size=n)
    y = np.exp(1 + 0.1 * x + 0.2 * rng.normal(size=150)[g] + 0.1 * rng.normal(size=50)[h] + 0.3 * rng.normal(size=n))
    return {"y": y, "x": x, "g": g, "h": h, "f": np.where(rng.random(n) < 0.5, "u", "v"), "w": rng.uniform(1, 2, n)}


def test_random_effects_are_those_of_the_rows() -> None:
    data = load_dataset("sleepstudy")
    whole, sums = lmer(FORMULA, data), scale.fit(FORMULA, [data[:70], data[70:]])
    one, other = (standardized_modes(m._fit)["standardized"].to_numpy() for m in (whole, sums))
    np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-6)
    axes = np.ravel(sums.check())
    assert [ax.get_title(loc="left") for ax in axes] == [
        "Random effects: (Intercept) of Subject",
        "Random effects: Days of Subject",
        "Pictures of rows",
    ]
    assert axes[0].sentence == every_effect(whole._fit)[0].sentence
    assert "with_data(source) gives them again" in axes[-1].sentence
    # with the rows again it is the whole panel
    assert len(np.ravel(sums.with_data(data).check(rng=1))) == 6


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("solver", "formula", "weights"),
    [
        ("exact", "y ~ x + f + (1 | g) + (1 | h)", "w"),
        ("exact", "log(y) ~ x + (x | g) + (1 | h)", None),
        ("iterative", "log(y) ~ x + (x | g) + (1 | h)", "w"),
    ],
)
def test_report_of_sums(tmp_path: Path, solver: str, formula: str, weights: str | None) -> None:
    data = crossed()
    m = scale.fit(formula, [data], control={"solver": solver}, weights=weights)
    text = m.report(tmp_path / "report.html").read_text(encoding="utf-8")
    whole = lmer(formula, data, control={"solver": solver}, weights=weights)
    other = whole.report(tmp_path / "whole.html").read_text(encoding="utf-8")
    for words in ("All 3000 rows", "Random effects: (Intercept) of g", "Effects with intervals"):
        assert words in text
        assert words in other or words.startswith("Random")
    assert "numbers of rows in each group are not shown" in text
    assert "Influence of g" not in text
