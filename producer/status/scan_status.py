"""Status: where the stages of a scan stand. Reads files only, so it works with Redis down."""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import CheckpointError, InputError, LeafmarkError, UnknownNameError, in_one_line
from checkpointing.fields import now
from checkpointing.page_records import DoubtfulPage
from checkpointing.refs import StageRef
from checkpointing.status import Status
from checkpointing.storage_errors import storage_error
from producer.status.begun_stages import count_as_enqueue_would
from producer.status.call_costs import unanswered_of
from producer.status.cost_overruns import excess_usd, surprises_of
from worker.deployment import Deployment
from worker.pages.scan import ScanMetadata, incomplete_folders, list_scans
from worker.stages.registry import STAGES

# The rate is that of the pages completed lately: so many at the most, and none from before a long break.
_RATE_PAGES = 50
_RATE_WINDOW_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class StageStatus:
    """One stage of one scan.

    Attributes:
        status: as in the checkpoint; `unreadable` where the file cannot be used.
        total_pages, completed, remaining, failed: counts of pages.
        failed_pages: each with page, kind, message, attempts, worker, failed_at.
        total_cost_usd: over all runs, in USD.
        pages_per_second: lately; None when nothing is running or nothing can be said yet.
        eta_seconds: until the pages asked for are done at that rate; likewise None.
        error: why it failed, in words.
        dearer_calls: calls of a model that cost more than was reserved for them: its known price is wrong.
        dearer_usd: what they cost beyond that, in USD.
        unanswered_calls: calls of a model that have no answer: under way, or lost; None where they
            were not counted.
        unanswered_usd: the most that they may cost, in USD.
        doubtful: how many complete pages have an implausible reading.
        doubtful_pages: these, each with page and reasons.
    """

    status: str
    total_pages: int
    completed: int
    remaining: int
    failed: int
    failed_pages: list[dict[str, Any]]
    total_cost_usd: float
    pages_per_second: float | None = None
    eta_seconds: float | None = None
    error: str | None = None
    waits: str | None = None
    started_at: datetime | None = None
    updated_at: datetime | None = None
    completed_at: datetime | None = None
    dearer_calls: int = 0
    dearer_usd: float = 0.0
    unanswered_calls: int | None = None
    unanswered_usd: float | None = None
    doubtful: int = 0
    doubtful_pages: list[DoubtfulPage] = field(default_factory=list)


_STAGE_FORM = TypeAdapter(StageStatus)


@dataclass(frozen=True, slots=True)
class ScanStatus:
    """All stages of one scan that have begun, in pipeline order; before any has, the first one."""

    metadata: ScanMetadata
    stages: dict[str, StageStatus]

    def as_json(self) -> dict[str, Any]:
        """The form that `producer status --json` prints."""
        return {
            "scan_id": self.metadata.scan_id,
            "title": self.metadata.title,
            "total_pages": self.metadata.total_pages,
            "stages": {name: _STAGE_FORM.dump_python(stage, mode="json") for name, stage in self.stages.items()},
        }


def scan_status(deployment: Deployment, scan_id: str, *, with_calls: bool = False) -> ScanStatus:
    """Where a scan stands.

    Args:
        deployment: the deployment.
        scan_id: the book.
        with_calls: whether calls without an answer are counted, which reads a folder for each page.

    Raises:
        UnknownNameError: there is no such scan.
        StorageError: the storage cannot be read.
    """
    metadata = deployment.metadata(scan_id)
    begun = [
        name
        for name in STAGES
        if deployment.checkpoint_file(StageRef(scan_id, name)).path.exists()
        or deployment.outputs(StageRef(scan_id, name)).pages()
    ]
    shown = begun or [next(iter(STAGES))]
    stages = {name: _stage_status(deployment, metadata, name) for name in shown}
    if with_calls:
        stages = {name: _with_calls(deployment, scan_id, name, stage) for name, stage in stages.items()}
    return ScanStatus(metadata, stages)


def all_scans(deployment: Deployment, on_broken: Callable[[LeafmarkError], object] = id) -> list[ScanStatus]:
    """Where every scan under the storage root stands, by id.

    Args:
        deployment: the deployment.
        on_broken: called with what is wrong with a scan that is left out, such as broken metadata.

    Raises:
        StorageError: the storage cannot be read, or is not a library.
    """
    deployment.library.check()
    for folder, missing in incomplete_folders(deployment.root):
        on_broken(InputError(f"{folder} is not a scan yet: {missing}"))
    found = []
    for scan_id in list_scans(deployment.root):
        try:
            found.append(scan_status(deployment, scan_id))
        except (InputError, UnknownNameError) as error:
            on_broken(error)
    return found


