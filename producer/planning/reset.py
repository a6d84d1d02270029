"""Reset a stage of a scan to the state before its first page. Outputs are set aside, and recorded costs are kept.

Refused while workers have pages in hand: their completions would bring the pages back.
"""

from dataclasses import dataclass

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import BrokerError, CheckpointError
from checkpointing.file import CheckpointFile
from checkpointing.refs import StageRef
from checkpointing.status import Status
from checkpointing.storage_errors import storage_errors
from producer.output_dir import set_all_aside
from producer.page_ranges import show_pages
from producer.planning.preconditions import check_deployment
from producer.planning.spending import retire_answers
from producer.terminal.progress import Counting, uncounted
from worker.pipeline.coordinators import make_coordinator
from worker.queue.broker_errors import broker_errors
from worker.queue.client import QueueClient
from worker.storage.book_store import BookStore


@dataclass(frozen=True, slots=True)
class Reset:
    """What a reset affects.

    Attributes:
        completed: number of complete pages.
        outputs: number of outputs, valid or not.
        total_cost_usd: cost of the stage, in USD; it stays recorded.
    """

    scan_id: str
    stage: str
    completed: int
    outputs: int
    total_cost_usd: float


def look(store: BookStore, ref: StageRef) -> Reset | None:
    """Return what a reset would affect; None for a stage that has not begun. Reads files only.

    Raises:
        UnknownNameError: there is no such scan or stage.
        InputError: the scan's metadata is broken.
        StorageError: the storage cannot be read.
    """
    store.stages.get(ref.stage)
    store.metadata(ref.scan_id)
    file = store.checkpoint_file(ref)
    with storage_errors(file.path):
        checkpoint, unusable = file.read_or_salvage()
        outputs = len(store.outputs(ref).pages())
    has_pages = checkpoint.pages or checkpoint.failed_pages or checkpoint.requested
    is_blank = checkpoint.status is Status.NOT_STARTED and not has_pages
    if is_blank and not outputs and not unusable and not store.open_stages.is_open(ref):
        return None
    return Reset(ref.scan_id, ref.stage, len(checkpoint.pages), outputs, checkpoint.total_cost_usd)


def reset(store: BookStore, queues: QueueClient, ref: StageRef, counting: Counting = uncounted) -> Reset:
    """Reset a stage: no page is complete, in quarantine or requested. Outputs are set aside, the cost is kept.

    The checkpoint is saved last, so after a crash the same call finishes the reset. Returns what was reset.

    Raises:
        UnknownNameError: there is no such scan or stage.
        InputError: the scan's metadata is broken.
        StorageError: the storage failed.
        BrokerError: Redis cannot be reached, and pages that wait there would still be processed.
        InUseError: the workers on this storage root belong to another deployment and would continue.
        CheckpointError: workers have pages in hand, or another process holds the checkpoint.
    """
    total_pages = store.metadata(ref.scan_id).total_pages
    check_deployment(store, queues)
    file, outputs = store.checkpoint_file(ref), store.outputs(ref)
    try:
        _check_idle(queues, ref, total_pages)
        with storage_errors(file.path), file.exclusive() as checkpoint:
            _merge(store, queues, file, checkpoint)
            _stop(store, queues, checkpoint, total_pages)
            there = outputs.pages()
            forgotten = Reset(ref.scan_id, ref.stage, len(checkpoint.pages), len(there), checkpoint.total_cost_usd)
            with counting(f"{ref}: outputs set aside", len(there)) as step:
                if there:
                    set_all_aside(outputs, sorted(there), step)
            retire_answers(store, ref, range(1, total_pages + 1))
            checkpoint.start_over()
            file.save(checkpoint)
    except broker_errors() as error:
        raise BrokerError(f"Redis failed ({error})", hint="repeat the command") from error
    return forgotten


def _merge(store: BookStore, queues: QueueClient, file: CheckpointFile, checkpoint: Checkpoint) -> None:
    """Merge all waiting completions: their cost stays recorded, and none of them arrives after the reset."""
    coordinator = make_coordinator(store, queues, checkpoint.ref)
    while merged := coordinator.merge_into(checkpoint):
        file.save(checkpoint)
        coordinator.inbox.remove(merged)


def _stop(store: BookStore, queues: QueueClient, checkpoint: Checkpoint, total_pages: int) -> None:
    """Take the waiting pages out of the queue, and keep reconcilers from putting them back.

    Raises:
        CheckpointError: a worker took one meanwhile. A reconciler then puts back the waiting pages.
    """
    ref = checkpoint.ref
    store.open_stages.remove(ref)
    queues.queue(ref).close()
    try:
        _check_idle(queues, ref, total_pages)
    except CheckpointError:
        store.open_stages.add(ref, checkpoint.requested)
        raise


def _check_idle(queues: QueueClient, ref: StageRef, total_pages: int) -> None:
    held = sorted(queues.queue(ref).held(list(range(1, total_pages + 1))))
    if held:
        raise CheckpointError(
            f"{ref}: workers have pages in hand ({show_pages(held)})",
            hint=f"run `producer cancel {ref.scan_id} --stage {ref.stage}`, wait until they are finished (or add "
            "--now), then repeat",
        )
