"""What it costs to enqueue a book: the real command, against a loop of `apply_async`.

Both are processes of their own on the same server, emptied before each, and are timed from start to end, in turn.
The loop is what a person writes who has Celery: one task a page, published by its `apply_async`. It is run by
`python -m benchmarks.enqueue URL PAGES`.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from celery import Celery
from redis import Redis

from benchmarks.report import note, report
from producer.run.embedded_broker import EmbeddedBroker, embedded_broker
from tests.support.fake_deployment import write_scan

_STAGE = "work"
_PREFIX = "bare:"


def run(page_count: int = 50_000, rounds: int = 3) -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as name, embedded_broker(Path(name) / "broker") as broker:
        ours, loop = [], []
        for number in range(rounds):
            loop.append(_loop_seconds(broker, page_count))
            ours.append(_producer_seconds(broker, Path(name) / f"scans-{number}", page_count))
            note(f"producer enqueue: {ours[-1]:.2f} s, loop: {loop[-1]:.2f} s")
    value, yardstick = statistics.median(ours), statistics.median(loop)
    report(
        f"producer enqueue of {page_count} pages (the ratio says how many times as fast)",
        value,
        "s",
        f"loop of apply_async: {yardstick:.2f} s",
        yardstick / value,
    )


def _producer_seconds(broker: EmbeddedBroker, root: Path, page_count: int) -> float:
    broker.flush()
    write_scan(root, "a-book", page_count)
    settings = {"LEAFMARK_STORAGE_ROOT": str(root), "LEAFMARK_REDIS_URL": broker.url}
    return _seconds(["-m", "tests.support.workload", "enqueue", "a-book", "--stage", _STAGE], settings)


def _loop_seconds(broker: EmbeddedBroker, page_count: int) -> float:
    broker.flush()
    seconds = _seconds(["-m", "benchmarks.enqueue", broker.url, str(page_count)], {})
    with Redis.from_url(broker.url) as client:
        waiting: Any = client.llen(f"{_PREFIX}{_STAGE}")
    if waiting != page_count:
        raise RuntimeError(f"the loop published {waiting} of {page_count} pages")
    return seconds


def _seconds(command: list[str], settings: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, *command], env={**os.environ, **settings}, check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - started


def _publish(url: str, page_count: int) -> None:
    app = Celery("bare", broker=url, set_as_current=False)
    app.conf.update(
        task_ignore_result=True,
        task_serializer="json",
        task_default_queue=_STAGE,
        broker_transport_options={"global_keyprefix": _PREFIX},
    )

    @app.task(name="page.process")  # type: ignore[untyped-decorator]  # Celery publishes no types
    def process(**_: object) -> None:
        pass

    for page in range(1, page_count + 1):
        process.apply_async(kwargs={"scan_id": "a-book", "stage": _STAGE, "page": page})


if __name__ == "__main__":
    _publish(sys.argv[1], int(sys.argv[2]))
