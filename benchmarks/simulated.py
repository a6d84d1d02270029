"""One process of simulated workers, or of reconcilers: `python -m benchmarks.simulated ROLE COUNT`.

`leafmark`: so many threads that take messages as kombu does and hand each to the code that does a page. `bare`: so
many that pop a page's name, do the same work and save it the same way, and that is all. `reconciler`: so many
reconcilers, each as a worker of eight slots has it. Real workers are processes and cost more here, but not on the
server.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

from redis import Redis

from checkpointing.output_schema import OutputSchema
from checkpointing.outputs import OutputFolder
from tests.support.fake_deployment import named_in
from tests.support.work_stage import WorkOutput, WorkStage
from tests.support.workload import app
from worker.config.settings import load_settings
from worker.deployment import Deployment
from worker.pipeline.process_page import process_page
from worker.queue.connection import connect
from worker.queue.messages import PageMessage
from worker.reconciler.reconciler import Reconciler
from worker.telemetry.logs import configure_logs

SCAN = "book"
STAGE = WorkStage.name
BARE_QUEUE = "bare"
SLOTS_A_STEWARD = 8
_POLL_SECONDS = 1

_stopping = threading.Event()


def main(role: str, count: int) -> None:
    """Work until told to stop."""
    signal.signal(signal.SIGTERM, lambda *_: _stopping.set())
    settings = load_settings()
    configure_logs("INFO" if role == "reconciler" else "WARNING", settings.root)
    work = {"leafmark": _leafmark, "bare": _bare, "reconciler": _reconciler}[role]
    threads = [threading.Thread(target=work, args=(count,)) for _ in range(count)]
    for thread in threads:
        thread.start()
    sys.stdout.write("simulated: ready.\n")
    sys.stdout.flush()
    for thread in threads:
        thread.join()


def _leafmark(_count: int) -> None:
    parts = Deployment(load_settings(), app)
    keys = parts.queues.keys
    unacked, index = f"{keys.broker_prefix}unacked", f"{keys.broker_prefix}unacked_index"

    def do(redis: Redis, raw: bytes) -> None:
        tag = os.urandom(8).hex()
        # What kombu keeps of a message until it is acknowledged.
        with redis.pipeline() as pipeline:
            pipeline.zadd(index, {tag: time.time()}).hset(unacked, tag, json.dumps([raw.decode(), "", STAGE]))
            pipeline.execute()
        scan_id, page = named_in(raw)
        process_page(parts.store, parts.queues, parts.calls, PageMessage(scan_id=scan_id, stage=STAGE, page=page))
        with redis.pipeline() as pipeline:
            pipeline.zrem(index, tag).hdel(unacked, tag)
            pipeline.execute()

    _take(keys.queue(STAGE), do)


def _bare(_count: int) -> None:
    stage = WorkStage()
    root, schema = load_settings().root, OutputSchema.of(WorkOutput)

    def do(_redis: Redis, raw: bytes) -> None:
        scan_id, _, page = raw.decode().partition("/")
        OutputFolder(root / scan_id / STAGE, schema).save(int(page), stage.run(int(page), None))

    _take(BARE_QUEUE, do)


def _take(queue: str, do: Callable[[Redis, bytes], None]) -> None:
    """Do what comes out of a queue."""
    with connect(load_settings()) as redis:
        while not _stopping.is_set():
            taken = redis.brpop([queue], timeout=_POLL_SECONDS)
            if taken:
                do(redis, taken[1])


def _reconciler(count: int) -> None:
    parts = Deployment(load_settings(), app)
    # Stewards go by the name of their process, and these share one: each tells what all of them take.
    Reconciler(parts.store, parts.queues, parts.calls, {STAGE: count * SLOTS_A_STEWARD}).run(_stopping.wait)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
