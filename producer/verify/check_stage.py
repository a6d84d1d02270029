"""Comparing one stage's checkpoint with its outputs, file by file. Reads only; works with Redis down.

Work may be under way meanwhile. So whatever looks wrong is looked at again, by the checkpoint as it then is and
while nobody changes it; and an output that waits to be merged into the checkpoint is given the time for that.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from checkpointing.errors import CheckpointError
from checkpointing.file import CheckpointFile
from checkpointing.outputs import OutputFolder, Problem, Verdict
from checkpointing.page_records import PageRecord
from checkpointing.plurals import counted
from checkpointing.refs import StageRef
from checkpointing.status import Status
from checkpointing.storage_errors import storage_error
from producer.output_dir import foreign_names, leftovers
from producer.planning.stale import Why, cost_of_refresh, find_stale, name_recipes
from producer.status.checkpoint_snapshot import kept_still, take_snapshot, version_of
from producer.terminal.progress import Counting, Step, uncounted
from producer.verify.contradictions import contradictions
from producer.verify.findings import DAMAGED, Finding, Kind
from worker.storage.book_store import BookStore

# How long a coordinator may take to merge what is on storage already, its pause included.
MERGE_SECONDS = 15.0
_POLL_SECONDS = 0.1
_NOT_NAMED_YET = frozenset({Kind.UNNAMED, Kind.NO_HASH, Kind.CHECKPOINT_MISSING})


@dataclass(frozen=True, slots=True)
class StageReport:
    """What a look at one stage found.

    Attributes:
        stage: which one.
        pages_checked: how many pages have an output or are complete by the checkpoint.
        findings: the differences; none for a stage that is in order.
        pending: the pages that were asked for and are still to be done.
        stale: complete pages that are in order and not made from what is there now, with why.
        refresh_cost_usd: what these have cost, in USD, as far as is known.
    """

    stage: str
    pages_checked: int
    findings: list[Finding]
    pending: frozenset[int]
    stale: dict[int, Why] = field(default_factory=dict)
    refresh_cost_usd: float = 0.0


def check_stage(
    store: BookStore,
    ref: StageRef,
    total_pages: int,
    counting: Counting = uncounted,
    only: frozenset[int] | None = None,
) -> StageReport:
    """Compare a stage's checkpoint with its outputs, and these with what they would be made from now.

    Args:
        store: the books.
        ref: which stage of which scan.
        total_pages: of the book.
        counting: shows how far it is.
        only: look at no other pages than these, and at what concerns no single page; None for all.

    Raises:
        UnknownNameError: there is no such stage.
        StorageError: the storage cannot be read.
    """
    outputs = store.outputs(ref)
    try:
        check = _StageCheck(outputs, store.checkpoint_file(ref), total_pages, only)
        check.foreign = _foreign(store, ref)
        check.expects = _before_takeover(store, ref)
        report = check.run(counting)
        records = check.records_without(report.findings)
        stale = find_stale(store, ref, records)
        return replace(
            report,
            stale=name_recipes(store, ref, stale),
            refresh_cost_usd=cost_of_refresh(records, stale),
        )
    except OSError as error:
        raise storage_error(error, outputs.path) from error


def _foreign(store: BookStore, ref: StageRef) -> list[str]:
    """Names in a stage's folder that nobody can account for; another program's own files stay where they are."""
    if store.scan(ref.scan_id).is_taken_over(store.metadata(ref.scan_id)):
        return []
    maker = store.stages.get(ref.stage)
    return foreign_names(store.outputs(ref), maker.assembled_name or None)


def _before_takeover(store: BookStore, ref: StageRef) -> frozenset[Kind]:
    """What is as it should be in a book of another program until the stage is enqueued for the first time."""
    file = store.checkpoint_file(ref)
    with contextlib.suppress(CheckpointError):
        if store.scan(ref.scan_id).is_taken_over(store.metadata(ref.scan_id)) and not file.is_of_this_version():
            return _NOT_NAMED_YET
    return frozenset()


class _StageCheck:
    def __init__(
        self, outputs: OutputFolder, file: CheckpointFile, total_pages: int, only: frozenset[int] | None
    ) -> None:
        self._outputs = outputs
        self._file = file
        self._total_pages = total_pages
        self._only = only
        self.foreign: list[str] = []
        self.expects: frozenset[Kind] = frozenset()
        self._take_snapshot()
        self._present = outputs.pages()
        if not self._now.usable:
            # Somebody may be rebuilding it, or have begun the stage after the first look.
            with kept_still(file):
                self._take_snapshot()

    def run(self, counting: Counting) -> StageReport:
        temps = self._leftovers()
        known = self._present | self._now.checkpoint.pages.keys()
        pages = sorted(page for page in known if page <= self._total_pages and self._is_wanted(page))
        with counting(f"{self._file.scan_id}/{self._file.stage}: pages checked", len(pages)) as step:
            found = self._look_at(pages, step)
        if found:
            found = self._look_again(found)
        findings = [*self._of_checkpoint(), *found.values(), *self._of_folder(temps)]
        differences = [finding for finding in findings if finding.kind not in self.expects]
        return StageReport(self._file.stage, len(pages), differences, self._pending)

    def records_without(self, findings: Iterable[Finding]) -> dict[int, PageRecord]:
        """The evidence for the complete pages that are not damaged."""
        damaged = {finding.page for finding in findings if finding.kind in DAMAGED}
        records = self._now.checkpoint.pages.items()
        return {page: record for page, record in records if page not in damaged and self._is_wanted(page)}

    def _is_wanted(self, page: int) -> bool:
        return self._only is None or page in self._only

    def _take_snapshot(self) -> None:
        self._now = take_snapshot(self._file)
        self._pending = self._now.pending(self._total_pages)

    def _look_at(self, pages: Iterable[int], step: Step = bool) -> dict[int, Finding]:
        found = {}
        for page in pages:
            difference = self._difference(page)
            if difference is not None:
                kind, problem = difference
                found[page] = self._finding(kind, problem, page)
            step()
        return found

    def _look_again(self, found: dict[int, Finding]) -> dict[int, Finding]:
        with kept_still(self._file):
            self._take_snapshot()
            found = self._look_at(found)
        deadline = time.monotonic() + MERGE_SECONDS
        while (unmerged := self._unmerged(found)) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            if version_of(self._file) != self._now.version:
                self._take_snapshot()
                still = self._look_at(unmerged)
                found = {page: finding for page, finding in found.items() if page not in unmerged or page in still}
        return found

    def _unmerged(self, found: dict[int, Finding]) -> list[int]:
        """The pages whose output may wait to be merged: those of a stage on which workers may be at work."""
        if self._now.checkpoint.status not in {Status.IN_PROGRESS, Status.CANCELLED}:
            return []
        return [page for page, each in found.items() if each.kind is Kind.UNNAMED]

    def _difference(self, page: int) -> tuple[Kind, str] | None:
        """What is wrong with one page, if anything."""
        record = self._now.checkpoint.pages.get(page)
        if record is None:
            return self._of_unnamed(self._outputs.check(page))
        is_current = record.schema_version == self._outputs.schema.version
        if is_current and record.sha256 and self._outputs.holds(page, record.sha256):
            # Nearly every page is the one that was accepted, and needs no closer look.
            return None
        return self._of_complete(self._outputs.check(page, record), record)

    def _of_complete(self, verdict: Verdict, record: PageRecord) -> tuple[Kind, str] | None:
        if verdict.problem is Problem.MISSING:
            return Kind.MISSING, "it is complete by the checkpoint, and there is no output"
        if verdict.problem is not None:
            return Kind(verdict.problem.value), f"its output does not count: {verdict.detail}"
        if record.sha256 is None:
            return Kind.NO_HASH, "the checkpoint has no hash of its output"
        version = self._outputs.schema.version
        if record.schema_version != version:
            return (
                Kind.OLDER_SCHEMA,
                f"its output was checked by schema {record.schema_version}, now it is {version}",
            )
        return None

    def _of_unnamed(self, verdict: Verdict) -> tuple[Kind, str] | None:
        """What is wrong with the output of a page that is not complete by the checkpoint."""
        problem, asked_for = verdict.problem, verdict.page in self._pending
        if problem is Problem.MISSING:
            return None
        if problem is None:
            words = "there is a valid output, and the checkpoint does not name the page complete"
            return (Kind.UNNAMED, words) if self._now.usable else None
        words = f"its output does not count: {verdict.detail}"
        if not self._now.usable and (asked_for or not self._now.checkpoint.requested):
            return Kind(problem.value), words
        # What was asked for is going to be done, and then replaces it.
        return None if asked_for else (Kind.STRAY, words)

    def _of_checkpoint(self) -> Iterator[Finding]:
        if self._now.usable:
            for words in contradictions(self._now.checkpoint, self._now.raw, self._total_pages):
                yield self._finding(Kind.CONTRADICTION, words)
        elif self._now.unusable is not None:
            yield self._finding(Kind.CHECKPOINT_UNUSABLE, self._now.unusable)
        elif self._present:
            there = counted(len(self._present), "output is", "outputs are")
            words = f"{there} there, and no checkpoint {self._file.path}"
            yield self._finding(Kind.CHECKPOINT_MISSING, words)

    def _of_folder(self, temps: set[Path]) -> Iterator[Finding]:
        for page in sorted(page for page in self._present if page > self._total_pages):
            words = f"there is an output, and the book has {counted(self._total_pages, 'page')}"
            yield self._finding(Kind.BEYOND_BOOK, words, page)
        # Looked at twice, because a temp file exists for a moment before its writer has locked it.
        for path in sorted(temps & self._leftovers()):
            yield self._finding(Kind.LEFTOVER, f"a crash left the unfinished file {path}")
        for name in self.foreign:
            yield self._finding(Kind.FOREIGN, f"{self._outputs.path / name} is not a file of Leafmark")

    def _leftovers(self) -> set[Path]:
        return leftovers(self._outputs.path) | leftovers(self._file.path.parent, self._file.path.name)

    def _finding(self, kind: Kind, problem: str, page: int | None = None) -> Finding:
        return Finding(kind, self._file.stage, problem, page)
