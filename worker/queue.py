"""The queue of one stage: putting pages in, once each, and knowing which pages it carries.

Celery's Redis transport cannot be asked whether a page is in a queue without reading all of it. So each page is
noted in a sorted set when it goes in, scored by its place in the order, and taken out of it by the worker that
begins it. A queue is first in, first out: a page whose place lies well behind one that has begun is carried by
no queue any more. That is how a message that vanished is found (celery #4354).
"""

from collections.abc import Iterable, Iterator
from typing import Any, cast

from redis import Redis

from checkpointing.keys import Keys

PAGE_TASK = "page.process"
_BATCH = 1000
# Workers hold a few messages that they have fetched and not begun; a page only so far behind may be one.
_FETCHED_AHEAD = 64

# KEYS: queued, order. ARGV: start of the claim keys, pages. Returns the pages that nobody has and no queue carries.
_RESERVE = """
local fresh = {}
for i = 2, #ARGV do
  local page = ARGV[i]
  if not redis.call('ZSCORE', KEYS[1], page) and redis.call('EXISTS', ARGV[1] .. page) == 0 then
    redis.call('ZADD', KEYS[1], redis.call('HINCRBY', KEYS[2], 'last', 1), page)
    fresh[#fresh + 1] = tonumber(page)
  end
end
return fresh
"""


class PageQueue:
    """The queue of one stage, as one scan sees it.

    Args:
        app: the Celery application that publishes.
        redis: client of the broker.
        keys: spells the keys.
    """

    def __init__(self, app: Any, redis: Redis, keys: Keys, scan_id: str, stage: str) -> None:
        self._app = app
        self._redis = redis
        self._scan_id = scan_id
        self._stage = stage
        self._messages = keys.queue(stage)
        self._queued = keys.queued(scan_id, stage)
        self._order = keys.order(scan_id, stage)
        self._attempts = keys.attempts(scan_id, stage)
        self._claim_start = keys.claim(scan_id, stage, 0)[: -len("0")]
        self._reserve: Any = redis.register_script(_RESERVE)

    def put(self, pages: Iterable[int]) -> Iterator[int]:
        """Enqueue the pages that no worker holds and no queue carries, yielding each that went in.

        Raises:
            RedisError, kombu.exceptions.OperationalError: the broker failed; what went in stays in.
        """
        with self._app.producer_or_acquire() as producer:
            for batch in _batches(pages):
                fresh = self._reserve(keys=[self._queued, self._order], args=[self._claim_start, *batch])
                unpublished = set(fresh)
                try:
                    for page in fresh:
                        self._publish(page, producer)
                        unpublished.discard(page)
                        yield page
                finally:
                    # Whoever says it again must find them not yet enqueued.
                    if unpublished:
                        self.forget_places(unpublished)

    def put_again(self, page: int) -> None:
        """Enqueue a page that this process has just had and given back.

        Raises:
            RedisError, kombu.exceptions.OperationalError: the broker failed; the steward will see to it.
        """
        for _ in self.put([page]):
            pass

    def carried(self) -> set[int]:
        """The pages that are noted as waiting and that a queue may still carry."""
        if self._is_drained():
            return set()
        started = int(cast("bytes | None", self._redis.hget(self._order, "started")) or 0)
        behind = started - _FETCHED_AHEAD
        found = cast("list[bytes]", self._redis.zrangebyscore(self._queued, behind, "+inf"))
        return {int(page) for page in found}

    def held(self, pages: list[int]) -> set[int]:
        """Those of the pages that a worker has a claim on."""
        held: set[int] = set()
        for batch in _batches(pages):
            tokens = cast("list[bytes | None]", self._redis.mget([f"{self._claim_start}{page}" for page in batch]))
            held.update(page for page, token in zip(batch, tokens, strict=True) if token)
        return held

    def forget_places(self, pages: Iterable[int]) -> None:
        """Take lost pages out of the notes, so that they can be put in again."""
        for batch in _batches(pages):
            self._redis.zrem(self._queued, *[str(page) for page in batch])

    def forget_attempts(self, pages: Iterable[int]) -> None:
        """Give pages their attempts anew."""
        for batch in _batches(pages):
            self._redis.hdel(self._attempts, *[str(page) for page in batch])

    def close(self) -> None:
        """The stage has ended: drop what was noted for it."""
        self._redis.delete(self._queued, self._order, self._attempts)

    def _is_drained(self) -> bool:
        """Whether the queue holds no message of any scan."""
        return self._redis.llen(self._messages) == 0

    def _publish(self, page: int, producer: Any) -> None:
        arguments = {"scan_id": self._scan_id, "stage": self._stage, "page": page}
        self._app.send_task(PAGE_TASK, kwargs=arguments, queue=self._stage, producer=producer)


def _batches(pages: Iterable[int]) -> Iterator[list[int]]:
    batch: list[int] = []
    for page in pages:
        batch.append(page)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
