"""Change which pictures of a book are spreads: its pages are renumbered, and what was read of the others is kept.

A journal is written first; while it is there every command and worker refuses the book. Then all that has page
numbers is written once more into a folder beside, which a repeated command throws away and writes again after a
crash. When all of it is on disk, the journal says so, and folders are exchanged by renaming them: checkpoints go
first and come back last, so that none ever names a page without its output. A repeated command does the rest. The
folders as they were are kept in `renumbered/`.
"""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, count
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from checkpointing.atomic import make_folder, sync_folder, write_durably
from checkpointing.errors import BrokerError, CheckpointError, InputError
from checkpointing.fields import now
from checkpointing.ledger import LEDGER_FOLDER
from checkpointing.refs import StageRef
from checkpointing.regular_files import read_regular
from checkpointing.storage_errors import storage_errors
from producer.ingest.metadata_file import metadata_lock, read_form, write_form
from producer.planning.page_map import PageMap, renumbered_form
from producer.planning.renumbered_files import write_renumbered
from producer.terminal.progress import Counting, uncounted
from worker.pages.metadata import ScanMetadata, Spread
from worker.pages.renumbering import JOURNAL, KEPT, STAGED, Journal
from worker.stages.registry import STAGES
from worker.storage import root_owner

if TYPE_CHECKING:
    from pathlib import Path

    from worker.deployment import Deployment
    from worker.pages.scan import ScanFolder

_CHECKPOINTS = "checkpoints"


@dataclass(frozen=True, slots=True)
class Renumbering:
    """A change of the spreads of a book.

    Attributes:
        before: the metadata as they are.
        spreads: that the book has from now on.
        pages: how pages are renumbered.
        mode: for the profile of the book; empty to leave that.
    """

    before: ScanMetadata
    spreads: tuple[Spread, ...]
    pages: PageMap
    mode: str


def finish_renumbering(deployment: Deployment, scan_id: str) -> bool:
    """Finish a change that was interrupted, or undo it if it had not been written; return whether there was one.

    Raises:
        CheckpointError: another process is at it.
        StorageError: the storage failed; repeat the call.
    """
    scan = deployment.store.scan(scan_id)
    with storage_errors(scan.path):
        if not (scan.path / JOURNAL).exists():
            return False
        with metadata_lock(scan):
            _finish(deployment, scan)
    return True


def renumber(deployment: Deployment, change: Renumbering, counting: Counting = uncounted) -> None:
    """Renumber the pages of a book.

    Raises:
        CheckpointError: workers are at work on the book, or another process changes its metadata.
        BrokerError: workers are alive, and Redis does not tell what they work on.
        InputError: the book was changed meanwhile, or was made by another program.
        InUseError: the workers on this storage root belong to another deployment.
        StorageError: the storage failed; repeat the call.
    """
    scan = deployment.store.scan(change.before.scan_id)
    check_can_be_renumbered(deployment, change.before)
    with storage_errors(scan.path), metadata_lock(scan):
        if scan.read_metadata() != change.before:
            raise InputError(f"{scan.scan_id} was changed meanwhile", hint="repeat the command")
        form = renumbered_form(read_form(scan), change.before, change.spreads, change.pages, change.mode)
        _write_journal(scan, Journal(state="writing", kept=f"{now():%Y%m%dT%H%M%S%fZ}"))
        try:
            _write(deployment, scan, change.pages, form, counting)
        except BaseException:
            # Also after Ctrl-C. The book is as it was.
            with suppress(OSError):
                _undo(scan)
            raise
        _finish(deployment, scan)


def check_can_be_renumbered(deployment: Deployment, metadata: ScanMetadata) -> None:
    """Check that no worker is at work on a book, and that all that it has can be renumbered here.

    Raises:
        CheckpointError: workers are at work on the book.
        BrokerError: workers are alive, and Redis does not tell what they work on.
        InputError: the book was made by another program, or has a stage that is not installed here.
        InUseError: the workers on this storage root belong to another deployment.
    """
    store, scan = deployment.store, deployment.store.scan(metadata.scan_id)
    if scan.is_taken_over(metadata):
        raise InputError(
            f"{scan.scan_id} was made by another program", hint=f"ingest {scan.source_dir} under another id"
        )
    unknown = sorted(path.stem for path in (scan.path / _CHECKPOINTS).glob("*.json") if path.stem not in STAGES)
    if unknown:
        raise InputError(f"the stage {unknown[0]} of {scan.scan_id} is not installed here", hint="install it")
    root_owner.refuse_another(store.root, deployment.queues.redis, deployment.queues.keys.deployment)
    if not root_owner.is_held(store.root):
        return
    try:
        for name in STAGES:
            _check_idle(deployment, StageRef(scan.scan_id, name), metadata.total_pages)
    except RedisError as error:
        raise BrokerError(
            f"workers are alive, and Redis failed ({error})", hint="start Redis, or stop the workers, and repeat"
        ) from error


