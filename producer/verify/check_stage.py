"""Compare one stage's checkpoint with its outputs, file by file. Read-only; works with Redis down.

Workers may be processing the stage meanwhile. So each difference is checked a second time, under the lock of the
checkpoint, and an output that is not in the checkpoint yet gets time to be merged.
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
from checkpointing.storage_errors import storage_errors
from producer.output_dir import foreign_names, leftovers
from producer.planning.stale import Why, explain_stale
from producer.status.checkpoint_snapshot import kept_still, take_snapshot, version_of
from producer.terminal.progress import Counting, Step, uncounted
from producer.verify.contradictions import contradictions
from producer.verify.findings import DAMAGED, Finding, Kind
from worker.storage.book_store import BookStore

# How long a coordinator may take to merge outputs that are on storage already, its pause included.
MERGE_SECONDS = 15.0
_POLL_SECONDS = 0.1
_NOT_NAMED_YET = frozenset({Kind.UNNAMED, Kind.NO_HASH, Kind.CHECKPOINT_MISSING})


@dataclass(frozen=True, slots=True)
class StageReport:
    """The result of checking one stage.

    Attributes:
        pages_checked: number of pages that have an output or are marked complete.
        findings: the differences; empty if there are none.
        pending: requested pages that are not complete yet.
        stale: complete pages without a difference whose inputs have changed, each with the reason.
        refresh_cost_usd: known cost of the stale pages, in USD.
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
    """Compare a stage's checkpoint with its outputs, and the inputs of its outputs with those of today.

    `only` limits the check to these pages and to what does not belong to a single page.

    Raises:
        UnknownNameError: the stage does not exist.
        StorageError: the storage cannot be read.
    """
    outputs = store.outputs(ref)
    with storage_errors(outputs.path):
        check = _StageCheck(outputs, store.checkpoint_file(ref), total_pages, only)
        if store.scan(ref.scan_id).is_taken_over(store.metadata(ref.scan_id)):
            check.expects = _before_takeover(store.checkpoint_file(ref))
        else:
            check.foreign = foreign_names(outputs, store.stages.get(ref.stage).assembled_name or None)
        report = check.run(counting)
        stale = explain_stale(store, ref, check.records_without(report.findings))
        return replace(report, stale=stale.pages, refresh_cost_usd=stale.cost_usd)


def _before_takeover(file: CheckpointFile) -> frozenset[Kind]:
    """Return the kinds that do not count as differences in another program's book before its first `enqueue`."""
    with contextlib.suppress(CheckpointError):
        return frozenset() if file.is_of_this_version() else _NOT_NAMED_YET
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
            # Another process may be rebuilding it, or may have begun the stage since the snapshot.
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
        """Return the records of the complete pages that are not damaged."""
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
        """Return the pages whose output may wait to be merged: only in a stage that workers may be processing."""
        if self._now.checkpoint.status not in {Status.IN_PROGRESS, Status.CANCELLED}:
            return []
        return [page for page, each in found.items() if each.kind is Kind.UNNAMED]

    def _difference(self, page: int) -> tuple[Kind, str] | None:
        """Return the difference of one page, or None."""
        record = self._now.checkpoint.pages.get(page)
        if record is None:
            return self._of_unnamed(self._outputs.check(page))
        is_current = record.schema_version == self._outputs.schema.version
        if is_current and record.sha256 and self._outputs.holds(page, record.sha256):
            # The fast path: nearly every output is the one that was accepted.
            return None
        return self._of_complete(self._outputs.check(page, record), record)

    def _of_complete(self, verdict: Verdict, record: PageRecord) -> tuple[Kind, str] | None:
        if verdict.problem is Problem.MISSING:
            return Kind.MISSING, "marked complete, but its output file is missing"
        if verdict.problem is not None:
            return Kind(verdict.problem.value), f"its output is not valid: {verdict.detail}"
        if record.sha256 is None:
            return Kind.NO_HASH, "its output has no hash in the checkpoint"
        version = self._outputs.schema.version
        if record.schema_version != version:
            return (
                Kind.OLDER_SCHEMA,
                f"its output was validated against schema {record.schema_version}, the current one is {version}",
            )
        return None

    def _of_unnamed(self, verdict: Verdict) -> tuple[Kind, str] | None:
        """Return the difference of a page that is not marked complete, or None."""
        problem, asked_for = verdict.problem, verdict.page in self._pending
        if problem is Problem.MISSING:
            return None
        if problem is None:
            words = "its output file is valid, but the page is not marked complete"
            return (Kind.UNNAMED, words) if self._now.usable else None
        words = f"its output is not valid: {verdict.detail}"
        if not self._now.usable and (asked_for or not self._now.checkpoint.requested):
            return Kind(problem.value), words
        # A requested page is going to be processed, which replaces the output.
        return None if asked_for else (Kind.STRAY, words)

    def _of_checkpoint(self) -> Iterator[Finding]:
        if self._now.usable:
            for words in contradictions(self._now.checkpoint, self._now.raw, self._total_pages):
                yield self._finding(Kind.CONTRADICTION, words)
        elif self._now.unusable is not None:
            yield self._finding(Kind.CHECKPOINT_UNUSABLE, self._now.unusable)
        elif self._present:
            outputs = counted(len(self._present), "output file")
            words = f"{outputs} found, but the checkpoint {self._file.path} is missing"
            yield self._finding(Kind.CHECKPOINT_MISSING, words)

    def _of_folder(self, temps: set[Path]) -> Iterator[Finding]:
        for page in sorted(page for page in self._present if page > self._total_pages):
            words = f"its output file exists, but the book has only {counted(self._total_pages, 'page')}"
            yield self._finding(Kind.BEYOND_BOOK, words, page)
        # Listed twice, because a temp file exists for a moment before its writer locks it.
        for path in sorted(temps & self._leftovers()):
            yield self._finding(Kind.LEFTOVER, f"a crash left the temp file {path}")
        for name in self.foreign:
            yield self._finding(Kind.FOREIGN, f"{self._outputs.path / name} was not made by Leafmark")

    def _leftovers(self) -> set[Path]:
        return leftovers(self._outputs.path) | leftovers(self._file.path.parent, self._file.path.name)

    def _finding(self, kind: Kind, problem: str, page: int | None = None) -> Finding:
        return Finding(kind, self._file.stage, problem, page)
