"""What is measured on paragraphs of known pages that go on in another column or on the next page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from rapidfuzz import fuzz

from sample.truth_pages import RegionKind, TrueRegion, Truth

_SIMILAR = 80.0
"""Minimum similarity, in percent, of a line as printed and as read."""

ReadRegion = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JoinCounts:
    """Joins on some pages.

    Attributes:
        joins, found, false: paragraphs that go on in the next column, those marked so with the right rest, and
            marks that are not one of these.
        hyphens, marked, wrong: words divided at the end of a line, those marked so, and other lines that are.
        pages, right_ends: pages whose last paragraph goes on or does not, and those that are marked as it is.
    """

    joins: int = 0
    found: int = 0
    false: int = 0
    hyphens: int = 0
    marked: int = 0
    wrong: int = 0
    pages: int = 0
    right_ends: int = 0

    def __add__(self, other: "JoinCounts") -> "JoinCounts":
        return JoinCounts(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


def count_joins(truth: Truth, read: Sequence[ReadRegion]) -> JoinCounts:
    """Compare the paragraphs of a single page, and the words divided at line ends, with those as read."""
    paragraphs = truth.of_kind(RegionKind.PARAGRAPH)
    printed = [(_last(one), _first(other)) for one, other in pairwise(paragraphs) if one.goes_on]
    by_id = {region["id"]: region for region in read}
    going_on = (region for region in read if region.get("continues_in"))
    marks = [(_lines(region)[-1], _lines(by_id[region["continues_in"]])[0]) for region in going_on]
    found = sum(any(_alike(one, other) for other in marks) for one in printed)
    divided = [line.text for line in truth.lines if line.text.endswith("-")]
    hyphenated = [line["text"] for region in read for line in region.get("lines", ()) if line.get("hyphenated")]
    marked = sum(any(_same(line, other) for other in hyphenated) for line in divided)
    return JoinCounts(
        joins=len(printed),
        found=found,
        false=sum(not any(_alike(one, other) for other in printed) for one in marks),
        hyphens=len(divided),
        marked=marked,
        wrong=sum(not any(_same(line, other) for other in divided) for line in hyphenated),
        pages=int(bool(paragraphs)),
        right_ends=int(bool(paragraphs) and _ends_open(read) == paragraphs[-1].goes_on),
    )


def _ends_open(read: Sequence[ReadRegion]) -> bool:
    return any(region.get("open_end") for region in read)


def _alike(one: tuple[str, str], other: tuple[str, str]) -> bool:
    return _same(one[0], other[0]) and _same(one[1], other[1])


def _same(one: str, other: str) -> bool:
    return fuzz.ratio(one, other) >= _SIMILAR


def _first(region: TrueRegion) -> str:
    return region.lines[0].text


def _last(region: TrueRegion) -> str:
    return region.lines[-1].text


def _lines(region: ReadRegion) -> list[str]:
    text: str = region["text"]
    return text.split("\n")
