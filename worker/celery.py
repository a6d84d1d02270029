"""The application that `celery -A worker worker` finds, by this module's name."""

import sys
from typing import Any

from celery.signals import setup_logging, worker_init

from checkpointing.errors import LeafmarkError, SettingsError
from worker.app import make_app
from worker.logs import configure_logs
from worker.preflight import check_broker, check_engines, check_storage
from worker.settings import load_settings
from worker.steward import StewardStep

try:
    settings = load_settings()
except SettingsError as error:
    # Celery would print a traceback for anything else raised here.
    sys.stderr.write(f"leafmark: {error}\n")
    sys.exit(error.exit_code)

app = make_app(settings)
app.steps["worker"].add(StewardStep)


@setup_logging.connect  # type: ignore[untyped-decorator]  # Celery publishes no types
def _set_up_logs(**_: object) -> None:
    configure_logs(settings.log_level, settings.root)


@worker_init.connect  # type: ignore[untyped-decorator]  # as above
def _check_before_start(sender: Any, **_: object) -> None:
    """Fail in one line rather than with the first page."""
    try:
        check_storage(settings)
        check_broker(settings)
        check_engines(sender.app.amqp.queues.consume_from)
    except LeafmarkError as error:
        sys.stderr.write(f"leafmark worker: {error}\n")
        sys.exit(error.exit_code)
