"""The doctor on what Leafmark keeps in Redis: wrong types are named, and inboxes that nobody commits."""

import pytest
from fakeredis import FakeRedis

from checkpointing.messages import Completion
from producer.doctor.check import Check, Level
from producer.doctor.redis_keys import MAX_INBOX_SECONDS, examine_keys
from producer.doctor.workers import waiting_pages
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment
from worker.storage.root_owner import join, read_record


@pytest.fixture
def fake(fake: FakeDeployment) -> FakeDeployment:
    fake.ask_for((1, 5))
    return fake


def check(fake: FakeDeployment, name: str) -> Check:
    found = [each for each in examine_keys(fake.parts.store, fake.parts.queues) if each.name == name]
    assert len(found) == 1
    return found[0]


def hand_over_long_ago(fake: FakeDeployment, seconds: float) -> None:
    now, _ = fake.redis.time()
    entry = Completion(page=1, sha256="0" * 64, schema_version="1").model_dump_json()
    fake.redis.xadd(fake.parts.queues.keys.inbox(REF), {"completion": entry}, id=f"{int((now - seconds) * 1000)}-1")


def test_keys_of_their_types_are_fine(fake: FakeDeployment) -> None:
    list(fake.queue.put(range(1, 6)))
    fake.parts.queues.dispatch(STAGE).record_heartbeat("here:1", 2)
    assert [each.level for each in examine_keys(fake.parts.store, fake.parts.queues)] == [Level.OK] * 3


@pytest.mark.parametrize("name", ["inboxes", "turns", "attempts", "commit", "unacked"])
def test_a_key_of_another_type_is_a_problem_that_names_it(fake: FakeDeployment, name: str) -> None:
    keys = fake.parts.queues.keys
    key = {
        "inboxes": keys.inboxes,
        "turns": keys.turns(STAGE),
        "attempts": keys.attempts(REF),
        "commit": keys.commit(REF),
        "unacked": f"{keys.broker_prefix}unacked",
    }[name]
    fake.redis.xadd(key, {"forged": "x"})
    found = check(fake, "key_types")
    assert found.level is Level.PROBLEM
    assert f"{key} is a stream and not a" in found.what
    assert "LEAFMARK_KEY_PREFIX" in found.then
    assert waiting_pages(fake.parts.store, fake.parts.queues) == {}, "the other areas go on"


def test_an_inbox_that_is_committed_in_time_is_fine(fake: FakeDeployment) -> None:
    hand_over_long_ago(fake, MAX_INBOX_SECONDS / 2)
    assert check(fake, "inboxes").level is Level.OK


def test_an_inbox_that_no_worker_commits_is_a_problem(fake: FakeDeployment) -> None:
    hand_over_long_ago(fake, 300)
    found = check(fake, "inboxes")
    assert found.level is Level.PROBLEM
    assert found.what.startswith(f"1 result waits in the inbox of {SCAN}/{STAGE}, the oldest for 30")
    assert "celery -A worker worker" in found.then


def test_workers_of_another_redis_on_the_storage_root_are_a_problem(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = join(fake.root, FakeRedis(), fake.parts.queues.keys.deployment, "redis://theirs:6379/0")
    monkeypatch.setattr("producer.doctor.redis_keys.find_at_work", lambda root, _is_ours: read_record(root))
    found = check(fake, "deployment")
    theirs.leave()
    assert found.level is Level.PROBLEM
    assert "redis://theirs:6379/0" in found.what
    assert "LEAFMARK_REDIS_URL" in found.then
