"""The profile of a book: its own resolution, languages, typeface and OCR engine, stored in `metadata.json`.

A profile overrides the settings of the machine that enqueues the book. Some pages may have a profile
of their own, which overrides that of the book. It is one of the inputs of a page (`worker.pipeline.provenance`):
pages that were read with another profile are stale.
"""

import re
from bisect import bisect_right
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from checkpointing.fields import OpenModel, PageRange
from worker.pages.geometry.settings import Crop, Deskew, Rotate, Spreads

MINIMUM_DPI = 72
MAXIMUM_DPI = 1200
Typeface = Literal["antiqua", "fraktur"]
# BCP 47 tags, and names of Tesseract's data files with or without folders: letters, digits and `_`, single `.` or
# `-` between them.
_WORDS = r"[A-Za-z0-9_]+([.-][A-Za-z0-9_]+)*"
_LANGUAGE = rf"{_WORDS}(/{_WORDS})*"


def check_language(lang: str) -> str:
    """Return languages joined by `+`: BCP 47 tags, or names of Tesseract's data files.

    Args:
        lang: joined by `+` or `,`. A comma becomes `+`, the only form that versions before 0.3 read.

    Raises:
        ValueError: it is something else, or a name is a path out of the data folder.
    """
    lang = re.sub(r"\s*[,+]\s*", "+", lang.strip())
    if re.fullmatch(rf"{_LANGUAGE}(\+{_LANGUAGE})*", lang) is None:
        raise ValueError(
            "not a language; give BCP 47 tags, like de or de,la, or the names of Tesseract's data files, joined by "
            "'+', like eng, deu+eng, frak2021 or script/Fraktur"
        )
    return lang


def _is_none(value: object) -> bool:
    return value is None


class BookProfile(OpenModel):
    """How a book is read. For a field that is not set, the setting of the machine that enqueues the book applies.

    Attributes:
        dpi: minimum resolution at which pages of a PDF are rendered, in dots per inch.
        lang: languages, as `LEAFMARK_OCR_LANG` names them: `de`, `de+la`, `deu+eng`.
        typeface: `antiqua` (roman type) or `fraktur` (blackletter).
        engine: OCR engine, as `LEAFMARK_OCR_ENGINE` names it. With one that this version does not have, the
            stage is paused when a page is to be read.
        rotate: `auto`, `off`, or degrees, as `LEAFMARK_OCR_ROTATE` has them.
        deskew: `auto`, `off`, or degrees, as `LEAFMARK_OCR_DESKEW` has them.
        crop: `auto`, `off`, or what to cut off, as `LEAFMARK_OCR_CROP` has it.
        spreads: whether pictures of two pages are split, as `LEAFMARK_SPREADS` has it. Which pictures were is in
            `source.spreads`.
    """

    dpi: Annotated[int, Field(ge=MINIMUM_DPI, le=MAXIMUM_DPI)] | None = Field(default=None, exclude_if=_is_none)
    lang: Annotated[str, AfterValidator(check_language)] | None = Field(default=None, exclude_if=_is_none)
    typeface: Typeface | None = Field(default=None, exclude_if=_is_none)
    engine: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,49}$")] | None = Field(
        default=None, exclude_if=_is_none
    )
    rotate: Rotate | None = Field(default=None, exclude_if=_is_none)
    deskew: Deskew | None = Field(default=None, exclude_if=_is_none)
    crop: Crop | None = Field(default=None, exclude_if=_is_none)
    spreads: Spreads | None = Field(default=None, exclude_if=_is_none)

    @property
    def is_empty(self) -> bool:
        """Whether no field is set."""
        return not self.model_dump()

    @property
    def without_spreads(self) -> "BookProfile":
        """The profile without the field that decides how many pages a new book has."""
        return self.model_copy(update={"spreads": None})

    def words(self) -> str:
        """Return the profile as text: `400 dpi, language deu, engine tesseract`; empty if no field is set."""
        parts = (
            self.dpi and f"{self.dpi} dpi",
            self.lang and f"language {self.lang}",
            self.typeface and f"typeface {self.typeface}",
            self.engine and f"engine {self.engine}",
            self.rotate and f"rotate {self.rotate}",
            self.deskew and f"deskew {self.deskew}",
            self.crop and f"crop {self.crop}",
            self.spreads and f"spreads {self.spreads}",
        )
        return ", ".join(part for part in parts if part)

    def changed_by(self, other: "BookProfile") -> "BookProfile":
        """Return this profile with the fields that another profile sets replaced by those."""
        return self if other.is_empty else self.model_copy(update=other.model_dump())


NO_PROFILE = BookProfile()


def check_in_order(ranges: tuple[PageRange, ...]) -> tuple[PageRange, ...]:
    """Return ranges of pages.

    Raises:
        ValueError: a range ends before it begins, or they are not in order, or they share a page.
    """
    end = 0
    for first, last in ranges:
        if not end < first <= last:
            raise ValueError(f"the pages {first}-{last} are out of order, or in two ranges")
        end = last
    return ranges


class PageProfile(OpenModel):
    """How some pages of a book are read, where they differ from the rest of the book.

    Attributes:
        pages: ranges of pages, each as first and last page, both included; in order, and no page twice.
        profile: the fields that replace those of the book's profile. The other fields of the book's profile apply.
    """

    pages: Annotated[tuple[PageRange, ...], Field(min_length=1), AfterValidator(check_in_order)]
    profile: BookProfile

    def includes(self, page: int) -> bool:
        """Return whether a page is read so."""
        place = bisect_right(self.pages, page, key=lambda each: each[0])
        return place > 0 and page <= self.pages[place - 1][1]

    @property
    def count(self) -> int:
        """The number of pages."""
        return sum(last - first + 1 for first, last in self.pages)
