"""Suggests the name that was meant by a misspelt one, only where a typing error explains the difference.

A merely similar name would lead to the wrong book. So at most one edit in four letters is allowed, and names whose
digits differ are different names: `volume-2` is not a misspelling of `volume-3`.
"""

import re
from collections.abc import Iterable

_LETTERS_PER_EDIT = 4
_MAX_EDITS = 3
_SHORTEST_BEGINNING = 3


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant; None if none is close, or several are equally close."""
    typed = name.casefold()
    candidates = sorted({other for other in known if _digits(other) == _digits(name)})
    most = min(_MAX_EDITS, max(1, len(typed) // _LETTERS_PER_EDIT))
    distances = {other: _edits(typed, other.casefold(), most) for other in candidates}
    fewest = min(distances.values(), default=most + 1)
    if fewest <= most:
        found = [other for other, distance in distances.items() if distance == fewest]
    else:
        # The beginning of a name.
        begins = typed if len(typed) >= _SHORTEST_BEGINNING else None
        found = [other for other in candidates if begins and other.casefold().startswith(begins)]
    return found[0] if len(found) == 1 else None


def _digits(name: str) -> list[str]:
    return re.findall(r"\d+", name)


def _edits(one: str, other: str, most: int) -> int:
    """Return how many letters are missing, added, replaced or exchanged; any larger number if more than `most`."""
    if abs(len(one) - len(other)) > most or len(set(one) ^ set(other)) > 2 * most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, against in enumerate(other, 1):
            fewest = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != against))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == against:
                fewest = min(fewest, earlier[j - 2] + 1)
            row.append(fewest)
    return row[-1]
