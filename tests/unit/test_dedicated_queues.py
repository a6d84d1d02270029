"""Pages for an engine or language that not every worker has: their queue, who serves it, what people are told."""

import json
from pathlib import Path

import pytest

from checkpointing.errors import BrokerError, SettingsError
from producer.doctor.check import Level
from producer.doctor.workers import examine_workers, waiting_pages
from producer.ingest.profile_change import change_profile
from producer.planning import able_workers
from producer.planning.carry_out import show_plans
from producer.planning.enqueue import enqueue
from producer.planning.request import Request
from producer.watch.collect import Collector, stages_of_scan
from tests.support.fake_deployment import REF, SCAN, STAGE, FakeDeployment, make_fake, named_in, page_parts
from tests.support.stages import ReaderStage
from worker.deployment import Deployment
from worker.pages.book_profile import BookProfile
from worker.queue.dedicated import note_dedicated
from worker.queue.message_filter import RefusedError, admit
from worker.queue.messages import Outcome
from worker.reconciler import dedicated_queues
from worker.reconciler.dedicated_queues import DedicatedQueues
from worker.stages.registry import STAGES

GREEK = BookProfile(engine="tesseract", lang="el")
QUEUE = f"{STAGE}:tesseract:el:antiqua"


class EngineStage(ReaderStage):
    """Reads with the OCR engine of the settings and of the profile."""

    has_engine = True


