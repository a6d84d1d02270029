"""A deployment inside the test: storage, broker and parts whose one stage is the stamp stage."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeRedis
from redis import Redis

import tests.support.fake_info  # noqa: F401  # a meter asks which server it is on
from checkpointing.checkpoint import Checkpoint
from checkpointing.fields import now
from checkpointing.messages import Completion
from checkpointing.page_records import FailedPage
from checkpointing.refs import StageRef
from tests.support.stages import StampStage, stamp
from worker.app import make_app
from worker.billing.model_calls import ModelCalls
from worker.config.settings import Settings, settings_class
from worker.deployment import Deployment
from worker.pages.metadata import ScanMetadata, ScanSource, SourceFile
from worker.pages.scan import ScanFolder
from worker.pipeline.coordinators import make_coordinator
from worker.pipeline.process_page import process_page
from worker.queue.client import QueueClient
from worker.queue.messages import Outcome, PageMessage
from worker.queue.page_queue import PageQueue
from worker.reconciler.reconciler import Reconciler
from worker.stages.registry import STAGES
from worker.storage.book_store import BookStore
from worker.storage.open_stages import OpenStages
from worker.storage.root_marker import library_at

SCAN = "a-book"
STAGE = StampStage.name
REF = StageRef(SCAN, STAGE)
SOURCE_SHA256 = "0" * 64


Files = dict[str, tuple[int, bytes]]


def files_under(root: Path) -> Files:
    """Everything under a folder: its name, its time in nanoseconds, its bytes."""
    return {
        str(path.relative_to(root)): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in root.rglob("*")
    }


def named_in(raw: bytes) -> tuple[str, int]:
    """Scan and page of a message in Celery's queue, as a worker reads them."""
    message = json.loads(raw)
    assert "body_encoding" not in message["properties"]
    arguments = json.loads(message["body"])[1]
    return arguments["scan_id"], arguments["page"]


def write_scan(root: Path, scan_id: str, pages: int) -> ScanFolder:
    """Make a folder a scan of so many pages, without a source that could be opened."""
    scan = ScanFolder(root, scan_id)
    scan.path.mkdir(parents=True)
    file = SourceFile(name="a.pdf", pages=pages, sha256=SOURCE_SHA256)
    metadata = ScanMetadata(
        scan_id=scan_id,
        title="A Book",
        total_pages=pages,
        source=ScanSource(kind="pdf", name="a.pdf", files=(file,)),
        sha256=SOURCE_SHA256,
        created_at=now(),
    )
    scan.metadata_path.write_text(metadata.model_dump_json())
    return scan


def write_source(scan: ScanFolder) -> None:
    """Give a scan of one file a source whose hash is right."""
    source = b"%PDF-1.7 as ingested"
    scan.source_dir.mkdir()
    (scan.source_dir / "a.pdf").write_bytes(source)
    form = json.loads(scan.metadata_path.read_text())
    form["source"]["files"][0]["sha256"] = hashlib.sha256(source).hexdigest()
    scan.metadata_path.write_text(json.dumps(form))


def page_parts(parts: Deployment) -> tuple[BookStore, QueueClient, ModelCalls]:
    """The parts that work on pages, as `process_page` and the reconciler take them."""
    return parts.store, parts.queues, parts.calls


