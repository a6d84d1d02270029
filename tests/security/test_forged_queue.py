"""What Leafmark itself keeps in Redis, forged: reconcilers and commands go on, and recover."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from checkpointing.errors import LeafmarkError
from tests.security.forging import message, raw
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment, make_fake
from worker.keys import Keys
from worker.reconciler.reconciler import Reconciler

PAGES = 5
LOOKS = 3
Forge = Callable[[Redis, Keys], object]


def _listed(content: bytes) -> Forge:
    return lambda redis, keys: redis.lpush(keys.queue(STAGE), content)


LISTED: dict[str, bytes] = {
    "no JSON": b"\xff garbage",
    "a number": b"7",
    "a list": b"[]",
    "no properties": b'{"body": "x"}',
    "properties that are null": raw(message(properties=None)),
    "properties that are text": raw(message(properties="x")),
    "nested too deep": b"[" * 100_000,
    "a body nested too deep": raw(message(body="[" * 100_000, properties={"body_encoding": None})),
    "a page without end": raw(message(body=json.dumps([[], {"scan_id": SCAN, "page": float("inf")}, {}]))),
    "an endless page in plain text": json.dumps(
        {
            "body": '[[], {"scan_id": "a-book", "page": 1e999}, {}]',
            "properties": {},
        }
    ).encode(),
    "a page that is text": json.dumps(
        {
            "body": '[[], {"scan_id": "a-book", "page": "x"}, {}]',
            "properties": {},
        }
    ).encode(),
}
KEPT: dict[str, Forge] = {
    "a waiting page that is none": lambda redis, keys: redis.zadd(keys.waiting(REF), {"../x": 1}),
    "a waiting page that is no text": lambda redis, keys: redis.zadd(keys.waiting(REF), {b"\xff": 1}),
    "waiting pages that are no set": lambda redis, keys: redis.set(keys.waiting(REF), "x"),
    "a turn of a scan that is none": lambda redis, keys: redis.lpush(keys.turns(STAGE), "../../x"),
    "dispatched pages that are none": lambda redis, keys: redis.sadd(keys.dispatched(REF), "x"),
    "attempts that are no number": lambda redis, keys: redis.hset(keys.attempts(REF), "x", "y"),
    "attempts beyond all": lambda redis, keys: redis.hset(keys.attempts(REF), "4", "9" * 30),
    "a run that is none": lambda redis, keys: redis.set(keys.run(REF), b"\xff\x1b[2J"),
    "a run that is no text": lambda redis, keys: redis.lpush(keys.run(REF), "x"),
    "a run without end": lambda redis, keys: redis.set(keys.run(REF), f"00-{'a' * 100_000}-{'b' * 16}-01"),
    "a window that is no number": lambda redis, keys: redis.set(keys.window(STAGE), "x"),
    "a window beyond all": lambda redis, keys: redis.set(keys.window(STAGE), "9" * 30),
    "a window below nothing": lambda redis, keys: redis.set(keys.window(STAGE), "-5"),
    "a worker of no size": lambda redis, keys: redis.zadd(keys.slots(STAGE), {"somebody": 10**12}),
    "a worker of every size": lambda redis, keys: redis.zadd(keys.slots(STAGE), {"somebody=" + "9" * 30: 10**12}),
    "a dedicated queue that is none": lambda redis, keys: redis.zadd(
        keys.dedicated(STAGE), {b"\xff\x1b[2J": 10**12, f"{STAGE}:": 10**12, f"{STAGE}:../x": 10**12}
    ),
    "dedicated queues that are no set": lambda redis, keys: redis.set(keys.dedicated(STAGE), "x"),
    "a claim that is no text": lambda redis, keys: redis.lpush(keys.claim(REF, 2), "x"),
    "an election that is no text": lambda redis, keys: redis.lpush(keys.heal(REF), "x"),
    **{f"in Celery's queue, {name}": _listed(content) for name, content in LISTED.items()},
}


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    made = make_fake(tmp_path / "scans", monkeypatch)
    for scan_id in (SCAN, "b-book"):
        made.write_scan(scan_id, PAGES)
        made.ask_for((1, PAGES), scan_id=scan_id)
    return made


@pytest.mark.parametrize("forge", [pytest.param(forge, id=name) for name, forge in KEPT.items()])
def test_the_reconciler_lives_and_other_scans_are_healed(fake: FakeDeployment, forge: Forge) -> None:
    forge(fake.redis, fake.parts.queues.keys)
    _look(fake)
    assert _listed_scans(fake) >= {"b-book"}


def test_a_key_of_the_wrong_type_stops_its_stage_only_while_it_is_there(fake: FakeDeployment) -> None:
    turns = fake.parts.queues.keys.turns(STAGE)
    fake.redis.set(turns, "no list")
    _look(fake)
    fake.redis.delete(turns)
    _look(fake)
    assert _listed_scans(fake) == {SCAN, "b-book"}


def _look(fake: FakeDeployment) -> None:
    """Look after everything as a reconciler's loop does; anything else that is raised would end its process."""
    reconciler = Reconciler(fake.parts.store, fake.parts.queues, fake.parts.calls, {STAGE: 2})
    for _ in range(LOOKS):
        with suppress(OSError, LeafmarkError, RedisError):
            reconciler.commit_inboxes()
            reconciler.recover()


def _listed_scans(fake: FakeDeployment) -> set[str]:
    """The scans that have a page in Celery's queue."""
    listed: Any = fake.redis.lrange(fake.parts.queues.keys.queue(STAGE), 0, -1)
    return {scan_id for scan_id in (SCAN, "b-book") for content in listed if f'\\"{scan_id}\\"'.encode() in content}
