"""What tests of bad input share:
the sleepstudy data with changes, and the error that must answer.
"""

import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from ranef import RanefError, load_dataset

INTERCEPT = "Reaction ~ Days + (1 | Subject)"
SLOPE = "Reaction ~ Days + (Days | Subject)"


def sleep(**columns: Any) -> pd.DataFrame:
    """The sleepstudy data with columns changed or added."""
    return load_dataset("sleepstudy").assign(**columns)


def refused(call: Callable[[], object], kind: type[Exception], *words: str) -> str:
    """The text of the error, which is ours, is of the given kind and has all the words."""
    with pytest.raises(RanefError) as caught:
        call()
    assert isinstance(caught.value, kind), f"{type(caught.value).__name__}: {caught.value}"
    text = str(caught.value)
    for word in words:
        assert re.search(word, text), f"{word!r} is not in: {text}"
    assert len(text) > 20
    return text
