"""Names that moved to `checkpoint`, `fields`, `messages`, `page_records` and `status`; for open branches only."""

from checkpointing.checkpoint import CHECKPOINT_VERSION, Checkpoint
from checkpointing.fields import PageNumber, PageRange, Sha256, Usd, now
from checkpointing.messages import Completion, Pause
from checkpointing.page_records import Doubt, DoubtfulPage, Doubts, FailedPage, PageRecord, cost_of
from checkpointing.status import Status

__all__ = [
    "CHECKPOINT_VERSION",
    "Checkpoint",
    "Completion",
    "Doubt",
    "DoubtfulPage",
    "Doubts",
    "FailedPage",
    "PageNumber",
    "PageRange",
    "PageRecord",
    "Pause",
    "Sha256",
    "Status",
    "Usd",
    "cost_of",
    "now",
]
