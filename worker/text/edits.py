"""Edits: the changes of a text that a model lists, compared with the changes that it made.

A listed edit is kept if the two texts contain it. Changes that are not listed are found by comparing the texts, so
that every change is an edit.
"""

import re
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from checkpointing.fields import ClosedModel
from worker.text.fields import Name, Share

UNANNOUNCED_CONFIDENCE = 0.5
"""The confidence of a change that the model made and did not list."""


# Its words are part of the question to the model (tests/unit/test_questions.py).
class EditKind(StrEnum):
    """What was wrong."""

    CHARACTER_SUBSTITUTION = "character_substitution"
    SPACING = "spacing"
    HYPHENATION = "hyphenation"
    ARTIFACT = "artifact"
    TYPO = "typo"


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError("the confidence must be from 0 to 1")
    return value


# Its words are part of the question to the model (tests/unit/test_questions.py).
class AnsweredEdit(ClosedModel):
    """An edit as a model lists it."""

    original: str = Field(description="Words as they were given.")
    corrected: str = Field(description="The same words as corrected; empty where they were taken out.")
    kind: EditKind
    # Not every server understands limits in a schema, so the validator checks them.
    confidence: Annotated[float, AfterValidator(_share)] = Field(description="From 0 to 1.")


class Edit(ClosedModel):
    """One change to a region's text."""

    region: Name = Field(description="Id of the region.")
    original: str = Field(description="Words in the text that the engine read; empty for an insertion.")
    corrected: str = Field(description="Words in the corrected text; empty for a deletion.")
    kind: EditKind
    confidence: Share = Field(description="Confidence of the model; 0.5 for a change that it did not list.")

    def is_in(self, original: str, text: str) -> bool:
        """Return whether two texts, before and after, contain this edit."""
        changes = self.original != self.corrected and original != text
        return changes and self.original in original and self.corrected in text


def edits_of(region: str, original: str, text: str, listed: Iterable[AnsweredEdit | Edit]) -> list[Edit]:
    """Return the edits between two texts of a region: the listed ones that they contain, and those not listed."""
    claimed = [
        Edit(
            region=region,
            original=edit.original,
            corrected=edit.corrected,
            kind=edit.kind,
            confidence=edit.confidence,
        )
        for edit in listed
    ]
    kept = [edit for edit in dict.fromkeys(claimed) if edit.is_in(original, text)]
    found = _differences(region, original, text)
    return kept + [edit for edit in found if not _explain(kept, edit)]


def _explain(listed: Iterable[Edit], found: Edit) -> bool:
    """Return whether one or several listed edits together are a change that was found."""
    replayed = found.original
    for edit in listed:
        if found.original in edit.original and found.corrected in edit.corrected:
            return True
        if edit.original:
            replayed = replayed.replace(edit.original, edit.corrected)
    return replayed.split() == found.corrected.split() != found.original.split()


def _differences(region: str, original: str, text: str) -> Iterator[Edit]:
    before, after = words_of(original), words_of(text)
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        if tag != "equal":
            old, new = without_common_end("".join(before[start:end]), "".join(after[new_start:new_end]))
            yield Edit(
                region=region, original=old, corrected=new, kind=_kind(old, new), confidence=UNANNOUNCED_CONFIDENCE
            )


def words_of(text: str) -> list[str]:
    """Return the words with the white space after them; joined they are the text."""
    return re.findall(r"\S+\s*|\s+", text)


def without_common_end(original: str, corrected: str) -> tuple[str, str]:
    """Return two texts without the white space that both end in."""
    while original and corrected and original[-1] == corrected[-1] and original[-1].isspace():
        original, corrected = original[:-1], corrected[:-1]
    return original, corrected


def _kind(original: str, corrected: str) -> EditKind:
    before, after = "".join(original.split()), "".join(corrected.split())
    if before == after:
        return EditKind.SPACING
    if not after:
        return EditKind.ARTIFACT
    if before.replace("-", "") == after.replace("-", ""):
        return EditKind.HYPHENATION
    return EditKind.CHARACTER_SUBSTITUTION if len(before) == len(after) else EditKind.TYPO
