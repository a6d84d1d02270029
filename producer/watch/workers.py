"""Ask Redis and the workers which pages are in flight.

The claims in Redis tell exactly and cheaply which pages are in flight: those that were begun, are not settled and
have a claim. The main processes of the workers tell which worker processes a page and since when; asking them takes
one message to each. The heartbeats of the reconcilers tell how many workers are alive, including busy ones.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from checkpointing.refs import StageRef
from producer.planning.able_workers import why_unserved
from producer.watch.snapshot import Task, Worker, Workers
from worker.config.settings import Settings
from worker.queue.client import QueueClient
from worker.queue.messages import PageMessage
from worker.queue.worker_control import WorkerControl
from worker.stages.registry import STAGES


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
