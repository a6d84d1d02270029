"""What changes with very long books, and with very many: `python -m benchmarks large`.

A long book is a checkpoint of synthetic records, as different from page to page as in life; only the outputs of the
pages that are committed here are there. Each length has a process of its own (`python -m benchmarks.large PAGES`),
so that its peak of memory is its own. Many books are folders with a few pages each, all of them open and waiting.
Seconds are those of the CPU, which a busy machine does not change.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.memory import record_of
from benchmarks.report import cpu_seconds_of, note, peak_bytes, report
from benchmarks.server_load import ServerLoad
from checkpointing.messages import Completion
from checkpointing.refs import StageRef
from producer.run.embedded_broker import EmbeddedBroker, embedded_broker
from producer.status.scan_status import all_scans
from tests.support.fake_deployment import write_scan
from tests.support.work_stage import WorkOutput
from tests.support.workload import WorkStage
from worker.app import make_app
from worker.config.settings import Settings
from worker.deployment import Deployment
from worker.pipeline.coordinators import make_coordinator
from worker.reconciler.reconciler import Reconciler
from worker.reconciler.recovery import PageRecovery

LENGTHS: Sequence[int] = (100_000, 300_000, 1_000_000)
COUNTS: Sequence[int] = (1_000, 10_000)
LISTED: Sequence[int] = (1_000, 10_000, 100_000)
_SCAN = "a-long-book"
_STAGE = WorkStage.name
_SMALL_BATCH = 10
_LARGE_BATCH = 5000
_PAGES_OF_A_SHORT_BOOK = 3
# A coordinator commits for a tenth of the time.
_SHARE = 10
_MIB = 1 << 20


def run(
    page_count: int | None = None,
    lengths: Sequence[int] = LENGTHS,
    counts: Sequence[int] = COUNTS,
    listed: Sequence[int] = LISTED,
) -> None:
    """Measure and report.

    Args:
        page_count: instead of `lengths`, one.
        lengths: of the books, in pages.
        counts: of open books.
        listed: of entries in the list of open stages.
    """
    with tempfile.TemporaryDirectory() as name, embedded_broker(Path(name) / "broker") as broker:
        for pages in lengths if page_count is None else (page_count,):
            _tell_long(pages, _measured_alone(Path(name) / f"long-{pages}", broker, pages))
        for count in counts:
            _tell_many(Path(name) / f"many-{count}", broker, count)
        for count in listed:
            with closing(_parts(Path(name) / f"list-{count}", broker.url)) as parts:
                seconds = _list_seconds(parts, count)
            report(f"the list of open stages, {count} of them", seconds, "CPU s", "none", None)


def _measured_alone(root: Path, broker: EmbeddedBroker, pages: int) -> dict[str, float]:
    """The figures of one length, from a process of its own."""
    broker.flush()
    note(f"A book of {pages} pages ...")
    settings = {"LEAFMARK_STORAGE_ROOT": str(root), "LEAFMARK_REDIS_URL": broker.url}
    command = [sys.executable, "-m", "benchmarks.large", str(pages)]
    done = subprocess.run(command, env={**os.environ, **settings}, check=True, capture_output=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _tell_long(pages: int, found: dict[str, float]) -> None:
    where = f"at {pages} pages"
    report(f"checkpoint {where}", found["bytes"] / _MIB, "MiB", "none", None)
    # The same bytes, by the bare library: what a commit cannot be faster than.
    small, bare = found["small"], found["json"]
    report(
        f"one commit of {_SMALL_BATCH} pages {where}",
        small,
        "CPU s",
        f"json.dumps of it: {bare:.2f} s",
        small / bare,
    )
    report(f"one commit of {found['batch']} pages {where}", found["large"], "CPU s", "none", None)
    sustained = found["batch"] / found["large"] / _SHARE
    report(f"what one coordinator sustains {where}", sustained, "pages/s", "none; in a tenth of the time", None)
    report(
        f"reading the checkpoint {where}",
        found["read"],
        "CPU s",
        f"json.loads: {found['loads']:.2f} s",
        found["read"] / found["loads"],
    )
    report(f"one look of the recovery {where}", found["look"], "CPU s", "none", None)
    report(f"peak memory {where}", found["peak"] / _MIB, "MiB", "none", None)


def measure(pages: int) -> dict[str, float]:
    """Figures of a book of so many pages, in this process. The settings say where."""
    settings = Settings()
    parts = Deployment(settings, make_app(settings))
    left = _write_book(parts, pages)
    file = parts.store.checkpoint_file(StageRef(_SCAN, _STAGE))
    small, left = left[: 3 * _SMALL_BATCH], left[3 * _SMALL_BATCH :]
    batches = [small[first : first + _SMALL_BATCH] for first in range(0, len(small), _SMALL_BATCH)]
    commits = [_commit_seconds(parts, batch) for batch in batches]
    large = _commit_seconds(parts, left)
    look = cpu_seconds_of(
        lambda: PageRecovery(parts.store, parts.queues, parts.calls).recover(StageRef(_SCAN, _STAGE))
    )
    # Before the book is in memory a second time.
    peak = peak_bytes(os.getpid())
    anew = Deployment(settings, make_app(settings)).store.checkpoint_file(StageRef(_SCAN, _STAGE))
    read = cpu_seconds_of(anew.read)
    figures = {"small": statistics.median(commits), "large": large, "look": look, "read": read}
    figures |= {"batch": len(left), "bytes": file.signature().size, "peak": peak}
    raw = file.path.read_bytes()
    data = json.loads(raw)
    return {
        **figures,
        "json": cpu_seconds_of(lambda: json.dumps(data)),
        "loads": cpu_seconds_of(lambda: json.loads(raw)),
    }


def _write_book(parts: Deployment, pages: int) -> list[int]:
    """A book whose last pages are done and not committed; returns these."""
    left = min(pages // 2, _LARGE_BATCH + 3 * _SMALL_BATCH)
    write_scan(parts.store.root, _SCAN, pages)
    file = parts.store.checkpoint_file(StageRef(_SCAN, _STAGE))
    with file.exclusive() as checkpoint:
        checkpoint.total_pages = pages
        # One more than there are, so that the stage stays open.
        checkpoint.request(1, pages)
        checkpoint.begin()
        for page in range(1, pages - left):
            checkpoint.complete(page, record_of(page))
        parts.store.open_stages.add(StageRef(_SCAN, _STAGE), checkpoint.requested)
        file.save(checkpoint)
    return list(range(pages - left, pages))


def _commit_seconds(parts: Deployment, pages: list[int]) -> float:
    """CPU seconds that it takes to merge completions, whose outputs are there."""
    outputs, inbox = parts.store.outputs(StageRef(_SCAN, _STAGE)), parts.queues.inbox(StageRef(_SCAN, _STAGE))
    outputs.path.mkdir(exist_ok=True)
    schema_version = outputs.schema.version
    with parts.queues.redis.pipeline() as pipeline:
        for page in pages:
            outputs.path_of(page).write_text(WorkOutput(page_number=page, text="words").model_dump_json())
            completion = Completion(page=page, sha256=outputs.sha256(page), schema_version=schema_version)
            inbox.put(completion, pipeline)
        pipeline.execute()
    parts.queues.redis.delete(parts.queues.keys.commit(StageRef(_SCAN, _STAGE)))
    coordinator = make_coordinator(parts.store, parts.queues, StageRef(_SCAN, _STAGE))
    merged: list[int] = []

    def commit() -> None:
        done = coordinator.commit()
        merged.extend(done.completed if done else [])

    seconds = cpu_seconds_of(commit)
    if merged != pages:
        raise RuntimeError(f"the commit merged {len(merged)} of {len(pages)} pages")
    return seconds


def _tell_many(root: Path, broker: EmbeddedBroker, count: int) -> None:
    broker.flush()
    note(f"{count} open books ...")
    with closing(_parts(root, broker.url)) as parts, closing(_parts(root, broker.url)) as another:
        _tell_of(parts, another, count)


def _tell_of(parts: Deployment, another: Deployment, count: int) -> None:
    """Figures of many open books, as two processes see them."""
    before = _used_memory(parts)
    for number in range(count):
        _open_book(parts, f"book-{number:06d}")
    memory = _used_memory(parts) - before
    where = f"{count} open books"
    report(f"keys in Redis, {where}", parts.queues.redis.dbsize() / count, "keys a book", "none", None)
    report(f"memory of Redis, {where}", memory / count, "bytes a book", "none", None)
    bare = max(_bare_read_seconds(parts.store.root), 1e-6)
    status = cpu_seconds_of(lambda: all_scans(parts.store))
    report(f"producer status, {where}", status, "CPU s", f"reading the same files: {bare:.2f} s", status / bare)
    reconciler = Reconciler(parts.store, parts.queues, parts.calls)
    other = Reconciler(another.store, another.queues, another.calls)
    with ServerLoad(parts.queues.redis) as load:
        report(f"one look of a reconciler, {where}", cpu_seconds_of(reconciler.recover), "CPU s", "none", None)
    report(f"CPU of Redis for that, {where}", load.cpu_seconds, "CPU s", "none", None)
    report(f"one look of another, {where}", cpu_seconds_of(other.recover), "CPU s", "none", None)


def _used_memory(parts: Deployment) -> int:
    found: Any = parts.queues.redis.info("memory")
    return int(found["used_memory"])


def _open_book(parts: Deployment, scan_id: str) -> None:
    """As `producer enqueue` leaves a book, less what makes it durable."""
    scan = write_scan(parts.store.root, scan_id, _PAGES_OF_A_SHORT_BOOK)
    file = parts.store.checkpoint_file(StageRef(scan_id, _STAGE))
    checkpoint = file.read()
    checkpoint.total_pages = _PAGES_OF_A_SHORT_BOOK
    checkpoint.request(1, _PAGES_OF_A_SHORT_BOOK)
    checkpoint.begin()
    file.path.parent.mkdir()
    file.path.write_text(checkpoint.model_dump_json())
    _list_as_open(parts.store.root, scan.path.name)
    list(parts.queues.queue(StageRef(scan_id, _STAGE)).put(range(1, _PAGES_OF_A_SHORT_BOOK + 1)))


def _bare_read_seconds(root: Path) -> float:
    def read() -> None:
        for path in sorted(root.iterdir()):
            if path.name != ".leafmark":
                (path / "metadata.json").read_bytes()
                (path / "checkpoints" / f"{_STAGE}.json").read_bytes()

    return cpu_seconds_of(read)


def _list_seconds(parts: Deployment, count: int) -> float:
    for number in range(count):
        _list_as_open(parts.store.root, f"book-{number:06d}")
    found: list[object] = []
    seconds = cpu_seconds_of(lambda: found.extend(parts.store.open_stages.all()))
    if len(found) != count:
        raise RuntimeError(f"{len(found)} of {count} open stages are listed")
    return seconds


def _list_as_open(root: Path, scan_id: str) -> None:
    folder = root / ".leafmark" / "open"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{scan_id}@{_STAGE}").write_text(f"[[1,{_PAGES_OF_A_SHORT_BOOK}]]")


def _parts(root: Path, url: str) -> Deployment:
    settings = Settings(storage_root=root, redis_url=url)
    return Deployment(settings, make_app(settings))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(int(sys.argv[1]))))
