"""A short run of the fuzzers of inputs, and of the soak."""

import pytest

from .inputs.attempt import attempt
from .inputs.many import USE, tried
from .inputs.text_files import text_case
from .soak import ALLOWED, growth, soak


@pytest.mark.parametrize(("kind", "n"), [("formulas", 1250), ("csv", 250), ("archives", 150)])
def test_inputs_are_taken_or_refused(kind: str, n: int) -> None:
    count = tried(kind, 1, n)
    assert count.faulty == 0, count.table()
    assert count.n == n
    # or the inputs are all so bad that nothing is tried, or so good that nothing is refused
    assert min(count.outcomes["taken"], count.outcomes["refused"]) > n / 20


def test_a_number_makes_one_input() -> None:
    assert text_case(11) == text_case(11)
    assert set(USE) == {"formulas", "csv", "archives"}


def test_faults_are_seen() -> None:
    def hangs() -> None:
        while True:
            pass

    assert attempt(lambda: None).outcome == "taken"
    assert attempt(lambda: [][0]).outcome == "IndexError"
    assert attempt(hangs, limit=0.05).outcome == "TooLongError"


def test_memory_does_not_grow() -> None:
    seen = soak(3.0)
    # of few rounds, so twice what ten minutes are allowed
    assert growth(seen) < 2 * ALLOWED, seen
