"""The one task: a page. Thin, because what it does is in `process.py` and can be tested without Celery."""

import time
from functools import cache

import structlog
from pydantic import ValidationError

from checkpointing.errors import InputError, UnknownNameError, in_one_line
from worker.celery import app, settings
from worker.dispatch import PAGE_TASK
from worker.messages import PageMessage
from worker.process import Outcome, process_page
from worker.workshop import Workshop

REFUSED = "refused"
_BACK_OFF_SECONDS = 1.0

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
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        log.error("message refused", error=in_one_line("; ".join(faults)))
        return REFUSED
    try:
        outcome = process_page(workshop(), message)
    except (UnknownNameError, InputError) as error:
        log.error("message refused", error=str(error))
        return REFUSED
    if outcome is Outcome.WAITS:
        # The next page would fare no better just now, and its work would be lost as well.
        time.sleep(_BACK_OFF_SECONDS)
    return outcome.value
