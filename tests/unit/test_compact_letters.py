"""Compact letters against patterns worked out by hand and against what they promise."""

from itertools import combinations

import numpy as np
import pytest

from ranef import lmer, load_dataset
from ranef.inference.marginal_means.letters import compact_letters

# Insert and absorb by hand: one letter for all; each difference doubles the letters that hold both,
# one copy without either; copies inside another are absorbed.
BY_HAND = {
    "nothing differs": (4, "", "a a a a"),
    "all differ": (3, "01 02 12", "a b c"),
    "a chain: only the ends differ": (3, "02", "a ab b"),
    "steps": (5, "02 03 04 13 14 24", "a ab bc cd d"),
    "two groups": (4, "02 03 12 13", "a a b b"),
    "one apart": (4, "03 13 23", "a a a b"),
    # 0-1 alone differ: the means between them are joined with both.
    "neighbours differ, their neighbours do not": (4, "01", "a b ab ab"),
    # Unequal standard errors: the extremes are imprecise and differ from nothing.
    "the middle differs, the ends do not": (4, "12", "ab a b ab"),
    # Not transitive, and no order explains it: a circle of four.
    "a circle": (4, "02 13", "ab bc cd ad"),
    # Piepho's own kind of case: 0 differs from 2, 3; 1 from 3; 4 from 0, 1.
    "overlapping": (5, "02 03 13 04 14", "a ab bc c c"),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_patterns_by_hand(name):
    count, different, letters = BY_HAND[name]
    pairs = [(int(p[0]), int(p[1])) for p in different.split()]
    found = compact_letters(count, pairs, range(count))
    assert same_display(found, letters.split()), found
    # The order in which differences are inserted does not matter.
    assert compact_letters(count, pairs[::-1], range(count)) == found


def same_display(one, other):
    """Whether two displays differ by the names of the letters only."""

    def columns(texts):
        return sorted(tuple(letter in t for t in texts) for letter in set("".join(texts)))

    return columns(one) == columns(other)


def test_any_pattern_is_shown_without_a_letter_too_many():
    rng = np.random.default_rng(3)
    for _ in range(300):
        k = int(rng.integers(2, 10))
        pairs = [p for p in combinations(range(k), 2) if rng.random() < rng.choice([0.1, 0.4, 0.8])]
        found = [set(t) for t in compact_letters(k, pairs, rng.permutation(k).tolist())]
        assert all(found)
        for i, j in combinations(range(k), 2):
            assert bool(found[i] & found[j]) == ((i, j) not in pairs)
        for letter in set().union(*found):
            # Without it some mean would have none, or two that do not differ nothing in common.
            rest = [f - {letter} for f in found]
            lost = not all(rest) or any(
                found[i] & found[j] and not rest[i] & rest[j] for i, j in combinations(range(k), 2)
            )
            assert lost


def test_runs_of_ordered_means_have_their_letters_in_order():
    # Equal standard errors: two means differ by their distance alone.
    rng = np.random.default_rng(4)
    for _ in range(50):
        means = np.sort(rng.normal(size=8))
        pairs = [(i, j) for i, j in combinations(range(8), 2) if means[j] - means[i] > 0.7]
        found = compact_letters(8, pairs, range(8))
        for text in found:
            assert "".join(sorted(text)) == text
            assert ord(text[-1]) - ord(text[0]) == len(text) - 1
        assert found[0] == "a"


def test_letters_print_as_a_table():
    m = lmer("angle ~ temperature + (1 | recipe:replicate)", load_dataset("cake"))
    means = m.emmeans("temperature")
    table = means.letters()
    assert means.cld().equals(table)
    lines = str(table).splitlines()
    assert lines[0].split() == ["temperature", "estimate", "std_error", "df", "lower", "upper", "letters"]
    assert [line.split()[-1] for line in lines[1:7]] == ["a", "ab", "b", "b", "c", "c"]
    assert "share a letter do not differ significantly (tukey method, alpha = 0.05)" in lines[-1]
    assert "<td" in table._repr_html_()
