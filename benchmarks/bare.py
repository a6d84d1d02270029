"""The yardstick of `throughput`: what a careful person writes who has Celery and a folder.

The same output, the same durable save, acknowledged late; no claim, no completion, no checkpoint, no log.
`celery -A benchmarks.bare worker`.
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from celery import Celery
from redis import Redis

from checkpointing.atomic import write_durably
from checkpointing.output_schema import OutputSchema
from checkpointing.outputs import OutputFolder
from tests.support.work_stage import WorkOutput, WorkStage

app = Celery("bare", broker=os.environ["LEAFMARK_REDIS_URL"], set_as_current=False)
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1, task_ignore_result=True)


@cache
def _stage() -> WorkStage:
    return WorkStage()


@cache
def _outputs(scan_id: str) -> OutputFolder:
    return OutputFolder(Path(os.environ["LEAFMARK_STORAGE_ROOT"]) / scan_id / "work", OutputSchema.of(WorkOutput))


@app.task(name="bare.save")  # type: ignore[untyped-decorator]  # Celery publishes no types
def save(scan_id: str, page: int) -> None:
    """Make a page and save it."""
    _outputs(scan_id).save(page, _stage().run(page, None))


@app.task(name="bare.save_and_rewrite")  # type: ignore[untyped-decorator]  # the same
def save_and_rewrite(scan_id: str, page: int) -> None:
    """The seed taken literally: after the save, the checkpoint is rewritten under a lock in Redis."""
    save(scan_id, page)
    path = Path(os.environ["LEAFMARK_STORAGE_ROOT"]) / scan_id / "checkpoints" / "bare.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with _redis().lock(f"lock:{scan_id}", timeout=30):
        checkpoint = json.loads(path.read_bytes()) if path.exists() else {"completed_pages": []}
        checkpoint["completed_pages"].append(page)
        write_durably(path, json.dumps(checkpoint).encode(), json.loads)


@cache
def _redis() -> Redis:
    return Redis.from_url(os.environ["LEAFMARK_REDIS_URL"])


def publish(task: Any, scan_id: str, pages: int) -> None:
    """Enqueue a book as a loop of `apply_async` does."""
    for page in range(1, pages + 1):
        task.apply_async(args=(scan_id, page))
