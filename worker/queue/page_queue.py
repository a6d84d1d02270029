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

from checkpointing.key_types import drop_wrong_types
from checkpointing.lua import Script
from checkpointing.refs import StageRef
from worker.queue.attempts import read_attempts
from worker.queue.dispatch import Dispatch
from worker.queue.keys import QueueKeys

_BATCH = 1000
# Added to a page's turn when it is tried again: after all that were not tried yet.
_LATER = 10_000_000
# Python refuses to read numbers of thousands of digits.
_MOST_DIGITS = 18

# What breaks where a message is not what it seems: anyone who reaches Redis can put one there.
_NOT_OURS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

_PUT: Script[list[int]] = Script("worker.queue.put_pages")
_PUT_FIRST: Script[list[int]] = Script("worker.queue.put_pages_first")
_ENSURE_TURN: Script[None] = Script("worker.queue.ensure_turn")
_RAISE_ATTEMPTS: Script[None] = Script("worker.queue.raise_attempts")
_FIND_HELD: Script[list[int]] = Script("worker.queue.find_held")


class PageQueue:
    """The queue of one stage, as one scan sees it.

    Args:
        redis: client of the broker.
        keys: spells the keys.
        dispatch: of the stage.
    """

    def __init__(self, redis: Redis, keys: QueueKeys, ref: StageRef, dispatch: Dispatch) -> None:
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
        self._claim_start = keys.claim_start(ref)

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
            yield from _PUT(self._redis, **self._values(), added_turn=_LATER if later else 0, pages=batch)

    def put_first(self, pages: Iterable[int]) -> list[int]:
        """The same, before everything that waits. For a few: the window has no room for many.

        Raises:
            RedisError: the broker failed; what went in stays in.
        """
        return sorted(_PUT_FIRST(self._redis, **self._values(), pages=sorted(pages, reverse=True)))

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
            found = _FIND_HELD(self._redis, claims=[f"{self._claim_start}{page}" for page in batch])
            held.update(batch[position - 1] for position in found)
        return held

    def forget_dispatched(self, pages: Iterable[int]) -> None:
        """Take lost pages out of the notes, so that they can be put in again."""
        for batch in _batches(pages):
            self._redis.srem(self._dispatched, *[str(page) for page in batch])

    def ensure_turn(self) -> None:
        """See that the scan is among those whose turn comes, if any of its pages wait."""
        _ENSURE_TURN(self._redis, waiting=self._waiting, turns=self._turns, scan=self._scan_id)

    def attempts(self) -> dict[int, int]:
        """Attempts begun, of the pages that are not settled."""
        found = cast("dict[bytes, bytes]", self._redis.hgetall(self._attempts))
        return read_attempts(found)

    def raise_attempts(self, begun: Mapping[int, int]) -> None:
        """Tell Redis of attempts that it has forgotten."""
        pairs = [number for pair in begun.items() for number in pair]
        if pairs:
            _RAISE_ATTEMPTS(self._redis, attempts=self._attempts, counts=pairs)

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

    def _values(self) -> dict[str, str]:
        return {
            "waiting": self._waiting,
            "dispatched": self._dispatched,
            "scan": self._scan_id,
            "claim_start": self._claim_start,
            **self._dispatch.values(),
        }

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