def _check_idle(deployment: Deployment, ref: StageRef, total_pages: int) -> None:
    queues = deployment.queues
    at_work = (
        deployment.store.open_stages.is_open(ref)
        or queues.queue(ref).held(range(1, total_pages + 1))
        or len(queues.inbox(ref))
    )
    if at_work:
        raise CheckpointError(
            f"{ref}: workers are at work on this book",
            hint=f"wait until they are done, or run `producer cancel {ref.scan_id}`, and repeat",
        )


def _write(
    deployment: Deployment, scan: ScanFolder, pages: PageMap, form: dict[str, Any], counting: Counting
) -> None:
    """Write the book with its new numbers beside, and record in the journal that all of it is there."""
    store = deployment.store
    for name in STAGES:
        # A producer that read the metadata before the journal was there has its stage open once it lets go.
        with store.checkpoint_file(StageRef(scan.scan_id, name)).exclusive():
            pass
    check_can_be_renumbered(deployment, ScanMetadata.model_validate_json(read_regular(scan.record_path)))
    staged = scan.path / STAGED
    make_folder(staged)
    folders = write_renumbered(store, scan.scan_id, pages, staged, counting)
    there = [name for name in (*folders, LEDGER_FOLDER, _CHECKPOINTS) if (staged / name).is_dir()]
    journal = Journal.model_validate_json(read_regular(scan.path / JOURNAL))
    ready = journal.model_copy(update={"state": "switching", "folders": tuple(there), "metadata": form})
    _write_journal(scan, ready)


def _write_journal(scan: ScanFolder, journal: Journal) -> None:
    write_durably(scan.path / JOURNAL, journal.model_dump_json().encode(), Journal.model_validate_json)


def _undo(scan: ScanFolder) -> None:
    journal = Journal.model_validate_json(read_regular(scan.path / JOURNAL))
    if journal.state == "writing":
        shutil.rmtree(scan.path / STAGED, ignore_errors=True)
        _remove_journal(scan)


def _finish(deployment: Deployment, scan: ScanFolder) -> None:
    """Exchange the folders, as far as that is left to do; each step may be repeated."""
    journal = Journal.model_validate_json(read_regular(scan.path / JOURNAL))
    if journal.state == "writing":
        _undo(scan)
        return
    kept, staged = scan.path / KEPT / journal.kept, scan.path / STAGED
    make_folder(kept, within=scan.path)
    if (staged / _CHECKPOINTS).exists():
        _put_away(scan.path / _CHECKPOINTS, kept)
    for name in (*(each for each in journal.folders if each != _CHECKPOINTS), _CHECKPOINTS):
        if (staged / name).exists():
            _put_away(scan.path / name, kept)
            (staged / name).rename(scan.path / name)
            sync_folder(scan.path)
            sync_folder(staged)
    if not (kept / scan.record_path.name).exists():
        write_durably(kept / scan.record_path.name, read_regular(scan.record_path), json.loads)
    write_form(scan, journal.metadata)
    refs = [StageRef(scan.scan_id, name) for name in STAGES]
    for ref in refs:
        deployment.store.open_stages.remove(ref)
    # Without Redis, the checkpoints say which attempts start at 0 again.
    with suppress(RedisError):
        for ref in refs:
            deployment.queues.queue(ref).close()
            deployment.queues.queue(ref).forget_attempts(range(1, journal.metadata["total_pages"] + 1))
    shutil.rmtree(staged, ignore_errors=True)
    _remove_journal(scan)


def _put_away(folder: Path, kept: Path) -> None:
    """Move a folder to those that are kept, one that was made meanwhile under another name."""
    if not folder.exists():
        return
    names = chain([folder.name], (f"{folder.name}-{number}" for number in count(2)))
    folder.rename(next(kept / name for name in names if not (kept / name).exists()))
    sync_folder(kept)
    sync_folder(folder.parent)


def _remove_journal(scan: ScanFolder) -> None:
    (scan.path / JOURNAL).unlink(missing_ok=True)
    sync_folder(scan.path)
