"""What must hold before pages are enqueued: a model with a price, Redis, writable storage, the earlier stages."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from checkpointing.errors import InputError, LeafmarkError, StorageError
from checkpointing.plurals import counted
from producer.page_ranges import show_pages
from producer.planning.request import Request
from producer.planning.spending import check_model_and_price
from worker.deployment import Deployment
from worker.pages.scan import ScanMetadata
from worker.pipeline.stage_flow import unasked
from worker.preflight import check_broker
from worker.storage import root_owner


def look_up(deployment: Deployment, request: Request) -> tuple[ScanMetadata, list[int]]:
    """Return the metadata of a request's scan and its pages, in order.

    Raises:
        UnknownNameError: no such scan, stage or page.
        StorageError: the storage cannot be read.
    """
    deployment.store.stages.get(request.stage)
    metadata = deployment.store.metadata(request.scan_id)
    return metadata, request.pages(metadata.total_pages)


def blockers(
    deployment: Deployment, requests: Sequence[Request], *, broker: bool = True
) -> Iterator[LeafmarkError]:
    """Yield the errors that keep requests from being enqueued, in the order of the checks. Changes nothing.

    Args:
        deployment: the deployment.
        requests: in pipeline order: a later one may wait for the pages of an earlier one.
        broker: whether Redis has to answer.

    Raises:
        UnknownNameError: no such scan, stage or page.
        StorageError: the storage cannot be read.
    """
    for request in requests:
        yield from _raised(
            partial(check_model_and_price, deployment, request.stage, allow_unpriced=request.allow_unpriced)
        )
    if broker:
        yield from _raised(partial(_check_broker, deployment))
    asked: dict[tuple[str, str], set[int]] = {}
    for request in requests:
        metadata, wanted = look_up(deployment, request)
        yield from _raised(partial(_check_writable, deployment, metadata.scan_id))
        yield from _without_sources(deployment, request, wanted, asked)
        asked.setdefault((request.scan_id, request.stage), set()).update(wanted)


def check_preconditions(deployment: Deployment, requests: Sequence[Request], *, broker: bool = True) -> None:
    """Check that requests can be enqueued.

    Raises:
        LeafmarkError: the first of `blockers`.
    """
    for error in blockers(deployment, requests, broker=broker):
        raise error


def _raised(check: Callable[[], object]) -> Iterator[LeafmarkError]:
    try:
        check()
    except LeafmarkError as error:
        yield error


def _check_broker(deployment: Deployment) -> None:
    check_broker(deployment.settings)
    root_owner.refuse_another(deployment.store.root, deployment.queues.redis, deployment.queues.keys.deployment)


def _check_writable(deployment: Deployment, scan_id: str) -> None:
    path = deployment.store.scan(scan_id).path
    if not os.access(path, os.W_OK):
        raise StorageError(f"{path} is not writable", hint="check its owner and how the storage is mounted")


def _without_sources(
    deployment: Deployment, request: Request, wanted: list[int], asked: Mapping[tuple[str, str], set[int]]
) -> Iterator[LeafmarkError]:
    """Yield an error for each earlier stage that lacks some of these pages and has not been asked for them."""
    for name, pages in unasked(deployment, request.ref, set(wanted)).items():
        missing = sorted(pages - asked.get((request.scan_id, name), set()))
        if missing:
            both = f"producer enqueue {request.scan_id} --stage {name} --through {request.stage}"
            yield InputError(
                f"{request.stage} is made from {name}, which has not been requested for "
                f"{counted(len(missing), 'page')} ({show_pages(missing)})",
                hint=f"use `{both}` to request both",
            )
