"""What changed between two texts, as stretches that are the same, taken out or put in."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

# Comparing takes time by the product of the lengths. Where that is more, what is between the words that both begin
# and end with is shown as taken out and put in whole.
_MOST_COMPARISONS = 1_000_000


class Change(StrEnum):
    """What became of a stretch of text."""

    SAME = "same"
    OUT = "out"
    IN = "in"


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of text and what became of it."""

    change: Change
    text: str


def marks_of(before: str, after: str) -> tuple[Mark, ...]:
    """The two texts as one: without what was put in it is `before`, without what was taken out `after`.

    Compared are whole words, so that a person sees words change and not letters.
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
    if len(old) * len(new) > _MOST_COMPARISONS:
        yield from _replaced("".join(old), "".join(new))
        return
    for tag, start, end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        before, after = "".join(old[start:end]), "".join(new[new_start:new_end])
        if tag == "equal":
            yield Mark(Change.SAME, before)
        else:
            yield from _replaced(before, after)


def _replaced(before: str, after: str) -> Iterator[Mark]:
    """Taken out and put in, without the white that both end in: a line break is no part of a word."""
    end = 0
    while end < min(len(before), len(after)) and before[-1 - end] == after[-1 - end] and after[-1 - end].isspace():
        end += 1
    yield Mark(Change.OUT, before[: len(before) - end])
    yield Mark(Change.IN, after[: len(after) - end])
    yield Mark(Change.SAME, after[len(after) - end :])


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    """How many words at the beginning are the same."""
    count = 0
    for one, other in zip(old, new, strict=False):
        if one != other:
            break
        count += 1
    return count


def _words(text: str) -> list[str]:
    """Words with the white after them; joined they are the text again."""
    return re.findall(r"\S+\s*|\s+", text)
