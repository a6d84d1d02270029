"""What Celery's workers are doing, asked over the broker, and how to stop it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from worker.queue.broker_errors import broker_calls

if TYPE_CHECKING:
    from checkpointing.refs import StageRef


class WorkerControl:
    """Asks the workers of one deployment. Every method raises BrokerError where the broker failed.

    The Celery application is made when it is first needed.
    """

    def __init__(self, make_app: Callable[[], Any]) -> None:
        self._make_app = make_app

    @cached_property
    def _app(self) -> Any:
        return self._make_app()

    def active(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """Return the name and the running tasks of each worker that answers within a second."""
        # A connection of its own: one that was cut in the pool would fail once more after Redis is back.
        with broker_calls(), self._app.connection_for_write() as connection:
            replies = self._app.control.broadcast("active", reply=True, timeout=1.0, connection=connection)
        return [answer for reply in replies or [] for answer in reply.items()]

    def consume(self, queue: str, worker: str, *, begin: bool = True) -> None:
        """Have a worker take messages from a queue too, or no more. Does nothing the second time.

        Args:
            queue: its name.
            worker: the name of the worker in Celery: `celery@host`.
            begin: whether to begin or to end.
        """
        with broker_calls(), self._app.connection_for_write() as connection:
            act = self._app.control.add_consumer if begin else self._app.control.cancel_consumer
            act(queue, destination=[worker], connection=connection)

    def stop_running(self, ref: StageRef) -> int:
        """Stop the processes that work on pages of a stage, and return how many pages that were."""
        wanted = (ref.scan_id, ref.stage)
        tasks = [
            task["id"]
            for _, running in self.active()
            for task in running
            if (task["kwargs"].get("scan_id"), task["kwargs"].get("stage")) == wanted
        ]
        if tasks:
            with broker_calls():
                self._app.control.revoke(tasks, terminate=True)
        return len(tasks)
