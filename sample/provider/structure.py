"""The answer `structure`: what each region is, which lines are headings, what stands in the margins."""

import re
from collections.abc import Sequence
from enum import StrEnum
from itertools import chain

from pydantic import BaseModel, ConfigDict

from sample.provider.request import AskedPage, AskedRegion
from sample.text import CHAPTERS, TITLE

_CHAPTER_LABEL = re.compile(r"CHAPTER [IVXLC]+\.?")
_CHAPTER_TITLES = frozenset(chapter.title for chapter in CHAPTERS)
_NOTHING_TO_REPEAT = "and so on"


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


_KEPT = frozenset(
    {
        BlockType.HEADER,
        BlockType.FOOTER,
        BlockType.PAGE_NUMBER,
        BlockType.FOOTNOTE,
        BlockType.CAPTION,
        BlockType.IMAGE,
    }
)


class Heading(BaseModel):
    """A line that heads what follows; level 1 is the highest."""

    model_config = ConfigDict(frozen=True)

    region: str
    text: str
    level: int


class Block(BaseModel):
    """A region and what it is."""

    model_config = ConfigDict(frozen=True)

    region: str
    type: BlockType


class Structure(BaseModel):
    """The answer for one page: a block for each region, in the order they were sent."""

    model_config = ConfigDict(frozen=True)

    printed_page_number: str | None
    running_head: str | None
    running_foot: str | None
    headings: tuple[Heading, ...]
    blocks: tuple[Block, ...]

    def looping(self, times: int) -> "Structure":
        """The same answer by a model that cannot stop repeating the running head."""
        words = self.running_head or _NOTHING_TO_REPEAT
        return self.model_copy(update={"running_head": " ".join([words] * (times + 1))})


def outline(page: AskedPage) -> Structure:
    """Say what the regions of a page are."""
    types = [_type_of(region) for region in page.regions]
    return Structure(
        printed_page_number=_first(page, types, BlockType.PAGE_NUMBER),
        running_head=_first(page, types, BlockType.HEADER),
        running_foot=_first(page, types, BlockType.FOOTER),
        headings=tuple(chain.from_iterable(map(_headings, page.regions, types))),
        blocks=tuple(Block(region=region.id, type=kind) for region, kind in zip(page.regions, types, strict=True)),
    )


def _type_of(region: AskedRegion) -> BlockType:
    lines = region.text.split("\n")
    if region.text.strip().isdecimal():
        return BlockType.PAGE_NUMBER
    if region.type in _KEPT:
        return BlockType(region.type)
    if region.type in {"signature", "catchword", "marginalia"}:
        return BlockType.OTHER
    if any(map(_level_of, lines)):
        return BlockType.HEADING
    if all(line.strip() in TITLE for line in lines):
        return BlockType.TITLE
    return BlockType.BODY if region.text.strip() else BlockType.OTHER


def _headings(region: AskedRegion, kind: BlockType) -> list[Heading]:
    if kind is BlockType.TITLE:
        return [Heading(region=region.id, text=" ".join(region.text.split()), level=1)]
    if kind is not BlockType.HEADING:
        return []
    lines = [line.strip() for line in region.text.split("\n")]
    return [Heading(region=region.id, text=line, level=level) for line in lines if (level := _level_of(line))]


def _level_of(line: str) -> int:
    """1 for a chapter's label, 2 for its title, 0 for any other line."""
    if _CHAPTER_LABEL.fullmatch(line.strip()):
        return 1
    return 2 if line.strip() in _CHAPTER_TITLES else 0


def _first(page: AskedPage, types: Sequence[BlockType], wanted: BlockType) -> str | None:
    found = (region.text for region, kind in zip(page.regions, types, strict=True) if kind is wanted)
    return next(found, None)
