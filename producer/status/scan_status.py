"""The status of scans and their stages. Reads files only, so it works with Redis down."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from checkpointing.errors import CheckpointError, InputError, LeafmarkError, UnknownNameError, in_one_line
from checkpointing.page_records import DoubtfulPage
from checkpointing.refs import StageRef
from checkpointing.status import Status
from checkpointing.storage_errors import storage_error
from producer.status.begun_stages import begun_stages, count_as_enqueue_would
from producer.status.call_costs import overruns_of, unanswered_of
from producer.status.rate import recent_rate
from worker.pages.metadata import ScanMetadata
from worker.pages.scan import incomplete_folders, list_scans
from worker.stages.registry import STAGES
from worker.storage.book_store import BookStore


@dataclass(frozen=True, slots=True)
class StageStatus:
    """One stage of one scan.

    Attributes:
        status: as in the checkpoint; `unreadable` if the file cannot be used.
        total_pages, completed, remaining, failed: numbers of pages.
        failed_pages: each with page, kind, message, attempts, worker, failed_at.
        total_cost_usd: over all runs, in USD.
        pages_per_second: recent rate; None if the stage is not running or too few pages are complete.
        eta_seconds: until the requested pages are done at that rate; None without a rate.
        error: why it failed.
        waits: why its model does not answer.
        dearer_calls: model calls that cost more than was reserved for them: the known price is wrong.
        dearer_usd: the excess, in USD.
        unanswered_calls: model calls without an answer, under way or lost; None if they were not counted.
        unanswered_usd: their maximum cost, in USD.
        doubtful: number of complete pages whose reading is implausible.
        doubtful_pages: these pages, each with page and reasons.
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
    """The stages of a scan that have begun, in pipeline order; the first stage before any has."""

    metadata: ScanMetadata
    stages: dict[str, StageStatus]

    def as_json(self) -> dict[str, Any]:
        """Return the form that `producer status --json` prints."""
        return {
            "scan_id": self.metadata.scan_id,
            "title": self.metadata.title,
            "total_pages": self.metadata.total_pages,
            "stages": {name: _STAGE_FORM.dump_python(stage, mode="json") for name, stage in self.stages.items()},
        }


def scan_status(store: BookStore, scan_id: str, *, with_calls: bool = False) -> ScanStatus:
    """Return the status of a scan; `with_calls` counts calls without an answer, which reads a folder for each page.

    Raises:
        UnknownNameError: there is no such scan.
        StorageError: the storage cannot be read.
    """
    metadata = store.metadata(scan_id)
    refs = begun_stages(store, scan_id) or [StageRef(scan_id, next(iter(STAGES)))]
    stages = {ref.stage: _stage_status(store, metadata, ref) for ref in refs}
    if with_calls:
        for ref in refs:
            unanswered = unanswered_of(store, ref)
            stages[ref.stage] = replace(
                stages[ref.stage], unanswered_calls=unanswered.calls, unanswered_usd=unanswered.usd
            )
    return ScanStatus(metadata, stages)


def all_scans(store: BookStore, on_broken: Callable[[LeafmarkError], object] = id) -> list[ScanStatus]:
    """Return the status of every scan under the storage root, by id.

    `on_broken` is called with the error for each scan that is left out, for example because its metadata is broken.

    Raises:
        StorageError: the storage cannot be read, or is not a library.
    """
    store.library.check()
    for folder, missing in incomplete_folders(store.root):
        on_broken(InputError(f"{folder} is not a scan yet: {missing}"))
    found = []
    for scan_id in list_scans(store.root):
        try:
            found.append(scan_status(store, scan_id))
        except (InputError, UnknownNameError) as error:
            on_broken(error)
    return found


def what_it_waits_for(store: BookStore, stage: str) -> str:
    """Return why the model of a stage does not answer; empty if nothing is wrong. Reads one small file."""
    trouble = store.outage_notes.of(stage)
    # The text quotes a server, and any machine of the deployment may have written the file.
    return "" if trouble is None else in_one_line(trouble.words())


def _stage_status(store: BookStore, metadata: ScanMetadata, ref: StageRef) -> StageStatus:
    file = store.checkpoint_file(ref)
    try:
        checkpoint = file.read()
        if not file.is_of_this_version():
            count_as_enqueue_would(checkpoint, store.outputs(ref), metadata.total_pages)
    except CheckpointError as error:
        return StageStatus(
            "unreadable", metadata.total_pages, 0, metadata.total_pages, 0, [], 0.0, error=str(error)
        )
    except OSError as error:
        raise storage_error(error, file.path) from error
    total = checkpoint.total_pages or metadata.total_pages
    overruns = overruns_of(store, ref)
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
        waits=what_it_waits_for(store, ref.stage) or None if running else None,
        started_at=checkpoint.started_at,
        updated_at=checkpoint.updated_at if checkpoint.revision else None,
        completed_at=checkpoint.completed_at,
        dearer_calls=overruns.calls,
        dearer_usd=overruns.usd,
        doubtful=len(checkpoint.doubtful_pages),
        doubtful_pages=checkpoint.doubtful_pages,
    )
