"""The composition root: makes the parts of one deployment from its settings, each when it is first used.

Entry points (tasks, the reconciler, commands) make one and hand its parts on. A function that
works on one part takes that part alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from worker.billing.model_calls import ModelCalls
from worker.config.configured_stages import ConfiguredStages
from worker.keys import Keys
from worker.queue.client import QueueClient
from worker.queue.worker_control import WorkerControl
from worker.storage.book_store import BookStore

if TYPE_CHECKING:
    from redis import Redis

    from worker.config.settings import Settings
    from worker.pages.metadata import ScanMetadata
    from worker.pages.scan import ScanFolder


class Deployment:
    """The parts of one deployment.

    Args:
        settings: of the deployment.
        app: the Celery application; by default one is made from the settings when it is needed.
        redis: client of the broker; by default one is made from the settings.
        take_in: makes a scan of a folder that another program left; by default that is an error.
        as_enqueued: whether pages are read by the defaults of the last enqueue, as in workers.

    Attributes:
        settings: of the deployment.
        store: the books: scans, outputs, checkpoints, ledgers. It needs no broker.
        queues: the broker: queues, inboxes, claims.
        calls: the models: endpoints, meters, budgets.
        workers: the workers: which of them are alive and what they do.
    """

    def __init__(
        self,
        settings: Settings,
        app: Any = None,
        redis: Redis | None = None,
        take_in: Callable[[ScanFolder], ScanMetadata] | None = None,
        *,
        as_enqueued: bool = False,
    ) -> None:
        self.settings = settings
        self._app = app
        self.store = BookStore(settings.root, ConfiguredStages(settings, as_enqueued=as_enqueued), take_in)
        self.queues = QueueClient(settings, Keys(settings.key_prefix), self.store.queue_of, redis)

    @cached_property
    def calls(self) -> ModelCalls:
        """The calls of models."""
        return ModelCalls(self.settings, self.store, self.queues)

    @cached_property
    def workers(self) -> WorkerControl:
        """The workers of the deployment."""
        return WorkerControl(self._make_app)

    def close(self) -> None:
        """Close the connections to Redis, if there are any. The next command opens a new one."""
        self.queues.close()

    def _make_app(self) -> Any:
        from worker.app import make_app

        return self._app or make_app(self.settings)
