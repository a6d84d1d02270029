"""The output of the structure stage: the type of each region, the headings, and the text in the margins."""

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from checkpointing.fields import ClosedModel
from worker.llm.reply import LlmRecord
from worker.stages.base import PageOutput
from worker.text.fields import Name, Text


# Its words are part of the question to the model (tests/unit/test_questions.py).
class BlockType(StrEnum):
    """What a region is in the book."""

    TITLE = "title"
    HEADING = "heading"
    BODY = "body"
    CAPTION = "caption"
    HEADER = "header"
    FOOTER = "footer"
    PAGE_NUMBER = "page_number"
    TABLE = "table"
    LIST = "list"
    FOOTNOTE = "footnote"
    IMAGE = "image"
    OTHER = "other"


class Block(ClosedModel):
    """A region and its type."""

    region: Name = Field(description="Id of the region.")
    type: BlockType


class Heading(ClosedModel):
    """A heading of a part, chapter or section."""

    region: Name = Field(description="Id of the region with the heading.")
    text: Name = Field(description="As printed, on one line.")
    level: int = Field(ge=1, le=6, description="1 for a part or chapter of the book.")


class StructuredRegion(ClosedModel):
    """The text of a region."""

    id: Name
    text: Text


class StructuredPage(PageOutput):
    """A page with the type of each region, its headings and its printed number."""

    printed_page_number: Name | None = Field(description="Such as `12` or `xiv`; null if there is none.")
    running_head: Name | None
    running_foot: Name | None
    headings: tuple[Heading, ...] = Field(description="In reading order.")
    blocks: tuple[Block, ...] = Field(description="One for each region, in reading order.")
    regions: tuple[StructuredRegion, ...] = Field(description="In reading order.")
    skipped: bool = Field(description="Whether no model was asked, because the page has no text.")
    llm: LlmRecord | None = Field(description="The call of the model; null if no model was asked.")

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        texts = {region.id: region.text for region in self.regions}
        if len(texts) != len(self.regions):
            raise ValueError("two regions have the same id")
        if [block.region for block in self.blocks] != [region.id for region in self.regions]:
            raise ValueError("there must be one block for each region, in the same order")
        if self.skipped != (self.llm is None):
            raise ValueError("a page is skipped exactly when no model was asked")
        for heading in self.headings:
            if not is_found(heading.text, texts.get(heading.region, "")):
                raise ValueError(f"the heading {heading.text!r} is not in the text of {heading.region}")
        return self


def is_found(words: str, text: str) -> bool:
    """Return whether a text contains words; line breaks, capitals and punctuation do not matter."""
    letters = _letters(words)
    if letters:
        return letters in _letters(text)
    return bool(words.strip()) and "".join(words.split()) in "".join(text.split())


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))
