"""The coordinator of a stage, made from the parts of a deployment."""

from functools import partial

from checkpointing.coordinator import Coordinator
from checkpointing.refs import StageRef
from worker.pipeline.assembly import assemble
from worker.queue.client import QueueClient
from worker.storage.book_store import BookStore


def make_coordinator(store: BookStore, queues: QueueClient, ref: StageRef) -> Coordinator:
    """Return the coordinator of a stage of a scan. Its last commit assembles the stage's one file, if it has one.

    Raises:
        UnknownNameError: there is no such stage or scan.
    """
    outputs = store.outputs(ref)
    return Coordinator(
        queues.redis,
        queues.keys,
        store.checkpoint_file(ref),
        outputs,
        store.metadata(ref.scan_id).total_pages,
        partial(assemble, store.stages.get(ref.stage), outputs),
    )
