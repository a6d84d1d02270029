"""Serves metrics in the reconciler's process.

The worker's main process forks pool processes as long as it lives. They would inherit the listening socket and keep
the port after a kill. The reconciler has no children and ends with its worker.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

from worker.config.settings import Settings
from worker.stages.registry import STAGES
from worker.telemetry.metrics.events import metrics
from worker.telemetry.metrics.folder import remove

_AGAIN_SECONDS = 1.0

log = structlog.get_logger("leafmark.metrics")


@contextmanager
def serving_metrics(settings: Settings, worker: int, make_gauges: Callable[[Settings], Any]) -> Iterator[None]:
    """Serve metrics for the length of a `with` block, if this worker counts.

    Args:
        settings: have host and port.
        worker: pid of the worker that this process belongs to; if it is gone at the end, its folder is removed.
        make_gauges: returns the collector of the deployment's gauges.
    """
    folder = metrics().folder
    if folder is None:
        yield
        return
    metrics().begin_at_zero(list(STAGES))
    threading.Thread(
        target=_listen, args=(settings, folder, make_gauges), name="metrics-server", daemon=True
    ).start()
    try:
        yield
    finally:
        if os.getppid() != worker:
            remove(folder)


def _listen(settings: Settings, folder: Path, make_gauges: Callable[[Settings], Any]) -> None:
    from worker.telemetry.metrics.exposition import listen, make_registry  # noqa: PLC0415  # a worker that does not count loads no library

    registry = make_registry(folder, make_gauges(settings))
    waits = False
    while True:
        try:
            listen(settings, registry)
        except OSError as error:
            # It was free when the worker started. It is in use for a moment, or another program has it.
            if not waits:
                log.warning("metrics wait for their port", port=settings.metrics_port, error=str(error))
            waits = True
            time.sleep(_AGAIN_SECONDS)
        else:
            log.info("metrics are served", host=settings.metrics_host, port=settings.metrics_port)
            return
