"""Serves metrics in the reconciler's process.

The worker's main process forks pool processes as long as it lives. They would inherit the listening socket and keep
the port after a kill. The reconciler has no children and ends with its worker.
"""

import os
import shutil
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

_AGAIN_SECONDS = 1.0

log = structlog.get_logger("leafmark.metrics")


@contextmanager
def serving_metrics(settings: Settings, worker: int, make_gauges: Callable[[Settings], Any]) -> Iterator[None]:
    """Serve metrics for the length of a `with` block, if this worker counts.

    `worker` is the pid of the worker that this process belongs to; if it is gone at the end, its folder is removed.
    `make_gauges` returns the collector of the deployment's gauges.
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
            shutil.rmtree(folder, ignore_errors=True)


def _listen(settings: Settings, folder: Path, make_gauges: Callable[[Settings], Any]) -> None:
    # A worker that does not count loads no library.
    from prometheus_client import start_http_server  # noqa: PLC0415

    from worker.telemetry.metrics.readings import make_registry  # noqa: PLC0415

    registry = make_registry(folder, make_gauges(settings))
    waits = False
    while True:
        try:
            start_http_server(settings.metrics_port or 0, settings.metrics_host, registry)
        except OSError as error:
            # It was free when the worker started. It is in use for a moment, or another program has it.
            if not waits:
                log.warning("metrics wait for their port", port=settings.metrics_port, error=str(error))
            waits = True
            time.sleep(_AGAIN_SECONDS)
        else:
            log.info("metrics are served", host=settings.metrics_host, port=settings.metrics_port)
            return
