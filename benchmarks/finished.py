"""A book of which pages are complete already, made in seconds: outputs and checkpoint as workers leave them."""

import hashlib
import os
from pathlib import Path

from checkpointing.models import PageRecord, now
from tests.work_stage import WorkOutput, WorkStage
from worker.workshop import Workshop

# With the rest of the JSON, an output of 7 KB.
_TEXT = ("leafmark " * 1000)[:6950]


def finish_pages(workshop: Workshop, scan_id: str, pages: int, total_pages: int) -> Path:
    """Make the first pages of a scan complete; returns the folder of its outputs."""
    outputs = workshop.outputs(scan_id, WorkStage.name)
    outputs.path.mkdir()
    file = workshop.checkpoint_file(scan_id, WorkStage.name)
    with file.exclusive() as checkpoint:
        checkpoint.total_pages = total_pages
        checkpoint.request(1, pages)
        for page in range(1, pages + 1):
            raw = WorkOutput(page_number=page, text=_TEXT).model_dump_json().encode()
            # Not saved durably: that is not what is measured, and takes minutes.
            outputs.path_of(page).write_bytes(raw)
            checkpoint.complete(page, _record(raw))
        checkpoint.settle()
        file.save(checkpoint)
    os.sync()
    return outputs.path


def _record(raw: bytes) -> PageRecord:
    return PageRecord(
        sha256=hashlib.sha256(raw).hexdigest(),
        schema_version=WorkStage.version,
        cost_usd=0.0123,
        seconds=1.234,
        attempts=1,
        completed_at=now(),
        worker="a-machine:12345",
    )
