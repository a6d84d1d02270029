"""Every Redis key of Leafmark's, forged in the middle of a book with every other type and with unusable values.

The book completes, so does the other book, and no healthy page is quarantined or has an attempt counted in vain.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from checkpointing.refs import StageRef
from checkpointing.status import Status
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment, make_fake, named_in
from tests.support.stages import Stamp, stamp
from worker.keys import Keys
from worker.reconciler.reconciler import Reconciler

PAGES = 6
OTHER = "b-book"
MAX_ROUNDS = 60
# Claimed while the keys are forged, and not begun yet.
IN_HAND, WAITING = 2, 5

Name = Callable[[Keys], str]
NAMES: dict[str, Name] = {
    "inboxes": lambda keys: keys.inboxes,
    "inbox": lambda keys: keys.inbox(REF),
    "commit": lambda keys: keys.commit(REF),
    "heal": lambda keys: keys.heal(REF),
    "claim of the page in hand": lambda keys: keys.claim(REF, IN_HAND),
    "claim of a page that waits": lambda keys: keys.claim(REF, WAITING),
    "attempts": lambda keys: keys.attempts(REF),
    "waiting": lambda keys: keys.waiting(REF),
    "dispatched": lambda keys: keys.dispatched(REF),
    "run": lambda keys: keys.run(REF),
    "turns": lambda keys: keys.turns(STAGE),
    "slots": lambda keys: keys.slots(STAGE),
    "window": lambda keys: keys.window(STAGE),
    "meter": lambda keys: keys.meter(SCAN),
    "Celery's queue": lambda keys: keys.queue(STAGE),
}
TYPES: dict[str, Callable[[Redis, str], object]] = {
    "string": lambda redis, key: redis.set(key, "forged"),
    "list": lambda redis, key: redis.rpush(key, "forged", "7", "\xff"),
    "set": lambda redis, key: redis.sadd(key, "forged", "7"),
    "zset": lambda redis, key: redis.zadd(key, {"forged": 1, "7": 2}),
    "hash": lambda redis, key: redis.hset(key, mapping={"forged": "x", "7": "y"}),
    "stream": lambda redis, key: redis.xadd(key, {"forged": "x"}),
}
Forge = Callable[[Redis, Keys], object]
VALUES: dict[str, Forge] = {
    "attempts that are text": lambda redis, keys: redis.hset(
        keys.attempts(REF), mapping=dict.fromkeys(map(str, range(1, PAGES + 1)), "text")
    ),
    "attempts beyond all": lambda redis, keys: redis.hset(
        keys.attempts(REF), mapping=dict.fromkeys(map(str, range(1, PAGES + 1)), "9" * 6000)
    ),
    "attempts below nothing": lambda redis, keys: redis.hset(
        keys.attempts(REF), mapping=dict.fromkeys(map(str, range(1, PAGES + 1)), "-7")
    ),
    "attempts of pages that are none": lambda redis, keys: redis.hset(keys.attempts(REF), "9" * 6000, "1"),
    "turns of scans that are none": lambda redis, keys: redis.rpush(
        keys.turns(STAGE), "", "../x", "\xff", "nowhere"
    ),
    "a turn of a scan whose waiting pages are no set": lambda redis, keys: (
        redis.set(keys.waiting(StageRef("nowhere", STAGE)), "x"),
        redis.rpush(keys.turns(STAGE), "nowhere"),
    ),
    "a turn of a scan whose notes are no set": lambda redis, keys: (
        redis.set(keys.dispatched(StageRef("nowhere", STAGE)), "x"),
        redis.zadd(keys.waiting(StageRef("nowhere", STAGE)), {"1": 1}),
        redis.rpush(keys.turns(STAGE), "nowhere"),
    ),
    "a waiting page of thousands of digits": lambda redis, keys: redis.zadd(keys.waiting(REF), {"9" * 6000: 0}),
    "a window that is text": lambda redis, keys: redis.set(keys.window(STAGE), "text"),
    "a window that is no number": lambda redis, keys: redis.set(keys.window(STAGE), "nan"),
    "a window below nothing": lambda redis, keys: redis.set(keys.window(STAGE), "-1"),
    "every page dispatched": lambda redis, keys: redis.sadd(keys.dispatched(REF), *range(1, PAGES + 1)),
    "claims without an end": lambda redis, keys: [
        redis.set(keys.claim(REF, page), "forged") for page in range(1, PAGES + 1)
    ],
    "claims of years": lambda redis, keys: [
        redis.set(keys.claim(REF, page), "forged", ex=10**9) for page in range(1, PAGES + 1)
    ],
    "a commit lock without an end": lambda redis, keys: redis.set(keys.commit(REF), "forged"),
    "a heal lock without an end": lambda redis, keys: redis.set(keys.heal(REF), "forged"),
    "a commit lock of years": lambda redis, keys: redis.set(keys.commit(REF), "forged", ex=10**9),
    "a worker that lives for ever": lambda redis, keys: redis.zadd(keys.slots(STAGE), {"forged=9": "+inf"}),
    "no key is left": lambda redis, _keys: redis.flushall(),
    "no list of inboxes": lambda redis, keys: redis.delete(keys.inboxes),
}


def _of_type(name: Name, forge: Callable[[Redis, str], object]) -> Forge:
    def replace(redis: Redis, keys: Keys) -> None:
        redis.delete(name(keys))
        forge(redis, name(keys))

    return replace


FORGERIES = VALUES | {
    f"{name} as a {kind}": _of_type(spell, forge) for name, spell in NAMES.items() for kind, forge in TYPES.items()
}


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    # What a commit's pause costs is tried elsewhere.
    monkeypatch.setattr("checkpointing.coordinator.MIN_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr("checkpointing.coordinator.PAUSE_FACTOR", 0)
    made = make_fake(tmp_path / "scans", monkeypatch, claim_seconds=1)
    for scan_id in (SCAN, OTHER):
        made.write_scan(scan_id, PAGES)
        made.ask_for((1, PAGES), scan_id=scan_id, total_pages=PAGES)
        list(made.parts.queues.queue(StageRef(scan_id, STAGE)).put(range(1, PAGES + 1)))
    return made


@pytest.mark.parametrize("forge", [pytest.param(forge, id=name) for name, forge in FORGERIES.items()])
def test_a_book_completes_whatever_its_keys_are_forged_to_in_the_middle(fake: FakeDeployment, forge: Forge) -> None:
    def forge_in_the_middle(page: int) -> Stamp:
        if page == IN_HAND and not forged:
            forged.append(True)
            forge(fake.redis, fake.parts.queues.keys)
        return stamp(page)

    forged: list[bool] = []
    fake.stage.act = forge_in_the_middle
    reconciler = Reconciler(fake.parts.store, fake.parts.queues, fake.parts.calls, {STAGE: 2})
    rounds = 0
    while fake.open_stages.all():
        rounds += 1
        assert rounds <= MAX_ROUNDS, f"{fake.checkpoint().summary()}; {fake.checkpoint(OTHER).summary()}"
        _work_off_the_queue(fake)
        reconciler.commit_inboxes()
        reconciler.recover()
    assert forged
    for scan_id in (SCAN, OTHER):
        checkpoint = fake.checkpoint(scan_id)
        assert checkpoint.status is Status.COMPLETED
        assert checkpoint.failed_pages == []
        assert {record.attempts for record in checkpoint.pages.values()} <= {0, 1}
        assert checkpoint.attempts == {}


def _work_off_the_queue(fake: FakeDeployment) -> None:
    """Take messages as workers do, until there is none. What is not a message of a page is refused."""
    while True:
        try:
            raw = fake.redis.rpop(fake.parts.queues.keys.queue(STAGE))
        except RedisError:
            # Celery's own look at a forged queue fails until the reconciler has deleted it.
            return
        if raw is None:
            return
        with suppress(RedisError):
            _process(fake, raw)


def _process(fake: FakeDeployment, raw: object) -> None:
    assert isinstance(raw, bytes)
    try:
        scan_id, page = named_in(raw)
    except (ValueError, LookupError, TypeError):
        return
    if scan_id in {SCAN, OTHER} and page <= PAGES:
        fake.process(page, scan_id)
