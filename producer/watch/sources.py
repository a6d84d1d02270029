"""The slow sources of a snapshot: claims in Redis, the workers, the expected costs, and the scans not shown.

The claims in Redis tell exactly and cheaply which pages are in flight: those that were begun, are not settled and
have a claim. The main processes of the workers tell which worker processes a page and since when; asking them takes
one message to each. The heartbeats of the reconcilers tell how many workers are alive, including busy ones.

A library may hold thousands of scans. Only the first bytes of each checkpoint are read, which contain the status; a
checkpoint without a known status there counts as `other`.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from checkpointing.errors import LeafmarkError
from checkpointing.plurals import counted
from checkpointing.refs import StageRef
from checkpointing.regular_files import open_regular_file
from checkpointing.status import Status
from producer.planning.able_workers import why_unserved
from producer.watch.snapshot import PageState, Task, Worker, Workers
from worker.config.settings import Settings
from worker.pages.scan import ScanFolder, list_scans
from worker.queue.client import QueueClient
from worker.queue.messages import PageMessage
from worker.queue.worker_control import WorkerControl
from worker.stages.registry import STAGES
from worker.storage.book_store import BookStore

_HEAD_BYTES = 512
_STATUS = re.compile(rb'"status"\s*:\s*"([a-z_]+)"')
_OTHER = "other"
# A scan counts under the first of these that one of its stages has.
_BY_URGENCY = [
    *(Status.FAILED, Status.PAUSED, _OTHER, Status.IN_PROGRESS, Status.CANCELLED, Status.PARTIAL, Status.COMPLETED),
    Status.NOT_STARTED,
]


def claimed_pages(
    queues: QueueClient, stages: Iterable[StageRef], reported: Iterable[Task] = ()
) -> dict[StageRef, frozenset[int]]:
    """Return the pages of stages that have a claim.

    After Redis was flushed, only the tasks that the workers report name the pages to ask about.

    Raises:
        RedisError: the broker failed.
    """
    tasks = list(reported)
    found: dict[StageRef, frozenset[int]] = {}
    for ref in stages:
        queue = queues.queue(ref)
        named = {task.page for task in tasks if task.ref == ref}
        found[ref] = frozenset(queue.held(queue.attempts().keys() | named))
    return found


def ask_workers(
    queues: QueueClient, workers: WorkerControl, settings: Settings, stages: Iterable[StageRef] = ()
) -> Workers:
    """Return the workers with their tasks, and which of the stages none of them can serve. Takes about a second.

    Raises:
        RedisError, BrokerError: the broker failed.
    """
    slots: dict[str, int] = {}
    for stage in STAGES:
        slots |= queues.dispatch(stage).alive()
    answers = sorted(workers.active(), key=lambda answer: answer[0])
    answering = tuple(Worker(name, _tasks(tasks)) for name, tasks in answers)
    reasons = {ref: why_unserved(queues, settings, queues.queue_of(ref)) for ref in stages}
    lacking = {ref: reason for ref, reason in reasons.items() if reason}
    return Workers(answering, max(len(slots), len(answering)), sum(slots.values()), asked=True, lacking=lacking)


def _tasks(answer: Any) -> tuple[Task, ...]:
    """Return the page tasks in a worker's answer, oldest first. Anything else in it is ignored."""
    infos = answer if isinstance(answer, list) else []
    tasks = (_task(info) for info in infos if isinstance(info, Mapping))
    return tuple(sorted(filter(None, tasks), key=lambda task: (task.since, task.page)))


def _task(info: Mapping[str, Any]) -> Task | None:
    since = info.get("time_start")
    try:
        message = PageMessage.model_validate(info.get("kwargs"))
    except ValidationError:
        return None
    ref = message.ref
    return Task(ref, message.page, float(since) if isinstance(since, int | float) else 0.0)


def expected_usd_per_page(store: BookStore, states: Mapping[StageRef, bytes]) -> dict[StageRef, float]:
    """Return the expected cost in USD of each page still to come, for each stage that has an estimate.

    The states are a `PageState` byte for each page of each stage.
    """
    from producer.planning.cost_estimate import forecast  # noqa: PLC0415  # only stages that ask a model need it

    to_come = {PageState.WAITING, PageState.IN_FLIGHT}
    found: dict[StageRef, float] = {}
    for ref, pages in states.items():
        left = [page for page, state in enumerate(pages, start=1) if state in to_come]
        # A ledger that cannot be read leaves its stage without an estimate, and no other one.
        with suppress(LeafmarkError, OSError):
            estimate = forecast(store, ref, left) if left else None
            if estimate is not None and estimate.expected_usd is not None:
                found[ref] = estimate.expected_usd / len(left)
    return found


def count_other_scans(root: Path, shown: Collection[str]) -> str:
    """Return one line such as `12 other scans: 2 failed, 10 completed`; empty if all scans are shown.

    Raises:
        StorageError: the storage root cannot be read.
    """
    counts = Counter(_status(ScanFolder(root, scan_id)) for scan_id in list_scans(root) if scan_id not in shown)
    if not counts:
        return ""
    by_status = ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in _BY_URGENCY if counts[name])
    return f"{counted(counts.total(), 'other scan' if shown else 'scan')}: {by_status}"


def _status(scan: ScanFolder) -> str:
    found = set(_stage_statuses(scan))
    return next((name for name in _BY_URGENCY if name in found), Status.NOT_STARTED)


def _stage_statuses(scan: ScanFolder) -> Iterator[str]:
    for stage in STAGES:
        with suppress(OSError), open_regular_file(scan.checkpoint_path(stage)) as file:
            status = _STATUS.search(file.read(_HEAD_BYTES))
            name = status[1].decode() if status else _OTHER
            yield name if name in _BY_URGENCY else _OTHER
