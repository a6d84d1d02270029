"""Replace one page of a book by a new scan of it. The old picture is kept, and each stage does the page again.

The steps, each safe to die after and repeated by the same command: the new file is stored; the old one, where it
holds nothing but this page, gets a name with the date; the scan's metadata is replaced in one step, and from then
on the page is the new picture; each stage, the first one first, sets the page's output aside and forgets the page.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Literal

from redis.exceptions import RedisError

from checkpointing.atomic import sync_folder
from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import CheckpointError, InputError, PageError, UnknownNameError, in_one_line
from checkpointing.fields import now
from checkpointing.money import Money
from checkpointing.plurals import counted
from checkpointing.refs import StageRef
from checkpointing.regular_files import open_regular_file
from checkpointing.storage_errors import storage_error
from producer.ingest.file_hash import sha256_of
from producer.ingest.metadata_file import metadata_lock, read_form, write_form
from producer.ingest.source_check import examine
from producer.planning.stale import find_stale
from worker.pages.scan import ReplacedPage, ScanFolder, ScanMetadata, SourceFile
from worker.pages.sources.open import open_file
from worker.pages.sources.pdfium import save_decrypted
from worker.queue.client import QueueClient
from worker.stages.registry import STAGES
from worker.storage import root_owner
from worker.storage.book_store import BookStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.config.settings import Settings
    from worker.deployment import Deployment

_CHUNK_BYTES = 1 << 20
_DIGITS_OF_HASH = 12
_KEPT = re.compile(r"(?P<stem>.+)\.replaced-\d{8}T\d{6}Z(?P<suffix>\.[^.]+)")


@dataclass(frozen=True, slots=True)
class StageAgain:
    """A stage in which the page is done again.

    Attributes:
        stage: which one.
        was: how the page stood there.
        spent_usd: what the page has cost there, in USD; it stays counted, and is about what doing it again costs.
    """

    stage: str
    was: Literal["complete", "in quarantine", "saved"]
    spent_usd: float


@dataclass(frozen=True, slots=True)
class Replaced:
    """What was done, or would be.

    Attributes:
        stored: name of the new file in `source/`.
        kept: name of the file in `source/` in which the old picture is kept.
        already: the page was this picture before.
        stages: those in which the page is done again, in pipeline order.
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
    """Replace a page of a book, and have each stage that has done it do it again when it is enqueued next.

    Args:
        deployment: the deployment.
        scan_id: which book.
        page: which page of it, from 1.
        path: the file that holds the new scan of it.
        place: which page of that file it is; None where the file holds one.
        password: of an encrypted PDF; it is stored without.
        dry_run: look only; nothing is changed.

    Raises:
        UnknownNameError: there is no such scan or page.
        InputError: the new file cannot be used; says why and what to do.
        CheckpointError: a worker has the page in hand, or another process holds what must be changed.
        InUseError: the workers at work are those of another deployment.
        StorageError: the storage failed; the same command, repeated, does the rest.
    """
    metadata = deployment.store.metadata(scan_id)
    total_pages = metadata.total_pages
    if not 1 <= page <= total_pages:
        raise UnknownNameError(f"there is no page {page}: {scan_id} has the pages 1 to {total_pages}")
    scan = deployment.store.scan(scan_id)
    try:
        incoming = _look_at(deployment.store.stages.settings_for(metadata), path, place, password)
        _check_idle(deployment.store, deployment.queues, scan_id, page)
        with metadata_lock(scan):
            # Read under the lock: another replacement may have changed it.
            record, old_name, already = _plan(scan.read_metadata(), page, incoming)
            if not dry_run and not already:
                _carry_out(scan, record, old_name, incoming)
            if not dry_run:
                _remove_old_name(scan, record.before)
            stages = list(
                _again(deployment.store, deployment.queues, scan_id, page, sure=not already, dry_run=dry_run)
            )
    except OSError as error:
        raise storage_error(error, scan.path) from error
    return Replaced(scan_id, page, record.file.name, record.before, already, stages)


@dataclass(frozen=True, slots=True)
class _Incoming:
    """The file that was given.

    Attributes:
        pages: how many it holds.
        place: which of them is the new page.
        sha256: of the file as it was given.
        password: with which it is decrypted before it is stored; None for one that needs none.
    """

    path: Path
    kind: Literal["pdf", "images"]
    pages: int
    place: int
    sha256: str
    password: str | None


def _look_at(settings: Settings, path: Path, place: int | None, password: str | None) -> _Incoming:
    """Check that a file holds the page, and that the page can be decoded.

    Raises:
        InputError: it does not, or cannot.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the file that holds the one page")
    found = examine(path, password)
    pages = found.files[0].pages
    if place is None and pages > 1:
        raise InputError(f"{path} holds {counted(pages, 'page')}; say with --from-page which of them it is")
    if place is not None and place > pages:
        held = counted(pages, "page")
        raise InputError(f"--from-page {place} is past the end of {path}, which holds {held}")
    incoming = _Incoming(
        path, found.kind, pages, place or 1, sha256_of(path), password if found.needs_password else None
    )
    if incoming.password is None:
        _check_readable(settings, incoming)
    return incoming


def _check_readable(settings: Settings, incoming: _Incoming) -> None:
    try:
        source = open_file(
            incoming.path, incoming.kind, incoming.pages, dpi=settings.dpi, max_pixels=settings.max_pixels
        )
        try:
            source.page(incoming.place)
        finally:
            source.close()
    except PageError as error:
        why = str(error).rpartition("; ")[0] or str(error)
        raise InputError(f"the new page cannot be used: {why}; give another scan of it") from error


def _check_idle(store: BookStore, queues: QueueClient, scan_id: str, page: int) -> None:
    """Check that no worker has the page in hand, where Redis can tell.

    One that takes it after this look sees, before it saves, that the page is made from another picture.

    Raises:
        CheckpointError: one has.
        InUseError: workers of another deployment are at work, and this Redis does not know what they have in hand.
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


