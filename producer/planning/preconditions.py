"""What must hold before pages are enqueued: a model with a price, Redis, writable storage, the earlier stages."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from checkpointing.errors import InputError, LeafmarkError, StorageError
from checkpointing.plurals import counted
from producer.page_ranges import show_pages
from producer.planning.request import Request
from producer.planning.spending import check_model_and_price
from worker.pages.metadata import ScanMetadata
from worker.pipeline.stage_flow import unasked
from worker.preflight import check_broker
from worker.queue.client import QueueClient
from worker.storage import root_owner
from worker.storage.book_store import BookStore


def look_up(store: BookStore, request: Request) -> tuple[ScanMetadata, list[int]]:
    """Return the metadata of a request's scan and its pages, in order.

    Raises:
        UnknownNameError: no such scan, stage or page.
        StorageError: the storage cannot be read.
    """
    store.stages.get(request.stage)
    metadata = store.metadata(request.scan_id)
    return metadata, request.pages(metadata.total_pages)


def blockers(
    store: BookStore, queues: QueueClient, requests: Sequence[Request], *, broker: bool = True
) -> Iterator[LeafmarkError]:
    """Yield the errors that keep requests from being enqueued, in the order of the checks. Changes nothing.

    The requests are in pipeline order, as a later one may wait for the pages of an earlier one. `broker` says
    whether Redis has to answer.

    Raises:
        UnknownNameError: no such scan, stage or page.
        StorageError: the storage cannot be read.
    """
    for request in requests:
        yield from _raised(
            partial(check_model_and_price, store.settings, request.stage, allow_unpriced=request.allow_unpriced)
        )
    if broker:
        yield from _raised(partial(check_deployment, store, queues))
    asked: dict[tuple[str, str], set[int]] = {}
    for request in requests:
        metadata, wanted = look_up(store, request)
        yield from _raised(partial(_check_writable, store, metadata.scan_id))
        yield from _without_sources(store, request, wanted, asked)
        asked.setdefault((request.scan_id, request.stage), set()).update(wanted)


def check_preconditions(
    store: BookStore, queues: QueueClient, requests: Sequence[Request], *, broker: bool = True
) -> None:
    """Check that requests can be enqueued.

    Raises:
        LeafmarkError: the first of `blockers`.
    """
    for error in blockers(store, queues, requests, broker=broker):
        raise error


def _raised(check: Callable[[], object]) -> Iterator[LeafmarkError]:
    try:
        check()
    except LeafmarkError as error:
        yield error


def check_deployment(store: BookStore, queues: QueueClient) -> None:
    """Check that Redis answers, and that no workers of another deployment use the storage root.

    Raises:
        BrokerError: Redis cannot be reached.
        InUseError: the workers on this storage root belong to another deployment.
    """
    check_broker(store.settings)
    root_owner.refuse_another(store.root, queues.redis, queues.keys.deployment)


def _check_writable(store: BookStore, scan_id: str) -> None:
    path = store.scan(scan_id).path
    if not os.access(path, os.W_OK):
        raise StorageError(f"{path} is not writable", hint="check its owner and how the storage is mounted")


def _without_sources(
    store: BookStore, request: Request, wanted: list[int], asked: Mapping[tuple[str, str], set[int]]
) -> Iterator[LeafmarkError]:
    """Yield an error for each earlier stage that lacks some of these pages and has not been asked for them."""
    for name, pages in unasked(store, request.ref, set(wanted)).items():
        missing = sorted(pages - asked.get((request.scan_id, name), set()))
        if missing:
            both = f"producer enqueue {request.scan_id} --stage {name} --through {request.stage}"
            yield InputError(
                f"{request.stage} is made from {name}, which has not been requested for "
                f"{counted(len(missing), 'page')} ({show_pages(missing)})",
                hint=f"use `{both}` to request both",
            )
