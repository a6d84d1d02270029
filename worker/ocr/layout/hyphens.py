"""Tells whether a word is divided at the end of a line, by the sign there and by what follows."""

import re

_SIGN = re.compile(r"[^\W\d_]([-\u00ad\u00ac\u2010\u2e17\u2e40=])$")
"""A letter and a hyphen: `-`, U+2010, the soft hyphen, the not sign that transcriptions have for it, the two double
hyphens of Fraktur, or the equals sign for which engines take these."""
_SUSPENDED = frozenset({"und", "oder", "bzw."})
"""What follows a hyphen that stands for the end of a later word: `Vor- und Nachteile`."""


def ends_divided(line: str) -> bool:
    """Return whether the last word of a line may go on in the next one."""
    return _SIGN.search(line.rstrip()) is not None


def is_divided(line: str, following: str) -> bool:
    """Return whether the last word of a line goes on in the following line.

    It may be a compound whose hyphen is printed within a line too: `twenty-` and `one`.
    """
    first = following.split(maxsplit=1)[:1]
    return ends_divided(line) and bool(first) and first[0][0].isalpha() and first[0] not in _SUSPENDED
