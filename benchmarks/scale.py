"""How many workers one Redis and one coordinator serve: simulated workers, that sleep instead of reading a page.

Everything else is real: messages, claims, saves, hand-overs, reconcilers that commit and recover pages, and the
server. The yardstick is as many threads that pop a page's number from a list of the same server, sleep as long and
save the same bytes. What counts is the CPU that the server needs for a page: on a machine with few cores the pages
a second without any sleep are bounded by the simulated workers, not by what they talk to.
"""

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.report import note, report
from benchmarks.server_load import ServerLoad
from benchmarks.simulated import BARE_QUEUE, SCAN, SLOTS_A_STEWARD, STAGE
from benchmarks.waiting import is_completed, wait_for
from producer.planning.enqueue import enqueue
from producer.planning.request import Request
from producer.run.embedded_broker import EmbeddedBroker, embedded_broker
from tests.support.deployment import Deployment, Process, deployment_in
from tests.support.fake_deployment import write_scan
from tests.support.workload import app
from worker.config.settings import Settings
from worker.deployment import Deployment as Parts


@dataclass(frozen=True)
class Fleet:
    """What is tried.

    Attributes:
        workers: how many.
        page_seconds: that a page takes.
        pages_each: that each worker does.
        books: among which these are divided; a worker takes from all of them in turn.
    """

    workers: int
    page_seconds: float
    pages_each: int
    books: int = 1

    def __str__(self) -> str:
        books = f", {self.books} books" if self.books > 1 else ""
        return f"{self.workers} workers, {self.page_seconds:g} s a page{books}"


FLEETS: Sequence[Fleet] = (
    Fleet(8, 1.0, 10),
    Fleet(32, 1.0, 10),
    Fleet(128, 1.0, 10),
    Fleet(128, 1.0, 10, 64),
    Fleet(8, 0.0, 250),
)
IDLE_STEWARDS: Sequence[int] = (16, 64)
_MAX_THREADS = 64


@dataclass(frozen=True)
class _Measured:
    """One run.

    Attributes:
        rate: pages a second, from the tenth part of the outputs to the ninth.
        commands, server_seconds: of the server, a page.
        commit_share: part of the time in which somebody committed.
        batch: pages a commit.
        reconciler_share: of one core, that all reconcilers took together.
    """

    rate: float
    commands: float
    server_seconds: float
    commit_share: float = 0.0
    batch: float = 0.0
    reconciler_share: float = 0.0


def run(
    page_count: int = 2000,
    fleets: Sequence[Fleet] = FLEETS,
    idle: Sequence[int] = IDLE_STEWARDS,
    seconds: float = 6.0,
) -> None:
    """Measure and report.

    Args:
        page_count: the most pages of one run.
        fleets: the runs.
        idle: how many reconcilers are looked at that have nothing to do.
        seconds: how long these are looked at.
    """
    with tempfile.TemporaryDirectory() as name, embedded_broker(Path(name) / "broker") as broker:
        for fleet in fleets:
            both = []
            for role in ("leafmark", "bare"):
                broker.flush()
                with deployment_in(Path(tempfile.mkdtemp(dir=name)), broker.url, STAGE) as deployment:
                    both.append(_run(deployment, role, fleet, page_count))
            _tell(str(fleet), *both)
        for reconcilers in idle:
            _tell_idle(broker, Path(tempfile.mkdtemp(dir=name)), reconcilers, seconds)


