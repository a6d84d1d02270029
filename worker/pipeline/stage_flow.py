"""Pass pages on from stage to stage: find the pages that are ready, and enqueue them.

A page is ready for a stage when it is complete in all stages that this stage depends on, and none of the
neighbours that this stage reads is pending there. Checkpoints alone decide that, so a crash loses nothing: the
coordinator that commits a stage enqueues the ready pages of later stages, and recovery finds those that it missed.

Functions that read checkpoints raise CheckpointError or OSError where one cannot be read.
"""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import UnknownNameError
from checkpointing.refs import StageRef
from worker.queue.client import QueueClient
from worker.stages.registry import STAGES
from worker.storage.book_store import BookStore

UPSTREAM = "upstream"
"""Kind of failure of a page that an earlier stage has quarantined."""


def ready(store: BookStore, ref: StageRef, pages: AbstractSet[int]) -> set[int]:
    """Return those of the pages that are ready for a stage."""
    stage = store.stages.get(ref.stage)
    found = set(pages)
    for _, upstream in _upstream(store, ref):
        found &= upstream.pages.keys()
        found -= _beside(upstream.pending(), stage.context_pages)
    return found


def given_up(store: BookStore, ref: StageRef, pages: AbstractSet[int]) -> dict[int, str]:
    """Return those of the pages that an earlier stage has quarantined, with the name of that stage."""
    found: dict[int, str] = {}
    for name, upstream in _upstream(store, ref):
        found |= dict.fromkeys(pages & upstream.quarantined(), name)
    return found


def unasked(store: BookStore, ref: StageRef, pages: AbstractSet[int]) -> dict[str, set[int]]:
    """Return the pages that would wait forever, by the earlier stage in which they were never requested."""
    found: dict[str, set[int]] = {}
    for name, upstream in _upstream(store, ref):
        missing = pages - upstream.pages.keys() - upstream.quarantined() - set(upstream.pending())
        if missing:
            found[name] = missing
    return found


def feed(store: BookStore, queues: QueueClient, ref: StageRef, settled: Iterable[int]) -> dict[str, int]:
    """Enqueue the pages of later stages that became ready when a stage settled pages; return how many, by stage.

    Raises:
        RedisError: the broker failed; recovery enqueues the pages later.
    """
    fed: dict[str, int] = {}
    pages = list(settled)
    for name in later_stages(store, ref.stage):
        later = StageRef(ref.scan_id, name)
        if not pages or not store.open_stages.is_open(later):
            continue
        checkpoint: Checkpoint = store.checkpoint_file(later).read()
        near = _beside(pages, store.stages.get(name).context_pages)
        candidates = ready(store, later, near.intersection(checkpoint.pending()))
        if not candidates:
            continue
        queue = queues.queue(later)
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
        UnknownNameError: there is no such stage, or the last stage does not depend on the first.
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


def _upstream(store: BookStore, ref: StageRef) -> Iterator[tuple[str, Checkpoint]]:
    """Return the stages that a stage depends on, with their checkpoints."""
    for name in store.stages.get(ref.stage).depends_on:
        yield name, store.checkpoint_file(StageRef(ref.scan_id, name)).read()


def _beside(pages: Iterable[int], context: int) -> set[int]:
    """Return the pages and their neighbours."""
    return {page + offset for page in pages for offset in range(-context, context + 1)}
