"""What the report says of a covariance structure of the rows."""

import pytest

from ranef import gls, lmer, load_dataset
from ranef.presentation.report.model_words import paragraphs

ORTHODONT = load_dataset("orthodont")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"correlation": "car1(age | Subject)", "variance": "power(age)"}, ["time between age", "a power of age"]),
        ({"correlation": "spherical(age | Subject)"}, ["is zero from the range on", "correlations from"]),
        ({"correlation": "arma(1 | Subject, p=0, q=1)"}, ["moving average along rows"]),
        ({"variance": "by_group(Sex)"}, ["differs between groups of Sex"]),
    ],
)
def test_words_of_structures(given, said):
    m = gls("distance ~ Sex * age", ORTHODONT, **given)
    text = paragraphs(m._fit, {})[0]
    assert all(s in text for s in said)


def test_words_beside_random_effects():
    m = lmer("distance ~ age + (1 | Subject)", ORTHODONT, correlation="car1(age | Subject)", variance="by_group(Sex)")
    text = " ".join(paragraphs(m._fit, {}))
    assert "Given the random effects, rows of the same Subject are still correlated." in text
    assert "differs between groups of Sex" in text
