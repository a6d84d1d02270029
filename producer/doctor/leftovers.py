"""Find what crashes left in the storage: temp files without a writer, and unusable checkpoints."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from checkpointing.errors import StorageError
from checkpointing.plurals import counted
from checkpointing.storage_errors import storage_error
from producer.doctor.check import Area, Check, Reporter
from producer.output_dir import leftovers
from worker.pages.scan import list_scans
from worker.stages.registry import STAGES
from worker.storage.book_store import BookStore
from worker.storage.open_stages import OWN_FOLDER

_MAX_SECONDS = 10.0
_CHECKPOINTS = "checkpoints"
_report = Reporter(Area.LEFTOVERS)


def examine_leftovers(store: BookStore, max_seconds: float = _MAX_SECONDS) -> Iterator[Check]:
    """Check the scans for files that are not needed any more; at the time limit, report how many were checked."""
    try:
        yield from _look_through(store, list_scans(store.root), max_seconds)
    except (OSError, StorageError) as error:
        words = error if isinstance(error, StorageError) else storage_error(error, store.root)
        yield _report.problem("scans", str(words), "repair the storage first")


def _look_through(store: BookStore, scans: Sequence[str], max_seconds: float) -> Iterator[Check]:
    deadline = time.monotonic() + max_seconds
    orphans: set[Path] = set()
    for folder in ("", "open", "trouble"):
        orphans |= leftovers(store.root / OWN_FOLDER / folder, "")
    unusable: list[Path] = []
    looked = 0
    for scan_id in scans:
        if time.monotonic() > deadline:
            break
        looked += 1
        scan = store.scan(scan_id).path
        orphans |= leftovers(scan / _CHECKPOINTS, "")
        unusable += (scan / _CHECKPOINTS).glob("*.unusable-*")
        for stage in STAGES:
            orphans |= leftovers(scan / store.stages.get(stage).output_dir)
    yield from _about_orphans(orphans, store.root)
    yield from _about_unusable(unusable)
    if looked < len(scans):
        yield _report.ok(
            "scans",
            f"checked {looked} of {counted(len(scans), 'scan')} in {max_seconds:g} s, and not the rest",
        )
    elif not orphans and not unusable:
        yield _report.ok("scans", f"no leftover files in {counted(len(scans), 'scan')}")


def _about_orphans(orphans: set[Path], root: Path) -> Iterator[Check]:
    if orphans:
        first = min(orphans)
        yield _report.warning(
            "orphans",
            f"crashed processes left {counted(len(orphans), 'temp file')}, such as {first.relative_to(root)}",
            "they are harmless; `producer verify SCAN_ID --repair` deletes those of a scan",
        )


def _about_unusable(unusable: list[Path]) -> Iterator[Check]:
    if unusable:
        last = max(unusable, key=lambda path: path.name.rpartition("unusable-")[2])
        scan_id = last.parents[1].name
        yield _report.warning(
            "unusable_checkpoints",
            f"{counted(len(unusable), 'checkpoint was', 'checkpoints were')} set aside as unusable, "
            f"the last one of {scan_id}: {last.name}",
            "each was rebuilt; find out what damaged it, and delete the unusable file",
        )
