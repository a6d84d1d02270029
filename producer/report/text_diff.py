"""Compare two texts word by word: which parts are the same, deleted or inserted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

from worker.text.edits import without_common_end, words_of

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
    return tuple(mark for mark in _marks(words_of(before), words_of(after)) if mark.text)


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
    old, new = without_common_end(before, after)
    yield Mark(Change.OUT, old)
    yield Mark(Change.IN, new)
    yield Mark(Change.SAME, after[len(new) :])


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    """Return how many words at the beginning are the same."""
    same = (one == other for one, other in zip(old, new, strict=False))
    return next((count for count, equal in enumerate(same) if not equal), min(len(old), len(new)))
