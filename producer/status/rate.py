"""Pages per second of a stage, from the times at which its latest pages were completed."""

import heapq
from collections.abc import Sequence
from datetime import datetime

from checkpointing.checkpoint import Checkpoint
from checkpointing.fields import now

# The rate counts at most this many pages, and none from before a long break.
_MAX_PAGES = 50
_WINDOW_SECONDS = 600.0


def recent_rate(checkpoint: Checkpoint) -> float | None:
    """Return the recent pages per second of a stage; None if there are too few pages."""
    return rate_of(latest_moments(checkpoint), checkpoint.started_at)


def latest_moments(checkpoint: Checkpoint) -> tuple[datetime, ...]:
    """Return when the latest pages were completed, in order: as many as a rate counts."""
    moments = (record.completed_at for record in checkpoint.pages.values() if record.completed_at)
    return tuple(reversed(heapq.nlargest(_MAX_PAGES, moments)))


def rate_of(moments: Sequence[datetime], begun: datetime | None = None) -> float | None:
    """Return the pages per second up to now; falls while no page is completed. None if there are too few pages.

    If the work began recently, the time before its first page counts: two pages that end together after a minute
    are two per minute, not ten per second.

    Args:
        moments: when pages were completed, in order.
        begun: when the work began; earlier pages count only until the first later one.
    """
    recent = [moment for moment in moments if _is_recent(moment)]
    of_this_work = [moment for moment in recent if begun is not None and moment >= begun]
    if begun is not None and of_this_work and _is_recent(begun) and len(of_this_work) < _MAX_PAGES:
        since, pages = begun, len(of_this_work)
    elif len(recent) > 1:
        since, pages = recent[0], len(recent) - 1
    else:
        return None
    # The clock of another machine may be ahead.
    seconds = (max(now(), recent[-1]) - since).total_seconds()
    return pages / seconds if seconds else None


def _is_recent(moment: datetime) -> bool:
    return (now() - moment).total_seconds() < _WINDOW_SECONDS
