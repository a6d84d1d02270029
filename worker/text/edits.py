"""Edits: what a model says that it changed in a text, held against what did change.

A model's list is believed as far as the two texts bear it out. A change that it left out is found by comparing the
texts, so that every change is listed whatever the model says.
"""

import re
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from worker.text.fields import Name, Share

UNANNOUNCED_CONFIDENCE = 0.5
"""Of a change that the model made and did not list: it may be right or wrong, nobody says."""


class EditKind(StrEnum):
    """What was wrong."""

    CHARACTER_SUBSTITUTION = "character_substitution"
    SPACING = "spacing"
    HYPHENATION = "hyphenation"
    ARTIFACT = "artifact"
    TYPO = "typo"


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError("a confidence is from 0 to 1")
    return value


class AnsweredEdit(BaseModel):
    """An edit as a model lists it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    original: str = Field(description="Words as they were given.")
    corrected: str = Field(description="The same words as corrected; empty where they were taken out.")
    kind: EditKind
    # Not every server understands bounds in a schema, so they are checked beside it.
    confidence: Annotated[float, AfterValidator(_share)] = Field(description="From 0 to 1.")


class Edit(BaseModel):
    """One change to a region's text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    region: Name = Field(description="Id of the region.")
    original: str = Field(description="Found in what the engine read; empty for what was put in.")
    corrected: str = Field(description="Found in the text as it is now; empty for what was taken out.")
    kind: EditKind
    confidence: Share = Field(
        description="The model's own; 0.5 for a change that it did not list, of which nobody is sure."
    )

    def is_borne_out(self, original: str, text: str) -> bool:
        """Whether two texts, before and after, show this edit."""
        changes = self.original != self.corrected and original != text
        return changes and self.original in original and self.corrected in text


def edits_of(region: str, original: str, text: str, listed: Iterable[AnsweredEdit | Edit]) -> list[Edit]:
    """The edits that made one text of another: the listed ones that the texts bear out, and those not listed.

    Args:
        region: id of the region whose text it is.
        original: the text before.
        text: the text after.
        listed: as the model, or an earlier one, listed them.
    """
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
    kept = [edit for edit in dict.fromkeys(claimed) if edit.is_borne_out(original, text)]
    found = _differences(region, original, text)
    return kept + [edit for edit in found if not _explain(kept, edit)]


def _explain(listed: Iterable[Edit], found: Edit) -> bool:
    """Whether edits that were listed speak of a change that was found, one of them or several together."""
    replayed = found.original
    for edit in listed:
        if found.original in edit.original and found.corrected in edit.corrected:
            return True
        if edit.original:
            replayed = replayed.replace(edit.original, edit.corrected)
    return replayed.split() == found.corrected.split() != found.original.split()


def _differences(region: str, original: str, text: str) -> Iterator[Edit]:
    before, after = _words(original), _words(text)
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        if tag != "equal":
            old, new = _without_common_end("".join(before[start:end]), "".join(after[new_start:new_end]))
            yield Edit(
                region=region, original=old, corrected=new, kind=_kind(old, new), confidence=UNANNOUNCED_CONFIDENCE
            )


def _words(text: str) -> list[str]:
    """Words with the white after them; joined they are the text again."""
    return re.findall(r"\S+\s*|\s+", text)


def _without_common_end(original: str, corrected: str) -> tuple[str, str]:
    """Two stretches of text without the white that both end in."""
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
