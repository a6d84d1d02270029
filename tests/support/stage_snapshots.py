"""Make stage snapshots for tests of the view, from drawings of their pages."""

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
    """Return the page states that a drawing with the ASCII symbols shows."""
    return bytes(PER_CHARACTER[character] for character in drawn)


def stage_snapshot(drawn: str = "##>.X-", **changes: Any) -> StageSnapshot:
    """Return a stage under way whose pages and counts are those of a drawing, with some fields changed."""
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
