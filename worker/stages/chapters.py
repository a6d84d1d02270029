"""Makes chapters, front matter and printed page numbers from the pages of a book; equal pages give equal results.

Headings of the first two levels open chapters. Headings in the title of the book, in margins, tables and lists
(such as a table of contents) do not, and neither does a heading that repeats that of its own chapter: a running
head.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from pydantic import Field, NonNegativeInt, PositiveInt

from checkpointing.fields import ClosedModel
from worker.stages.structured_page import BlockType, Heading, StructuredPage

LOWEST_CHAPTER = 2
"""Lowest level of headings that open a chapter; chapters of this level are nested in those above."""

_OPENERS = frozenset({BlockType.HEADING, BlockType.BODY, BlockType.OTHER})
_RUNNING_TEXT = frozenset({BlockType.BODY, BlockType.LIST, BlockType.TABLE, BlockType.FOOTNOTE})
_NUMBER = (
    r"(?:[ivxlcdm]+|\d+|(?:the )?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|last)"
    r"|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen"
    r"|eighteen|nineteen|(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
    r"(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?)"
)
_DIVISION = (
    r"(?:chapter|chap\.?|book|part|volume|vol\.?|section|canto|act|letter|lecture|stave"
    r"|chapitre|livre|partie|kapitel|buch|teil|cap[ií]tulo|capitolo|libro|parte|caput|liber)"
)
_LABEL = re.compile(rf"(?:{_DIVISION}\s+{_NUMBER}|{_DIVISION}|[ivxlcdm]+|\d+)\s*[.:]?", re.IGNORECASE)


class Chapter(ClosedModel):
    """A chapter, or a part that holds chapters. Pages are those of the scan, numbered from 1, unless printed."""

    title: str
    level: int = Field(description="1; 2 for one within the chapter of level 1 before it.")
    start_page: PositiveInt
    end_page: PositiveInt = Field(description="The last page with any of its text.")
    printed_start: str | None = Field(description="The number printed on its first page; null if there is none.")
    printed_end: str | None


class BookStructure(ClosedModel):
    """A book as a whole."""

    total_pages: NonNegativeInt
    chapters: tuple[Chapter, ...]
    front_matter: tuple[PositiveInt, ...] = Field(
        description="Pages before the first chapter; empty for a book without chapters."
    )
    printed_numbers: dict[PositiveInt, str | None] = Field(
        description="The number printed on each page; null if there is none."
    )


@dataclass(frozen=True, slots=True)
class _Opening:
    """A heading, or a label and its title, that opens a chapter.

    Attributes:
        words: label and title, or either.
        level: of the higher of the two.
        at_top: whether no text of the chapter before is above it on its page.
    """

    words: tuple[str, ...]
    level: int
    page: int
    at_top: bool

    @property
    def title(self) -> str:
        label, *rest = self.words
        return " ".join([f"{label.rstrip('.: ')}.", *rest]) if rest else label

    @property
    def spellings(self) -> set[str]:
        """The words that a running head may repeat."""
        return {_letters(words) for words in (*self.words, self.title)}


def assemble(pages: Iterable[StructuredPage]) -> BookStructure:
    """Return the structure of a book from all its pages, in order."""
    printed: dict[int, str | None] = {}
    openings: list[_Opening] = []
    within: dict[int, _Opening] = {}
    for page in pages:
        printed[page.page_number] = page.printed_page_number
        for opening in _openings(page):
            if any(_letters(opening.title) in above.spellings for above in within.values()):
                continue
            within = {level: above for level, above in within.items() if level < opening.level}
            within[opening.level] = opening
            openings.append(opening)
    last_page = max(printed, default=0)
    chapters = tuple(
        _chapter(opening, openings[index + 1 :], last_page, printed) for index, opening in enumerate(openings)
    )
    first = openings[0].page if openings else 0
    return BookStructure(
        total_pages=len(printed),
        chapters=chapters,
        front_matter=tuple(page for page in printed if page < first),
        printed_numbers=printed,
    )


def _chapter(
    opening: _Opening, later: Iterable[_Opening], last_page: int, printed: dict[int, str | None]
) -> Chapter:
    after = next((other for other in later if other.level <= opening.level), None)
    end = last_page if after is None else after.page - after.at_top
    end = max(opening.page, end)
    return Chapter(
        title=opening.title,
        level=opening.level,
        start_page=opening.page,
        end_page=end,
        printed_start=printed.get(opening.page),
        printed_end=printed.get(end),
    )


def _openings(page: StructuredPage) -> Iterator[_Opening]:
    """Yield the headings of a page that open chapters, in reading order."""
    places = {block.region: place for place, block in enumerate(page.blocks)}
    types = [block.type for block in page.blocks]
    headings = sorted(
        (heading for heading in page.headings if types[places[heading.region]] in _OPENERS),
        key=lambda heading: places[heading.region],
    )
    title: Heading | None = None
    for heading, following in pairwise([*headings, None]):
        if heading is None or heading is title:
            continue
        place = places[heading.region]
        joins = (
            following is not None
            and _is_label(heading)
            and not _is_label(following)
            and _RUNNING_TEXT.isdisjoint(types[place + 1 : places[following.region]])
        )
        title = following if joins else None
        together = [heading, title] if title else [heading]
        level = min(part.level for part in together)
        if level <= LOWEST_CHAPTER:
            words = tuple(" ".join(part.text.split()) for part in together)
            yield _Opening(words, level, page.page_number, _RUNNING_TEXT.isdisjoint(types[:place]))


def _is_label(heading: Heading) -> bool:
    return _LABEL.fullmatch(" ".join(heading.text.split())) is not None


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold())) or text
