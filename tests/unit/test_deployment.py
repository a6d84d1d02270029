"""One deployment a storage root: who is at work is known by Redis, by a beat and by a lock, and by no clock."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from fakeredis import FakeRedis
from PIL import Image
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from checkpointing.errors import InUseError
from checkpointing.status import Status
from producer.planning.cancel import cancel
from producer.planning.enqueue import enqueue
from producer.planning.replace_page import replace_page
from producer.planning.request import Request
from producer.planning.reset import reset
from producer.run.joining import joins_deployment
from producer.verify.repair import repair
from producer.verify.verify_scan import verify
from tests.support.fake_deployment import REF, SCAN, STAGE, files_under, make_fake
from tests.unit.conftest import process, says
from worker.config.settings import Settings
from worker.deployment import Deployment
from worker.keys import Keys
from worker.storage import root_owner as deployment
from worker.storage.open_stages import OWN_FOLDER
from worker.storage.root_marker import library_at
from worker.storage.root_owner import WATCH_SECONDS, Membership, find_at_work, join, read_record, refuse_another

KEY = Keys().deployment
BROKER = "redis://broker:6379/0"
HOLDS_THE_LOCK = """
    import fcntl, os, sys, time
    fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_SH)
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    library_at(tmp_path).make()
    return tmp_path


@pytest.fixture
def members() -> Iterator[list[Membership]]:
    """The workers that live; those that are taken out of it have died."""
    living: list[Membership] = []
    yield living
    for each in living:
        each.leave()


