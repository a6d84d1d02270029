"""The symbols and colours of the view. The symbols alone distinguish all states, without colour."""

from collections.abc import Mapping
from dataclasses import dataclass

from producer.watch.snapshot import PageState

# In the order of the legend.
STATE_STYLES = {
    PageState.COMPLETE: "green",
    PageState.IN_FLIGHT: "bold cyan",
    PageState.WAITING: "yellow",
    PageState.QUARANTINED: "bold red",
    PageState.NOT_QUEUED: "dim",
}
STATUS_STYLES = {
    "completed": "green",
    "partial": "green",
    "failed": "red",
    "unreadable": "red",
    "paused": "bold red",
}
PROBLEM = "bold red"
TITLE = "bold"
SECONDARY = "dim"


@dataclass(frozen=True, slots=True)
class Symbols:
    """Symbols for the states of a page, the full and empty parts of a progress bar, and a text that was cut."""

    pages: Mapping[PageState, str]
    full: str
    empty: str
    ellipsis: str


def _pages(symbols: str) -> dict[PageState, str]:
    return dict(zip(PageState, symbols, strict=True))


# In the order of PageState: complete, not queued, waiting, in flight, quarantined.
UNICODE = Symbols(_pages("■-·▸✗"), "━", "─", "…")
ASCII = Symbols(_pages("#-.>X"), "=", "-", "...")
