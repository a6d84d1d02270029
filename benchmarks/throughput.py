"""Completions a second, against a bare Celery task that saves the same 7 KB as durably and does nothing else.

The pages cost next to nothing, so what is measured is the machinery. All of them are enqueued before the worker
starts. The clock runs from the tenth part of the outputs to the last one; with us, to the checkpoint that has them
all. The sides take turns, after a round that is not counted, and medians are compared.

The seed taken literally stands beside them: the bare task, and after each page a lock in Redis under which the
checkpoint is read, the page added, and the file written again.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.finished import finish_pages
from benchmarks.report import note, report
from benchmarks.waiting import is_completed, wait_for
from producer.run.embedded_broker import EmbeddedBroker, embedded_broker
from tests.support.deployment import Deployment, deployment_in
from tests.support.fake_deployment import write_scan
from tests.support.workload import app
from worker.config.settings import Settings
from worker.deployment import Deployment as Parts

PREFORK = ("--concurrency=2",)
Pools = Sequence[tuple[tuple[str, ...], str]]
POOLS: Pools = (
    (PREFORK, "2 prefork processes"),
    (("--pool=threads", "--concurrency=32"), "a pool of 32 threads"),
)
_SCAN = "book"
_SHORT_BOOK = 200

Measure = Callable[[Deployment], float]


def run(page_count: int = 3000, rounds: int = 3, warm_ups: int = 1, pools: Pools = POOLS) -> None:
    """Measure and report.

    Args:
        page_count: of the book; the long one is six times as long and two thirds.
        rounds: how often each side is measured.
        warm_ups: rounds before these that do not count.
        pools: those that are compared with bare Celery in the same pool, with what they are called.
    """
    with tempfile.TemporaryDirectory() as name, embedded_broker(Path(name) / "broker") as broker:
        medians = partial(_medians, Path(name), broker, rounds, warm_ups)
        literally = partial(_bare, "save_and_rewrite", PREFORK, page_count)
        for pool, words in pools:
            sides = [partial(_leafmark, pool, page_count), partial(_bare, "save", pool, page_count)]
            ours, bare, *literal = medians(*sides, *([literally] if pool is PREFORK else []))
            _say(f"completions a second, {words}", ours, "bare Celery task", bare)
            for rate in literal:
                _say(f"the seed taken literally, {words}", rate, "bare Celery task", bare)
        long_book = page_count * 20 // 3
        at_end, short = medians(
            partial(_outputs_only, PREFORK, page_count, done_before=long_book - page_count),
            partial(_outputs_only, PREFORK, _SHORT_BOOK),
        )
        _say(f"outputs a second in a book of {long_book} pages", at_end, f"in one of {_SHORT_BOOK} pages", short)


def _say(name: str, value: float, yardstick: str, other: float) -> None:
    report(name, value, "pages/s", f"{yardstick}: {other:.1f} pages/s", value / other)


def _medians(folder: Path, broker: EmbeddedBroker, rounds: int, warm_ups: int, *sides: Measure) -> list[float]:
    """Of the rates of each side."""
    rates = []
    for number in range(warm_ups + rounds):
        found = []
        for measure in sides:
            broker.flush()
            # Each in a folder of its own that stays until the end: what is deleted now would be felt by the next.
            os.sync()
            with deployment_in(Path(tempfile.mkdtemp(dir=folder)), broker.url, "work") as made:
                found.append(measure(made))
        note(f"round {number}: {', '.join(f'{rate:.0f}' for rate in found)} pages/s")
        rates.append(found)
    return [statistics.median(of_side) for of_side in zip(*rates[warm_ups:], strict=True)]


def _leafmark(pool: tuple[str, ...], pages: int, deployment: Deployment, done_before: int = 0) -> float:
    """Pages a second until the checkpoint names them all."""
    write_scan(deployment.root, _SCAN, done_before + pages)
    if done_before:
        settings = Settings(storage_root=deployment.root)
        finish_pages(Parts(settings, app), _SCAN, done_before, done_before + pages)
    deployment.producer("enqueue", _SCAN, "--stage", "work")
    deployment.start_worker_of("tests.support.workload", *pool, "--queues=work")
    checkpoint = deployment.root / _SCAN / "checkpoints" / "work.json"
    wait_for(deployment, partial(is_completed, checkpoint))
    ended = checkpoint.stat().st_mtime
    return _rate(deployment, range(done_before + 1, done_before + pages + 1), ended)


def _outputs_only(pool: tuple[str, ...], pages: int, deployment: Deployment, done_before: int = 0) -> float:
    """The same until the last output: in a short book the last commit would weigh too much."""
    _leafmark(pool, pages, deployment, done_before)
    return _rate(deployment, range(done_before + 1, done_before + pages + 1))


def _bare(task: str, pool: tuple[str, ...], pages: int, deployment: Deployment) -> float:
    """Pages a second of a task of `benchmarks.bare`."""
    (deployment.root / _SCAN).mkdir()
    publish = f"from benchmarks.bare import {task}, publish; publish({task}, '{_SCAN}', {pages})"
    subprocess.run([sys.executable, "-c", publish], env=deployment.environment, check=True)
    deployment.start_worker_of("benchmarks.bare", *pool)
    wait_for(deployment, lambda: _outputs(deployment) == pages)
    return _rate(deployment, range(1, pages + 1))


def _outputs(deployment: Deployment) -> int:
    folder = deployment.root / _SCAN / "work"
    return sum(name.endswith(".json") for name in os.listdir(folder)) if folder.is_dir() else 0


def _rate(deployment: Deployment, pages: range, ended: float = 0.0) -> float:
    """Pages a second, from the tenth part of the outputs to the last one or to `ended`."""
    folder = deployment.root / _SCAN / "work"
    times = sorted((folder / f"page_{page:04d}.json").stat().st_mtime for page in pages)
    skipped = len(times) // 10
    return (len(times) - skipped - 1) / (max(times[-1], ended) - times[skipped])
