"""The answers `correction` and `fix`: each region as the book prints it, and every change that took."""

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from enum import StrEnum
from functools import lru_cache

from pydantic import BaseModel, ConfigDict

from sample.provider.alignment import align, likeness
from sample.provider.known_text import find_passage
from sample.provider.request import AskedPage

_PAGES_TO_A_REVIEW = 7
_WORDS_OF_A_LOOP = 5
_NOTHING_TO_REPEAT = "and so on"


class EditKind(StrEnum):
    """What was wrong with the words of an edit."""

    CHARACTER_SUBSTITUTION = "character_substitution"
    SPACING = "spacing"
    HYPHENATION = "hyphenation"
    ARTIFACT = "artifact"
    TYPO = "typo"


class Edit(BaseModel):
    """One change: `original` is found in the text that was sent, `corrected` in the one that is returned."""

    model_config = ConfigDict(frozen=True)

    original: str
    corrected: str
    kind: EditKind
    confidence: float


class CorrectedRegion(BaseModel):
    """A region's text, put right."""

    model_config = ConfigDict(frozen=True)

    id: str
    text: str
    edits: tuple[Edit, ...]


class Correction(BaseModel):
    """The answer for one page."""

    model_config = ConfigDict(frozen=True)

    regions: tuple[CorrectedRegion, ...]
    needs_review: bool
    reasons: tuple[str, ...]

    def looping(self, times: int) -> "Correction":
        """The same answer by a model that cannot stop repeating the last words of its first text."""
        for index, region in enumerate(self.regions):
            if region.text:
                last_words = " ".join(region.text.split()[-_WORDS_OF_A_LOOP:])
                text = region.text + f" {last_words}" * times
                regions = list(self.regions)
                regions[index] = region.model_copy(update={"text": text})
                return self.model_copy(update={"regions": tuple(regions)})
        return self.model_copy(update={"reasons": (" ".join([_NOTHING_TO_REPEAT] * times),)})


def correct(page: AskedPage) -> Correction:
    """Put a page right, as far as the sample book knows it. One page in seven is to be reviewed."""
    regions = []
    for region in page.regions:
        text, edits = restore(region.text)
        regions.append(CorrectedRegion(id=region.id, text=text, edits=edits))
    doubtful = page.page % _PAGES_TO_A_REVIEW == 0
    reasons = ("Some words are hard to make out on the scan.",) if doubtful else ()
    return Correction(regions=tuple(regions), needs_review=doubtful, reasons=reasons)


@lru_cache(maxsize=4096)
def restore(text: str) -> tuple[str, tuple[Edit, ...]]:
    """A text as the book prints it, broken into lines as it was, and the edits that it took.

    A text that is not from the book is returned as it is.
    """
    places = [match.span() for match in re.finditer(r"\S+", text)]
    if not places:
        return text, ()
    words = [text[start:end] for start, end in places]
    restored, edits, white = "", [], text[: places[0][0]]
    for stretch in align(words, find_passage(words)):
        start, end = places[stretch.start][0], places[stretch.end - 1][1]
        if restored:
            white = _wider(white, text[places[stretch.start - 1][1] : start])
        read = text[start:end]
        printed = (
            read if list(stretch.truth) == words[stretch.start : stretch.end] else _set_as(read, stretch.truth)
        )
        if printed != read:
            edits.append(_edit(read, printed))
        if printed:
            restored, white = f"{restored}{white}{printed}", ""
    return restored + text[places[-1][1] :], tuple(edits)


def _wider(left: str, right: str) -> str:
    """Of the white on both sides of what was taken out, that which breaks the line."""
    return left if "\n" in left or not right else right


def _set_as(read: str, words: Sequence[str]) -> str:
    """Words in a row, with line breaks about where the reading has them."""
    line_starts = set(_line_starts(read, len(words)))
    pieces = (f"\n{word}" if at in line_starts else f" {word}" for at, word in enumerate(words))
    return "".join(pieces)[1:]


def _line_starts(read: str, words: int) -> Iterator[int]:
    """Positions of the words that begin a line other than the first."""
    so_far = 0
    for line in read.split("\n")[:-1]:
        so_far += len(line) + 1
        if words > 1:
            yield min(max(1, round(so_far / len(read) * words)), words - 1)


def _edit(read: str, printed: str) -> Edit:
    confidence = min(0.99, max(0.5, round(likeness(read, printed), 2)))
    return Edit(original=read, corrected=printed, kind=_kind(read, printed), confidence=confidence)


def _kind(read: str, printed: str) -> EditKind:
    if not printed:
        return EditKind.ARTIFACT
    squeezed_read, squeezed_printed = "".join(read.split()), "".join(printed.split())
    if squeezed_read == squeezed_printed:
        return EditKind.SPACING
    if squeezed_read.replace("-", "") == squeezed_printed.replace("-", ""):
        return EditKind.HYPHENATION
    steps = SequenceMatcher(None, squeezed_read, squeezed_printed, autojunk=False).get_opcodes()
    replaces = any(tag == "replace" for tag, *_ in steps)
    return EditKind.CHARACTER_SUBSTITUTION if replaces else EditKind.TYPO