def _run(deployment: Deployment, role: str, fleet: Fleet, page_count: int) -> _Measured:
    each = min(page_count, fleet.workers * fleet.pages_each) // fleet.books
    scans = [f"{SCAN}-{number}" for number in range(fleet.books)]
    for scan_id in scans:
        write_scan(deployment.root, scan_id, each)
    deployment.environment["WORK_SECONDS"] = str(fleet.page_seconds)
    for first in range(0, fleet.workers, _MAX_THREADS):
        _start(deployment, role, min(_MAX_THREADS, fleet.workers - first))
    reconcilers = (
        [_start(deployment, "reconciler", max(1, fleet.workers // SLOTS_A_STEWARD))] if role == "leafmark" else []
    )
    deployment.wait_until_ready()
    with ServerLoad(deployment.redis) as load:
        started, cpu = time.monotonic(), _cpu_seconds(reconcilers)
        if role == "leafmark":
            _enqueue(deployment, scans)
            checkpoints = [deployment.root / scan_id / "checkpoints" / f"{STAGE}.json" for scan_id in scans]
            wait_for(deployment, lambda: all(map(is_completed, checkpoints)))
        else:
            names = [f"{scan_id}/{page}" for page in range(1, each + 1) for scan_id in scans]
            deployment.redis.lpush(BARE_QUEUE, *names)
            wait_for(deployment, lambda: len(_outputs(deployment)) == len(names))
        took = time.monotonic() - started
    commits = _commits(deployment)
    pages = each * fleet.books
    return _Measured(
        rate=_rate(deployment),
        commands=load.commands / pages,
        server_seconds=load.cpu_seconds / pages,
        commit_share=sum(commit["seconds"] for commit in commits) / took,
        batch=sum(commit["completed"] for commit in commits) / max(1, len(commits)),
        reconciler_share=(_cpu_seconds(reconcilers) - cpu) / took,
    )


def _enqueue(deployment: Deployment, scans: list[str]) -> None:
    """As the command does it, without starting one a book."""
    settings = Settings(storage_root=deployment.root, redis_url=deployment.environment["LEAFMARK_REDIS_URL"])
    parts = Parts(settings, app)
    for scan_id in scans:
        enqueue(parts, Request(scan_id, STAGE))
    parts.close()


def _outputs(deployment: Deployment) -> list[Path]:
    return list(deployment.root.glob(f"{SCAN}-*/{STAGE}/page_*.json"))


def _start(deployment: Deployment, role: str, count: int) -> Process:
    return deployment.start_module("benchmarks.simulated", role, str(count))


def _cpu_seconds(processes: list[Process]) -> float:
    times = [psutil.Process(process.pid).cpu_times() for process in processes]
    return sum(each.user + each.system for each in times)


def _commits(deployment: Deployment) -> list[dict[str, float]]:
    logs = deployment.root.glob(f"{SCAN}-*/logs/*.jsonl")
    lines = [json.loads(line) for path in logs for line in path.read_text().splitlines()]
    return [line for line in lines if line["message"] == "checkpoint committed"]


def _rate(deployment: Deployment) -> float:
    times = sorted(path.stat().st_mtime for path in _outputs(deployment))
    tenth = len(times) // 10
    inner = times[tenth : len(times) - tenth]
    return (len(inner) - 1) / max(inner[-1] - inner[0], 1e-3)


def _tell(where: str, ours: _Measured, bare: _Measured) -> None:
    note(f"{where}: {ours}\n{' ' * len(where)}  {bare}")
    theirs = "bare LPUSH and BRPOP, same save"
    report(
        f"pages a second, {where}",
        ours.rate,
        "pages/s",
        f"{theirs}: {bare.rate:.1f} pages/s",
        ours.rate / bare.rate,
    )
    micro = ours.server_seconds * 1e6, bare.server_seconds * 1e6
    report(f"CPU of Redis a page, {where}", micro[0], "us", f"{theirs}: {micro[1]:.0f} us", micro[0] / micro[1])
    commands = ours.commands, bare.commands
    report(
        f"commands a page, {where}",
        commands[0],
        "commands",
        f"{theirs}: {commands[1]:.1f}",
        commands[0] / commands[1],
    )
    report(f"coordinator: share of the time in commits, {where}", ours.commit_share, "of 1", "none", None)
    report(f"coordinator: pages a commit, {where}", ours.batch, "pages", "none", None)
    report(f"all reconcilers: CPU, {where}", ours.reconciler_share, "cores", "none", None)


def _tell_idle(broker: EmbeddedBroker, folder: Path, reconcilers: int, seconds: float) -> None:
    """What reconcilers cost the server that have nothing to do."""
    broker.flush()
    with deployment_in(folder, broker.url, STAGE) as deployment:
        process = _start(deployment, "reconciler", reconcilers)
        deployment.wait_until_ready()
        with ServerLoad(deployment.redis) as load:
            cpu = _cpu_seconds([process])
            time.sleep(seconds)
            cpu = _cpu_seconds([process]) - cpu
    where = f"{reconcilers} idle reconcilers"
    report(
        f"commands a second and reconciler, {where}",
        load.commands / seconds / reconcilers,
        "commands/s",
        "none",
        None,
    )
    report(f"CPU of Redis a reconciler, {where}", load.cpu_seconds / seconds / reconcilers, "cores", "none", None)
    report(f"CPU of a reconciler, {where}", cpu / seconds / reconcilers, "cores", "none", None)
