"""Run the reconciler of a worker in a separate process, forked by the worker and restarted if it dies.

The process is separate because Python runs one thread at a time: in the worker's main process, each commit would
delay its messages. It ends with the worker, even if the worker is killed.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from typing import Any

import structlog
from redis import Redis

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
    """Keeps a reconciler running until `stop` is called.

    Args:
        serves: maximum number of pages that this worker processes at once, for each stage that it serves.
        membership: of this worker in the deployment that owns the storage root; None if it has not joined yet.
        node: the name of this worker in Celery.
    """

    def __init__(
        self,
        settings: Settings,
        app: Any,
        serves: Mapping[str, int],
        membership: Membership | None = None,
        node: str = "",
    ) -> None:
        self._arguments = (settings, app, dict(serves), membership, node)
        self._stopping = threading.Event()
        self._process = self._start()
        self._keeper = threading.Thread(target=self._keep_alive, name="reconciler-keeper", daemon=True)
        self._keeper.start()

    def stop(self) -> None:
        """Stop the reconciler after it has committed the entries in the inboxes."""
        self._stopping.set()
        if self._process.is_alive():
            self._process.terminate()
        self._process.join(_STOP_SECONDS)
        if self._process.is_alive():
            self._process.kill()
        self._keeper.join()

    def _start(self) -> Any:
        # A daemon cannot have children, and multiprocessing terminates it when the worker exits.
        process = multiprocessing.get_context("fork").Process(
            target=_serve, args=(*self._arguments, os.getpid()), name="reconciler", daemon=True
        )
        process.start()
        return process

    def _keep_alive(self) -> None:
        # Poll instead of joining the process: under gevent, `join` would block all greenlets.
        while not self._stopping.wait(_LOOK_SECONDS):
            if self._process.is_alive():
                continue
            log.warning("reconciler died and is started again", exit_code=self._process.exitcode)
            self._process = self._start()


def make_gauges(settings: Settings, redis: Redis | None = None) -> Any:
    """Return the collector of a deployment's gauges. Its client of Redis gives up early, to delay no scrape."""
    # A worker without metrics does not load the library.
    from worker.telemetry.metrics.readings import Readings, connect_with_short_timeouts  # noqa: PLC0415

    deployment = Deployment(settings, None, redis or connect_with_short_timeouts(settings))

    def budget_of(scan_id: str) -> tuple[float, float] | None:
        budget = deployment.calls.budget(scan_id)
        reading = None if budget is None else deployment.calls.meter(scan_id).read()
        return None if budget is None or reading is None else (float(budget), reading.total.usd)

    return Readings(deployment.store, deployment.queues, budget_of)


def _serve(
    settings: Settings, app: Any, serves: Mapping[str, int], membership: Membership | None, node: str, worker: int
) -> None:
    """Run the reconciler in its process, until the worker stops it or ends."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    # Ctrl-C reaches the whole process group. The worker finishes its pages first, then stops this process.
    for of_the_group in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(of_the_group, signal.SIG_IGN)

    def wait(seconds: float) -> bool:
        return stopping.wait(seconds) or os.getppid() != worker

    tracing.start(settings, "reconciler")
    with serving_metrics(settings, worker, make_gauges):
        try:
            deployment = Deployment(settings, app, as_enqueued=True)
            parts = deployment.store, deployment.queues, deployment.calls

            def consume(queue: str, begin: bool) -> None:
                deployment.workers.consume(queue, node, begin=begin)

            Reconciler(*parts, serves, membership, joins=True, consume=consume).run(wait)
        except InUseError as error:
            log.error("the worker stops", error=str(error))
            os.kill(worker, signal.SIGTERM)
    tracing.stop()
