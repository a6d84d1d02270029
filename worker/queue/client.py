"""The Redis of one deployment, and what workers and commands use in it: queues, inboxes and claims.

What a part needs is imported when that part is made: commands that read files import no client of Redis.
"""

from __future__ import annotations

from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING

from worker.queue.connection import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from checkpointing.inbox import Inbox
    from checkpointing.refs import StageRef
    from worker.config.settings import Settings
    from worker.keys import Keys
    from worker.queue.claims import Claims
    from worker.queue.dispatch import Dispatch
    from worker.queue.page_queue import PageQueue

_CACHED_INBOXES = 64


class QueueClient:
    """Queues, inboxes and claims of one deployment. Nothing is connected before the first command.

    Args:
        queue_of: returns the name of the queue that the pages of a stage of a scan go through.
    """

    def __init__(
        self, settings: Settings, keys: Keys, queue_of: Callable[[StageRef], str], redis: Redis | None = None
    ) -> None:
        self.keys = keys
        self.queue_of = queue_of
        self._settings = settings
        self._given_redis = redis
        # Made once each: both are needed for every page.
        self.dispatch = cache(self._make_dispatch)
        self.inbox = lru_cache(_CACHED_INBOXES)(self._make_inbox)

    @cached_property
    def redis(self) -> Redis:
        """The client of Redis."""
        return self._given_redis or connect(self._settings)

    @cached_property
    def claims(self) -> Claims:
        """The claims of this process."""
        from worker.queue.claims import Claims

        settings = self._settings
        return Claims(self.redis, self.keys, settings.claim_seconds, self.dispatch_of, settings.hard_seconds)

    def dispatch_of(self, ref: StageRef) -> Dispatch:
        """Return what fills the queue that the pages of a stage of a scan go through."""
        return self.dispatch(self.queue_of(ref))

    def queue(self, ref: StageRef) -> PageQueue:
        """Return the queue of a stage, as one scan sees it."""
        from worker.queue.page_queue import PageQueue

        return PageQueue(self.redis, self.keys, ref, self.dispatch_of(ref))

    def all_queues(self, stage: str) -> list[str]:
        """Return the queue of a stage, and its dedicated queues of the last hour.

        Raises:
            RedisError: the broker failed.
        """
        return [stage, *self.dedicated(stage)]

    def note_dedicated(self, queue: str) -> None:
        """Note that pages go through a queue, so that workers look at it.

        Raises:
            RedisError: the broker failed.
        """
        from worker.queue.dedicated import note_dedicated

        note_dedicated(self.redis, self.keys, queue)

    def dedicated(self, stage: str) -> list[str]:
        """Return the dedicated queues of a stage that were used in the last hour.

        Raises:
            RedisError: the broker failed.
        """
        from worker.queue.dedicated import dedicated_queues

        return dedicated_queues(self.redis, self.keys, stage)

    def close(self) -> None:
        """Close the connections, if there are any. The next command opens a new one."""
        if "redis" in vars(self):
            self.redis.close()

    def _make_inbox(self, ref: StageRef) -> Inbox:
        from checkpointing.inbox import Inbox

        return Inbox(self.redis, self.keys, ref)

    def _make_dispatch(self, queue: str) -> Dispatch:
        from worker.queue.dispatch import Dispatch

        return Dispatch(self.redis, self.keys, queue)
