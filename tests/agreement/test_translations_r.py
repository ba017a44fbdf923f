"""What is written for nlme and lme4 is what R was given, and R's criterion for it is ours."""

import hashlib
import json
import warnings
from pathlib import Path

import pytest

from ranef import RanefWarning, lmer, load_dataset

FILE = Path(__file__).parents[1] / "reference" / "translations.json"
MODELS = json.loads(FILE.read_text(encoding="utf-8"))["models"]


def test_the_file_is_the_one_that_r_wrote():
    assert hashlib.md5(FILE.read_bytes()).hexdigest() == FILE.with_suffix(".md5").read_text().strip()


@pytest.mark.parametrize("case", MODELS, ids=lambda c: f"{c['language']}: {c['formula']} {c['method']}")
def test_text_and_criterion(case):
    options = {"method": "ML"} if case["method"] == "ML" else {}
    if case["method"] == "weights":
        options = {"weights": "1 + Days"}
    with warnings.catch_warnings():
        # One of the models has a variance of zero.
        warnings.simplefilter("ignore", RanefWarning)
        model = lmer(case["formula"], load_dataset(case["data"].lower()), **options)
    assert model.to_syntax(case["language"], notes=False) == case["text"]
    assert model.objective == pytest.approx(case["criterion"], rel=1e-7)
