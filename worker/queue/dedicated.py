"""The list of a stage's dedicated queues in Redis: workers look there for queues that they can serve.

What the name of a queue says is in `worker.ocr.engines.needs`. A queue is forgotten an hour after its last use;
while a stage is open, recovery notes its queue again and again.
"""

import time
from contextlib import suppress
from typing import cast

from redis import Redis
from redis.exceptions import ResponseError

from checkpointing.key_types import drop_wrong_types
from worker.ocr.engines.needs import stage_of
from worker.queue.keys import QueueKeys

_FORGET_SECONDS = 3600
_MAX_QUEUES = 1000
"""More were forged, and each takes time of every worker."""


def note_dedicated(redis: Redis, keys: QueueKeys, queue: str) -> None:
    """Note that pages go through a queue. Does nothing for the queue of a stage itself.

    Raises:
        RedisError: the broker failed.
    """
    stage = stage_of(queue)
    if queue != stage:
        key = keys.dedicated(stage)
        drop_wrong_types(redis, {key: "zset"})
        redis.zadd(key, {queue: time.time()})
        redis.zremrangebyscore(key, "-inf", time.time() - _FORGET_SECONDS)


def dedicated_queues(redis: Redis, keys: QueueKeys, stage: str) -> list[str]:
    """Return the dedicated queues of a stage, the one used last first; their names may be forged.

    Raises:
        RedisError: the broker failed.
    """
    since = time.time() - _FORGET_SECONDS
    names: list[bytes] = []
    # A key of a wrong type is deleted by the next worker that sends a heartbeat.
    with suppress(ResponseError):
        found = redis.zrevrangebyscore(keys.dedicated(stage), "+inf", since, start=0, num=_MAX_QUEUES)
        names = cast("list[bytes]", found)
    decoded = (name.decode(errors="replace") for name in names)
    return [name for name in decoded if stage_of(name) == stage]
