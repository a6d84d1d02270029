"""Mark how a reading differs from the truth, for people: by words, and within similar words by characters."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest

from rapidfuzz.distance import Levenshtein

from producer.evaluate.measure import graphemes
from producer.evaluate.normalise import NORMALISED, normalised

# Below this similarity a word is shown as replaced by another one, not as one with other letters.
_SIMILAR = 0.5
_BREAK, _SPACE = "\n", " "


class Change(StrEnum):
    """How a part of the text was read."""

    SAME = "same"
    MISSING = "missing"
    """Printed, and not read."""
    ADDED = "added"
    """Read, and not printed."""
    OTHER = "other"
    """Read as something else."""
    ALIKE = "alike"
    """Read as something else that is the same when normalised."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A part of the text.

    Attributes:
        printed: what the truth has; empty for what was added.
        read: what the reading has; empty for what is missing.
    """

    change: Change
    printed: str
    read: str


@dataclass(frozen=True, slots=True)
class _Word:
    """A word.

    Attributes:
        before: the white space before it, which is not compared.
        key: the word normalised, by which it is found in the other text.
    """

    before: str
    text: str
    key: str


def marks_of(truth: str, reading: str) -> tuple[Mark, ...]:
    """Return both texts as one, with the lines of the truth."""
    return tuple(_joined(_marks(_words(truth), _words(reading))))


def _marks(printed: Sequence[_Word], read: Sequence[_Word]) -> Iterator[Mark]:
    for operation in Levenshtein.opcodes([word.key for word in printed], [word.key for word in read]):
        here = printed[operation.src_start : operation.src_end]
        there = read[operation.dest_start : operation.dest_end]
        for word, other in zip_longest(here, there):
            yield from _pair(word, other)


def _pair(word: _Word | None, other: _Word | None) -> Iterator[Mark]:
    """Yield a word of the truth and what was read in its place."""
    if word is None and other is not None:
        # The line breaks are those of the truth.
        yield _same(_SPACE)
        yield Mark(Change.ADDED, "", other.text)
    elif word is not None and other is None:
        yield _same(word.before)
        yield Mark(Change.MISSING, word.text, "")
    elif word is not None and other is not None:
        yield _same(word.before)
        if word.text == other.text:
            yield _same(word.text)
        elif word.key == other.key:
            yield Mark(Change.ALIKE, word.text, other.text)
        else:
            yield from _letters(word.text, other.text)


def _letters(word: str, other: str) -> Iterator[Mark]:
    """Yield the letters in which two words differ; the words as a whole if they have little in common."""
    printed, read = graphemes(word), graphemes(other)
    if Levenshtein.normalized_similarity(printed, read) < _SIMILAR:
        yield Mark(Change.OTHER, word, other)
        return
    for operation in Levenshtein.opcodes(printed, read):
        here = "".join(printed[operation.src_start : operation.src_end])
        there = "".join(read[operation.dest_start : operation.dest_end])
        change = _CHANGES[operation.tag]
        yield Mark(Change.ALIKE if change is Change.OTHER and _alike(here, there) else change, here, there)


def _alike(printed: str, read: str) -> bool:
    return normalised(printed, NORMALISED) == normalised(read, NORMALISED)


_CHANGES = {"equal": Change.SAME, "replace": Change.OTHER, "delete": Change.MISSING, "insert": Change.ADDED}


def _same(text: str) -> Mark:
    return Mark(Change.SAME, text, text)


def _joined(marks: Iterator[Mark]) -> Iterator[Mark]:
    """Yield the marks, those of the same text in one."""
    texts: list[str] = []
    for mark in marks:
        if mark.change is Change.SAME:
            texts.append(mark.printed)
            continue
        if text := "".join(texts):
            yield _same(text)
        texts.clear()
        yield mark
    if text := "".join(texts):
        yield _same(text)


def _words(text: str) -> list[_Word]:
    form = unicodedata.normalize("NFC", text.strip())
    return [
        _Word(_white_space(found[1]), found[2], normalised(found[2], NORMALISED))
        for found in re.finditer(r"(\s*)(\S+)", form)
    ]


def _white_space(text: str) -> str:
    """Return at most one empty line for a run of white space."""
    breaks = text.count(_BREAK)
    return _BREAK * min(breaks, 2) or (text and _SPACE)
