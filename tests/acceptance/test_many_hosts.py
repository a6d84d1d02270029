"""A book over several hosts, of which one loses its link in the middle of a page and does not notice.

The hosts are network namespaces with one shared folder: see `tests.support.hosts`. The storage is a local disk, not
NFS.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from producer.run.embedded_broker import EmbeddedBroker
from tests.support.deployment import WORKLOAD_PRODUCER, WORKLOAD_WORKER, Deployment, deployment_in
from tests.support.fake_deployment import write_scan
from tests.support.hosts import Host, Network, network_of, remove_those_of_the_dead
from tests.support.waiting import exit_code_of, wait_until

SCAN = "far"
PAGES = 80
PASSWORD = "a private word"  # noqa: S105  # of a server that lives as long as this test
CLAIM_SECONDS = 2.0
# On `right` a page takes longer than Redis need not be asked about its claim; and makes other bytes than on `left`.
SPEED = {
    "left": {"WORK_SECONDS": "0.25", "WORK_BYTES": "7000"},
    "right": {"WORK_SECONDS": "1.0", "WORK_BYTES": "5000"},
}


class Fleet:
    """One broker and a worker on each of two more hosts."""

    def __init__(self, network: Network, deployment: Deployment) -> None:
        self.network = network
        self.deployment = deployment

    def start_broker(self, valkey: str, folder: Path) -> None:
        """On its host's address and nowhere else; and on a socket file, for us who stand outside the network."""
        host = self.network.hosts["broker"]
        where = ["--bind", host.address, "--port", "6379", "--unixsocket", str(folder / "socket")]
        rules = ["--requirepass", PASSWORD, "--appendonly", "yes", "--maxmemory-policy", "noeviction"]
        self._start(host, [valkey, *where, *rules, "--dir", str(folder)])
        self.deployment.wait(self._answers, 20, "the broker")

    def start_worker(self, name: str) -> None:
        journal = self.deployment.journal / name
        journal.mkdir(parents=True)
        host = self.network.hosts[name]
        command = [*WORKLOAD_WORKER, "--queues=work", "--concurrency=1", "--hostname=worker@%h"]
        self._start(host, command, WORK_JOURNAL=str(journal), **SPEED[name])

    def producer(self, *arguments: str) -> None:
        process = self._start(self.network.hosts["broker"], [*WORKLOAD_PRODUCER, *arguments])
        assert self.deployment.wait_for_exit(process) == 0, self.deployment.logs()

    def begun(self, name: str) -> list[dict[str, Any]]:
        """What the worker of a host has begun so far."""
        return [note for note in self._journal(name) if note["event"] == "begin"]

    def ended(self, name: str) -> list[int]:
        """The pages that it has come to the end of."""
        return [note["page"] for note in self._journal(name) if note["event"] == "end"]

    def newly_complete(self) -> int:
        """How many pages the commits of all reconcilers, added up, made complete."""
        logs = (self.deployment.root / SCAN / "logs").glob("*.jsonl")
        lines = [json.loads(line) for path in logs for line in path.read_text().splitlines()]
        return sum(line["completed"] for line in lines if line["message"] == "checkpoint committed")

    def _journal(self, name: str) -> list[dict[str, Any]]:
        folder = self.deployment.journal / name
        lines = [line for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
        return sorted(map(json.loads, lines), key=lambda note: float(note["time"]))

    def _start(self, host: Host, command: list[str], **environment: str) -> Any:
        url = f"redis://:{PASSWORD.replace(' ', '%20')}@{self.network.hosts['broker'].address}:6379/0"
        return self.deployment.start(host.command(command), LEAFMARK_REDIS_URL=url, **environment)

    def _answers(self) -> bool:
        try:
            return bool(self.deployment.redis.ping())
        except RedisError:
            return False


@pytest.fixture
def fleet(tmp_path_factory: pytest.TempPathFactory, broker_of_session: EmbeddedBroker) -> Iterator[Fleet]:
    with network_of("broker", "left", "right") as network:
        folder = tmp_path_factory.mktemp("net")
        data = folder / "data"
        data.mkdir()
        with Redis.from_url(broker_of_session.url) as embedded:
            valkey = str(embedded.info("server")["executable"])
        url = f"unix://{data / 'socket'}?password={PASSWORD.replace(' ', '%20')}"
        with deployment_in(folder / "run", url, "work") as deployment:
            deployment.environment["LEAFMARK_CLAIM_SECONDS"] = str(CLAIM_SECONDS)
            deployment.environment["LEAFMARK_HEAL_SECONDS"] = "0.5"
            made = Fleet(network, deployment)
            made.start_broker(valkey, data)
            yield made


def test_a_host_that_loses_its_link_in_a_page_costs_no_page_and_comes_back(fleet: Fleet) -> None:
    deployment, right = fleet.deployment, fleet.network.hosts["right"]
    write_scan(deployment.root, SCAN, PAGES)
    fleet.start_worker("left")
    fleet.start_worker("right")
    fleet.producer("enqueue", SCAN, "--stage", "work")
    deployment.wait(lambda: len(fleet.begun("left")) > 2 and len(fleet.ended("right")) > 1, 60, "both at work")

    page = _cut_in_mid_page(fleet, right)
    cut_at = time.monotonic()
    deployment.wait(lambda: page in deployment.completed(SCAN), 30, f"page {page} to be done by the other host")
    deployment.wait(lambda: time.monotonic() - cut_at > 2 * CLAIM_SECONDS, 30, "two leases to pass")
    saved = deployment.outputs(SCAN)
    assert page in fleet.ended("right"), "it has a result of its own by now, that comes too late"
    begun_before = len(fleet.begun("right"))
    fleet.network.mend(right)

    deployment.wait(lambda: len(fleet.begun("right")) > begun_before, 40, "the host to take pages again")
    checkpoint = deployment.wait_for_status(SCAN, "completed", 60)
    assert checkpoint["completed_pages"] == list(range(1, PAGES + 1))
    assert checkpoint["progress"]["completed"] == PAGES
    _assert_records_say_who(fleet, checkpoint, page)
    _assert_done_once(fleet, page, saved)


def _cut_in_mid_page(fleet: Fleet, host: Host) -> int:
    """Cut the link just after the host has begun a page; returns which."""
    before = len(fleet.begun(host.name))
    fleet.deployment.wait(lambda: len(fleet.begun(host.name)) > before, 20, "a page in hand")
    fleet.network.cut(host)
    page: int = fleet.begun(host.name)[-1]["page"]
    assert page not in fleet.ended(host.name)
    return page


def _assert_records_say_who(fleet: Fleet, checkpoint: dict[str, Any], page: int) -> None:
    hosts = {int(number): record["worker"].partition(":")[0] for number, record in checkpoint["pages"].items()}
    assert set(hosts.values()) == {"left", "right"}
    assert hosts[page] == "left"
    for name in ("left", "right"):
        assert {number for number, host in hosts.items() if host == name} <= set(fleet.ended(name))


def _assert_done_once(fleet: Fleet, page: int, saved: dict[int, tuple[int, bytes]]) -> None:
    begun = [note["page"] for name in ("left", "right") for note in fleet.begun(name)]
    assert sorted(begun) == sorted([*range(1, PAGES + 1), page]), "only the page in hand was begun again"
    after = fleet.deployment.outputs(SCAN)
    assert {number: after[number] for number in saved} == saved, "no output is written a second time"
    assert len(json.loads(after[page][1])["text"]) == int(SPEED["left"]["WORK_BYTES"])
    # The late result was dropped.
    fleet.deployment.insist_on_pages_done(SCAN, range(1, PAGES + 1))
    # The line about a commit is written once the checkpoint stands.
    fleet.deployment.wait(lambda: fleet.newly_complete() >= PAGES, 10, "the last line about a commit")
    assert fleet.newly_complete() == PAGES, "a completion that comes again counts for nothing"


def test_what_a_killed_run_left_behind_is_removed() -> None:
    with network_of("first"), subprocess.Popen(["true"]) as dead:  # noqa: S607  # the one that every system has
        dead.wait()
        left = f"leafmark-{dead.pid}-switch"
        subprocess.run(["ip", "netns", "add", left], check=True)  # noqa: S607  # as in tests.support.hosts
        sleeper = subprocess.Popen(["ip", "netns", "exec", left, "sleep", "600"])  # noqa: S607  # the same
        wait_until(lambda: str(sleeper.pid) in _ip("netns", "pids", left), 20, "a process in it")
        remove_those_of_the_dead()
        assert exit_code_of(sleeper) == -signal.SIGKILL
        assert left not in _ip("netns", "list")
        assert f"leafmark-{os.getpid()}-first" in _ip("netns", "list"), "those of the living stay"
    assert f"leafmark-{os.getpid()}-" not in _ip("netns", "list")


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True).stdout  # noqa: S607  # the same
