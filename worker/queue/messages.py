"""The content of a page task: scan, stage and page, and the run that asked for it."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

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
    PAUSED = "paused"
    """The stage cannot go on until a person acts. The page has lost no attempt."""


class PageName(BaseModel):
    """One page of one stage of one scan. Everything else is read from storage.

    It may be forged, so each field is validated: a scan id cannot lead out of the storage root.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    scan_id: ScanId
    stage: StageName
    page: Annotated[int, Field(ge=1, le=9_999_999)]

    @property
    def ref(self) -> StageRef:
        """Stage and scan of the page."""
        return StageRef(self.scan_id, self.stage)


class PageMessage(PageName):
    """A page and the run that asked for it, if the sender named one."""

    run: Run | None = None
