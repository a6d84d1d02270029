"""What a resume costs: `enqueue` of a finished book, against reading and hashing the same files.

Ours is the whole of `producer.planning.enqueue.enqueue` as a new process does it once it is up: read the
checkpoint, compare every page with its output, save the checkpoint, print what is left. The yardstick is the plain
loop that a person would write. They take turns: on the files as they are, and after a `touch` of all of them, since
a modification time proves nothing and is not compared.
"""

import gc
import hashlib
import os
import statistics
import tempfile
from pathlib import Path

from celery import Celery

from benchmarks.finished import finish_pages
from benchmarks.report import note, report, seconds_of
from producer.planning.enqueue import enqueue
from producer.planning.request import Request
from producer.run.embedded_broker import embedded_broker
from tests.support.fake_deployment import write_scan
from tests.support.workload import WorkStage
from worker.app import make_app
from worker.config.settings import Settings
from worker.deployment import Deployment

_SCAN = "a-finished-book"
_STAGE = WorkStage.name


def run(page_count: int = 20_000, rounds: int = 7) -> None:
    """Measure and report."""
    with tempfile.TemporaryDirectory() as name, embedded_broker(Path(name) / "broker") as broker:
        settings = Settings(storage_root=Path(name) / "scans", redis_url=broker.url)
        app = make_app(settings)
        note(f"Writing a book of {page_count} pages ...")
        write_scan(settings.root, _SCAN, page_count)
        folder = finish_pages(Deployment(settings, app), _SCAN, page_count, page_count)

        def touch() -> None:
            for path in folder.iterdir():
                os.utime(path)

        _resume(settings, app, page_count)  # Whatever is loaded when first used is loaded now.
        # The tests' libraries are loaded here as well; collections of garbage shall not walk through these.
        gc.freeze()
        for words, prepare in (("", id), (" after touch", lambda _: touch())):
            ours, plain = [], []
            for number in range(rounds):
                prepare(number)
                plain.append(seconds_of(lambda: _read_and_hash(folder)))
                ours.append(seconds_of(lambda: _resume(settings, app, page_count)))
                note(f"resume: {ours[-1]:.3f} s, reading and hashing: {plain[-1]:.3f} s")
            value, yardstick = statistics.median(ours), statistics.median(plain)
            report(
                f"resume check of {page_count} valid pages{words}",
                value,
                "s",
                f"reading and hashing the same files: {yardstick:.3f} s",
                value / yardstick,
            )


def _read_and_hash(folder: Path) -> None:
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:  # noqa: PTH118, PTH123  # pathlib would only slow it down
            hashlib.sha256(file.read()).hexdigest()


def _resume(settings: Settings, app: Celery, page_count: int) -> None:
    # A new deployment object remembers nothing, like a new process.
    parts = Deployment(settings, app)
    made = enqueue(parts, Request(_SCAN, _STAGE))
    if (made.completed, made.remaining) != (page_count, []):
        raise RuntimeError(f"{made.completed} of {page_count} pages were found complete")
    parts.queues.redis.close()
