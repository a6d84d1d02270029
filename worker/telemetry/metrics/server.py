"""Serves metrics in the reconciler's process.

The worker's main process forks pool processes as long as it lives. They would inherit the listening socket and keep
the port after a kill. The reconciler has no children and ends with its worker.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from worker.config.settings import Settings
from worker.stages.registry import STAGES
from worker.telemetry.metrics.events import metrics
from worker.telemetry.metrics.folder import remove

_AGAIN_SECONDS = 1.0

log = structlog.get_logger("leafmark.metrics")


@contextmanager
def serving_metrics(settings: Settings, worker: int) -> Iterator[None]:
    """Serve metrics for the length of a `with` block, if this worker counts.

    Args:
        settings: have host and port.
        worker: pid of the worker that this process belongs to; if it is gone at the end, its folder is removed.
    """
    folder = metrics().folder
    if folder is None:
        yield
        return
    metrics().begin_at_zero(list(STAGES))
    threading.Thread(target=_listen, args=(settings, folder), name="metrics-server", daemon=True).start()
    try:
        yield
    finally:
        if os.getppid() != worker:
            remove(folder)


def _listen(settings: Settings, folder: Path) -> None:
    from worker.telemetry.metrics.exposition import listen  # noqa: PLC0415  # a worker that does not count loads no library

    waits = False
    while True:
        try:
            listen(settings, folder)
        except OSError as error:
            # It was free when the worker started. It is in use for a moment, or another program has it.
            if not waits:
                log.warning("metrics wait for their port", port=settings.metrics_port, error=str(error))
            waits = True
            time.sleep(_AGAIN_SECONDS)
        else:
            log.info("metrics are served", host=settings.metrics_host, port=settings.metrics_port)
            return
