"""The queue of one stage as one scan sees it: putting pages in, once each, and knowing which pages it carries.

A page waits in a sorted set of ours, then for a moment in Celery's queue, and is then claimed. Celery's Redis
transport may lose a message between the server's pop and its own bookkeeping (celery #4354); that shows here as a
page which was dispatched, stands in no list and is held by nobody.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, cast

from redis import Redis

from checkpointing.key_types import TYPED, drop_wrong_types
from checkpointing.keys import Keys
from checkpointing.refs import StageRef
from worker.queue.attempts import COUNT, read_attempts
from worker.queue.dispatch import FEED, Dispatch

_BATCH = 1000
# Added to a page's turn when it is tried again: after all that were not tried yet.
_LATER = 10_000_000
# Python refuses to read numbers of thousands of digits.
_MOST_DIGITS = 18

# What breaks where a message is not what it seems: anyone who reaches Redis can put one there.
_NOT_OURS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

# KEYS: waiting, dispatched. ARGV, after those of FEED: scan, start of the claim keys, added to the turn, pages.
# Returns the pages that went in: those that wait nowhere and that nobody has.
_PUT = (
    FEED
    + """
local waiting, dispatched = KEYS[1], KEYS[2]
local scan, claims, later = unpack(ARGV, 8, 10)
typed(waiting, 'zset')
typed(dispatched, 'set')
local waited = redis.call('EXISTS', waiting)
local fresh = {}
for i = 11, #ARGV do
  local page = ARGV[i]
  if redis.call('SISMEMBER', dispatched, page) == 0 and not is_held(claims .. page)
    and redis.call('ZADD', waiting, 'NX', page + later, page) == 1 then
    fresh[#fresh + 1] = tonumber(page)
  end
end
if waited == 0 and #fresh > 0 then redis.call('LPUSH', turns, scan) end
feed()
return fresh
"""
)
# KEYS: waiting, dispatched. ARGV, after those of FEED: scan, start of the claim keys, pages. As above.
_PUT_FIRST = (
    FEED
    + """
local waiting, dispatched = KEYS[1], KEYS[2]
local scan, claims = unpack(ARGV, 8, 9)
typed(waiting, 'zset')
typed(dispatched, 'set')
local fresh = {}
for i = 10, #ARGV do
  local page = ARGV[i]
  if redis.call('SISMEMBER', dispatched, page) == 0 and not is_held(claims .. page)
    and not redis.call('ZSCORE', waiting, page) then
    redis.call('RPUSH', queue, message(scan, page, i))
    fresh[#fresh + 1] = tonumber(page)
  end
end
return fresh
"""
)
# KEYS: waiting, turns. ARGV: scan. Waiting pages whose scan has no turn would wait for ever.
_ENSURE_TURN = (
    TYPED
    + """
local waiting, turns, scan = KEYS[1], KEYS[2], ARGV[1]
typed(waiting, 'zset')
typed(turns, 'list')
if redis.call('EXISTS', waiting) == 1 and not redis.call('LPOS', turns, scan) then
  redis.call('LPUSH', turns, scan)
end
"""
)
# KEYS: attempts. ARGV: page, attempts, page, attempts, ...
_RAISE_ATTEMPTS = (
    TYPED
    + COUNT
    + """
local attempts = KEYS[1]
for i = 1, #ARGV, 2 do
  local page, begun = ARGV[i], ARGV[i + 1]
  if count(attempts, page) < tonumber(begun) then redis.call('HSET', attempts, page, begun) end
end
"""
)
# KEYS: claims. Returns the number of each that is held, counted from 1.
_HELD = (
    TYPED
    + """
local held = {}
for i, claim in ipairs(KEYS) do
  if is_held(claim) then held[#held + 1] = i end
end
return held
"""
)


class PageQueue:
    """The queue of one stage, as one scan sees it.

    Args:
        redis: client of the broker.
        keys: spells the keys.
        dispatch: of the stage.
    """

    def __init__(self, redis: Redis, keys: Keys, ref: StageRef, dispatch: Dispatch) -> None:
        self._redis = redis
        self._scan_id = ref.scan_id
        self._dispatch = dispatch
        self._messages = keys.queue(ref.stage)
        self._waiting = keys.waiting(ref)
        self._dispatched = keys.dispatched(ref)
        self._turns = keys.turns(ref.stage)
        self._run = keys.run(ref)
        self._attempts = keys.attempts(ref)
        self._types = keys.types_of_stage(ref) | keys.types_of_queue(ref.stage)
        self._claim_start = keys.claim(ref, 0)[: -len("0")]
        self._put: Any = redis.register_script(_PUT)
        self._put_first: Any = redis.register_script(_PUT_FIRST)
        self._ensure_turn: Any = redis.register_script(_ENSURE_TURN)
        self._raise_attempts: Any = redis.register_script(_RAISE_ATTEMPTS)
        self._held: Any = redis.register_script(_HELD)

    def drop_unusable_keys(self) -> list[str]:
        """Delete the keys of this stage that are not of their type; what they held is healed as after a flush.

        Returns:
            Their names.

        Raises:
            RedisError: the broker failed.
        """
        return drop_wrong_types(self._redis, self._types)

    def name_run(self, run: str) -> None:
        """Have the messages that are made from now on name a run. An empty one, which is none, changes nothing.

        Raises:
            RedisError: the broker failed.
        """
        if run:
            self._redis.set(self._run, run)

    def put(self, pages: Iterable[int], *, later: bool = False) -> Iterator[int]:
        """Enqueue the pages that wait nowhere and that nobody holds, yielding each that went in.

        Args:
            pages: which.
            later: they get their turn after the scan's other pages.

        Raises:
            RedisError: the broker failed; what went in stays in.
        """
        for batch in _batches(pages):
            arguments = [self._scan_id, self._claim_start, _LATER if later else 0, *batch]
            yield from self._put(
                keys=[self._waiting, self._dispatched], args=[*self._dispatch.arguments(), *arguments]
            )

    def put_first(self, pages: Iterable[int]) -> list[int]:
        """The same, before everything that waits. For a few: the window has no room for many.

        Raises:
            RedisError: the broker failed; what went in stays in.
        """
        # The last one to go in front is the first one to come out.
        arguments = [*self._dispatch.arguments(), self._scan_id, self._claim_start, *sorted(pages, reverse=True)]
        return sorted(self._put_first(keys=[self._waiting, self._dispatched], args=arguments))

    def put_again(self, page: int) -> None:
        """Enqueue a page that this process has just had and given back.

        Raises:
            RedisError: the broker failed; the reconciler will see to it.
        """
        for _ in self.put([page], later=True):
            pass

    def carried(self) -> set[int]:
        """The pages that wait for their turn, or stand in Celery's queue."""
        waiting = cast("list[bytes]", self._redis.zrange(self._waiting, 0, -1))
        numbers = {int(page) for page in waiting if page.isdigit() and len(page) < _MOST_DIGITS}
        return numbers | {page for page, _ in self._listed()}

    def held(self, pages: Iterable[int]) -> set[int]:
        """Those of the pages that a worker has a claim on."""
        held: set[int] = set()
        for batch in _batches(pages):
            found = cast("list[int]", self._held(keys=[f"{self._claim_start}{page}" for page in batch]))
            held.update(batch[number - 1] for number in found)
        return held

    def forget_dispatched(self, pages: Iterable[int]) -> None:
        """Take lost pages out of the notes, so that they can be put in again."""
        for batch in _batches(pages):
            self._redis.srem(self._dispatched, *[str(page) for page in batch])

    def ensure_turn(self) -> None:
        """See that the scan is among those whose turn comes, if any of its pages wait."""
        self._ensure_turn(keys=[self._waiting, self._turns], args=[self._scan_id])

    def attempts(self) -> dict[int, int]:
        """Attempts begun, of the pages that are not settled."""
        found = cast("dict[bytes, bytes]", self._redis.hgetall(self._attempts))
        return read_attempts(found)

    def raise_attempts(self, begun: Mapping[int, int]) -> None:
        """Tell Redis of attempts that it has forgotten."""
        pairs = [number for pair in begun.items() for number in pair]
        if pairs:
            self._raise_attempts(keys=[self._attempts], args=pairs)

    def forget_attempts(self, pages: Iterable[int]) -> None:
        """Give pages their attempts anew."""
        drop_wrong_types(self._redis, {self._attempts: "hash"})
        for batch in _batches(pages):
            self._redis.hdel(self._attempts, *[str(page) for page in batch])

    def close(self) -> None:
        """Drop whatever waits, and what was noted: the stage has ended, or was called off."""
        self.drop_unusable_keys()
        self._redis.delete(self._waiting, self._dispatched, self._attempts, self._run)
        self._redis.lrem(self._turns, 0, self._scan_id)
        for _, raw in self._listed():
            self._redis.lrem(self._messages, 0, raw)
        self._dispatch.feed()

    def _listed(self) -> list[tuple[int, str]]:
        """The pages in Celery's queue, with their messages. It is a window: never long."""
        messages = cast("list[Any]", self._redis.lrange(self._messages, 0, -1))
        named = ((_named_in(raw), raw) for raw in messages)
        return [(names[1], raw) for names, raw in named if names is not None and names[0] == self._scan_id]


def _named_in(raw: bytes) -> tuple[str, int] | None:
    """Scan and page that a message in Celery's queue names; None where it names none."""
    with suppress(*_NOT_OURS):
        message = json.loads(raw)
        body = message["body"]
        if message["properties"].get("body_encoding") == "base64":
            body = base64.b64decode(body)
        arguments = json.loads(body)[1]
        return str(arguments["scan_id"]), int(arguments["page"])
    return None


def _batches(pages: Iterable[int]) -> Iterator[list[int]]:
    batch: list[int] = []
    for page in pages:
        batch.append(page)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
