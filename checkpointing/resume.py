"""Resume: make a checkpoint name exactly the pages that have a valid output."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from checkpointing.checkpoint import Checkpoint
from checkpointing.fields import now
from checkpointing.outputs import OutputFolder, Problem, Verdict
from checkpointing.page_records import Doubt, PageRecord


@dataclass
class Findings:
    """The result of comparing a checkpoint with the outputs.

    Attributes:
        records: the evidence for each page that counts as complete.
        valid: complete pages whose output is valid.
        adopted: pages with a valid output that the checkpoint did not name.
        faults: pages whose output does not count, with the reason. A page that was never done is not among them.
        doubts: why the reading of each newly parsed output is implausible; empty where it is not.
    """

    total_pages: int
    records: dict[int, PageRecord] = field(default_factory=dict)
    valid: set[int] = field(default_factory=set)
    adopted: set[int] = field(default_factory=set)
    faults: dict[int, Verdict] = field(default_factory=dict)
    doubts: dict[int, tuple[Doubt, ...]] = field(default_factory=dict)

    @property
    def complete(self) -> AbstractSet[int]:
        """Return all pages that count as complete."""
        return self.records.keys()


def bring_in_line(
    checkpoint: Checkpoint, outputs: OutputFolder, total_pages: int, *, change_nothing: bool = False
) -> Findings:
    """Make the checkpoint name exactly the pages with valid outputs; with `change_nothing`, only compare.

    An output that changed since it was checked is set aside, so that its page is done again. So is an invalid
    output that was never checked: the program that wrote it, such as Scanshelf, may have paid for it.

    Raises:
        OSError: the storage failed.
    """
    findings = Findings(total_pages)
    present = outputs.pages()
    for page in sorted(page for page in present | checkpoint.pages.keys() if page <= total_pages):
        record = checkpoint.pages.get(page)
        if record is not None and _is_unchanged(page, record, outputs):
            findings.valid.add(page)
            findings.records[page] = record
            continue
        verdict = outputs.check(page, record)
        if not verdict.valid:
            findings.faults[page] = verdict
            continue
        findings.doubts[page] = verdict.doubtful
        if record is None:
            findings.adopted.add(page)
            findings.records[page] = PageRecord(verdict.sha256, outputs.schema.version, completed_at=now())
        else:
            findings.valid.add(page)
            findings.records[page] = replace(record, sha256=verdict.sha256, schema_version=outputs.schema.version)
    if change_nothing:
        return findings
    for page, verdict in findings.faults.items():
        if verdict.problem is Problem.CHANGED or _is_foreign(verdict, checkpoint.pages.get(page)):
            outputs.set_aside(page)
    # A missing output may have been set aside by a resume that failed before the rename was durable.
    if findings.faults or findings.adopted:
        outputs.sync()
    checkpoint.keep_pages(findings.records)
    for page, reasons in findings.doubts.items():
        checkpoint.doubt(page, reasons)
    checkpoint.release(findings.complete)
    checkpoint.total_pages = total_pages
    return findings


def _is_foreign(verdict: Verdict, record: PageRecord | None) -> bool:
    return verdict.problem is Problem.INVALID and (record is None or record.sha256 is None)


def _is_unchanged(page: int, record: PageRecord, outputs: OutputFolder) -> bool:
    """Return whether the bytes are those that this schema version accepted.

    This is the fast path of nearly every page: it reads and hashes, and does not parse.
    """
    if record.sha256 is None or record.schema_version != outputs.schema.version:
        return False
    return outputs.holds(page, record.sha256)
