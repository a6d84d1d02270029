"""Find the stages of a scan that have begun, and count outputs that another program has made."""

import contextlib
from dataclasses import replace

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import CheckpointError
from checkpointing.outputs import OutputFolder
from checkpointing.refs import StageRef
from checkpointing.resume import bring_in_line
from checkpointing.status import Status
from worker.stages.base import PageOutput
from worker.stages.registry import STAGES
from worker.storage.book_store import BookStore


def begun_stages(store: BookStore, scan_id: str) -> list[StageRef]:
    """Return the stages that have a checkpoint or outputs, in pipeline order."""
    refs = [StageRef(scan_id, name) for name in STAGES]
    return [ref for ref in refs if store.checkpoint_file(ref).path.exists() or store.outputs(ref).pages()]


def stages_with_files(store: BookStore, scan_id: str) -> list[str]:
    """Return the stages that have a checkpoint or a folder for outputs, which may be empty, in pipeline order."""
    refs = [StageRef(scan_id, name) for name in STAGES]
    return [
        ref.stage
        for ref in refs
        if (store.checkpoint_file(ref).path.exists() or store.outputs(ref).path.exists())
        and not _is_of_another_program(store, ref)
    ]


def _is_of_another_program(store: BookStore, ref: StageRef) -> bool:
    """Return whether a stage's folder holds outputs of another program in a form that Leafmark does not read.

    An example is the `structured/` of Scanshelf before the stage has begun; `verify` reports nothing about it.

    Raises:
        OSError: the storage failed.
    """
    schema = store.stages.get(ref.stage).schema
    reads_older_form = any("from_older_form" in vars(each) for each in schema.__mro__ if each is not PageOutput)
    if reads_older_form or not store.scan(ref.scan_id).is_taken_over(store.metadata(ref.scan_id)):
        return False
    outputs, file = store.outputs(ref), store.checkpoint_file(ref)
    with contextlib.suppress(CheckpointError):
        return not file.is_of_this_version() and not any(outputs.check(page).valid for page in outputs.pages())
    return False


def count_as_enqueue_would(checkpoint: Checkpoint, outputs: OutputFolder, total_pages: int) -> None:
    """Add the existing outputs to a checkpoint that does not record them yet. Changes no file."""
    findings = bring_in_line(checkpoint, outputs, total_pages, change_nothing=True)
    # The time at which an output was found must not count in the rate.
    found = {page: replace(findings.records[page], completed_at=None) for page in findings.adopted}
    checkpoint.keep_pages({**findings.records, **found})
    checkpoint.release(findings.complete)
    for page, reasons in findings.doubts.items():
        checkpoint.doubt(page, reasons)
    if checkpoint.status is Status.COMPLETED and len(checkpoint.pages) < total_pages:
        checkpoint.status = Status.PARTIAL if checkpoint.pages else Status.NOT_STARTED
