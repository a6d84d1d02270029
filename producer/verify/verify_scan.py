"""Check a scan's source, outputs and checkpoints, like `fsck`. Reads files only; works with Redis down.

`producer.verify.repair` repairs the differences.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from checkpointing.money import add_usd
from checkpointing.plurals import counted
from checkpointing.refs import StageRef
from checkpointing.regular_files import sha256_of
from checkpointing.storage_errors import storage_error
from producer.planning.request import check_pages
from producer.status.begun_stages import stages_with_files
from producer.terminal.progress import Counting, uncounted
from producer.verify.check_stage import StageReport, check_stage
from producer.verify.findings import Finding, Kind
from worker.pages.metadata import ScanMetadata, SourceFile
from worker.pages.scan import ScanFolder
from worker.pages.sources.images import inspect_image
from worker.storage.book_store import BookStore


@dataclass(frozen=True, slots=True)
class Report:
    """The result of checking one scan.

    Attributes:
        source: differences between the source files and what was ingested.
        stages: the result of each stage that was checked.
        only: the pages that were checked; None for all.
    """

    metadata: ScanMetadata
    source: list[Finding]
    stages: list[StageReport]
    only: frozenset[int] | None = None

    @property
    def findings(self) -> list[Finding]:
        """All differences."""
        return [*self.source, *(finding for stage in self.stages for finding in stage.findings)]

    @property
    def stale(self) -> list[Finding]:
        """Complete pages whose inputs have changed since. A repair does not change them."""
        return [
            Finding(Kind.STALE, stage.stage, why.words(), page)
            for stage in self.stages
            for page, why in stage.stale.items()
        ]

    @property
    def refresh_cost_usd(self) -> float:
        """Known cost of the stale pages, in USD."""
        return add_usd(*(stage.refresh_cost_usd for stage in self.stages))


def verify(
    store: BookStore,
    scan_id: str,
    stage: str | None = None,
    counting: Counting = uncounted,
    only: frozenset[int] | None = None,
) -> Report:
    """Check a stage of a scan, or all that have begun; all pages, or only some.

    Raises:
        UnknownNameError: the scan, the stage or a page does not exist.
        InputError: the scan's metadata is not valid.
        StorageError: the storage cannot be read.
    """
    metadata = store.metadata(scan_id)
    stages = stages_with_files(store, scan_id) if stage is None else [stage]
    for name in stages:
        store.stages.get(name)
    check_pages(only or frozenset(), metadata.total_pages)
    return Report(
        metadata,
        list(_check_source(store.scan(scan_id), metadata, counting)),
        [check_stage(store, StageRef(scan_id, name), metadata.total_pages, counting, only) for name in stages],
        only,
    )


def verify_again(store: BookStore, report: Report, counting: Counting = uncounted) -> Report:
    """Check the stages of a report again after a repair, but not the source, which no repair changes."""
    scan_id, total_pages = report.metadata.scan_id, report.metadata.total_pages
    stages = [
        check_stage(store, StageRef(scan_id, each.stage), total_pages, counting, report.only)
        for each in report.stages
    ]
    return replace(report, stages=stages)


def _check_source(scan: ScanFolder, metadata: ScanMetadata, counting: Counting) -> Iterator[Finding]:
    files = _files_in_use(metadata)
    with counting(f"{scan.scan_id}: source files checked", len(files)) as step:
        for file in files:
            problem = _problem_of(scan, file) or _uncounted_pages(scan, metadata, file)
            if problem:
                yield Finding(Kind.SOURCE, None, f"{scan.source_dir / file.name} {problem}")
            step()


def _files_in_use(metadata: ScanMetadata) -> list[SourceFile]:
    """Return the files that pages are read from, without those whose pages have all been replaced."""
    replaced = metadata.source.replacements
    files, first = [], 1
    for file in metadata.source.files:
        if not replaced.keys() >= set(range(first, first + file.pages)):
            files.append(file)
        first += file.pages
    return [*files, *(each.file for each in replaced.values())]


def _uncounted_pages(scan: ScanFolder, metadata: ScanMetadata, file: SourceFile) -> str | None:
    """Return the problem of a TIFF that an earlier version counted as one page because a frame was unreadable."""
    if metadata.source.kind != "images" or file not in metadata.source.files:
        return None
    pages = inspect_image(scan.source_dir / file.name).pages
    if pages <= file.pages:
        return None
    return (
        f"has {counted(pages, 'page')}, of which {counted(file.pages, 'was', 'were')} counted at its ingest; "
        "ingest it again under another id (--scan-id)"
    )


def _problem_of(scan: ScanFolder, file: SourceFile) -> str | None:
    path = scan.source_dir / file.name
    try:
        return None if sha256_of(path) == file.sha256 else "is not the file that was ingested: its hash differs"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {storage_error(error, path)}"
