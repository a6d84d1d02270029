"""The pages of one stage of one scan in the queue: adds them, each once, and knows which ones are queued.

A page waits in a sorted set, then for a moment in Celery's queue, and is then claimed by a worker. Celery's Redis
transport may lose a message between the server's pop and its own bookkeeping (celery #4354). Such a page is noted
as dispatched, but it is in no queue and no worker has claimed it.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, cast

from redis import Redis

from checkpointing.fields import MAX_PAGES
from checkpointing.key_types import drop_wrong_types
from checkpointing.lua import Script
from checkpointing.refs import StageRef
from worker.queue.dedicated import dedicated_queues, note_dedicated
from worker.queue.dispatch import Dispatch
from worker.queue.keys import QueueKeys
from worker.queue.messages import FORGED

_BATCH = 1000
# Added to the turn of a page that is tried again, so that it comes after all pages that were not tried yet.
_LATER = 10_000_000
# Python refuses to parse numbers of thousands of digits.
_MAX_DIGITS = len(str(MAX_PAGES))
# More attempts were forged: `max_attempts` is 100 at most, and each duplicate of a message adds one.
_MAX_ATTEMPTS = 9_999

_PUT: Script[list[int]] = Script("worker.queue.put_pages")
_ENSURE_TURN: Script[None] = Script("worker.queue.ensure_turn")
_RAISE_ATTEMPTS: Script[None] = Script("worker.queue.raise_attempts")
_FIND_HELD: Script[list[int]] = Script("worker.queue.find_held")


class PageQueue:
    """The pages of one stage of one scan in the queue.

    Every method raises RedisError where the broker failed; pages that were enqueued by then stay enqueued.
    """

    def __init__(self, redis: Redis, keys: QueueKeys, ref: StageRef, dispatch: Dispatch) -> None:
        self._redis = redis
        self._keys = keys
        self._ref = ref
        self._scan_id = ref.scan_id
        self._dispatch = dispatch
        self._waiting = keys.waiting(ref)
        self._dispatched = keys.dispatched(ref)
        self._turns = keys.turns(dispatch.queue)
        self._run = keys.run(ref)
        self._attempts = keys.attempts(ref)
        self._types = keys.types_of_stage(ref) | keys.types_of_queue(dispatch.queue)
        self._claim_start = keys.claim_start(ref)

    def drop_unusable_keys(self) -> list[str]:
        """Delete the keys of this stage that are not of their type, and return them.

        Recovery restores them as after a flush.
        """
        return drop_wrong_types(self._redis, self._types)

    def name_run(self, run: str) -> None:
        """Name the run in all messages from now on. An empty id changes nothing."""
        if run:
            self._redis.set(self._run, run)

    def put(self, pages: Iterable[int]) -> Iterator[int]:
        """Enqueue the pages that are in no queue and that no worker has claimed, and yield each of them."""
        for batch in _batches(pages):
            yield from self._put(batch, 0)

    def put_first(self, pages: Iterable[int]) -> list[int]:
        """Enqueue pages like `put`, but at the front of Celery's queue. For a few pages: the window is small."""
        return sorted(self._put(sorted(pages, reverse=True), "front"))

    def put_again(self, page: int) -> None:
        """Enqueue a page whose claim this process has just released, to come after the scan's other pages."""
        self._put([page], _LATER)

    def hand_on(self, page: int) -> None:
        """Enqueue a page whose claim this process has just released, and which came through another queue.

        The queue of a scan changes when its profile does, while pages wait.
        """
        for queue in self._all_queues() - {self._dispatch.queue}:
            self._redis.lrem(self._keys.turns(queue), 0, self._scan_id)
        self._put([page], 0)
        self.ensure_turn()

    def carried(self) -> set[int]:
        """Return the pages that wait for their turn or are in Celery's queue."""
        waiting = cast("list[bytes]", self._redis.zrange(self._waiting, 0, -1))
        numbers = {int(page) for page in waiting if _is_number(page)}
        return numbers | {page for _, page, _ in self._listed()}

    def held(self, pages: Iterable[int]) -> set[int]:
        """Return those of the pages that a worker has claimed."""
        held: set[int] = set()
        for batch in _batches(pages):
            found = _FIND_HELD(self._redis, claims=[f"{self._claim_start}{page}" for page in batch])
            held.update(batch[position - 1] for position in found)
        return held

    def forget_dispatched(self, pages: Iterable[int]) -> None:
        """Delete the notes that lost pages were dispatched, so that they can be enqueued again."""
        for batch in _batches(pages):
            self._redis.srem(self._dispatched, *[str(page) for page in batch])

    def ensure_turn(self) -> None:
        """Give the scan a turn if it has waiting pages and no turn, and note its queue."""
        note_dedicated(self._redis, self._keys, self._dispatch.queue)
        _ENSURE_TURN(self._redis, waiting=self._waiting, turns=self._turns, scan=self._scan_id)

    def attempts(self) -> dict[int, int]:
        """Return the attempts begun, by page, without completed pages. Anything that is not a count is left out."""
        found = cast("dict[bytes, bytes]", self._redis.hgetall(self._attempts))
        counts = {int(page): int(begun) for page, begun in found.items() if _is_number(page) and _is_number(begun)}
        return {page: begun for page, begun in counts.items() if begun <= _MAX_ATTEMPTS}

    def raise_attempts(self, begun: Mapping[int, int]) -> None:
        """Raise counts of attempts that Redis has forgotten."""
        pairs = [number for pair in begun.items() for number in pair]
        if pairs:
            _RAISE_ATTEMPTS(self._redis, attempts=self._attempts, counts=pairs)

    def forget_attempts(self, pages: Iterable[int]) -> None:
        """Reset the attempts of these pages to 0."""
        drop_wrong_types(self._redis, {self._attempts: "hash"})
        for batch in _batches(pages):
            self._redis.hdel(self._attempts, *[str(page) for page in batch])

    def close(self) -> None:
        """Delete queued pages and all notes: the stage has ended or was cancelled."""
        self.drop_unusable_keys()
        self._redis.delete(self._waiting, self._dispatched, self._attempts, self._run)
        for queue in self._all_queues():
            self._redis.lrem(self._keys.turns(queue), 0, self._scan_id)
        for key, _, raw in list(self._listed()):
            self._redis.lrem(key, 0, raw)
        self._dispatch.fill_window()

    def _put(self, pages: list[int], place: int | str) -> list[int]:
        note_dedicated(self._redis, self._keys, self._dispatch.queue)
        return _PUT(
            self._redis,
            waiting=self._waiting,
            dispatched=self._dispatched,
            scan=self._scan_id,
            claim_start=self._claim_start,
            place=place,
            queue=self._dispatch.values(),
            pages=pages,
        )

    def _listed(self) -> Iterator[tuple[str, int, str]]:
        """Yield the scan's pages in Celery's queues, with queue and message. The queues are never long."""
        for queue in self._all_queues():
            key = self._keys.queue(queue)
            for raw in cast("list[Any]", self._redis.lrange(key, 0, -1)):
                names = _named_in(raw)
                if names is not None and names[0] == self._scan_id:
                    yield key, names[1], raw

    def _all_queues(self) -> set[str]:
        """Return all queues of the stage: the profile of the scan may have changed while pages wait."""
        stage = self._ref.stage
        return {stage, self._dispatch.queue, *dedicated_queues(self._redis, self._keys, stage)}


def _named_in(raw: bytes) -> tuple[str, int] | None:
    """Return the scan and the page that a message in Celery's queue names; None for a forged message."""
    with suppress(*FORGED):
        message = json.loads(raw)
        body = message["body"]
        if message["properties"].get("body_encoding") == "base64":
            body = base64.b64decode(body)
        arguments = json.loads(body)[1]
        return str(arguments["scan_id"]), int(arguments["page"])
    return None


def _is_number(text: bytes) -> bool:
    return len(text) <= _MAX_DIGITS and text.isdigit()


def _batches(pages: Iterable[int]) -> Iterator[list[int]]:
    remaining = iter(pages)
    while batch := list(islice(remaining, _BATCH)):
        yield batch
