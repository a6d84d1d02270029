"""The one task: a page. Thin, because what it does is in `process.py` and can be tested without Celery."""

from functools import cache

import structlog
from pydantic import ValidationError

from worker.celery import app, settings
from worker.messages import PageMessage
from worker.process import Outcome, process_page
from worker.queue import PAGE_TASK
from worker.workshop import Workshop

log = structlog.get_logger("leafmark.task")


@cache
def workshop() -> Workshop:
    """The parts of this worker, made when first needed: in the process that uses them."""
    return Workshop(settings, app)


@app.task(name=PAGE_TASK)  # type: ignore[untyped-decorator]  # Celery publishes no types
def process(**arguments: object) -> str:
    """Do one page of one stage of one scan.

    Args:
        arguments: `scan_id`, `stage` and `page`, as in `PageMessage`.

    Returns:
        What became of it, for whoever watches: an `Outcome`, or `refused`.
    """
    try:
        message = PageMessage.model_validate(arguments)
    except ValidationError as error:
        log.error("message refused", error="; ".join(fault["msg"] for fault in error.errors()))
        return "refused"
    outcome: Outcome = process_page(workshop(), message)
    return outcome.value
