"""What crashes have left in the storage: temp files without a writer, checkpoints that could not be used."""

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

_MOST_SECONDS = 10.0
_CHECKPOINTS = "checkpoints"
_report = Reporter(Area.LEFTOVERS)


def examine_leftovers(store: BookStore, most_seconds: float = _MOST_SECONDS) -> Iterator[Check]:
    """Look through the scans for what nobody needs any more; for a long list of them not to its end.

    Args:
        store: the books.
        most_seconds: after so long it says how far it came.
    """
    try:
        yield from _look_through(store, list_scans(store.root), most_seconds)
    except (OSError, StorageError) as error:
        words = error if isinstance(error, StorageError) else storage_error(error, store.root)
        yield _report.problem("scans", str(words), "mend the storage first")


def _look_through(store: BookStore, scans: Sequence[str], most_seconds: float) -> Iterator[Check]:
    deadline = time.monotonic() + most_seconds
    orphans: set[Path] = leftovers(store.root / OWN_FOLDER, "") | leftovers(store.root / OWN_FOLDER / "open", "")
    orphans |= leftovers(store.root / OWN_FOLDER / "trouble", "")
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
            f"looked at {looked} of {counted(len(scans), 'scan')} in {most_seconds:g} s, and not at the rest",
        )
    elif not orphans and not unusable:
        yield _report.ok("scans", f"nothing is left over in {counted(len(scans), 'scan')}")


def _about_orphans(orphans: set[Path], root: Path) -> Iterator[Check]:
    if orphans:
        first = min(orphans)
        yield _report.warning(
            "orphans",
            f"{counted(len(orphans), 'temp file')} of writers that crashed, such as {first.relative_to(root)}",
            "they do no harm; `producer verify SCAN_ID --repair` deletes those of a scan",
        )


def _about_unusable(unusable: list[Path]) -> Iterator[Check]:
    if unusable:
        last = max(unusable, key=lambda path: path.name.rpartition("unusable-")[2])
        scan_id = last.parents[1].name
        yield _report.warning(
            "unusable_checkpoints",
            f"{len(unusable)} checkpoints were set aside as unusable, the last one of {scan_id}: {last.name}",
            "they were rebuilt; find out what damaged them, and delete these",
        )
