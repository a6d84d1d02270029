"""How long a page waits whose worker was killed: from `kill -9` to the moment another worker begins it again.

Two real workers with default settings in the middle of a book. One is killed with its pool while it has a page in
hand; the other goes on with the book, so that the page has to wait for its turn as well. The stage journals when a
page begins; the clock is this machine's.
"""

import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.report import note, report
from producer.run.embedded_broker import embedded_broker
from tests.support.deployment import Deployment, Process, deployment_in
from tests.support.fake_deployment import write_scan

_SCAN = "a-book"
_WORKERS = 2
_PAGE_SECONDS = 0.5
_NO_YARDSTICK = "none; at most 15 s is the target"


def run(page_count: int = 2000, rounds: int = 5, **settings: str) -> None:
    """Measure and report.

    Args:
        page_count: of the book; more than two workers can do while it lasts.
        rounds: how many workers are killed, one after the other.
        settings: those that differ from the defaults, as environment variables.
    """
    with (
        tempfile.TemporaryDirectory() as name,
        embedded_broker(Path(name) / "broker") as broker,
        deployment_in(Path(name) / "run", broker.url, "work") as deployment,
    ):
        deployment.environment |= {"WORK_SECONDS": str(_PAGE_SECONDS), **settings}
        write_scan(deployment.root, _SCAN, page_count)
        crew = _Crew(deployment, Path(name) / "journals")
        crew.fill_up()
        deployment.producer("enqueue", _SCAN, "--stage", "work")
        seconds = []
        for _ in range(rounds):
            crew.fill_up()
            seconds.append(crew.kill_the_oldest())
            note(f"begun again after {seconds[-1]:.1f} s")
    report("kill -9 of a worker to its page in work again", statistics.median(seconds), "s", _NO_YARDSTICK, None)
    report(f"the same, longest of {rounds}", max(seconds), "s", _NO_YARDSTICK, None)


class _Crew:
    """The workers, each with a journal of its own."""

    def __init__(self, deployment: Deployment, journals: Path) -> None:
        self._deployment = deployment
        self._journals = journals
        self._workers: list[tuple[Process, Path]] = []
        self._hired = 0

    def fill_up(self) -> None:
        """Start workers until there are two, and wait until they take tasks."""
        while len(self._workers) < _WORKERS:
            self._hired += 1
            journal = self._journals / str(self._hired)
            journal.mkdir(parents=True)
            self._workers.append((self._deployment.start_worker(WORK_JOURNAL=str(journal)), journal))
        self._deployment.wait_until_ready()

    def kill_the_oldest(self) -> float:
        """Kill a worker that has a page in hand; returns the seconds until another one begins that page."""
        worker, journal = self._workers.pop(0)
        in_hand: list[int] = []
        again: list[float] = []

        def has_a_page() -> bool:
            in_hand[:] = _just_begun(journal)
            return bool(in_hand)

        def is_begun_again() -> bool:
            lines = _lines(self._journals)
            again[:] = [at["time"] for at in lines if _is_begin(at, in_hand[0]) and at["time"] > killed]
            return bool(again)

        self._deployment.wait(has_a_page, 60, "the worker to have a page in hand")
        killed = time.time()
        self._deployment.kill(worker)
        self._deployment.wait(is_begun_again, 120, f"page {in_hand[0]} to be worked on again")
        return again[0] - killed


def _lines(folder: Path) -> list[dict[str, Any]]:
    """All lines of the journals under a folder so far, in the order of their times."""
    lines = (json.loads(line) for path in folder.rglob("*.jsonl") for line in path.read_text().splitlines())
    return sorted(lines, key=lambda line: float(line["time"]))


def _just_begun(journal: Path) -> list[int]:
    """The page that a worker has begun a moment ago, so that it will not end before the worker does."""
    fresh = time.time() - _PAGE_SECONDS / 2
    return [line["page"] for line in _lines(journal)[-1:] if line["event"] == "begin" and line["time"] > fresh]


def _is_begin(line: dict[str, Any], page: int) -> bool:
    return (line["event"], line["page"]) == ("begin", page)
