"""Compact letters: means that share a letter are not shown to differ.

The letters are found by inserting the differences one after the other and absorbing what lies
inside another letter (Piepho 2004, Journal of Computational and Graphical Statistics 13, 456-466),
which ends with all the largest sets of means that do not differ. Letters that say nothing of their
own, because each two of their means share another letter, are swept away, as there too.
"""

from collections.abc import Iterable, Sequence


def compact_letters(count: int, different: Iterable[tuple[int, int]], order: Sequence[int]) -> list[str]:
    """Find the letters of means.

    Parameters
    ----------
    count : int
        How many means there are.
    different : iterable of pairs
        Those that differ.
    order : sequence of int
        The means in the order in which letters are given.

    Returns
    -------
    list of str
        Two means have a letter in common unless they differ.
    """
    sets = [frozenset(range(count))]
    for i, j in different:
        split = [s - {k} if i in s and j in s else s for s in sets for k in ((i, j) if i in s and j in s else (i,))]
        unique = list(dict.fromkeys(split))
        # What lies inside another set says nothing of its own.
        sets = [s for s in unique if not any(s < other for other in unique)]
    rank = {mean: place for place, mean in enumerate(order)}
    sets.sort(key=lambda s: sorted(rank[k] for k in s if k in rank))
    sets = _swept(sets)
    return ["".join(letter(n) for n, s in enumerate(sets) if k in s) for k in range(count)]


def _swept(sets: list[frozenset[int]]) -> list[frozenset[int]]:
    """Without sets whose pairs are all in others, the last ones first."""
    covering: dict[tuple[int, int], int] = {}
    pairs = [[(i, j) for i in s for j in s if i <= j] for s in sets]
    for own in pairs:
        for pair in own:
            covering[pair] = covering.get(pair, 0) + 1
    kept = []
    for s, own in reversed(list(zip(sets, pairs, strict=True))):
        if all(covering[pair] > 1 for pair in own):
            for pair in own:
                covering[pair] -= 1
        else:
            kept.append(s)
    return kept[::-1]


def letter(number: int) -> str:
    """A letter for a number from 0: a to z, A to Z, and then those in brackets with a number."""
    alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return alphabet[number] if number < len(alphabet) else f"({number + 1})"
