"""The Celery task that processes a page; `worker.pipeline.process_page` does the work, without Celery."""

import time
from functools import cache
from typing import Any

import structlog
from pydantic import ValidationError

import worker.before_fork  # noqa: F401
from checkpointing.errors import InputError, StorageError, UnknownNameError, in_one_line
from worker.celery import app, settings
from worker.deployment import Deployment
from worker.pipeline.process_page import process_page
from worker.queue.dispatch import PAGE_TASK
from worker.queue.messages import REFUSED, Outcome, PageMessage

_BACK_OFF_SECONDS = 1.0

log = structlog.get_logger("leafmark.task")


@cache
def deployment() -> Deployment:
    """Return the parts of this worker. They are made at the first call, in the process that uses them."""
    return Deployment(settings, app, as_enqueued=True)


# Named and not imported: pool processes and producers do not need it.
_REQUEST = "worker.telemetry.task_events:PageRequest"


@app.task(name=PAGE_TASK, bind=True, Request=_REQUEST)  # type: ignore[untyped-decorator]  # Celery publishes no types
def process(task: Any, /, **arguments: object) -> str:
    """Process one page of one stage of one scan.

    Args:
        task: the Celery task; the id of the run is in the headers of its message.
        arguments: `scan_id`, `stage` and `page`, as in `PageMessage`.

    Returns:
        The result for Flower: an `Outcome` or `refused`; and if the page did not become complete, the reason, after
        a colon. `worker.telemetry.task_events` reads it.
    """
    try:
        message = PageMessage.model_validate({"run": task.request.get("traceparent"), **arguments})
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        return _refuse("; ".join(faults))
    reasons: list[str] = []
    try:
        parts = deployment()
        outcome = process_page(parts.store, parts.queues, parts.calls, message, reasons.append)
    except (UnknownNameError, InputError) as error:
        return _refuse(str(error))
    except StorageError as error:
        log.warning("waits", error=str(error), **message.model_dump(include={"scan_id", "stage", "page"}))
        reasons.append(str(error))
        outcome = Outcome.WAITS
    if outcome is Outcome.WAITS:
        # The next page would fail in the same way, and its work would be lost.
        time.sleep(_BACK_OFF_SECONDS)
    return ": ".join([outcome.value, *map(in_one_line, reasons)])


def _refuse(why: str) -> str:
    log.error("message refused", error=in_one_line(why))
    return f"{REFUSED}: {in_one_line(why)}"
