"""Pass pages on from stage to stage: find those that are ready and put them in the queue.

A page is ready for a stage when every stage that this one depends on has it complete, and has none of its
neighbours under way that this one reads as well. That is read off the checkpoints, so a crash anywhere loses
nothing: whoever commits a stage feeds those that depend on it, and the reconciler's healing finds what was not fed.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import UnknownNameError
from checkpointing.refs import StageRef
from worker.queue.client import QueueClient
from worker.stages.registry import STAGES
from worker.storage.book_store import BookStore

UPSTREAM = "upstream"
"""Kind of the failure of a page whose earlier stage has given it up."""


def ready(store: BookStore, ref: StageRef, pages: AbstractSet[int]) -> set[int]:
    """Return those of the pages that a stage can begin with.

    Raises:
        CheckpointError, OSError: a checkpoint cannot be read.
    """
    stage = store.stages.get(ref.stage)
    found = set(pages)
    for name in stage.depends_on:
        upstream = store.checkpoint_file(StageRef(ref.scan_id, name)).read()
        found &= upstream.pages.keys()
        found -= _beside(upstream.pending(), stage.context_pages)
    return found


def given_up(store: BookStore, ref: StageRef, pages: AbstractSet[int]) -> dict[int, str]:
    """Return those of the pages that an earlier stage has in quarantine, with its name.

    Raises:
        CheckpointError, OSError: a checkpoint cannot be read.
    """
    found: dict[int, str] = {}
    for name in store.stages.get(ref.stage).depends_on:
        upstream = store.checkpoint_file(StageRef(ref.scan_id, name)).read()
        found |= dict.fromkeys(pages & upstream.quarantined(), name)
    return found


def unasked(store: BookStore, ref: StageRef, pages: AbstractSet[int]) -> dict[str, set[int]]:
    """Return pages that would wait for ever, by the stage they wait for, which was not asked to do them.

    Raises:
        CheckpointError, OSError: a checkpoint cannot be read.
    """
    found: dict[str, set[int]] = {}
    for name in store.stages.get(ref.stage).depends_on:
        upstream = store.checkpoint_file(StageRef(ref.scan_id, name)).read()
        missing = pages - upstream.pages.keys() - upstream.quarantined() - set(upstream.pending())
        if missing:
            found[name] = missing
    return found


def feed(store: BookStore, queues: QueueClient, ref: StageRef, settled: Iterable[int]) -> dict[str, int]:
    """Enqueue what has become ready in later stages, now that a stage has settled some pages.

    Returns:
        How many pages went into the queue, by stage.

    Raises:
        CheckpointError, OSError: a checkpoint cannot be read.
        RedisError: the broker failed; the reconciler will see to it.
    """
    fed: dict[str, int] = {}
    pages = list(settled)
    for name in later_stages(store, ref.stage):
        if not pages or not store.open_stages.is_open(StageRef(ref.scan_id, name)):
            continue
        checkpoint: Checkpoint = store.checkpoint_file(StageRef(ref.scan_id, name)).read()
        near = _beside(pages, store.stages.get(name).context_pages)
        candidates = ready(store, StageRef(ref.scan_id, name), near.intersection(checkpoint.pending()))
        if not candidates:
            continue
        queue = queues.queue(StageRef(ref.scan_id, name))
        queue.name_run(checkpoint.run)
        put = len(list(queue.put(sorted(candidates))))
        if put:
            fed[name] = put
    return fed


def later_stages(store: BookStore, stage_name: str) -> list[str]:
    """Return the stages that read a stage's outputs, in pipeline order."""
    return [name for name in STAGES if stage_name in store.stages.get(name).depends_on]


def through(store: BookStore, first: str, last: str) -> list[str]:
    """Return the stages of a pipeline from one to a later one, both included, in the order they run.

    Raises:
        UnknownNameError: there is no such stage, or no way from the one to the other.
    """
    wanted = {last}
    for name in reversed(STAGES):
        if name in wanted:
            wanted.update(store.stages.get(name).depends_on)
    names = [name for name in STAGES if name in wanted]
    store.stages.get(first)
    if first not in names:
        store.stages.get(last)
        raise UnknownNameError(f"the stage {first!r} does not lead to {last!r}")
    return names[names.index(first) :]


def _beside(pages: Iterable[int], context: int) -> set[int]:
    """Return the pages and their neighbours."""
    return {page + offset for page in pages for offset in range(-context, context + 1)}