@dataclass
class FakeDeployment:
    """What a test needs at hand.

    Attributes:
        stage: the one stage there is, whatever the settings.
        parts: of one process; `another_process` makes that of a second one.
    """

    root: Path
    stage: StampStage
    settings: Settings
    redis: Redis
    app: Any
    parts: Deployment

    def write_scan(self, scan_id: str = SCAN, pages: int = 5) -> ScanFolder:
        return write_scan(self.root, scan_id, pages)

    def another_process(self) -> Deployment:
        return Deployment(self.settings, self.app, self.redis)

    def process(self, page: int, scan_id: str = SCAN, stage: str = STAGE) -> Outcome:
        return process_page(
            self.parts.store,
            self.parts.queues,
            self.parts.calls,
            PageMessage(scan_id=scan_id, stage=stage, page=page),
        )

    def process_next(self) -> Outcome:
        """Do the page of the oldest message in the queue."""
        scan_id, page = self.take_message()
        return self.process(page, scan_id)

    def take_message(self) -> tuple[str, int]:
        """Take the oldest message out of Celery's queue; returns the scan and the page that it names."""
        raw = self.redis.rpop(self.parts.queues.keys.queue(STAGE))
        assert isinstance(raw, bytes), "the queue is empty"
        return named_in(raw)

    def messages(self) -> list[tuple[str, int]]:
        """Scan and page of each message in Celery's queue, oldest first."""
        raw: Any = self.redis.lrange(self.parts.queues.keys.queue(STAGE), 0, -1)
        return [named_in(each) for each in reversed(raw)]

    def waiting_pages(self, scan_id: str = SCAN) -> list[int]:
        """The pages of a scan in Celery's queue, oldest first, and then those that wait for their turn."""
        waiting: Any = self.redis.zrange(self.parts.queues.keys.waiting(StageRef(scan_id, STAGE)), 0, -1)
        return [page for scan, page in self.messages() if scan == scan_id] + [*map(int, waiting)]

    def entries(self, scan_id: str = SCAN) -> list[Completion | FailedPage]:
        """What waits in the inbox."""
        return self.parts.queues.inbox(StageRef(scan_id, STAGE)).read(1000).entries

    def hand_over(self, *entries: Completion | FailedPage, scan_id: str = SCAN) -> None:
        with self.redis.pipeline() as pipeline:
            for entry in entries:
                self.parts.queues.inbox(StageRef(scan_id, STAGE)).put(entry, pipeline)
            pipeline.execute()

    def completion(self, page: int, cost_usd: float | None = None, scan_id: str = SCAN) -> Completion:
        """The completion of a page, whose output is saved for it."""
        sha256 = self.parts.store.outputs(StageRef(scan_id, STAGE)).save(page, stamp(page))
        return Completion(page=page, sha256=sha256, schema_version="1", cost_usd=cost_usd)

    def complete(self, *pages: int, cost_usd: float | None = None) -> None:
        """Let pages be complete, in outputs and checkpoint."""
        self.hand_over(*(self.completion(page, cost_usd) for page in pages))
        self.commit()

    def commit(self, scan_id: str = SCAN) -> None:
        """Merge the inbox, whoever committed a moment ago."""
        self.redis.delete(self.parts.queues.keys.commit(StageRef(scan_id, STAGE)))
        assert make_coordinator(self.parts.store, self.parts.queues, StageRef(scan_id, STAGE)).commit() is not None

    def checkpoint(self, scan_id: str = SCAN) -> Checkpoint:
        return self.parts.store.checkpoint_file(StageRef(scan_id, STAGE)).read()

    def ask_for(self, *ranges: tuple[int, int], scan_id: str = SCAN, total_pages: int = 5) -> None:
        """Ask for pages as a producer does, without enqueueing any."""
        file = self.parts.store.checkpoint_file(StageRef(scan_id, STAGE))
        with file.exclusive() as checkpoint:
            checkpoint.total_pages = total_pages
            for first, last in ranges:
                checkpoint.request(first, last)
            checkpoint.begin()
            self.open_stages.add(StageRef(scan_id, STAGE), checkpoint.requested)
            file.save(checkpoint)

    @property
    def queue(self) -> PageQueue:
        return self.parts.queues.queue(REF)

    @property
    def open_stages(self) -> OpenStages:
        return self.parts.store.open_stages

    def output_path(self, page: int, scan_id: str = SCAN) -> Path:
        return self.parts.store.outputs(StageRef(scan_id, STAGE)).path_of(page)

    def files(self) -> Files:
        return files_under(self.root)

    def redis_keys(self) -> dict[bytes, object]:
        """Everything in the broker, by key, without what runs out by itself: that may do so at any moment."""
        found: Any = self.redis.keys("*")
        return {key: self._value_of(key) for key in found if self.redis.ttl(key) == -1}

    def _value_of(self, key: bytes) -> object:
        readers: dict[bytes, Callable[[], object]] = {
            b"string": lambda: self.redis.get(key),
            b"set": lambda: self.redis.smembers(key),
            b"hash": lambda: self.redis.hgetall(key),
            b"list": lambda: self.redis.lrange(key, 0, -1),
            b"zset": lambda: self.redis.zrange(key, 0, -1, withscores=True),
            b"stream": lambda: self.redis.xrange(key),
        }
        kind: Any = self.redis.type(key)
        return readers[kind]()

    def lasting_keys(self) -> set[str]:
        """The names of keys that speak of the scan, without those that run out by themselves."""
        found: Any = self.redis.keys(f"*{SCAN}/{STAGE}*")
        return {key.decode() for key in found if self.redis.ttl(key) == -1}


def make_fake(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    redis: Redis | None = None,
    **settings: Any,
) -> FakeDeployment:
    """A fake over a broker of its own; over a fake one inside the process where none is given.

    Args:
        root: the storage root; made.
        monkeypatch: registers the stage for the length of the test.
        redis: client of the broker.
        settings: those that differ from the defaults.
    """
    stage = StampStage()
    monkeypatch.setitem(STAGES, STAGE, stage)
    root.mkdir()
    library_at(root).make()
    chosen = settings_class()(storage_root=root, **settings)
    client = redis or FakeRedis()
    app = make_app(chosen)
    return FakeDeployment(root, stage, chosen, client, app, Deployment(chosen, app, client))


def take_commands(fake: FakeDeployment, monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Let commands work on a fake, each with parts of its own, as a process has.

    Args:
        fake: theirs.
        monkeypatch: for the length of the test.
        modules: those of `producer` that check the broker, such as `planning.preconditions`; a fake one has no
            address.
    """
    monkeypatch.setattr("producer.open_deployment.Deployment", lambda *_, **__: fake.another_process())
    for module in modules:
        monkeypatch.setattr(f"producer.{module}.check_broker", bool)


@contextmanager
def reconciler_at_work(parts: Deployment) -> Iterator[Reconciler]:
    """A reconciler for the length of a `with` block, in a thread; in a worker it is a process."""
    reconciler = Reconciler(parts.store, parts.queues, parts.calls, {STAGE: 2})
    stopping = threading.Event()
    thread = threading.Thread(target=reconciler.run, args=(stopping.wait,))
    thread.start()
    try:
        yield reconciler
    finally:
        stopping.set()
        thread.join(20)
