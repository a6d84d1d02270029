"""Which stages of a scan have begun, and what there is of those that another program began."""

import contextlib
from dataclasses import replace

from checkpointing.checkpoint import Checkpoint
from checkpointing.errors import CheckpointError
from checkpointing.outputs import OutputFolder
from checkpointing.refs import StageRef
from checkpointing.resume import bring_in_line
from checkpointing.status import Status
from worker.deployment import Deployment
from worker.stages.base import PageOutput
from worker.stages.registry import STAGES


def begun_stages(deployment: Deployment, scan_id: str) -> list[str]:
    """Return the stages that left something behind, in pipeline order."""
    return [
        name
        for name in STAGES
        if (
            deployment.checkpoint_file(StageRef(scan_id, name)).path.exists()
            or deployment.outputs(StageRef(scan_id, name)).path.exists()
        )
        and not is_of_another_program(deployment, StageRef(scan_id, name))
    ]


def is_of_another_program(deployment: Deployment, ref: StageRef) -> bool:
    """Whether what lies in a stage's folder is what another program made, in a form that counts for nothing here.

    So it is with Scanshelf's `structured/`, until the stage has begun: nothing of it is a difference.

    Raises:
        OSError: the storage failed.
    """
    schema = deployment.stage(ref.stage).schema
    reads_older_form = any("from_older_form" in vars(each) for each in schema.__mro__ if each is not PageOutput)
    if reads_older_form or not deployment.scan(ref.scan_id).is_taken_over(deployment.metadata(ref.scan_id)):
        return False
    outputs, file = deployment.outputs(ref), deployment.checkpoint_file(ref)
    with contextlib.suppress(CheckpointError):
        return not file.is_of_this_version() and not any(outputs.check(page).valid for page in outputs.pages())
    return False


def count_as_enqueue_would(checkpoint: Checkpoint, outputs: OutputFolder, total_pages: int) -> None:
    """Count the outputs that are there, where no checkpoint of Leafmark's speaks of them yet. Changes no file."""
    findings = bring_in_line(checkpoint, outputs, total_pages, change_nothing=True)
    # When an output was found says nothing of how fast pages are done.
    found = {page: replace(findings.records[page], completed_at=None) for page in findings.adopted}
    checkpoint.keep_pages({**findings.records, **found})
    checkpoint.release(findings.complete)
    for page, reasons in findings.doubts.items():
        checkpoint.doubt(page, reasons)
    if checkpoint.status is Status.COMPLETED and len(checkpoint.pages) < total_pages:
        checkpoint.status = Status.PARTIAL if checkpoint.pages else Status.NOT_STARTED
