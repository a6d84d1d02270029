"""The characters and colours of the view. Characters alone tell all states apart."""

from collections.abc import Mapping
from dataclasses import dataclass

from producer.watch.page_states import PageState

NAMES = {
    PageState.COMPLETE: "complete",
    PageState.IN_FLIGHT: "in flight",
    PageState.WAITING: "waiting",
    PageState.QUARANTINED: "quarantined",
    PageState.NOT_ASKED: "not asked",
}
STYLES = {
    PageState.COMPLETE: "green",
    PageState.IN_FLIGHT: "bold cyan",
    PageState.WAITING: "yellow",
    PageState.QUARANTINED: "bold red",
    PageState.NOT_ASKED: "dim",
}
STATUS_STYLES = {
    "completed": "green",
    "partial": "green",
    "failed": "red",
    "unreadable": "red",
    "paused": "bold red",
}
TROUBLE = "bold red"
TITLE = "bold"
ASIDE = "dim"


@dataclass(frozen=True, slots=True)
class Glyphs:
    """A set of characters.

    Attributes:
        pages: one for each state of a page.
        full, empty: of a bar.
        ellipsis: for what was cut off.
        dash: between two things.
    """

    pages: Mapping[PageState, str]
    full: str
    empty: str
    ellipsis: str
    dash: str


def _pages(characters: str) -> dict[PageState, str]:
    return dict(zip(PageState, characters, strict=True))


# Complete, not asked for, waiting, in flight, quarantined.
UNICODE = Glyphs(_pages("■-·▸✗"), "━", "─", "…", " · ")
ASCII = Glyphs(_pages("#-.>X"), "=", "-", "...", " - ")
