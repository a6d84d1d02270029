"""Messages that somebody put into Redis: a real worker refuses them, says so, and goes on with the next page."""

import json
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from checkpointing.refs import StageRef
from producer.run.embedded_broker import EmbeddedBroker
from tests.security.conftest import SCAN, STAGE, Site
from tests.security.forging import DISARMED, PICKLE, REFUSED, encoded, message, page, raw
from tests.security.test_forged_inbox import FORGED, NAMES
from tests.support.deployment import Process, deployment_in
from tests.support.fake_deployment import files_under

FANOUT = ("/0.celery.pidbox", "/0.celeryev/worker.heartbeat", "/0.celeryev/worker.online")
BROADCASTS = (
    b"\xff garbage",
    b"7",
    b"null",
    b"[]",
    b"{}",
    b"[" * 50_000,
    b'{"body": "x", "properties": {}}',
    raw(message()),
    raw(message(body=encoded("no json"))),
    raw(message(body=encoded(PICKLE), **{"content-type": "application/x-python-serialize"})),
    raw(message(body=encoded('{"method": "nonsense"}'))),
    raw(message(body=encoded('{"method": ["x"], "arguments": 7}'))),
    raw(message(body=encoded('{"method": "ping", "arguments": {"x": 1}, "reply_to": {"exchange": 7}}'))),
)
UNDER_WAY = (
    b"garbage",
    b"7",
    b"[]",
    b'[{}, "", ""]',
    b"[" * 50_000,
    json.dumps([message(headers={"timelimit": "abc"}), "", STAGE]).encode(),
    json.dumps([message(page(-1)), "", "../../x"]).encode(),
)


class Worker:
    """A real worker, and what has become of it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._process: Process = site.start_worker()
        self._pages = count(100)

    def still_works(self) -> int:
        """Insist that the same process does the next page; returns which that was."""
        number = next(self._pages)
        self.site.redis.lpush(self.site.queue, raw(message(page(number))))
        output = self.site.output_path(number)
        self.site.deployment.wait(lambda: output.exists() or self._process.poll() is not None, 30, f"page {number}")
        assert self._process.poll() is None, f"the worker is dead\n{self.site.deployment.logs()}"
        return number

    def refused(self) -> list[str]:
        """The lines that say so."""
        return [line for line in self.log().splitlines() if "message refused" in line]

    def log(self) -> str:
        (log,) = self.site.root.parent.glob("process-*.log")
        return log.read_text(errors="replace")


@pytest.fixture(scope="module")
def worker(broker_of_session: EmbeddedBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """One for all: whatever a test does to it, it works on."""
    broker_of_session.flush()
    with deployment_in(tmp_path_factory.mktemp("site"), broker_of_session.url) as deployment:
        site = Site(deployment)
        site.write_scan()
        yield Worker(site)


@pytest.fixture
def site(worker: Worker) -> Site:
    return worker.site


def _strange_files(site: Site) -> set[str]:
    """What stands in or beside the storage root and is not of the one scan there is, or half-written."""
    ours = {SCAN, ".leafmark"}
    inside = {name for name in files_under(site.root) if Path(name).parts[0] not in ours or ".tmp" in name}
    beside = {path.name for path in site.root.parent.iterdir()}
    return inside | beside - {site.root.name, "process-0.log"}


def test_the_worker_refuses_each_forgery_and_does_the_next_page(worker: Worker, site: Site) -> None:
    for name, forged in REFUSED.items():
        before = len(worker.refused())
        site.redis.lpush(site.queue, forged)
        worker.still_works()
        (line,) = worker.refused()[before:]
        assert len(line) < 1000, f"too long a line about: {name}"
    assert not site.output_path(1).exists()
    assert not site.output_path(2).exists()
    assert _strange_files(site) == set()
    assert not Path("owned").exists()
    _nothing_is_under_way(site)


def test_what_is_forged_around_a_genuine_page_is_not_passed_on(worker: Worker, site: Site) -> None:
    refused = worker.refused()
    for number, changes in enumerate(DISARMED.values(), start=10):
        site.redis.lpush(site.queue, raw(message(page(number), **changes)))
        worker.still_works()
        assert site.output_path(number).exists()
    assert not site.output_path(2).exists()
    assert worker.refused() == refused
    _nothing_is_under_way(site)


def test_forged_broadcasts_harm_no_worker(worker: Worker, site: Site) -> None:
    for channel in FANOUT:
        name = f"leafmark:celery:{channel}"
        site.deployment.wait(partial(site.redis.publish, name, b""), 20, f"a listener to {name}")
        for forged in BROADCASTS:
            site.redis.publish(name, forged)
        worker.still_works()


def test_what_is_forged_among_the_messages_under_way_is_dropped(worker: Worker, site: Site) -> None:
    for number, forged in enumerate(UNDER_WAY):
        site.redis.hset("leafmark:celery:unacked", f"forged-{number}", forged.decode())
        site.redis.zadd("leafmark:celery:unacked_index", {f"forged-{number}": 0})
    # Celery looks at them when it starts, and when it connects anew.
    site.redis.client_kill_filter(_type="normal", skipme=True)
    site.deployment.wait(lambda: "Trying to re-establish" in worker.log(), 20, "the worker to connect anew")
    worker.still_works()
    _nothing_is_under_way(site)


def test_forged_inboxes_and_claims_stop_neither_reconciler_nor_worker(worker: Worker, site: Site) -> None:
    keys = site.deployment.keys
    for fields in FORGED.values():
        site.redis.xadd(keys.inbox(StageRef(SCAN, STAGE)), fields)  # type: ignore[arg-type]  # its dict is invariant
    site.redis.sadd(keys.inboxes, *NAMES)
    site.redis.set(keys.claim(StageRef(SCAN, STAGE), 50), "\x00 nobody", px=60_000)
    site.redis.lpush(keys.claim(StageRef(SCAN, STAGE), 51), "no lease")
    for number in (50, 51):
        site.redis.lpush(site.queue, raw(message(page(number))))
    number = worker.still_works()
    site.deployment.wait(lambda: number in _completed(site), 20, "the page to be committed")
    assert _completed(site).isdisjoint({0, 2, 50})
    # A claim that is a list holds no page: it is dropped, and the page is done.
    site.deployment.wait(lambda: 51 in _completed(site), 20, "the page whose claim was a list to be committed")
    site.deployment.wait(
        lambda: not site.redis.exists(keys.inbox(StageRef(SCAN, STAGE))), 20, "the inbox to be empty"
    )
    assert _strange_files(site) == set()


def _completed(site: Site) -> set[int]:
    path = site.checkpoint_path()
    return set(json.loads(path.read_bytes())["completed_pages"]) if path.exists() else set()


def _nothing_is_under_way(site: Site) -> None:
    site.deployment.wait(lambda: not site.redis.exists("leafmark:celery:unacked"), 20, "nothing to be under way")
