"""Compare two texts word by word: which parts are the same, deleted or inserted."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

# The time of a comparison grows with the product of the lengths. Above this product, everything between the common
# beginning and the common end counts as deleted and inserted as a whole.
_MAX_COMPARISONS = 1_000_000


class Change(StrEnum):
    """What became of a part of the text."""

    SAME = "same"
    OUT = "out"
    IN = "in"


@dataclass(frozen=True, slots=True)
class Mark:
    """A part of the text and what became of it."""

    change: Change
    text: str


def marks_of(before: str, after: str) -> tuple[Mark, ...]:
    """Return both texts as one: without its insertions it is `before`, without its deletions it is `after`.

    Whole words are compared, so that a reader sees changed words rather than changed letters.
    """
    return tuple(mark for mark in _marks(_words(before), _words(after)) if mark.text)


def _marks(old: Sequence[str], new: Sequence[str]) -> Iterator[Mark]:
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    old_middle, new_middle = old[head : len(old) - tail], new[head : len(new) - tail]
    yield Mark(Change.SAME, "".join(old[:head]))
    yield from _compared(old_middle, new_middle)
    yield Mark(Change.SAME, "".join(old[len(old) - tail :]))


def _compared(old: Sequence[str], new: Sequence[str]) -> Iterator[Mark]:
    if len(old) * len(new) > _MAX_COMPARISONS:
        yield from _replaced("".join(old), "".join(new))
        return
    for tag, start, end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        before, after = "".join(old[start:end]), "".join(new[new_start:new_end])
        if tag == "equal":
            yield Mark(Change.SAME, before)
        else:
            yield from _replaced(before, after)


def _replaced(before: str, after: str) -> Iterator[Mark]:
    """Yield a replacement without the whitespace at the end of both texts: a line break is not part of a word."""
    end = 0
    while end < min(len(before), len(after)) and before[-1 - end] == after[-1 - end] and after[-1 - end].isspace():
        end += 1
    yield Mark(Change.OUT, before[: len(before) - end])
    yield Mark(Change.IN, after[: len(after) - end])
    yield Mark(Change.SAME, after[len(after) - end :])


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    """Return how many words at the beginning are the same."""
    same = (one == other for one, other in zip(old, new, strict=False))
    return next((count for count, equal in enumerate(same) if not equal), min(len(old), len(new)))


def _words(text: str) -> list[str]:
    """Return the words, each with the whitespace after it; joined they are the text again."""
    return re.findall(r"\S+\s*|\s+", text)
