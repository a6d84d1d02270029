"""What is measured on one page of known layout: types of regions, paragraphs cut by pictures, turn and skew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz import fuzz

from sample.truth_pages import RegionKind, TrueRegion, Truth
from worker.ocr.layout.region_types import RegionType

_SIMILAR = 80.0
"""Minimum similarity, in percent, of a text as printed and as read."""
_SHORTEST = 12
"""Lines with fewer characters are found anywhere."""
_NUMBER_TYPES = {"page_number"} & set(RegionType) or {"header", "footer"}
_TYPES = {
    RegionKind.RUNNING_HEAD: {"running_head", "header"},
    RegionKind.PAGE_NUMBER: _NUMBER_TYPES,
    RegionKind.PARAGRAPH: {"body"},
    RegionKind.VERSE: {"verse"},
    RegionKind.CAPTION: {"caption"},
    RegionKind.MARGINALIA: {"marginalia"},
    RegionKind.FOOTNOTE: {"footnote"},
}
"""The types that a region of each kind may have."""

ReadRegion = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many were right."""

    right: int = 0
    whole: int = 0

    def __add__(self, other: "Share") -> "Share":
        return Share(self.right + other.right, self.whole + other.whole)


def typed_right(truth: Truth, read: Sequence[ReadRegion], kind: RegionKind) -> Share:
    """Return how many regions of a kind, which `_TYPES` has, are one of that type, with nothing else in it.

    They are told by their text, because the page that was read may be turned and cut out of the picture.
    """
    texts = [region["text"] for region in read if region["type"] in _TYPES[kind]]
    regions = truth.of_kind(kind)
    return Share(sum(any(_same(region, text) for text in texts) for region in regions), len(regions))


def cut_by_a_picture(truth: Truth, read: Sequence[ReadRegion]) -> bool:
    """Return whether a paragraph is in two parts with a picture between them, or is missing beside a picture.

    A paragraph that goes on in the next column is one for each column.
    """
    pictures = [index for index, region in enumerate(read) if region["type"] == RegionType.IMAGE]
    if not pictures:
        return False
    paragraphs = truth.of_kind(RegionKind.PARAGRAPH)
    return any(_is_cut(paragraph, read, pictures) for paragraph in paragraphs)


def turned_right(truth: Truth, geometry: Mapping[str, Any] | None) -> bool:
    """Return whether a page was turned upright; `geometry` is what the page says, None if it was left as it was."""
    turned = geometry["quarter_turns"] if geometry else 0
    return (truth.geometry.quarter_turns + turned) % 4 == 0


def skew_error(truth: Truth, geometry: Mapping[str, Any] | None) -> float:
    """Return by how many degrees the skew that was found is wrong."""
    return abs(truth.geometry.skew_degrees - (geometry["skew"] if geometry else 0.0))


def _same(printed: TrueRegion, read: str) -> bool:
    if printed.kind == RegionKind.PAGE_NUMBER:
        return printed.text == read.strip()
    return fuzz.ratio(printed.text.casefold(), read.casefold()) >= _SIMILAR


def _is_cut(paragraph: TrueRegion, read: Sequence[ReadRegion], pictures: Sequence[int]) -> bool:
    lines = [line.text for line in paragraph.lines if len(line.text) >= _SHORTEST]
    if not lines:
        return False
    places = [found for line in lines if (found := _places(line, read))]
    if not places:
        return True
    return any(
        any(max(found) < picture for found in places) and any(min(found) > picture for found in places)
        for picture in pictures
    )


def _places(line: str, read: Sequence[ReadRegion]) -> list[int]:
    """Return the indices of the regions that have a line: the same sentence may be printed twice."""
    return [
        place
        for place, region in enumerate(read)
        if region["text"] and fuzz.partial_ratio(line, region["text"]) >= _SIMILAR
    ]
