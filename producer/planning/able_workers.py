"""Check that a worker that is alive has the engine and the languages of a book."""

import time
from collections.abc import Callable

from checkpointing.errors import BrokerError, SettingsError
from producer.ingest.profile_change import record_defaults
from producer.terminal.console import notes
from worker.config.settings import Settings
from worker.deployment import Deployment
from worker.ocr.engines.needs import needs_of, stage_of
from worker.pages.metadata import ScanMetadata
from worker.queue.broker_errors import broker_errors
from worker.queue.client import QueueClient
from worker.storage.book_store import BookStore

_ANSWER_SECONDS = 5.0
"""Workers look for new queues twice a second, and between commits, which may take a second or two."""
_SILENT_SECONDS = 1.5
_POLL_SECONDS = 0.1


def why_unserved(queues: QueueClient, settings: Settings, queue: str) -> str:
    """Return what no worker that is alive can read, and what to install; empty if one can, or if none is alive.

    The queue of a stage itself asks for nothing special.

    Raises:
        RedisError: the broker failed.
    """
    if queue == stage_of(queue) or queues.dispatch(queue).alive() or not queues.dispatch(stage_of(queue)).alive():
        return ""
    needs = needs_of(queue)
    words = " and ".join(need.words for need in needs)
    install = "; ".join(dict.fromkeys(filter(None, (need.installation(settings) for need in needs))))
    return f"no worker that is alive can read {words}; on a machine with a worker: {install or 'install it'}"


def prepare_reading(
    deployment: Deployment, metadata: ScanMetadata, stage: str, is_needed: Callable[[], bool]
) -> ScanMetadata:
    """Check that workers can read a book, and record how they read what its profile leaves open.

    Waits a few seconds for a worker to serve the queue of the book. If no worker is alive, one may be started
    later, as for any stage.

    Args:
        deployment: the parts of the deployment.
        metadata: of the book.
        stage: that is enqueued; only one with an engine reads.
        is_needed: whether any page is left to be read; asked only if no worker serves the queue yet.

    Raises:
        SettingsError: workers are alive, and none of them can. Nothing was recorded.
        BrokerError: Redis failed. Nothing was recorded.
        CheckpointError: another process holds the metadata.
        StorageError: the storage failed.
    """
    stages = deployment.store.stages
    if not stages.get(stage).has_engine:
        return metadata
    check_readable(deployment.store, deployment.queues, metadata, stage, is_needed)
    return record_defaults(deployment.store.scan(metadata.scan_id), metadata, stages.defaults)


def check_readable(
    store: BookStore, queues: QueueClient, metadata: ScanMetadata, stage: str, is_needed: Callable[[], bool]
) -> None:
    """Check that workers can read a book by the settings of this machine, as `prepare_reading` does.

    Changes no file. In Redis, the queue of the book is noted for an hour, so that workers check whether they can
    serve it.

    Raises:
        SettingsError: workers are alive, and none of them can.
        BrokerError: Redis failed.
    """
    if not store.stages.get(stage).has_engine:
        return
    wanted = metadata.model_copy(update={"defaults": store.stages.defaults})
    try:
        _find_worker(queues, store.settings, store.stages.queue_of(wanted, stage), is_needed)
    except broker_errors() as error:
        raise BrokerError(
            f"Redis failed before anything was enqueued ({error})", hint="repeat the command"
        ) from error


def _find_worker(queues: QueueClient, settings: Settings, queue: str, is_needed: Callable[[], bool]) -> None:
    queues.note_dedicated(queue)
    if not why_unserved(queues, settings, queue) or not is_needed():
        return
    started = time.monotonic()
    told = False
    while lacking := why_unserved(queues, settings, queue):
        waited = time.monotonic() - started
        if waited > _ANSWER_SECONDS:
            raise SettingsError(lacking)
        if waited > _SILENT_SECONDS and not told:
            told = True
            notes.print("Looking for a worker that can read this book ...")
        time.sleep(_POLL_SECONDS)