def what_it_waits_for(deployment: Deployment, stage: str) -> str:
    """What keeps a stage's model from answering, in words; empty where nothing does. Reads one small file."""
    trouble = deployment.troubles.of(stage)
    # It quotes a server, and any machine of the deployment may have written it.
    return "" if trouble is None else in_one_line(trouble.words())


def recent_rate(checkpoint: Checkpoint, begun: datetime | None = None) -> float | None:
    """Pages a second over the pages completed lately; None where that says nothing.

    Args:
        checkpoint: of the stage.
        begun: when the work that is looked at began; default when the stage was first started.
    """
    moments = latest_moments(checkpoint)
    is_under_way = begun is not None and any(moment >= begun for moment in moments)
    return rate_of(moments, begun if is_under_way else checkpoint.started_at)


def latest_moments(checkpoint: Checkpoint) -> tuple[datetime, ...]:
    """When the pages completed last were completed, in order: so many as a rate is made of."""
    moments = (record.completed_at for record in checkpoint.pages.values() if record.completed_at)
    return tuple(reversed(heapq.nlargest(_RATE_PAGES, moments)))


def rate_of(moments: Sequence[datetime], begun: datetime | None = None) -> float | None:
    """Pages a second as of now; falls while nothing is completed. None where that says nothing.

    The time before the first page counts where the work began lately: two pages that end together after a minute
    are two a minute, and not ten a second.

    Args:
        moments: when pages were completed, in order.
        begun: when the work began; what was completed before it counts only until something is completed after it.
    """
    lately = [moment for moment in moments if _is_recent(moment)]
    of_this_work = [moment for moment in lately if begun is not None and moment >= begun]
    if begun is not None and of_this_work and _is_recent(begun) and len(of_this_work) < _RATE_PAGES:
        since, pages = begun, len(of_this_work)
    elif len(lately) > 1:
        since, pages = lately[0], len(lately) - 1
    else:
        return None
    seconds = (max(now(), lately[-1]) - since).total_seconds()
    return pages / seconds if seconds else None


def _is_recent(moment: datetime) -> bool:
    return (now() - moment).total_seconds() < _RATE_WINDOW_SECONDS


def _with_calls(deployment: Deployment, scan_id: str, name: str, stage: StageStatus) -> StageStatus:
    unanswered = unanswered_of(deployment, StageRef(scan_id, name))
    return replace(stage, unanswered_calls=unanswered.calls, unanswered_usd=unanswered.most_usd)


def _stage_status(deployment: Deployment, metadata: ScanMetadata, stage: str) -> StageStatus:
    file = deployment.checkpoint_file(StageRef(metadata.scan_id, stage))
    try:
        checkpoint = file.read()
        if not file.is_of_this_version():
            count_as_enqueue_would(
                checkpoint, deployment.outputs(StageRef(metadata.scan_id, stage)), metadata.total_pages
            )
    except CheckpointError as error:
        return StageStatus(
            "unreadable", metadata.total_pages, 0, metadata.total_pages, 0, [], 0.0, error=str(error)
        )
    except OSError as error:
        raise storage_error(error, file.path) from error
    total = checkpoint.total_pages or metadata.total_pages
    surprises = surprises_of(deployment, StageRef(metadata.scan_id, stage))
    running = checkpoint.status is Status.IN_PROGRESS
    rate = recent_rate(checkpoint) if running else None
    return StageStatus(
        status=checkpoint.status.value,
        total_pages=total,
        completed=len(checkpoint.pages),
        remaining=max(0, total - len(checkpoint.pages) - len(checkpoint.failed_pages)),
        failed=len(checkpoint.failed_pages),
        failed_pages=[failed.model_dump(mode="json") for failed in checkpoint.failed_pages],
        total_cost_usd=checkpoint.total_cost_usd,
        pages_per_second=round(rate, 3) if rate else None,
        eta_seconds=round(len(checkpoint.pending()) / rate, 1) if rate else None,
        error=checkpoint.error,
        waits=what_it_waits_for(deployment, stage) or None if running else None,
        started_at=checkpoint.started_at,
        updated_at=checkpoint.updated_at if checkpoint.revision else None,
        completed_at=checkpoint.completed_at,
        dearer_calls=len(surprises),
        dearer_usd=excess_usd(surprises),
        doubtful=len(checkpoint.doubtful_pages),
        doubtful_pages=checkpoint.doubtful_pages,
    )
