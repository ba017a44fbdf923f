"""The report of a model of ordered categories: its numbers in words, and nothing of a mean."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranef import clmm, load_dataset

WINE = load_dataset("wine")

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")


def text_of(m: Any, path: Path, **options: Any) -> str:
    page = m.report(path, **options).read_text(encoding="utf-8")
    page = re.sub(r"<(style|svg|math).*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)))


def test_odds_of_a_higher_category(tmp_path: Path) -> None:
    m = clmm("rating ~ temp + contact + (1 | judge)", WINE)
    text = text_of(m, tmp_path / "page.html")
    ratio = np.exp(m.fixef["temp[T.warm]"])
    assert f"With temp warm rather than cold, the odds of a higher rating are multiplied by {ratio:.3g}" in text
    sd = m.varcorr["judge"].sd[0]
    assert f"From one judge to another the log odds differ with a standard deviation of {sd:.3g}" in text
    assert "rating has 5 ordered categories (1, 2, 3, 4, 5)" in text
    counts = WINE["rating"].value_counts(sort=False).tolist()
    assert f"category rows share 1 {counts[0]}" in text
    p = m.emmeans(["temp", "rating"], mode="prob").to_frame().query("temp == 'warm'")["estimate"]
    assert f"warm {' '.join(f'{v:.3f}' for v in p)}" in text
    assert f"1|2 {m.thresholds.iloc[0]:.3f}" in text
    assert "a standard deviation of 1.81" in text
    assert "clmm(rating ~ temp + contact + (1 | judge), data = wine)" in text
    assert "meologit rating" in text
    assert "mean of rating" not in text
    assert "glmer(" not in text
    assert "not available" not in text
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("Probabilities of rating by") == 4  # a title in the picture and above it, twice
    assert "<mo>≤</mo>" in page


@pytest.mark.usefixtures("undrawn")
def test_nominal_and_scale_effects_in_words(tmp_path: Path) -> None:
    m = clmm("rating ~ temp + (1 | judge)", WINE, nominal="~ contact", scale="~ temp + (1 | judge)", link="probit")
    text = text_of(m, tmp_path / "page.html", labels={"rating": "bitterness"})
    assert "the latent variable of bitterness is higher by" in text
    factor = np.exp(m.component("scale").fixef.iloc[0])
    assert f"the scale of the latent variable is multiplied by {factor:.3g}" in text
    assert f"1|2.contact[T.yes] {m.component('nominal').fixef.iloc[0]:.3f}" in text
    assert "judge (scale)" in text
    call = 'link="probit", nominal="~ contact", scale="~ temp + (1 | judge)")'
    assert call in text
    assert "neither clmm nor clmm2 has them" in text
    assert "stats" not in text
