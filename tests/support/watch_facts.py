"""Facts for tests of the view: a stage as it may stand, changed where a test wants it otherwise."""

from typing import Any

from producer.watch.snapshot import PageState, StageSnapshot

PER_CHARACTER = {
    "#": PageState.COMPLETE,
    "-": PageState.NOT_QUEUED,
    ".": PageState.WAITING,
    ">": PageState.IN_FLIGHT,
    "X": PageState.QUARANTINED,
}


def states(drawn: str) -> bytes:
    """Page states as the ASCII grid draws them."""
    return bytes(PER_CHARACTER[character] for character in drawn)


def stage_facts(drawn: str = "##>.X-", **changes: Any) -> StageSnapshot:
    """A stage whose pages stand as drawn; the counts are those of the drawing."""
    pages = states(drawn)
    usual: dict[str, Any] = {
        "scan_id": "a-book",
        "title": "A Book",
        "stage": "ocr",
        "status": "in_progress",
        "states": pages,
        "completed": drawn.count("#"),
        "waiting": drawn.count("."),
        "quarantined": drawn.count("X"),
        "in_flight": tuple(page for page, state in enumerate(pages, 1) if state == PageState.IN_FLIGHT),
        "last_failure": "page 5: torn in two (torn)" if "X" in drawn else "",
        "pages_per_second": 0.5,
        "under_way": True,
    }
    return StageSnapshot(**usual | changes)
