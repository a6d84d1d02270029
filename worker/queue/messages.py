"""The content of a page task: scan, stage and page, and the run that asked for it."""

from enum import StrEnum

from checkpointing.fields import ClosedModel, PageNumber
from checkpointing.refs import ScanId, StageName, StageRef
from checkpointing.run_ids import Run

# What a forged message can raise: every client of Redis can put one into the queue.
FORGED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
# Result of a task whose message does not name an existing page.
REFUSED = "refused"


class Outcome(StrEnum):
    """The result of processing one page message."""

    COMPLETE = "complete"
    ALREADY_COMPLETE = "already_complete"
    HELD = "held"
    """Another worker has the page: this message was a duplicate."""
    QUARANTINED = "quarantined"
    TRY_AGAIN = "try_again"
    WAITS = "waits"
    """The storage, the broker or the provider failed, or an input of the page is being made again. It has lost no
    attempt; the reconciler enqueues it again."""
    HANDED_ON = "handed_on"
    """This worker lacks the engine or the language; the page went to the queue of those that have it."""
    PAUSED = "paused"
    """The stage cannot go on until a person acts. The page has lost no attempt."""


class PageName(ClosedModel, strict=True):
    """One page of one stage of one scan. Everything else is read from storage.

    It may be forged, so each field is validated: a scan id cannot lead out of the storage root.
    """

    scan_id: ScanId
    stage: StageName
    page: PageNumber

    @property
    def ref(self) -> StageRef:
        """Stage and scan of the page."""
        return StageRef(self.scan_id, self.stage)


class PageMessage(PageName):
    """A page and the run that asked for it, if the sender named one."""

    run: Run | None = None
