"""The state of each page of a stage, one byte a page, and the same scaled to fewer cells."""

from collections.abc import Iterable
from enum import IntEnum

from checkpointing.models import Checkpoint


class PageState(IntEnum):
    """What is to be said of a page. The larger, the more it wants to be seen: a cell shows the largest."""

    COMPLETE = 0
    NOT_ASKED = 1
    WAITING = 2
    IN_FLIGHT = 3
    QUARANTINED = 4


def page_states(checkpoint: Checkpoint, total_pages: int) -> bytes:
    """The state of each page of a book as its checkpoint tells it: nothing is in flight there.

    Args:
        checkpoint: of a stage.
        total_pages: of the book; what a checkpoint says of later pages is left out.
    """
    states = bytearray([PageState.NOT_ASKED]) * total_pages
    for first, last in checkpoint.requested:
        end = min(last, total_pages)
        if first <= end:
            states[first - 1 : end] = bytes([PageState.WAITING]) * (end - first + 1)
    for page in checkpoint.pages:
        if page <= total_pages:
            states[page - 1] = PageState.COMPLETE
    for failed in checkpoint.failed_pages:
        if failed.page <= total_pages:
            states[failed.page - 1] = PageState.QUARANTINED
    return bytes(states)


def with_in_flight(states: bytes, pages: Iterable[int]) -> tuple[bytes, tuple[int, ...]]:
    """The states with some waiting pages in flight, and which of the pages that are, in order.

    A page that the checkpoint has settled meanwhile stays settled.
    """
    found = tuple(page for page in sorted(pages) if page <= len(states) and states[page - 1] == PageState.WAITING)
    if not found:
        return states, found
    changed = bytearray(states)
    for page in found:
        changed[page - 1] = PageState.IN_FLIGHT
    return bytes(changed), found


def scaled(states: bytes, most: int) -> tuple[bytes, int]:
    """The states in so many cells at the most, and how many pages a cell stands for."""
    pages = max(1, -(-len(states) // max(most, 1)))
    if pages == 1:
        return states, 1
    return bytes(max(states[start : start + pages]) for start in range(0, len(states), pages)), pages
