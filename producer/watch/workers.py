"""What Redis and the workers tell: which pages are in hand, and who works on what.

Which pages are in hand is told by the claims, exactly and cheaply: of the pages that were begun and are not
settled, those that have one. Who works on them, and since when, is told by the workers themselves: their main
processes answer that, beside the pages, and a question every few seconds is one message to each. How many workers
live is told by the beat of their reconcilers, which goes on also where a worker is too busy to answer.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from producer.watch.snapshot import Crew, Task, Worker
from worker.deployment import Deployment
from worker.pipeline.registry import STAGES
from worker.queue.messages import PageMessage

StageKey = tuple[str, str]
"""Scan id and name of a stage."""


def pages_in_hand(
    deployment: Deployment, stages: Iterable[StageKey], said: Iterable[Task] = ()
) -> dict[StageKey, frozenset[int]]:
    """The pages that have a claim just now.

    Args:
        deployment: the deployment.
        stages: which to look at.
        said: what workers said they had in hand; after a flush of Redis nobody else knows.

    Raises:
        RedisError: the broker failed.
    """
    tasks = list(said)
    found: dict[StageKey, frozenset[int]] = {}
    for scan_id, stage in stages:
        queue = deployment.queue(scan_id, stage)
        begun = queue.attempts().keys()
        named = {task.page for task in tasks if (task.scan_id, task.stage) == (scan_id, stage)}
        found[scan_id, stage] = frozenset(queue.held(begun | named))
    return found


def ask_workers(deployment: Deployment) -> Crew:
    """Who works, and on what. Takes a second.

    Raises:
        RedisError, BrokerError: the broker failed.
    """
    slots: dict[str, int] = {}
    for stage in STAGES:
        slots |= deployment.dispatch(stage).alive()
    workers = tuple(Worker(name, _tasks(tasks)) for name, tasks in sorted(deployment.active(), key=_name))
    return Crew(workers, max(len(slots), len(workers)), sum(slots.values()), asked=True)


def _name(answer: tuple[str, Any]) -> str:
    return answer[0]


def _tasks(answer: Any) -> tuple[Task, ...]:
    """The pages in an answer, those begun first before the others. What is no page of ours is left out."""
    infos = answer if isinstance(answer, list) else []
    tasks = (_task(info) for info in infos if isinstance(info, Mapping))
    return tuple(sorted(filter(None, tasks), key=lambda task: (task.since, task.page)))


def _task(info: Mapping[str, Any]) -> Task | None:
    since = info.get("time_start")
    try:
        message = PageMessage.model_validate(info.get("kwargs"))
    except ValidationError:
        return None
    return Task(
        message.scan_id, message.stage, message.page, float(since) if isinstance(since, int | float) else 0.0
    )