class Waited:
    """Time that passes when a test says so; something may happen meanwhile."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.seconds = 0.0
        self._meanwhile = meanwhile

    def __call__(self, seconds: float) -> None:
        self.seconds += seconds
        self._meanwhile()


def enqueues(parts: Deployment) -> None:
    enqueue(parts, Request(SCAN, STAGE))


def repairs(parts: Deployment) -> None:
    repair(parts, SCAN, verify(parts.store, SCAN).stages[0])


def replaces(parts: Deployment) -> None:
    picture = parts.store.root.parent / "new.png"
    Image.new("L", (60, 60), 255).save(picture)
    replace_page(parts, SCAN, 1, picture)


@pytest.mark.parametrize(
    "command",
    [
        enqueues,
        lambda parts: cancel(parts, REF),
        lambda parts: reset(parts.store, parts.queues, REF),
        repairs,
        replaces,
    ],
    ids=["enqueue", "cancel", "reset", "repair", "replace-page"],
)
def test_commands_with_another_redis_than_that_of_the_workers_at_work_are_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    members: list[Membership],
    command: Callable[[Deployment], object],
) -> None:
    fake = make_fake(tmp_path / "scans", monkeypatch)
    monkeypatch.setattr("producer.planning.preconditions.check_broker", bool)
    fake.write_scan()
    enqueue(fake.parts, Request(SCAN, STAGE))
    members.append(join(fake.root, fake.redis, fake.parts.queues.keys.deployment, BROKER))
    enqueue(fake.parts, Request(SCAN, STAGE))
    monkeypatch.setattr(
        "worker.storage.root_owner.refuse_another", partial(refuse_another, wait=Waited(members[0].beat))
    )
    before = files_under(fake.root)
    with pytest.raises(InUseError, match="workers of another deployment"):
        command(Deployment(fake.settings, fake.app, FakeRedis()))
    assert before.keys() == files_under(fake.root).keys()
    assert fake.checkpoint().status is Status.IN_PROGRESS


def test_workers_of_one_redis_are_one_deployment(root: Path, members: list[Membership]) -> None:
    redis, waited = FakeRedis(), Waited()
    members += [join(root, redis, KEY, BROKER, waited) for _ in range(3)]
    assert len({each.deployment_id for each in members}) == 1
    assert redis.get(KEY) == members[0].deployment_id.encode()
    assert waited.seconds == 0


def test_a_worker_of_another_redis_is_refused_while_the_first_ones_beat(
    root: Path, members: list[Membership]
) -> None:
    members.append(join(root, FakeRedis(), KEY, BROKER))
    other = FakeRedis()
    with pytest.raises(
        InUseError, match=rf"is in use by the workers of another deployment \({BROKER}\)"
    ) as refused:
        join(root, other, KEY, "redis://other:6379/0", Waited(members[0].beat))
    assert refused.value.exit_code == 14
    assert other.get(KEY) is None
    record = read_record(root)
    assert record is not None
    assert record.deployment_id == members[0].deployment_id


def test_a_deployment_whose_workers_are_gone_is_followed_at_once(root: Path) -> None:
    first = join(root, FakeRedis(), KEY, BROKER)
    first.leave()
    waited = Waited()
    second = join(root, FakeRedis(), KEY, BROKER, waited)
    second.leave()
    assert waited.seconds == 0
    assert second.deployment_id != first.deployment_id


def test_workers_that_were_killed_are_followed_at_once(root: Path, members: list[Membership]) -> None:
    first = join(root, FakeRedis(), KEY, BROKER)
    first.leave()
    with process(HOLDS_THE_LOCK, root / OWN_FOLDER / "deployment.alive") as worker:
        assert says(worker) == "held"
        assert deployment.is_held(root)
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    waited = Waited()
    members.append(join(root, FakeRedis(), KEY, BROKER, waited))
    assert waited.seconds == 0


def test_workers_that_show_no_sign_of_life_are_followed_after_a_while_and_stop(
    root: Path, members: list[Membership]
) -> None:
    members.append(join(root, FakeRedis(), KEY, BROKER))
    waited = Waited()
    members.append(join(root, FakeRedis(), KEY, BROKER, waited))
    assert WATCH_SECONDS <= waited.seconds < WATCH_SECONDS + 1
    with pytest.raises(InUseError, match="have taken over"):
        members[0].beat()
    members[1].beat()


def test_on_storage_that_locks_for_one_machine_alone_the_beat_is_waited_for(
    root: Path, members: list[Membership], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = join(root, FakeRedis(), KEY, BROKER)
    monkeypatch.setattr("worker.storage.root_owner.socket.gethostname", lambda: "another-host")
    first.leave()
    with pytest.raises(InUseError):
        join(root, FakeRedis(), KEY, BROKER, Waited(first.beat))
    waited = Waited()
    members.append(join(root, FakeRedis(), KEY, BROKER, waited))
    # The beat was the other host's, so the lock says enough by now.
    assert waited.seconds == 0


def test_a_flushed_redis_is_still_that_of_its_deployment(root: Path, members: list[Membership]) -> None:
    redis = FakeRedis()
    members.append(join(root, redis, KEY, BROKER))
    redis.flushall()
    members.append(join(root, redis, KEY, BROKER, Waited(members[0].beat)))
    assert members[1].deployment_id == members[0].deployment_id
    redis.flushall()
    members[1].beat()
    assert redis.get(KEY) == members[0].deployment_id.encode()


def test_a_redis_that_is_away_is_no_sign_of_life(root: Path, members: list[Membership]) -> None:
    class Away(FakeRedis):
        def execute_command(self, *_arguments: object, **_options: object) -> object:
            raise RedisConnectionError("away")

    def beat() -> None:
        with suppress(RedisConnectionError):
            members[0].beat()

    members.append(join(root, FakeRedis(), KEY, BROKER))
    members[0].use(Away())
    before = read_record(root)
    members.append(join(root, FakeRedis(), KEY, BROKER, Waited(beat)))
    assert before is not None


def test_many_workers_beat_as_one(root: Path, members: list[Membership]) -> None:
    redis = FakeRedis()
    members += [join(root, redis, KEY, BROKER) for _ in range(4)]
    for each in members:
        each.beat()
    beats = []
    for _ in range(3):
        for each in members:
            each.beat()
        beats.append(read_record(root))
    assert len({record.beat for record in beats if record}) == 3


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff", b'{"deployment_id": "x", "beat": "", "beat_at": 1}']
)
def test_a_damaged_record_is_replaced(root: Path, members: list[Membership], content: bytes) -> None:
    (root / OWN_FOLDER / "deployment.json").write_bytes(content)
    assert find_at_work(root) is None
    members.append(join(root, FakeRedis(), KEY, BROKER))
    assert read_record(root) is not None


def test_a_forged_key_of_the_deployment_is_replaced(root: Path, members: list[Membership]) -> None:
    redis = FakeRedis()
    redis.rpush(KEY, "forged")
    members.append(join(root, redis, KEY, BROKER))
    assert redis.get(KEY) == members[0].deployment_id.encode()


def connected(monkeypatch: pytest.MonkeyPatch, redis: Redis) -> None:
    monkeypatch.setattr("producer.run.joining.connect", lambda _settings, **_: redis)


def test_a_run_uses_the_workers_of_its_deployment_and_refuses_beside_another(
    root: Path, members: list[Membership], monkeypatch: pytest.MonkeyPatch
) -> None:
    redis, settings = FakeRedis(), Settings(storage_root=root)
    monkeypatch.setattr(
        "producer.run.joining.find_at_work", lambda root: find_at_work(root, wait=lambda _: members[-1].beat())
    )
    connected(monkeypatch, redis)
    assert not joins_deployment(settings), "there are no workers"
    members.append(join(root, redis, KEY, BROKER))
    assert joins_deployment(settings)
    connected(monkeypatch, FakeRedis())
    with pytest.raises(InUseError, match="LEAFMARK_REDIS_URL"):
        joins_deployment(settings)
    members.pop().leave()
    assert not joins_deployment(settings), "its workers are gone"
