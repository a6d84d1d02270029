"""The process that the reconciler lives in: one a worker, forked by it, started again when it dies.

A process of its own, because in the worker's main process each commit would hold up the messages: Python runs one
thread at a time. It ends with the worker, however that ends.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from typing import Any

import structlog

from checkpointing.errors import InUseError
from worker.config.settings import Settings
from worker.deployment import Deployment
from worker.reconciler.reconciler import Reconciler
from worker.storage.root_owner import Membership
from worker.telemetry import tracing
from worker.telemetry.metrics.server import serving_metrics

_STOP_SECONDS = 8.0
_LOOK_SECONDS = 0.5

log = structlog.get_logger("leafmark.reconciler")


class ReconcilerProcess:
    """Keeps a reconciler alive until told to stop.

    Args:
        settings: of the deployment.
        app: the Celery application.
        serves: how many pages this worker takes at once, for each stage that it serves.
        membership: of this worker in the deployment at work; None where it has not joined yet.
    """

    def __init__(
        self, settings: Settings, app: Any, serves: Mapping[str, int], membership: Membership | None = None
    ) -> None:
        self._arguments = (settings, app, dict(serves), membership)
        self._stopping = threading.Event()
        self._process = self._start()
        self._keeper = threading.Thread(target=self._keep_alive, name="reconciler-keeper", daemon=True)
        self._keeper.start()

    def stop(self) -> None:
        """End it, once it has committed what waits in the inboxes."""
        self._stopping.set()
        if self._process.is_alive():
            self._process.terminate()
        self._process.join(_STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
        self._keeper.join()

    def _start(self) -> Any:
        # A daemon may have no children and is ended with its parent: both as they should be.
        process = multiprocessing.get_context("fork").Process(
            target=_serve, args=(*self._arguments, os.getpid()), name="reconciler", daemon=True
        )
        process.start()
        return process

    def _keep_alive(self) -> None:
        # Looks now and then instead of waiting for its end: under gevent that would hold up everything else.
        while not self._stopping.wait(_LOOK_SECONDS):
            if self._process.is_alive():
                continue
            log.warning("reconciler died and is started again", exit_code=self._process.exitcode)
            self._process = self._start()


def _make_gauges(settings: Settings) -> Any:
    from worker.reconciler.gauges import make_gauges  # noqa: PLC0415  # a worker that does not count loads no library

    return make_gauges(settings)


def _serve(
    settings: Settings, app: Any, serves: Mapping[str, int], membership: Membership | None, worker: int
) -> None:
    """The reconciler's process: from here to its end."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    # Ctrl-C reaches the whole group; the worker finishes its pages first, and then ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGQUIT, signal.SIG_IGN)

    def wait(seconds: float) -> bool:
        return stopping.wait(seconds) or os.getppid() != worker

    tracing.start(settings, "reconciler")
    with serving_metrics(settings, worker, _make_gauges):
        try:
            deployment = Deployment(settings, app)
            parts = deployment.store, deployment.queues, deployment.calls
            Reconciler(*parts, serves, membership, joins=True).run(wait)
        except InUseError as error:
            log.error("the worker stops", error=str(error))
            os.kill(worker, signal.SIGTERM)
    tracing.stop()
