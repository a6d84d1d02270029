"""What a long book costs the one who keeps its checkpoint: memory, bytes, seconds.

The memory is that of a real worker's largest process, its reconciler, which commits and recovers: from its start in
the last hundredth of a book to the book's end. The seconds are those of single commits and single looks of the
recovery over the same book, in this process.
"""

import os
import statistics
import tempfile
from pathlib import Path

import psutil

from benchmarks.report import note, peak_bytes, report, seconds_of
from checkpointing.fields import now
from checkpointing.messages import Completion
from checkpointing.page_records import PageRecord
from checkpointing.refs import StageRef
from checkpointing.status import Status
from producer.run.embedded_broker import embedded_broker
from tests.support.deployment import deployment_in
from tests.support.fake_deployment import write_scan
from tests.support.work_stage import WorkOutput
from tests.support.workload import WorkStage
from worker.app import make_app
from worker.config.settings import Settings
from worker.deployment import Deployment
from worker.pipeline.coordinators import make_coordinator
from worker.reconciler.recovery import PageRecovery

_SCAN = "a-long-book"
_STAGE = WorkStage.name
_BATCH = 10
_MIB = 1 << 20


def run(page_count: int = 100_000, rounds: int = 5) -> None:
    """Measure and report."""
    with (
        tempfile.TemporaryDirectory() as name,
        embedded_broker(Path(name) / "broker") as broker,
        deployment_in(Path(name) / "run", broker.url, _STAGE) as deployment,
    ):
        settings = Settings(storage_root=deployment.root, redis_url=broker.url)
        app = make_app(settings)
        parts = Deployment(settings, app)
        note(f"Writing a book of {page_count} pages, all but the last hundredth complete ...")
        left = _write_long_book(parts, page_count, max(2 * rounds * _BATCH, page_count // 100))
        size = parts.store.checkpoint_file(StageRef(_SCAN, _STAGE)).signature().size
        looks = [seconds_of(lambda: _look(parts)) for _ in range(rounds)]
        first_looks = [seconds_of(lambda: _look(Deployment(settings, app))) for _ in range(rounds)]
        commits = [
            _commit_seconds(parts, left[first : first + _BATCH]) for first in range(0, rounds * _BATCH, _BATCH)
        ]
        broker.flush()
        worker = deployment.start_worker()
        deployment.wait_until_ready()
        # Not by reading the checkpoint: that alone would keep one core busy.
        deployment.wait(lambda: not parts.store.open_stages.all(), 300, "the stage to be closed")
        peak = max(map(peak_bytes, (worker.pid, *(child.pid for child in psutil.Process(worker.pid).children()))))
        if (status := parts.store.checkpoint_file(StageRef(_SCAN, _STAGE)).read().status) is not Status.COMPLETED:
            raise RuntimeError(f"the book is {status}")
    where = f"at {page_count} pages"
    report(f"peak memory of the coordinator {where}", peak / _MIB, "MiB", "none; under 300 MiB is the target", None)
    report(f"checkpoint bytes a page {where}", size / page_count, "bytes", "none", None)
    report(f"one commit {where}", statistics.median(commits), "s", "none", None)
    report(f"one look of the recovery {where}", statistics.median(looks), "s", "none", None)
    name = f"the same, when somebody else has committed, {where}"
    report(name, statistics.median(first_looks), "s", "none", None)


def _write_long_book(parts: Deployment, page_count: int, left: int) -> list[int]:
    """A book whose last pages are still to be done, as a crash of everything leaves it; returns these.

    Nobody looks into the outputs of pages that are complete already, so these are empty files.
    """
    write_scan(parts.store.root, _SCAN, page_count)
    outputs = parts.store.outputs(StageRef(_SCAN, _STAGE))
    outputs.path.mkdir()
    file = parts.store.checkpoint_file(StageRef(_SCAN, _STAGE))
    complete = range(1, page_count - left + 1)
    with file.exclusive() as checkpoint:
        checkpoint.total_pages = page_count
        checkpoint.request(1, page_count)
        for page in complete:
            outputs.path_of(page).touch()
            checkpoint.complete(page, record_of(page))
        checkpoint.begin()
        parts.store.open_stages.add(StageRef(_SCAN, _STAGE), checkpoint.requested)
        file.save(checkpoint)
    return list(range(page_count - left + 1, page_count + 1))


def record_of(page: int) -> PageRecord:
    """Evidence for a page, as different from page to page as in life."""
    return PageRecord(
        sha256=os.urandom(32).hex(),
        schema_version=WorkStage.version,
        cost_usd=page % 997 / 10_000,
        seconds=page % 991 / 100,
        attempts=1,
        completed_at=now(),
        worker=f"machine-{page % 7}:12345",
    )


def _look(parts: Deployment) -> None:
    # A recovery of its own each time finds nothing lost, and changes nothing: it would have to see it twice.
    recovery = PageRecovery(parts.store, parts.queues, parts.calls)
    parts.queues.redis.delete(parts.queues.keys.heal(StageRef(_SCAN, _STAGE)))
    recovery.recover(StageRef(_SCAN, _STAGE))


def _commit_seconds(parts: Deployment, pages: list[int]) -> float:
    """Seconds that it takes to merge a few completions, whose outputs are there."""
    outputs = parts.store.outputs(StageRef(_SCAN, _STAGE))
    with parts.queues.redis.pipeline() as pipeline:
        for page in pages:
            sha256 = outputs.save(page, WorkOutput(page_number=page, text="words"))
            completion = Completion(page=page, sha256=sha256, schema_version=WorkStage.version, cost_usd=0.01)
            parts.queues.inbox(StageRef(_SCAN, _STAGE)).put(completion, pipeline)
        pipeline.execute()
    # Whoever committed a moment ago: this is not about the pause.
    parts.queues.redis.delete(parts.queues.keys.commit(StageRef(_SCAN, _STAGE)))
    commit = make_coordinator(parts.store, parts.queues, StageRef(_SCAN, _STAGE)).commit()
    if commit is None or commit.completed != pages:
        raise RuntimeError(f"the commit did not merge the pages {pages}: {commit}")
    return commit.seconds
