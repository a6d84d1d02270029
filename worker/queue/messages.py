"""What a page task carries."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from checkpointing.refs import ScanId, StageName, StageRef
from checkpointing.run_ids import Run

# What became of a message that names no page that there is.
REFUSED = "refused"


class PageName(BaseModel):
    """Names one page of one stage of one scan. Everything else is read from storage.

    Nothing of it is trusted: it may be forged, so a scan id cannot leave the storage root.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    scan_id: ScanId
    stage: StageName
    page: Annotated[int, Field(ge=1, le=9_999_999)]

    @property
    def ref(self) -> StageRef:
        """The stage and scan of the page."""
        return StageRef(self.scan_id, self.stage)


class PageMessage(PageName):
    """A page, and the run that asked for it: None where whoever sent it did not say."""

    run: Run | None = None
