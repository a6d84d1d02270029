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
    from rapidfuzz.distance import OSA  # noqa: PLC0415  # only for a name that is not known

    typed = name.casefold()
    candidates = sorted({other for other in known if _digits(other) == _digits(name)})
    most = min(_MAX_EDITS, max(1, len(typed) // _LETTERS_PER_EDIT))
    # Letters that are missing, added, replaced or exchanged.
    distances = {other: OSA.distance(typed, other.casefold(), score_cutoff=most) for other in candidates}
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