@pytest.fixture
def tessdata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which language data is looked for; there is none yet."""
    folder = tmp_path / "tessdata"
    folder.mkdir()
    monkeypatch.setenv("TESSDATA_PREFIX", str(folder))
    return folder


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDeployment:
    """A Greek book, and workers of which nobody looks for new queues."""
    monkeypatch.setattr("producer.planning.preconditions.check_broker", bool)
    monkeypatch.setattr(able_workers, "_ANSWER_SECONDS", 0.0)
    made = make_fake(tmp_path / "scans", monkeypatch)
    monkeypatch.setitem(STAGES, STAGE, EngineStage)
    made.parts = Deployment(made.settings, made.app, made.redis)
    change_profile(made.write_scan(), GREEK)
    return made


def enqueue_all(parts: Deployment) -> list[int]:
    return enqueue(parts, Request(SCAN, STAGE)).enqueued


def messages(fake: FakeDeployment, queue: str) -> list[int]:
    raw = fake.redis.lrange(fake.parts.queues.keys.queue(queue), 0, -1)
    return sorted(named_in(each)[1] for each in raw)  # type: ignore[union-attr]  # not awaited


def beat(fake: FakeDeployment, queue: str) -> None:
    fake.parts.queues.dispatch(queue).record_heartbeat("here:7", 2)


def test_the_pages_of_such_a_book_go_through_a_queue_of_their_own(fake: FakeDeployment) -> None:
    assert enqueue_all(fake.parts) == [1, 2, 3, 4, 5]
    assert messages(fake, STAGE) == []
    assert messages(fake, QUEUE) == [1, 2, 3, 4, 5]
    assert fake.parts.queues.dedicated(STAGE) == [QUEUE]
    assert fake.queue.carried() == {1, 2, 3, 4, 5}
    assert waiting_pages(fake.parts.store, fake.parts.queues) == {STAGE: 5}
    fake.queue.close()
    assert messages(fake, QUEUE) == []


def test_a_message_that_goes_back_goes_to_the_same_queue(fake: FakeDeployment) -> None:
    enqueue_all(fake.parts)
    raw = fake.redis.rpop(fake.parts.queues.keys.queue(QUEUE))
    assert isinstance(raw, bytes)
    assert json.loads(admit(raw, QUEUE))["properties"]["delivery_info"] == {"exchange": "", "routing_key": QUEUE}
    with pytest.raises(RefusedError):
        admit(raw, "correction:tesseract:el:antiqua")


@pytest.mark.usefixtures("tessdata")
def test_it_is_refused_if_no_worker_that_is_alive_can_read_it(fake: FakeDeployment) -> None:
    beat(fake, STAGE)
    before = fake.files()
    with pytest.raises(SettingsError, match=r"can read el with tesseract; .* apt-get install tesseract-ocr-ell "):
        enqueue_all(fake.parts)
    assert fake.files() == before
    assert messages(fake, QUEUE) == []
    beat(fake, QUEUE)
    assert enqueue_all(fake.parts) == [1, 2, 3, 4, 5]


@pytest.mark.usefixtures("tessdata")
def test_a_dry_run_says_that_no_worker_that_is_alive_can_read_it(
    fake: FakeDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    beat(fake, STAGE)
    before = fake.files()
    with pytest.raises(SettingsError, match="can read el with tesseract"):
        show_plans(fake.parts.store, fake.parts.queues, [Request(SCAN, STAGE)], as_json=False)
    plan, blocked = capsys.readouterr().out.splitlines()
    assert plan.endswith("would enqueue 5 pages (1-5)")
    assert blocked.startswith("  blocked: no worker that is alive can read el with tesseract; ")
    assert fake.files() == before
    beat(fake, QUEUE)
    show_plans(fake.parts.store, fake.parts.queues, [Request(SCAN, STAGE)], as_json=False)
    assert "blocked" not in capsys.readouterr().out


def test_a_book_that_is_read_already_needs_no_worker(fake: FakeDeployment, tessdata: Path) -> None:
    (tessdata / "ell.traineddata").touch()
    enqueue_all(fake.parts)
    for page in range(1, 6):
        fake.process(page)
    fake.commit()
    beat(fake, STAGE)
    assert enqueue_all(fake.parts) == []


def test_enqueue_waits_for_a_worker_to_look(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    beat(fake, STAGE)
    monkeypatch.setattr(able_workers, "_ANSWER_SECONDS", 60.0)
    monkeypatch.setattr(able_workers.time, "sleep", lambda _: beat(fake, QUEUE))
    assert enqueue_all(fake.parts) == [1, 2, 3, 4, 5]


def test_workers_read_by_the_settings_of_the_enqueue(fake: FakeDeployment) -> None:
    change_profile(fake.parts.store.scan(SCAN), BookProfile(), {"engine", "lang"})
    german = fake.settings.model_copy(update={"ocr_engine": "tesseract", "ocr_lang": "deu", "dpi": 400})
    worker = Deployment(german, fake.app, fake.redis, as_enqueued=True)
    enqueue_all(fake.parts)

    metadata = worker.store.metadata(SCAN)
    assert worker.store.stages.get_for(metadata, STAGE, 1).recipe.startswith("rapidocr ")
    assert worker.store.stages.settings_for(metadata, 1).dpi == fake.settings.dpi
    assert worker.store.queue_of(REF) == STAGE
    # A command goes by its own settings, and the queue stays the one that the pages are in.
    command = Deployment(german, fake.app, fake.redis)
    assert command.store.stages.get_for(metadata, STAGE, 1).recipe == "tesseract deu"
    assert command.store.queue_of(REF) == STAGE
    change_profile(fake.parts.store.scan(SCAN), BookProfile(lang="fr"))
    enqueue_all(command)
    metadata = worker.store.metadata(SCAN)
    assert worker.store.stages.get_for(metadata, STAGE, 1).recipe == "tesseract fr"
    assert worker.store.queue_of(REF) == f"{STAGE}:tesseract:fr:antiqua"


def test_a_worker_hands_on_a_page_that_it_cannot_read_any_more(fake: FakeDeployment, tessdata: Path) -> None:
    scan = fake.parts.store.scan(SCAN)
    change_profile(scan, BookProfile(), {"engine", "lang"})
    fake.parts.queues.dispatch(STAGE).record_heartbeat("here:7", 0)  # a window of 8
    enqueue_all(fake.parts)
    assert messages(fake, STAGE) == [1, 2, 3, 4, 5]
    change_profile(scan, GREEK)

    for _ in range(5):
        scan_id, page = fake.take_message()
        assert fake.process(page, scan_id) is Outcome.HANDED_ON
    assert messages(fake, STAGE) == []
    assert messages(fake, QUEUE) == [1, 2, 3, 4, 5]
    assert set(fake.queue.attempts().values()) == {0}
    (tessdata / "ell.traineddata").touch()
    assert fake.process(1) is Outcome.COMPLETE


@pytest.mark.usefixtures("tessdata")
def test_pages_that_wait_for_another_queue_move_to_the_right_one(fake: FakeDeployment) -> None:
    scan = fake.parts.store.scan(SCAN)
    change_profile(scan, BookProfile(), {"engine", "lang"})
    keys = fake.parts.queues.keys
    fake.redis.set(keys.window(STAGE), 1)
    enqueue_all(fake.parts)
    assert messages(fake, STAGE) == [1]
    change_profile(scan, GREEK)

    scan_id, page = fake.take_message()
    assert fake.process(page, scan_id) is Outcome.HANDED_ON
    assert fake.redis.llen(keys.turns(STAGE)) == 0
    while messages(fake, STAGE):
        fake.process_next()
    waiting = fake.redis.zrange(keys.waiting(REF), 0, -1)
    assert sorted([*messages(fake, QUEUE), *map(int, waiting)]) == [1, 2, 3, 4, 5]  # type: ignore[arg-type]  # not awaited


class Consumer:
    """The main process of a worker: which queues it takes messages from."""

    def __init__(self) -> None:
        self.queues: set[str] = set()
        self.is_away = False

    def __call__(self, queue: str, begin: bool) -> None:
        if self.is_away:
            raise BrokerError("Redis failed")
        if begin:
            self.queues.add(queue)
        else:
            self.queues.discard(queue)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(dedicated_queues.time, "monotonic", lambda: now[0])
    return now


def test_a_worker_serves_the_queues_whose_needs_it_meets(
    fake: FakeDeployment, tessdata: Path, clock: list[float]
) -> None:
    queues = fake.parts.queues
    consumer = Consumer()
    dedicated = DedicatedQueues(fake.parts.store.stages, queues, {STAGE: 2}, consumer)
    enqueue_all(fake.parts)
    for name in (f"{STAGE}:tesseract:../../x:antiqua", f"{STAGE}:\x1b", f"{STAGE}:", f"{STAGE}:nothing:de:antiqua"):
        note_dedicated(fake.redis, queues.keys, name)
    dedicated.serve_when_due()
    assert consumer.queues == set()

    (tessdata / "ell.traineddata").touch()
    dedicated.serve_when_due()
    assert consumer.queues == set(), "it was not due"
    clock[0] += 1
    consumer.is_away = True
    with pytest.raises(BrokerError):
        dedicated.serve_when_due()
    assert queues.dispatch(QUEUE).alive() == {}
    consumer.is_away = False
    clock[0] += 1
    dedicated.serve_when_due()
    assert consumer.queues == {QUEUE}
    assert list(queues.dispatch(QUEUE).alive().values()) == [2]

    (tessdata / "ell.traineddata").unlink()
    clock[0] += 1
    dedicated.serve_when_due()
    assert consumer.queues == set()


def test_a_key_of_a_wrong_type_does_no_harm(fake: FakeDeployment) -> None:
    fake.redis.set(fake.parts.queues.keys.dedicated(STAGE), "x")
    assert fake.parts.queues.dedicated(STAGE) == []
    assert enqueue_all(fake.parts) == [1, 2, 3, 4, 5]
    assert fake.parts.queues.dedicated(STAGE) == [QUEUE]


class SilentApp:
    """Celery without a worker that answers."""

    def __init__(self) -> None:
        self.control = self

    def broadcast(self, *_: object, **__: object) -> None:
        return None


@pytest.mark.usefixtures("tessdata")
def test_watch_and_doctor_say_when_the_last_worker_that_can_read_it_is_gone(
    fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producer.doctor.workers.check_broker", bool)
    monkeypatch.setattr(type(fake.parts.workers), "active", lambda _: [])
    enqueue_all(fake.parts)
    beat(fake, STAGE)
    beat(fake, QUEUE)
    select = stages_of_scan(fake.parts.store, SCAN)
    assert Collector(fake.parts, select).collect_once().stages[0].waits_for == ""

    fake.redis.delete(fake.parts.queues.keys.slots(QUEUE))
    (stage,) = Collector(fake.parts, select).collect_once().stages
    assert stage.waits_for.startswith("no worker that is alive can read el with tesseract; on a machine with a ")
    store, queues, _ = page_parts(fake.parts)
    (found,) = (check for check in examine_workers(store, queues, SilentApp()) if check.name == "reads")
    assert found.level is Level.PROBLEM
    assert f"{REF} waits: no worker that is alive can read el with tesseract" in found.what
    assert "tesseract-ocr-ell" in found.then
