"""Page lists as people write them: `3,7-9`."""

import re

from checkpointing.errors import InputError

_PART = re.compile(r"([1-9]\d{0,6})(?:-([1-9]\d{0,6}))?")


def parse_pages(text: str) -> frozenset[int]:
    """The pages that a list names.

    Raises:
        InputError: it is not such a list.
    """
    pages: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise InputError(f"{text!r} is not a list of pages; write it like 3,7-9")
        pages.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return frozenset(pages)


def show_pages(pages: list[int], most: int = 8) -> str:
    """A sorted list of pages in short: `3, 7-9 and 120 more`."""
    runs: list[list[int]] = []
    for page in pages:
        if runs and page == runs[-1][-1] + 1:
            runs[-1].append(page)
        else:
            runs.append([page])
    shown = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs[:most])
    rest = sum(len(run) for run in runs[most:])
    return f"{shown} and {rest} more" if rest else shown
