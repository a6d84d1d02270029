"""Reset: forgetting a stage of a scan, so that it can begin as if it never had. Nothing that was paid for is lost.

Refused while pages are being worked on: their completions would bring them back.
"""

from dataclasses import dataclass

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import BrokerError, CheckpointError
from checkpointing.file import CheckpointFile
from checkpointing.refs import StageRef
from checkpointing.status import Status
from checkpointing.storage_errors import storage_error
from producer.output_dir import set_all_aside
from producer.page_ranges import show_pages
from producer.planning.spending import retire_answers
from producer.terminal.progress import Counting, uncounted
from worker.deployment import Deployment
from worker.pipeline.coordinators import make_coordinator
from worker.preflight import check_broker
from worker.queue.broker_errors import broker_errors
from worker.storage import root_owner


@dataclass(frozen=True, slots=True)
class Reset:
    """What there is to forget, or was.

    Attributes:
        scan_id: of which scan.
        stage: which stage of it.
        completed: how many pages are complete.
        outputs: how many outputs there are, valid or not.
        total_cost_usd: what the stage has cost, which stays counted.
    """

    scan_id: str
    stage: str
    completed: int
    outputs: int
    total_cost_usd: float


def look(deployment: Deployment, ref: StageRef) -> Reset | None:
    """What there is to forget; None for a stage that has not begun. Reads files only.

    Raises:
        UnknownNameError: there is no such scan or stage.
        InputError: the scan's metadata is broken.
        StorageError: the storage cannot be read.
    """
    deployment.store.stages.get(ref.stage)
    deployment.store.metadata(ref.scan_id)
    file = deployment.store.checkpoint_file(ref)
    try:
        checkpoint, unusable = file.read_or_salvage()
        outputs = len(deployment.store.outputs(ref).pages())
    except OSError as error:
        raise storage_error(error, file.path) from error
    if not outputs and not unusable and _is_blank(checkpoint) and not deployment.store.open_stages.is_open(ref):
        return None
    return Reset(ref.scan_id, ref.stage, len(checkpoint.pages), outputs, checkpoint.total_cost_usd)


def reset(deployment: Deployment, ref: StageRef, counting: Counting = uncounted) -> Reset:
    """Forget a stage: no page is complete, in quarantine or asked for. Its outputs are set aside, its cost stays.

    Whatever step is the last one, the same command, said again, does the rest: the checkpoint forgets at the end.

    Returns:
        What was forgotten.

    Raises:
        UnknownNameError: there is no such scan or stage.
        InputError: the scan's metadata is broken.
        StorageError: the storage failed.
        BrokerError: Redis cannot be reached: the pages that wait there would still be worked on.
        InUseError: the workers at work are those of another deployment, and would go on.
        CheckpointError: pages are being worked on, or somebody else holds the checkpoint.
    """
    total_pages = deployment.store.metadata(ref.scan_id).total_pages
    check_broker(deployment.settings)
    root_owner.refuse_another(deployment.store.root, deployment.queues.redis, deployment.queues.keys.deployment)
    file, outputs = deployment.store.checkpoint_file(ref), deployment.store.outputs(ref)
    try:
        _insist_on_idleness(deployment, ref, total_pages)
        with file.exclusive() as checkpoint:
            _merge(deployment, file, checkpoint)
            _stop(deployment, checkpoint, total_pages)
            there = outputs.pages()
            forgotten = Reset(ref.scan_id, ref.stage, len(checkpoint.pages), len(there), checkpoint.total_cost_usd)
            with counting(f"{ref}: outputs set aside", len(there)) as step:
                if there:
                    set_all_aside(outputs, sorted(there), step)
            retire_answers(deployment, ref, range(1, total_pages + 1))
            checkpoint.start_over()
            file.save(checkpoint)
    except broker_errors() as error:
        raise BrokerError(f"Redis failed ({error}); repeat the command") from error
    except OSError as error:
        raise storage_error(error, file.path) from error
    return forgotten


def _merge(deployment: Deployment, file: CheckpointFile, checkpoint: Checkpoint) -> None:
    """Take in what workers have handed over: what they spent stays spent, and nothing of it comes later."""
    coordinator = make_coordinator(deployment.store, deployment.queues, checkpoint.ref)
    while merged := coordinator.merge_into(checkpoint):
        file.save(checkpoint)
        coordinator.inbox.remove(merged)


def _stop(deployment: Deployment, checkpoint: Checkpoint, total_pages: int) -> None:
    """Take the pages that wait out of the queue, and see that no reconciler puts them back.

    Raises:
        CheckpointError: one was begun meanwhile. The reconciler then puts back those that wait.
    """
    scan_id, stage = checkpoint.scan_id, checkpoint.stage
    deployment.store.open_stages.remove(StageRef(scan_id, stage))
    deployment.queues.queue(StageRef(scan_id, stage)).close()
    try:
        _insist_on_idleness(deployment, StageRef(scan_id, stage), total_pages)
    except CheckpointError:
        deployment.store.open_stages.add(StageRef(scan_id, stage), checkpoint.requested)
        raise


def _insist_on_idleness(deployment: Deployment, ref: StageRef, total_pages: int) -> None:
    held = sorted(deployment.queues.queue(ref).held(list(range(1, total_pages + 1))))
    if held:
        raise CheckpointError(
            f"{ref}: workers have pages in hand ({show_pages(held)}), which would come back after the "
            f"reset; `producer cancel {ref.scan_id} --stage {ref.stage}` and wait for them, or add --now, "
            "then repeat"
        )


def _is_blank(checkpoint: Checkpoint) -> bool:
    parts = (checkpoint.pages, checkpoint.failed_pages, checkpoint.requested)
    return checkpoint.status is Status.NOT_STARTED and not any(parts)
