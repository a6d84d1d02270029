"""The part of the public API that only programs need: a deployment to work on, and progress without a terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import CheckpointError
from checkpointing.status import Status
from producer.ingest.ingest_source import ingest
from producer.open_deployment import make_deployment
from producer.planning.request import Plan
from producer.watch.stage_reader import CheckpointReader
from worker.config.settings import load_settings, settings_class
from worker.deployment import Deployment
from worker.storage.book_store import BookStore


@contextmanager
def connect(**settings: Any) -> Iterator[Deployment]:
    """Give the deployment for the length of a `with` block. Redis is connected at the first use.

    Args:
        settings: settings by name, such as `storage_root` and `redis_url`, which take precedence over environment
            variables and the config file.

    Raises:
        SettingsError: without `settings`: a value is not allowed, or the config file cannot be used.
        ValidationError: with `settings`: a value is not allowed.
    """
    deployment = make_deployment(settings_class()(**settings) if settings else load_settings())
    try:
        yield deployment
    finally:
        deployment.close()


def ingest_book(
    store: BookStore,
    source: Path,
    *,
    scan_id: str | None = None,
    title: str | None = None,
    password: str | None = None,
) -> str:
    """Copy a book into the storage root, unless it is there already, and return its scan id.

    Args:
        store: the books.
        source: a PDF, a page image, or a folder of page images.
        scan_id: id for a new scan; None for one made from the name of the source.
        title: of a new scan; None for the name of the source.
        password: of an encrypted PDF.

    Raises:
        InputError: the source cannot be used, or the id is invalid or taken.
        StorageError: the storage root cannot be written.
    """
    root = store.root
    return ingest(source, root, scan_id=scan_id, title=title, password=password).metadata.scan_id


def follow(store: BookStore, plan: Plan, poll_seconds: float = 1.0) -> Iterator[Checkpoint]:
    """Yield the checkpoint of a plan now and after each change, until its pages are complete or in quarantine.

    Ends early if the stage is paused or cancelled. Reads the checkpoint file only, so it does not need Redis.

    Args:
        store: the books.
        plan: what `enqueue` returned.
        poll_seconds: how often the file is looked at.
    """
    reader = CheckpointReader(store.checkpoint_file(plan.ref))
    wanted = frozenset(plan.wanted)
    while True:
        checkpoint = None
        # A file that is being rebuilt, or a storage error that passes.
        with suppress(CheckpointError, OSError):
            checkpoint = reader.read_if_changed()
        if checkpoint is not None:
            yield checkpoint
            ended = checkpoint.status in {Status.PAUSED, Status.CANCELLED}
            if ended or wanted.isdisjoint(checkpoint.pending()):
                return
        time.sleep(poll_seconds)
