"""Repair the differences between checkpoint and outputs that `producer.verify.verify_scan` found.

The work is done by resume (`producer.planning.enqueue`), for the pages that were requested before and for damaged
complete pages. What resume does not repair is repaired here first. It needs Redis: the output of a completion that
waits in the inbox would look like a foreign one. After a crash, repeat the command.
"""

from checkpointing.checkpoint import Checkpoint
from checkpointing.fields import PageRange
from checkpointing.outputs import OutputFolder
from checkpointing.refs import StageRef
from checkpointing.status import Status
from checkpointing.storage_errors import storage_errors
from producer.page_ranges import runs
from producer.planning.enqueue import enqueue
from producer.planning.preconditions import check_deployment
from producer.planning.request import Plan, Request
from producer.verify.check_stage import StageReport
from producer.verify.contradictions import cost_of_pages
from producer.verify.findings import DAMAGED, Kind
from worker.deployment import Deployment


class _OnlyThese(Request):
    """A request for single pages or for none; pages that are not in the book are skipped."""

    def pages(self, total_pages: int) -> list[int]:
        """Return the pages that are in the book, in order."""
        return sorted(page for page in self.only if page <= total_pages)


def repair(
    deployment: Deployment, scan_id: str, report: StageReport, only: frozenset[int] | None = None
) -> Plan | None:
    """Repair what was found in one stage, and enqueue the pages that need work.

    Changes nothing without Redis: an output whose completion waits there would be taken for a foreign one. With
    `only`, no other pages than these are enqueued.

    Returns:
        The plan that was enqueued; None if there was nothing to repair and nothing is left to do.

    Raises:
        BrokerError: Redis cannot be reached.
        InUseError: the workers on this storage root belong to another deployment.
        StorageError: the storage failed.
        CheckpointError: another process holds the checkpoint.
    """
    if not report.pending and not any(finding.mendable for finding in report.findings):
        return None
    ref = StageRef(scan_id, report.stage)
    check_deployment(deployment.store, deployment.queues)
    file = deployment.store.checkpoint_file(ref)
    total_pages = deployment.store.metadata(scan_id).total_pages
    with storage_errors(file.path), file.exclusive() as checkpoint:
        before = checkpoint.model_copy(update={"metadata": dict(checkpoint.metadata)})
        _request(checkpoint, report, deployment.store.open_stages.requested(ref))
        _make_consistent(checkpoint, total_pages)
        _set_aside(deployment.store.outputs(ref), checkpoint, report)
        if checkpoint != before:
            file.save(checkpoint)
    wanted = frozenset(page for first, last in checkpoint.requested for page in range(first, last + 1))
    wanted = wanted if only is None else wanted & only
    return enqueue(deployment, _OnlyThese(scan_id, report.stage, only=wanted))


def _request(checkpoint: Checkpoint, report: StageReport, noted: list[PageRange]) -> None:
    """Request the damaged pages and, if the checkpoint was destroyed, those that `open_stages` lists."""
    damaged = sorted(each.page for each in report.findings if each.kind in DAMAGED and each.page is not None)
    knows = checkpoint.requested or checkpoint.status is Status.CANCELLED
    for first, last in [*runs(damaged), *([] if knows else noted)]:
        checkpoint.request(first, last)


def _make_consistent(checkpoint: Checkpoint, total_pages: int) -> None:
    """Make the checkpoint consistent with the book and with itself where a resume would not."""
    checkpoint.release({page for page in checkpoint.quarantined() if page > total_pages})
    checkpoint.requested = [
        (first, min(last, total_pages)) for first, last in checkpoint.requested if first <= total_pages
    ]
    checkpoint.raise_cost_to(cost_of_pages(checkpoint, total_pages))


def _set_aside(outputs: OutputFolder, checkpoint: Checkpoint, report: StageReport) -> None:
    """Set aside the outputs that were not requested or are not in the book."""
    asked_for = set(checkpoint.pending()) | checkpoint.pages.keys()
    for finding in report.findings:
        unasked = finding.kind is Kind.STRAY and finding.page not in asked_for
        if finding.page is not None and (unasked or finding.kind is Kind.BEYOND_BOOK):
            outputs.set_aside(finding.page)
