"""Lists of pages in the form `3,7-9`."""

import re
from collections.abc import Sequence

from checkpointing.errors import CommandLineError

_PART = re.compile(r"([1-9]\d{0,5})(?:-([1-9]\d{0,5}))?")


def parse_pages(text: str) -> frozenset[int]:
    """Return the pages of a list.

    Raises:
        CommandLineError: the text is not a list of pages.
    """
    pages: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise CommandLineError(f"{text!r} is not a list of pages", hint="write it like 3,7-9")
        pages.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return frozenset(pages)


def show_pages(pages: list[int], most: int = 8) -> str:
    """Return a sorted list of pages in short: `3, 7-9 and 120 more`."""
    return show_ranges(runs(pages), most)


def show_ranges(ranges: Sequence[tuple[int, int]], most: int = 8) -> str:
    """Return ranges of pages, each as first and last page, in short: `3, 7-9 and 120 more`."""
    shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges[:most])
    rest = sum(last - first + 1 for first, last in ranges[most:])
    return f"{shown} and {rest} more" if rest else shown


def runs(pages: list[int]) -> list[tuple[int, int]]:
    """Return the runs of a sorted list of pages, each as first and last page, both inclusive."""
    found: list[tuple[int, int]] = []
    for page in pages:
        if found and page == found[-1][1] + 1:
            found[-1] = (found[-1][0], page)
        else:
            found.append((page, page))
    return found
