"""Read the checkpoint of a stage again whenever it has changed, within a tenth of one core."""

import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import CheckpointError, LeafmarkError
from checkpointing.fields import now
from checkpointing.file import CheckpointFile, Signature
from checkpointing.refs import StageRef
from checkpointing.status import Status
from producer.status.doubtful_pages import doubt_lines
from producer.status.rate import latest_moments, rate_of
from producer.status.scan_status import what_it_waits_for
from producer.watch.snapshot import PageState, StageSnapshot, page_states, with_in_flight
from worker.storage.book_store import BookStore

# The checkpoint of a book of 100,000 pages takes a second to parse, and is saved every few seconds.
_PAUSE_FACTOR = 9
_MODEL_POLL_SECONDS = 1.0


class CheckpointReader:
    """Reads new versions of a checkpoint file, and nothing else, with pauses after slow reads."""

    def __init__(self, file: CheckpointFile) -> None:
        self._file = file
        self._seen: Signature | None = None
        self._not_before = 0.0

    def read_if_changed(self) -> Checkpoint | None:
        """Return the checkpoint if it has changed since the last call and a read is due; else None.

        Raises:
            CheckpointError: the file cannot be used; it may be about to be rebuilt. Raised once for each version.
            OSError: the storage failed.
        """
        version = self._version()
        if version in {None, self._seen} or time.monotonic() < self._not_before:
            return None
        began = time.thread_time()
        try:
            checkpoint = self._file.read()
        except CheckpointError:
            self._seen = version
            raise
        finally:
            self._not_before = time.monotonic() + _PAUSE_FACTOR * (time.thread_time() - began)
        self._seen = version
        return checkpoint

    def _version(self) -> Signature | None:
        """Return the version of the file; None if there is none or the storage is unavailable for a moment."""
        with suppress(OSError):
            return self._file.signature()
        return None


@dataclass(frozen=True, slots=True)
class _Version:
    """One version of a checkpoint: the stage, when its latest pages were completed, and when the stage began."""

    stage: StageSnapshot
    moments: tuple[datetime, ...] = ()
    begun: datetime | None = None


class StageReader:
    """Makes snapshots of one stage."""

    def __init__(self, store: BookStore, ref: StageRef) -> None:
        self._store = store
        self._ref = ref
        # One reader for the whole time: the deployment caches few checkpoints and might parse this one again.
        self._reader = CheckpointReader(store.checkpoint_file(ref))
        self._version: _Version | None = None
        self._is_fed = False
        self._begun: datetime | None = None
        self._poll_model_at = 0.0
        self._waits_for = ""

    def feed(self, checkpoint: Checkpoint) -> None:
        """Take a checkpoint from a caller that reads the file itself; it is not read here from now on."""
        self._is_fed = True
        # The caller follows work that begins now: the rate is that of this work.
        self._begun = self._begun or now()
        self._version = self._describe(checkpoint)

    def snapshot(self, claimed: Collection[int] | None, usd_per_page: float | None) -> StageSnapshot:
        """Return the stage as it is now.

        Args:
            claimed: the pages that have a claim; None if Redis does not answer.
            usd_per_page: expected cost of each page still to come; None if no estimate is possible.

        Raises:
            OSError: the storage failed.
        """
        if not self._is_fed:
            self._read()
        if self._version is None:
            return self._not_started()
        stage = replace(self._version.stage, pages_per_second=self._rate(), waits_for=self._poll_model())
        if stage.under_way and usd_per_page is not None:
            stage = replace(stage, expected_usd=stage.cost_usd + usd_per_page * stage.waiting)
        if claimed is None:
            return stage
        states, in_flight = with_in_flight(stage.states, claimed)
        return replace(stage, states=states, in_flight=in_flight, waiting=stage.waiting - len(in_flight))

    def _poll_model(self) -> str:
        if time.monotonic() >= self._poll_model_at:
            self._poll_model_at = time.monotonic() + _MODEL_POLL_SECONDS
            self._waits_for = what_it_waits_for(self._store, self._ref.stage)
        return self._waits_for

    def _rate(self) -> float | None:
        version = self._version
        if version is None or not version.stage.under_way:
            return None
        return rate_of(version.moments, self._begun or version.begun)

    def _read(self) -> None:
        try:
            checkpoint = self._reader.read_if_changed()
        except CheckpointError as error:
            # An earlier version stays on display until the file is rebuilt.
            self._version = self._version or self._unreadable(error)
            return
        if checkpoint is not None:
            self._version = self._describe(checkpoint)

    def _describe(self, checkpoint: Checkpoint) -> _Version:
        title, pages = self._title_and_pages()
        states = page_states(checkpoint, checkpoint.total_pages or pages)
        waiting = states.count(PageState.WAITING)
        latest = max(checkpoint.failed_pages, key=lambda failed: failed.failed_at, default=None)
        stage = StageSnapshot(
            scan_id=self._ref.scan_id,
            title=title,
            stage=self._ref.stage,
            status=checkpoint.status.value,
            states=states,
            completed=len(checkpoint.pages),
            waiting=waiting,
            quarantined=len(checkpoint.failed_pages),
            last_failure=f"page {latest.page}: {latest.message} ({latest.kind})" if latest else "",
            cost_usd=checkpoint.total_cost_usd,
            error=checkpoint.error or "",
            under_way=checkpoint.status is Status.IN_PROGRESS and waiting > 0,
            doubtful=len(checkpoint.doubtful_pages),
            doubts=tuple(doubt_lines(checkpoint.doubtful_pages)),
        )
        return _Version(stage, latest_moments(checkpoint), checkpoint.started_at)

    def _not_started(self) -> StageSnapshot:
        title, pages = self._title_and_pages()
        states = bytes([PageState.NOT_QUEUED]) * pages
        return StageSnapshot(self._ref.scan_id, title, self._ref.stage, Status.NOT_STARTED.value, states)

    def _unreadable(self, error: CheckpointError) -> _Version:
        # The reconciler of a stage under way rebuilds the file.
        under_way = self._store.open_stages.is_open(StageRef(self._ref.scan_id, self._ref.stage))
        return _Version(replace(self._not_started(), status="unreadable", error=str(error), under_way=under_way))

    def _title_and_pages(self) -> tuple[str, int]:
        """Return title and page count from the metadata; a scan with broken metadata is shown without them."""
        with suppress(LeafmarkError):
            metadata = self._store.metadata(self._ref.scan_id)
            return metadata.title, metadata.total_pages
        return "", 0
