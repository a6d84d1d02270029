"""Ranges of pages, first and last included, as a checkpoint records what was asked for."""

from collections.abc import Iterable, Iterator

from checkpointing.fields import PageRange


def with_range(ranges: Iterable[PageRange], start: int, end: int) -> list[PageRange]:
    """Return the ranges with another one, in order; those that touch are merged."""
    merged: list[PageRange] = []
    for first, last in sorted([*ranges, (start, end)]):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def without_page(ranges: Iterable[PageRange], page: int) -> list[PageRange]:
    """Return the ranges without one page."""
    found: list[PageRange] = []
    for first, last in ranges:
        parts = ((first, page - 1), (page + 1, last)) if first <= page <= last else ((first, last),)
        found.extend(part for part in parts if part[0] <= part[1])
    return found


def pages_in(ranges: Iterable[PageRange]) -> Iterator[int]:
    """Return the pages of the ranges, in order."""
    for first, last in ranges:
        yield from range(first, last + 1)