def _plan(metadata: ScanMetadata, page: int, incoming: _Incoming) -> tuple[ReplacedPage, str, bool]:
    """What the metadata is going to say.

    Returns:
        The record of the replacement; the name of the old file, where it holds nothing but this page and is to be
        renamed, else empty; and whether the page is this picture already.

    Raises:
        InputError: the file is the one that was ingested.
    """
    suffix = PurePath(incoming.path.name).suffix.lower()
    # By its content, so that a command that is repeated after a crash finds the file that it has stored.
    name = f"page_{page:04d}-{incoming.sha256[:_DIGITS_OF_HASH]}{suffix}"
    in_force = metadata.source.replacements.get(page)
    if in_force is not None and (in_force.file.name, in_force.place) == (name, incoming.place):
        return in_force, "", True
    at = now()
    if in_force is not None:
        old, old_place, alone = in_force.file, in_force.place, False
    else:
        old, old_place = metadata.source.ingested(page)
        alone = old.pages == 1
        if (old.sha256, old_place) == (incoming.sha256, incoming.place):
            raise InputError(f"{incoming.path} is the file that page {page} was ingested from; give a new scan")
    kept = PurePath(old.name)
    record = ReplacedPage(
        page=page,
        kind=incoming.kind,
        file=SourceFile(name=name, pages=incoming.pages, sha256=incoming.sha256),
        place=incoming.place,
        original=in_one_line(incoming.path.name) or name,
        replaced_at=at,
        before=f"{kept.stem}.replaced-{at:%Y%m%dT%H%M%SZ}{kept.suffix}" if alone else old.name,
        before_sha256=old.sha256,
        before_place=old_place,
    )
    return record, old.name if alone else "", False


def _carry_out(scan: ScanFolder, record: ReplacedPage, old_name: str, incoming: _Incoming) -> None:
    """Store the new file, give the old one a name with the date, then replace the metadata.

    Raises:
        OSError: the storage failed; the page is what it was, or already what it is to be.
    """
    stored = scan.source_dir / record.file.name
    _store(incoming, stored)
    file = record.file.model_copy(update={"sha256": sha256_of(stored)})
    if old_name:
        _give_second_name(scan.source_dir / old_name, scan.source_dir / record.before)
    sync_folder(scan.source_dir)
    form = read_form(scan)
    for each in form["source"]["files"]:
        if each["name"] == old_name:
            each["name"] = record.before
    replaced = record.model_copy(update={"file": file}).model_dump(mode="json")
    form["source"]["replaced"] = [*form["source"].get("replaced", []), replaced]
    write_form(scan, form)


def _store(incoming: _Incoming, stored: Path) -> None:
    """Copy the new file, decrypted where it needs a password. A name that is there is the name of a whole file."""
    temp = stored.with_name(".replacement.tmp")
    temp.unlink(missing_ok=True)
    try:
        if incoming.password is None:
            with open_regular_file(incoming.path) as given, temp.open("xb") as copy:
                shutil.copyfileobj(given, copy, _CHUNK_BYTES)
        else:
            save_decrypted(incoming.path, temp, incoming.password)
        with temp.open("rb") as copy:
            os.fsync(copy.fileno())
        temp.replace(stored)
    finally:
        temp.unlink(missing_ok=True)


def _give_second_name(old: Path, kept: Path) -> None:
    """Have a file under two names, until the metadata speaks of the second one. A file that is lost has none."""
    try:
        os.link(old, kept)
    except (FileNotFoundError, FileExistsError):
        return
    except OSError:
        # Not every file system has links.
        shutil.copyfile(old, kept)
        with kept.open("rb") as copy:
            os.fsync(copy.fileno())


def _remove_old_name(scan: ScanFolder, kept: str) -> None:
    """Take away the name that a file had before it was kept under the one with the date."""
    match = _KEPT.fullmatch(kept)
    if match is None:
        return
    old = scan.source_dir / f"{match['stem']}{match['suffix']}"
    if old.name in {file.name for file in scan.read_metadata().source.files}:
        return
    with contextlib.suppress(FileNotFoundError):
        if sha256_of(old) == sha256_of(scan.source_dir / kept):
            old.unlink()
            sync_folder(old.parent)


def _again(
    store: BookStore, queues: QueueClient, scan_id: str, page: int, *, sure: bool, dry_run: bool
) -> Iterator[StageAgain]:
    """Have each stage forget the page, unless it has done it since.

    Args:
        store: the books.
        queues: the broker.
        scan_id: which book.
        page: which page.
        sure: whether no stage can have done it since: the metadata was changed a moment ago.
        dry_run: say which stages these are, and change nothing.
    """
    forgotten: set[str] = set()
    for name in STAGES:
        outputs, file = (
            store.outputs(StageRef(scan_id, name)),
            store.checkpoint_file(StageRef(scan_id, name)),
        )
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
                queues.queue(StageRef(scan_id, name)).forget_attempts([page])
        spent = store.spent_on(StageRef(scan_id, name), page) or Money()
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
    """Whether what a stage has of the page is made from what was there before, or does not say."""
    scan_id, stage = checkpoint.scan_id, checkpoint.stage
    record = checkpoint.pages.get(page)
    if record is None:
        replaced = store.metadata(scan_id).source.replacements[page]
        return any(
            failed.page == page and failed.failed_at < replaced.replaced_at for failed in checkpoint.failed_pages
        )
    stale = find_stale(store, StageRef(scan_id, stage), {page: record})
    return not record.made_from or (page in stale and bool(stale[page].inputs))
