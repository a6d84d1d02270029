"""Replace one page of a book with a new scan of it. The old file is kept, and stages process the page again.

The steps are safe to repeat after a crash: the new file is stored; the old file, if it contains only this page,
gets a name with the date; the scan's metadata is replaced atomically, and the page is the new one from then on;
each stage, the first one first, sets the output of the page aside and marks the page as not complete.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from redis.exceptions import RedisError

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import CheckpointError, UnknownNameError
from checkpointing.money import Money
from checkpointing.refs import StageRef
from checkpointing.storage_errors import storage_errors
from producer.ingest.metadata_file import metadata_lock
from producer.ingest.replacement_file import examine_incoming, make_record, remove_old_name, store_replacement
from producer.planning.stale import find_stale
from worker.queue.client import QueueClient
from worker.stages.registry import STAGES
from worker.storage import root_owner
from worker.storage.book_store import BookStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.deployment import Deployment


@dataclass(frozen=True, slots=True)
class StageAgain:
    """A stage that processes the page again.

    Attributes:
        stage: its name.
        was: the state of the page before.
        spent_usd: cost of the page there, in USD; stays recorded, and is about the cost of processing it again.
    """

    stage: str
    was: Literal["complete", "in quarantine", "saved"]
    spent_usd: float


@dataclass(frozen=True, slots=True)
class Replaced:
    """The result of a replacement or of its dry run.

    Attributes:
        stored: name of the new file in `source/`.
        kept: name of the old file in `source/`.
        already: the page had been replaced by this file before.
        stages: the stages that process the page again, in pipeline order.
    """

    scan_id: str
    page: int
    stored: str
    kept: str
    already: bool = False
    stages: list[StageAgain] = field(default_factory=list)


def replace_page(
    deployment: Deployment,
    scan_id: str,
    page: int,
    path: Path,
    *,
    place: int | None = None,
    password: str | None = None,
    dry_run: bool = False,
) -> Replaced:
    """Replace a page of a book, and have each stage process it again when it is enqueued next.

    `place` is the page of the new file, and None if that has only one. An encrypted PDF is stored decrypted.

    Raises:
        UnknownNameError: there is no such scan or page.
        InputError: the new file cannot be used.
        CheckpointError: a worker has the page in hand, or another process holds a lock.
        InUseError: the workers on this storage root belong to another deployment.
        StorageError: the storage failed; repeat the call.
    """
    metadata = deployment.store.metadata(scan_id)
    total_pages = metadata.total_pages
    if not 1 <= page <= total_pages:
        raise UnknownNameError(f"there is no page {page}: {scan_id} has the pages 1 to {total_pages}")
    scan = deployment.store.scan(scan_id)
    with storage_errors(scan.path):
        incoming = examine_incoming(deployment.store.stages.settings_for(metadata, page), path, place, password)
        _check_idle(deployment.store, deployment.queues, scan_id, page)
        with metadata_lock(scan):
            # Read under the lock, because another replacement may have changed it.
            record, old_name, already = make_record(scan.read_metadata(), page, incoming)
            if not dry_run and not already:
                store_replacement(scan, record, old_name, incoming)
            if not dry_run:
                remove_old_name(scan, record.before)
            stages = list(
                _again(deployment.store, deployment.queues, scan_id, page, sure=not already, dry_run=dry_run)
            )
    return Replaced(scan_id, page, record.file.name, record.before, already, stages)


def _check_idle(store: BookStore, queues: QueueClient, scan_id: str, page: int) -> None:
    """Check that no worker has the page in hand, if Redis is up.

    A worker that takes the page later notices before it saves that the page has another source now.
    """
    root_owner.refuse_another(store.root, queues.redis, queues.keys.deployment)
    for stage in STAGES:
        try:
            held = queues.queue(StageRef(scan_id, stage)).held([page])
        except RedisError:
            return
        if held:
            raise CheckpointError(
                f"{scan_id}/{stage}: a worker has page {page} in hand; repeat the command when it is done"
            )


def _again(
    store: BookStore, queues: QueueClient, scan_id: str, page: int, *, sure: bool, dry_run: bool
) -> Iterator[StageAgain]:
    """Mark the page as not complete in each stage, unless the stage has processed it since the replacement.

    `sure` says that no stage can have processed it since, because the metadata was changed just now.
    """
    forgotten: set[str] = set()
    for name in STAGES:
        ref = StageRef(scan_id, name)
        outputs, file = store.outputs(ref), store.checkpoint_file(ref)
        if not file.path.exists() and not outputs.path_of(page).exists():
            continue
        checkpoint, _ = file.read_or_salvage()
        stood = _stood(checkpoint, page, has_output=outputs.path_of(page).exists())
        depends = forgotten.intersection(store.stages.get(name).depends_on)
        if stood is None or not (sure or depends or _is_old(store, checkpoint, page)):
            continue
        forgotten.add(name)
        if not dry_run:
            file.remove_orphans()
            with file.exclusive() as current:
                outputs.set_aside(page)
                current.set_back(page)
                file.save(current)
            with contextlib.suppress(RedisError):
                queues.queue(ref).forget_attempts([page])
        spent = store.spent_on(ref, page) or Money()
        yield StageAgain(name, stood, spent.usd)


def _stood(
    checkpoint: Checkpoint, page: int, *, has_output: bool
) -> Literal["complete", "in quarantine", "saved"] | None:
    if page in checkpoint.pages:
        return "complete"
    if page in checkpoint.quarantined():
        return "in quarantine"
    return "saved" if has_output else None


def _is_old(store: BookStore, checkpoint: Checkpoint, page: int) -> bool:
    """Return whether what a stage has of the page is made from the old source, or does not say from which."""
    record = checkpoint.pages.get(page)
    if record is None:
        replaced = store.metadata(checkpoint.scan_id).source.replacements[page]
        return any(
            failed.page == page and failed.failed_at < replaced.replaced_at for failed in checkpoint.failed_pages
        )
    stale = find_stale(store, checkpoint.ref, {page: record})
    return not record.made_from or (page in stale and bool(stale[page].inputs))
