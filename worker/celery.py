"""The application of `celery -A worker worker`, which finds it by the name of this module."""

import os
import resource
import sys
from contextlib import suppress
from typing import Any

import structlog
from celery import bootsteps
from celery.signals import (
    celeryd_init,
    setup_logging,
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_shutdown,
)

from checkpointing.errors import LeafmarkError, SettingsError, in_one_line
from worker.app import make_app
from worker.config.settings import load_settings
from worker.preflight import (
    check_broker,
    check_engines,
    check_models,
    check_storage,
    clear_keys,
    join_deployment,
)
from worker.queue.broker import refuse_other_broker
from worker.reconciler.process import ReconcilerProcess
from worker.stages.registry import STAGES, missing_settings
from worker.telemetry import tracing
from worker.telemetry.celery_logs import give_up, level_in_force, report_wait, set_up_worker_logs
from worker.telemetry.metrics.start import start_metrics
from worker.worker_info import offer_introduction

# With JSON logs, warnings about settings are logged once the logs are set up, so that each line on stderr is JSON.
_notes: list[str] = []
try:
    settings = load_settings(warn=_notes.append)
except SettingsError as error:
    # Celery would print a traceback for any other exception.
    sys.stderr.write(f"leafmark: {error}\n")
    sys.exit(error.exit_code)

if settings.log_format == "text":
    for _note in _notes:
        sys.stderr.write(f"leafmark: {_note}\n")
    _notes.clear()
app = make_app(settings)
# Flower's default columns show neither the page of a task nor its outcome. Flower reads its options from the
# environment later.
os.environ.setdefault("FLOWER_TASKS_COLUMNS", "state,kwargs,result,received,runtime,worker,uuid")


class ReconcilerStep(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery publishes no types
    """Starts the reconciler with the worker, once the pool has forked.

    It has no `stop`: Celery stops steps before it waits for the pages in progress, which must still be committed.
    The signal at the end of the shutdown stops the reconciler.
    """

    requires = frozenset({"celery.worker.components:Pool"})

    def start(self, parent: Any) -> None:
        """Start the reconciler; Celery calls this when the worker starts."""
        serves = dict.fromkeys(parent.app.amqp.queues.consume_from, parent.concurrency)
        reconciler = ReconcilerProcess(settings, app, serves, parent.leafmark_membership, parent.hostname)
        worker_shutdown.connect(lambda **_: reconciler.stop(), weak=False)
        if not parent.pool_cls.__module__.endswith(".prefork"):
            # Pages are processed in this process.
            _start_traces()


app.steps["worker"].add(ReconcilerStep)


@celeryd_init.connect  # type: ignore[untyped-decorator]  # Celery publishes no types
def _set_up_logs_early(sender: str, options: dict[str, Any], **_: object) -> None:
    """Set up the logs before the checks, so that a worker that fails them reports it in its log file."""
    level = level_in_force(settings, options.get("loglevel"))
    set_up_worker_logs(settings, level, options.get("logfile"), sender)
    for note in _notes:
        structlog.get_logger("leafmark.worker").warning(note)


@setup_logging.connect  # type: ignore[untyped-decorator]  # the same
def _set_up_logs(loglevel: int, logfile: Any, colorize: bool, **_: object) -> None:
    """Set up the logs with Celery's options; again in each pool process that has its own log file (`%i`)."""
    set_up_worker_logs(settings, loglevel, logfile, colors=bool(colorize))


@worker_init.connect  # type: ignore[untyped-decorator]  # the same
def _check_before_start(sender: Any, **_: object) -> None:
    """Run all checks, so that a worker fails with one line instead of at its first page."""
    # Celery sets up the logs, here and in the pool, with the level of this object.
    sender.loglevel = level_in_force(settings, sender.loglevel)
    queues = sender.app.amqp.queues
    try:
        refuse_other_broker()
        waits_for = check_storage(settings)
        check_broker(settings)
        clear_keys(settings)
        tracing.check(settings)
        if len(queues.consume_from) == len(STAGES):
            # The user chose no queues (`-Q`): serve the stages whose settings are there, so that an OCR machine
            # needs no settings of a model.
            queues.deselect([name for name in STAGES if missing_settings(name, settings)])
        check_models(settings, queues.consume_from)
        offer_introduction(settings, check_engines(queues.consume_from))
        start_metrics(settings)
        if waits_for:
            report_wait(settings, waits_for)
        # Last, because the reconciler, which sends the heartbeats, starts soon after.
        sender.leafmark_membership = join_deployment(settings)
    except LeafmarkError as error:
        give_up(settings, str(error), error.exit_code)
    except Exception as error:  # noqa: BLE001  # Celery would log it and start a worker that was not checked
        said = in_one_line(f"{type(error).__name__}: {error}")
        give_up(settings, f"unexpected error, please report it: {said}", LeafmarkError.exit_code)


@worker_process_init.connect  # type: ignore[untyped-decorator]  # the same
def _bound_memory(**_: object) -> None:
    """Limit the memory of a pool process: a page that needs more fails with MemoryError; the machine survives."""
    most = settings.page_megabytes * 1024 * 1024
    # Some systems have no such limit; there the memory is not limited.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1]))


@worker_process_init.connect  # type: ignore[untyped-decorator]  # the same
def _start_traces(**_: object) -> None:
    """Start tracing in each pool process: the thread that sends the traces does not survive a fork."""
    tracing.start(settings, "worker")


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]  # the same
def _send_traces(**_: object) -> None:
    tracing.stop()
