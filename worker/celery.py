"""The application that `celery -A worker worker` finds, by this module's name."""

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

# What a collector of JSON lines must not meet in another form is logged when the logs are set up.
_notes: list[str] = []
try:
    settings = load_settings(warn=_notes.append)
except SettingsError as error:
    # Celery would print a traceback for anything else raised here.
    sys.stderr.write(f"leafmark: {error}\n")
    sys.exit(error.exit_code)

if settings.log_format == "text":
    for _note in _notes:
        sys.stderr.write(f"leafmark: {_note}\n")
    _notes.clear()
app = make_app(settings)
offer_introduction(settings)
# Flower's own choice of columns shows neither which page a task is about nor what became of it. It reads its
# options from the environment, after this.
os.environ.setdefault("FLOWER_TASKS_COLUMNS", "state,kwargs,result,received,runtime,worker,uuid")


class ReconcilerStep(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery publishes no types
    """Starts the reconciler with the worker, once the pool has forked.

    It has no `stop`: Celery stops steps before it waits for the pages in hand, and these want to be committed. The
    signal at the end of the shutdown does that.
    """

    requires = frozenset({"celery.worker.components:Pool"})

    def start(self, parent: Any) -> None:
        """Called by Celery when the worker starts."""
        serves = dict.fromkeys(parent.app.amqp.queues.consume_from, parent.concurrency)
        reconciler = ReconcilerProcess(settings, app, serves, parent.leafmark_membership)
        worker_shutdown.connect(lambda **_: reconciler.stop(), weak=False)
        if not parent.pool_cls.__module__.endswith(".prefork"):
            # Pages are done in this very process.
            _start_traces()


app.steps["worker"].add(ReconcilerStep)


@celeryd_init.connect  # type: ignore[untyped-decorator]  # Celery publishes no types
def _set_up_logs_early(sender: str, options: dict[str, Any], **_: object) -> None:
    """Before the checks, so that a worker that fails them says so in its log file."""
    level = level_in_force(settings, options.get("loglevel"))
    set_up_worker_logs(settings, level, options.get("logfile"), sender)
    for note in _notes:
        structlog.get_logger("leafmark.worker").warning(note)


@setup_logging.connect  # type: ignore[untyped-decorator]  # the same
def _set_up_logs(loglevel: int, logfile: Any, colorize: bool, **_: object) -> None:
    """With what Celery makes of its options; again in each process of a pool that has its own log file (`%i`)."""
    set_up_worker_logs(settings, loglevel, logfile, colors=bool(colorize))


@worker_init.connect  # type: ignore[untyped-decorator]  # the same
def _check_before_start(sender: Any, **_: object) -> None:
    """Fail in one line rather than with the first page."""
    # Celery sets up the logs, here and in the pool, with the level that the worker has.
    sender.loglevel = level_in_force(settings, sender.loglevel)
    queues = sender.app.amqp.queues
    try:
        refuse_other_broker()
        waits_for = check_storage(settings)
        check_broker(settings)
        clear_keys(settings)
        tracing.check(settings)
        if len(queues.consume_from) == len(STAGES):
            # Nobody chose: a machine that does OCR need not know any model.
            queues.deselect([name for name in STAGES if missing_settings(name, settings)])
        check_models(settings, queues.consume_from)
        check_engines(queues.consume_from)
        start_metrics(settings)
        if waits_for:
            report_wait(settings, waits_for)
        # Last: its reconciler, which shows that it lives, starts soon after.
        sender.leafmark_membership = join_deployment(settings)
    except LeafmarkError as error:
        give_up(settings, str(error), error.exit_code)
    except Exception as error:  # noqa: BLE001  # Celery would log it and go on with a worker that was not checked
        said = in_one_line(f"{type(error).__name__}: {error}")
        give_up(settings, f"unexpected error, please report it: {said}", LeafmarkError.exit_code)


@worker_process_init.connect  # type: ignore[untyped-decorator]  # the same
def _bound_memory(**_: object) -> None:
    """In a process of a prefork pool: a page that wants more gets a MemoryError, and the machine lives."""
    most = settings.page_megabytes * 1024 * 1024
    # Where the system knows no such limit the page has the machine to itself.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (most, resource.getrlimit(resource.RLIMIT_DATA)[1]))


@worker_process_init.connect  # type: ignore[untyped-decorator]  # the same
def _start_traces(**_: object) -> None:
    """In each process of a pool: what sends the traces does not live through a fork."""
    tracing.start(settings, "worker")


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]  # the same
def _send_traces(**_: object) -> None:
    tracing.stop()
