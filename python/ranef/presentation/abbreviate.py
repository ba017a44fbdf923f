"""Short labels, by R's published rule for abbreviations.

From the right: lower-case vowels go first, then other lower-case letters, and only then anything
else; the first character of each word stays. Labels that would become equal are given more
characters until they differ.
"""

from collections.abc import Callable, Sequence

_VOWELS = frozenset("aeiou")


def abbreviate(names: Sequence[str], length: int) -> list[str]:
    """Shorten names to about `length` characters, keeping different names different.

    Parameters
    ----------
    names : sequence of str
        The labels.
    length : int
        Characters to aim at; a label keeps more where it must, to stay unique or to keep the first
        character of each word.

    Returns
    -------
    list of str
        One short label for each name, in the same order.
    """
    unique = list(dict.fromkeys(names))
    short = {name: _shorten(name, length) for name in unique}
    pending = _clashing(short)
    # A label can only grow up to the name itself, so this ends; names equal up to their blanks
    # never come apart.
    longest = max((len(name) for name in unique), default=0)
    while pending and length <= longest:
        length += 1
        short.update({name: _shorten(name, length) for name in pending})
        pending = _clashing(short)
    return [short[name] for name in names]


def _clashing(short: dict[str, str]) -> list[str]:
    seen: dict[str, int] = {}
    for label in short.values():
        seen[label] = seen.get(label, 0) + 1
    return [name for name, label in short.items() if seen[label] > 1]


def _shorten(name: str, length: int) -> str:
    text = name.rstrip(" ").lstrip(" ")
    if len(text) <= length:
        return text
    if len(text.replace(" ", "")) <= length:
        return text.replace(" ", "")
    rules: tuple[tuple[Callable[[str], bool], bool], ...] = (
        (_is_vowel, True),
        (_is_vowel, False),
        (_is_lower, True),
        (_is_lower, False),
        (_is_any, False),
    )
    for removable, only_word_ends in rules:
        text, done = _strip(text, length, removable, only_word_ends)
        if done:
            break
    return text.replace(" ", "") if len(text) > length else text


def _is_vowel(character: str) -> bool:
    return character in _VOWELS


def _is_lower(character: str) -> bool:
    return character.islower()


def _is_any(character: str) -> bool:
    return character != " "


def _strip(text: str, length: int, removable: Callable[[str], bool], only_word_ends: bool) -> tuple[str, bool]:
    """Walk from the right and take out what a rule allows.

    Return the rest and whether it is short enough.
    """
    for i in range(len(text) - 1, 0, -1):
        starts_word = text[i - 1] == " "
        ends_word = i == len(text) - 1 or text[i + 1] == " "
        if removable(text[i]) and not starts_word and (ends_word or not only_word_ends):
            text = text[:i] + text[i + 1 :]
        # Blanks do not count: they are taken out at the end.
        if len(text) - text.count(" ") <= length:
            return text, True
    return text, False
