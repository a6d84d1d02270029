"""Books of which pages are complete already, made in seconds: outputs and checkpoint as workers leave them."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from checkpointing.fields import now
from checkpointing.page_records import PageRecord
from checkpointing.refs import StageRef
from tests.support.work_stage import WorkOutput, WorkStage
from worker.deployment import Deployment
from worker.stages.base import PageOutput

# With the rest of the JSON, an output of 7 KB.
_TEXT = ("leafmark " * 1000)[:6950]


def finish_pages(parts: Deployment, scan_id: str, pages: int, total_pages: int) -> Path:
    """Make the first pages of a scan complete in the stage `work`; returns the folder of its outputs."""

    def output(page: int) -> PageOutput:
        return WorkOutput(page_number=page, text=_TEXT)

    return finish_stage(parts, StageRef(scan_id, WorkStage.name), output, range(1, pages + 1), total_pages)


def finish_stage(
    parts: Deployment,
    ref: StageRef,
    output: Callable[[int], PageOutput],
    pages: range,
    total_pages: int,
) -> Path:
    """Make pages of a scan complete in a stage.

    Args:
        parts: the deployment.
        ref: which stage of which scan.
        output: makes that of a page.
        pages: which.
        total_pages: of the book.

    Returns:
        The folder of the outputs.
    """
    outputs = parts.store.outputs(ref)
    outputs.path.mkdir()
    file = parts.store.checkpoint_file(ref)
    with file.exclusive() as checkpoint:
        checkpoint.total_pages = total_pages
        checkpoint.request(pages[0], pages[-1])
        for page in pages:
            raw = output(page).model_dump_json().encode()
            # Not saved durably: that is not what is measured, and takes minutes.
            outputs.path_of(page).write_bytes(raw)
            checkpoint.complete(page, _record(raw, outputs.schema.version))
        checkpoint.settle()
        file.save(checkpoint)
    os.sync()
    return outputs.path


def _record(raw: bytes, version: str) -> PageRecord:
    return PageRecord(
        sha256=hashlib.sha256(raw).hexdigest(),
        schema_version=version,
        cost_usd=0.0123,
        seconds=1.234,
        attempts=1,
        completed_at=now(),
        worker="a-machine:12345",
    )
